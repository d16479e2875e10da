"""Passports of the demo's packs as files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from battery_lake.pipelines.export_passports import file_name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_every_pack_has_a_passport_that_says_what_gold_says(
    run: Callable[..., Any], demo_home: Any, rows: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    outcome = run(
        "--set", f"home={demo_home.path}", "passport", "export", "--all", "--out", tmp_path, "--json"
    )
    assert outcome.code == 0, outcome.err
    newest = {
        row["pack_id"]: row
        for row in sorted(rows(demo_home.path, "gold.battery_passport"), key=lambda row: row["as_of_date"])
    }
    assert outcome.json["packs"] == len(newest) > 1
    assert len(list(tmp_path.iterdir())) == 2 * len(newest)
    for pack_id, row in newest.items():
        document = json.loads((tmp_path / f"{file_name(pack_id)}.json").read_text())
        notes = json.loads((tmp_path / f"{file_name(pack_id)}.notes.json").read_text())
        throughput = document["batteryCondition"]["capacityThroughput"]["capacityThroughputValue"]
        assert throughput == row["throughput_ah"]
        assert notes["as_of_date"] == str(row["as_of_date"])
        assert notes["method_version"] == row["method_version"]
        assert "initialSelfDischarge" in notes["absent"]


def test_one_pack_is_exported_and_an_unknown_one_named_with_the_nearest(
    run: Callable[..., Any], demo_home: Any, tmp_path: Path
) -> None:
    home = ("--set", f"home={demo_home.path}", "passport", "export")
    assert run(*home, "P00001", "--out", tmp_path).code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["P00001.json", "P00001.notes.json"]
    unknown = run(*home, "P0001", "--out", tmp_path)
    assert unknown.code != 0
    assert "did you mean P00001?" in unknown.err
    assert run(*home, "--out", tmp_path).code == 2


def test_a_declaration_that_cannot_be_read_is_told_in_words(
    run: Callable[..., Any], demo_home: Any, tmp_path: Path
) -> None:
    home = ("--set", f"home={demo_home.path}", "passport", "export", "--all", "--declared")
    broken = tmp_path / "maker.json"
    assert "cannot read" in run(*home, broken).err
    broken.write_text("{")
    assert "is no JSON" in run(*home, broken).err
    broken.write_text('{"*": 1}')
    assert "has another form" in run(*home, broken).err


def test_no_name_of_a_pack_leads_out_of_the_folder() -> None:
    names = [file_name(name) for name in ("../../x", "..", ".", "a/b", "\u00e4" * 300, "a" * 300, "a" * 301)]
    assert all("/" not in name and name.strip(".") and len(name) <= 200 for name in names)
    assert len(set(names)) == len(names)
