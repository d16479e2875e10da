from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest

from battery_lake.settings import known_keys
from battery_lake.tables.kpis import KPIS
from battery_lake.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import SparkSession


def test_settings_tell_where_each_value_came_from(
    run: Callable[..., Any], elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = elsewhere / "mine.toml"
    file.write_text('[spark]\nmaster = "local[1]"\n[sessions]\ngap_s = 900.0\n', encoding="utf-8")
    monkeypatch.setenv("BATTERY_LAKE_SPARK__MASTER", "local[3]")
    outcome = run("--config", file, "--set", "health.eol_soh_pct=70", "settings", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    told = {row["key"]: (row["value"], row["origin"]) for row in outcome.json}
    assert set(told) == set(known_keys())
    assert told["spark.master"] == ("local[3]", "environment")
    assert told["sessions.gap_s"] == (900.0, str(file))
    assert told["health.eol_soh_pct"] == (70.0, "argument")
    assert told["health.min_rest_s"] == (1200.0, "default")


def test_a_settings_file_in_the_working_folder_counts(run: Callable[..., Any], elsewhere: Path) -> None:
    (elsewhere / "battery_lake.toml").write_text('home = "there"\n', encoding="utf-8")
    told = {row["key"]: (row["value"], row["origin"]) for row in run("settings", "--json").json}
    assert told["home"] == ("there", "battery_lake.toml")


def test_tables_are_listed_for_people_and_for_machines(run: Callable[..., Any]) -> None:
    people, machines = run("tables"), run("tables", "--json")
    assert [row["name"] for row in machines.json] == list(TABLES)
    assert all(name in people.out for name in TABLES)
    assert people.err == machines.err == ""


def test_one_table_shows_its_key_and_every_column(run: Callable[..., Any]) -> None:
    people, machines = run("tables", "gold.cell_health"), run("tables", "gold.cell_health", "--json")
    contract = TABLES["gold.cell_health"]
    assert machines.json["name"] == contract.name
    assert [column["name"] for column in machines.json["columns"]] == list(contract.column_names)
    assert "key: cell_id, as_of_date" in people.out
    assert all(name in people.out for name in contract.column_names)


def test_the_lineage_leads_from_landing_files_to_every_written_table(run: Callable[..., Any]) -> None:
    edges = run("tables", "--lineage", "--json").json
    # Every pipeline tells what it did, and every sink what was refused.
    told = {"ops.batch", "ops.delivery_failure"}
    written: set[str] = {"reference.packs", "reference.pack_assignment", *told}
    for edge in edges:
        reads = set(edge["reads"].split(", ")) - {"landing files"}
        # Quality looks at whatever is there, and sinks take it.
        there = set(TABLES) if edge["pipeline"] in {"quality", "push_adx", "push_twins"} else written
        assert reads <= there, f"{edge['pipeline']} reads what nothing before it writes"
        written |= set(filter(None, edge["writes"].split(", ")))
    assert written <= set(TABLES)
    assert "landing files" in run("tables", "--lineage").out


def test_the_status_of_an_empty_home_is_empty(
    run: Callable[..., Any], spark: SparkSession, tmp_path: Path
) -> None:
    del spark
    outcome = run("--set", f"home={tmp_path / 'home'}", "status", "--json")
    assert outcome.code == 0
    assert outcome.json == {"tables": {}, "pipelines": []}
    assert run("--set", f"home={tmp_path / 'home'}", "status").code == 0
    assert not (tmp_path / "home" / "lake").exists()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("packs",), 0), (("alerts",), 0), (("quarantine", "list"), 0),
        (("report", "--out", "report.html"), 0),
        (("explain", "P1"), 1), (("report", "certificate", "P1"), 1), (("passport", "export", "--all"), 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)  # fmt: skip
def test_looking_at_an_empty_home_makes_no_table(
    run: Callable[..., Any], spark: SparkSession, elsewhere: Path, arguments: tuple[str, ...], code: int
) -> None:
    del spark
    outcome = run("--set", f"home={elsewhere / 'home'}", *arguments)
    assert outcome.code == code, outcome.err
    assert "Traceback" not in outcome.err
    assert not (elsewhere / "home" / "lake").exists()


def test_the_status_of_a_demo_counts_tables_and_pipelines(
    run: Callable[..., Any], demo_home: Any, rows: Callable[..., list[dict[str, Any]]]
) -> None:
    told = run("--set", f"home={demo_home.path}", "status", "--json").json
    assert told["tables"]["silver.telemetry"] == len(rows(demo_home.path, "silver.telemetry"))
    assert told["tables"]["gold.cell_current"] == demo_home.first.json["cells"]
    assert [row["pipeline"] for row in told["pipelines"]] == [
        "ingest", "refine", "signal_faults", "positions", "alerts", "sessions", "capacity", "ageing_alerts",
        "health", "soh_changes", "fleet",
    ]  # fmt: skip


def test_key_figures_are_those_of_the_lake(
    run: Callable[..., Any], demo_home: Any, rows: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(demo_home.path, home)  # their tables are brought up to date first
    told = {row["kpi"]: row for row in run("--set", f"home={home}", "kpis", "--json").json}
    assert list(told) == list(KPIS)
    cells = [row["soh_pct"] for row in rows(demo_home.path, "gold.cell_current")]
    assert told["soh_weakest_cell"]["value"] == min(cells)
    kept = len(rows(demo_home.path, "silver.telemetry"))
    assert told["messages"]["value"] >= kept > 0


def test_a_report_is_written_where_it_is_wanted(
    run: Callable[..., Any], demo_home: Any, tmp_path: Path
) -> None:
    file = tmp_path / "deep" / "fleet.html"
    outcome = run("--set", f"home={demo_home.path}", "report", "--out", file, "--json")
    assert outcome.json == {"report": str(file)}
    assert "P00001" in file.read_text(encoding="utf-8")


def test_open_alerts_are_listed_the_worst_first(
    run: Callable[..., Any], demo_home: Any, rows: Callable[..., list[dict[str, Any]]]
) -> None:
    told = run("--set", f"home={demo_home.path}", "alerts", "--json").json
    is_open = [row for row in rows(demo_home.path, "gold.alert") if row["cleared_at"] is None]
    assert len(told) == len(is_open)
    worst = ["critical", "warning", "info"]
    assert [row["severity"] for row in told] == sorted((r["severity"] for r in is_open), key=worst.index)
    none = run("--set", f"home={demo_home.path}", "alerts", "P99999")
    assert (none.code, none.out) == (0, "no alert is open\n")


def test_packs_are_listed_the_weakest_first_and_one_without_an_estimate_says_why(
    run: Callable[..., Any], demo_home: Any, rows: Callable[..., list[dict[str, Any]]]
) -> None:
    told = run("--set", f"home={demo_home.path}", "packs", "--json").json
    newest: dict[str, dict[str, Any]] = {}
    for row in sorted(rows(demo_home.path, "gold.pack_health"), key=lambda row: row["as_of_date"]):
        newest[row["pack_id"]] = row
    known = [row["pack_id"] for row in sorted(newest.values(), key=lambda row: row["soh_min_pct"])]
    assert [row["pack_id"] for row in told] == known
    assert [row["soh_min_pct"] for row in told] == [newest[pack]["soh_min_pct"] for pack in known]
    assert all(row["vehicle_id"] and row["verdict"] for row in told)
    shown = run("--set", f"home={demo_home.path}", "packs", "--limit", "1")
    assert known[0] in shown.out
    assert known[1] not in shown.out
    assert "--limit" in shown.err
    none = run("--set", f"home={demo_home.path}", "packs", "--model", "Zeppelin")
    assert none.out == "no pack of model Zeppelin\n"


def test_a_pack_has_a_certificate_with_golds_figures_and_an_unknown_one_has_none(
    run: Callable[..., Any], demo_home: Any, rows: Callable[..., list[dict[str, Any]]], tmp_path: Path
) -> None:
    written = tmp_path / "page.html"
    outcome = run(
        "--set", f"home={demo_home.path}", "report", "certificate", "P00001", "--out", written, "--json"
    )
    assert outcome.json == {"certificate": str(written)}
    mine = [row for row in rows(demo_home.path, "gold.cell_current") if row["pack_id"] == "P00001"]
    weakest = min(mine, key=lambda row: (row["soh_pct"], row["cell_id"]))
    page = written.read_text(encoding="utf-8")
    assert f"<strong>{weakest['soh_pct']:.1f} %</strong>" in page
    assert weakest["cell_id"] in page
    unknown = run("--set", f"home={demo_home.path}", "report", "certificate", "P0001")
    assert "did you mean P00001?" in unknown.err
