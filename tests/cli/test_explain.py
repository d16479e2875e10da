from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from battery_lake.gold.soh_change import REASONS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import SparkSession


@pytest.fixture
def explained(run: Callable[..., Any], demo_home: Any) -> Callable[..., Any]:
    """The command on the small demo."""

    def ask(*words: str) -> Any:
        return run("--set", f"home={demo_home.path}", "explain", *words)

    return ask


def test_a_pack_is_explained_by_its_weakest_cell(
    explained: Any, demo_home: Any, rows: Callable[..., list[dict[str, Any]]]
) -> None:
    told = explained("P00001", "--json").json
    mine = [row for row in rows(demo_home.path, "gold.cell_current") if row["pack_id"] == "P00001"]
    weakest = min(mine, key=lambda row: (row["soh_pct"], row["cell_id"]))
    assert told["cell"]["cell_id"] == weakest["cell_id"]
    assert told["cell"]["soh_pct"] == weakest["soh_pct"]
    assert told["pack"]["cells_in_series"] == len(mine)
    changes = [row for row in rows(demo_home.path, "gold.soh_change") if row["cell_id"] == weakest["cell_id"]]
    assert len(told["changes"]) == len(changes) > 0
    assert told["changes"][-1]["reasons"][0] == "first_estimate"
    for change in told["changes"]:
        assert change["because"] == [REASONS[code] for code in change["reasons"]]
        assert change["windows"]


def test_a_cell_is_found_by_its_name_or_the_end_of_it_and_few_changes_are_shown(explained: Any) -> None:
    whole, end = (explained("P00001", name, "--json").json for name in ("P00001/01/02", "01/02"))
    assert whole == end
    assert whole["cell"]["cell_id"] == "P00001/01/02"
    assert len(explained("P00001", "01/02", "--last", "1", "--json").json["changes"]) == 1


def test_people_read_the_interval_the_reasons_and_the_windows(explained: Any) -> None:
    shown = explained("P00001", "01/02")
    assert (shown.code, shown.err) == (0, "")
    assert "P00001/01/02, " in shown.out
    assert "% (90 %), from" in shown.out
    assert f"first_estimate: {REASONS['first_estimate']}" in shown.out
    assert "what was observed up to" in shown.out


def test_an_unknown_pack_or_cell_is_named_with_the_nearest_or_an_example(explained: Any) -> None:
    pack = explained("P0001")
    assert (pack.code, pack.out) == (1, "")
    assert pack.err == (
        "error: no pack is named P0001\nwhy: reference.packs does not hold it\ndo:  did you mean P00001?\n"
    )
    cell = explained("P00001", "99/99")
    assert (cell.code, cell.out) == (1, "")
    assert "no cell of P00001 is named 99/99" in cell.err
    assert "cells are named like P00001/" in cell.err


def test_a_home_without_packs_says_how_to_load_them(
    run: Callable[..., Any], spark: SparkSession, tmp_path: Path
) -> None:
    del spark
    shown = run("--set", f"home={tmp_path / 'home'}", "explain", "P1")
    assert shown.code == 1
    assert "do:  battery-lake reference load --help" in shown.err
