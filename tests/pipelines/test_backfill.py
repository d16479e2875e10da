"""Days told anew, and tables tidied: on a small lake whose settings change."""

from __future__ import annotations

import datetime as dt

import pytest

from battery_lake.errors import SettingsError
from battery_lake.lake.access import Lake
from battery_lake.pipelines.backfill import Wanted, backfill
from battery_lake.pipelines.maintain import maintain_tables
from battery_lake.pipelines.model import Silent


@pytest.fixture(scope="module")
def made(made_lake, made_pack, landing_line, tmp_path_factory):
    """Two packs of two days each, in two deliveries."""
    packs = [made_pack("A", "V1", (49.0, 47.5)).day().day(), made_pack("B", "V2", (46.0, 45.0)).day().day()]
    lake = made_lake(tmp_path_factory.mktemp("backfill"), packs)
    for pack in packs:
        lake.deliver([landing_line(message) for message in pack.messages])
    return lake


def later(made):
    """The same tables with another limit of what the spread within a pack may be."""
    health = made.lake.settings.health.model_copy(update={"spread_alert_pct": 0.01})
    return Lake(made.lake.spark, made.lake.settings.model_copy(update={"health": health}))


def raised(made):
    return {(row["pack_id"], bool(row["alerts"])) for row in made.rows("gold.pack_health")}


def test_only_the_wanted_vehicle_is_told_anew(made):
    assert raised(made) == {("A", False), ("B", False)}
    before = made.rows("gold.pack_health")
    results = backfill(later(made), Wanted.read("2026-03-01", "2026-03-31", "V1"), Silent())
    assert [result.pipeline for result in results] == [
        "alerts", "sessions", "capacity", "ageing_alerts", "health", "soh_changes", "fleet",
    ]  # fmt: skip
    assert {result.pipeline for result in results if result.counts.rows_in} == {"fleet"}
    assert raised(made) == {("A", True), ("B", False)}
    backfill(made.lake, Wanted.read("2026-03-02", "2026-03-31"), Silent())
    assert made.rows("gold.pack_health") == before


def test_maintenance_joins_files_and_loses_no_row(made):
    names = ("silver.telemetry", "gold.session", "gold.cell_health")
    before = {name: made.rows(name) for name in names}
    done = {told.table: told for told in maintain_tables(made.lake, Silent(), names)}
    assert set(done) == set(names)
    assert done["silver.telemetry"].files_before > done["silver.telemetry"].files_after == 1
    assert {name: made.rows(name) for name in names} == before
    assert made.run(("health",))["sessions"].counts.rows_in == 0  # nothing is new for those that follow


def test_a_vehicle_or_a_day_that_is_none_is_named(made):
    with pytest.raises(SettingsError, match="no vehicle V9"):
        backfill(made.lake, Wanted.read("2026-03-02", "", "V1,V9"), Silent())
    with pytest.raises(SettingsError, match="no table"):
        maintain_tables(made.lake, Silent(), ("gold.none",))
    for first, last in (("", ""), ("2026-3-1", ""), ("2026-03-02", "2026-03-01")):
        with pytest.raises(SettingsError):
            Wanted.read(first, last)
    assert Wanted.read("2026-03-02", "", " V1, ").vehicles == ("V1",)
    assert Wanted.read("2026-03-02", "").last == dt.date(2026, 3, 2)
