"""Moves of the SOH, and where packs stand, from health of a made-up fleet: the same in any order."""

# ruff: noqa: DTZ001 - Spark hands over UTC without a zone

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from chispa import assert_df_equality

from battery_lake.gold.cohort import MIN_PACKS
from battery_lake.gold.soh_change import MIN_CHANGE_PCT
from battery_lake.lake.access import Lake
from battery_lake.lake.create import ensure
from battery_lake.lake.write import delete, upsert
from battery_lake.pipelines.fleet import FLEET
from battery_lake.pipelines.soh_changes import SOH_CHANGES
from battery_lake.settings import load
from battery_lake.tables.registry import table

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

DAY, DAYS, CELLS = dt.date(2026, 1, 1), 75, 2
PACKS = [f"P{n:02}" for n in range(MIN_PACKS + 2)]
TOLD = (
    "gold.soh_change", "gold.pack_health", "gold.battery_passport", "gold.fleet_daily", "gold.vehicle_status",
)  # fmt: skip
SOURCES = ("gold.session", "gold.capacity_observation", "gold.cell_health")
Rows = dict[str, list[dict[str, Any]]]


def fleet() -> Rows:
    """Packs with evidence every few days, two of them silent for long: noise, fade and jumps."""
    random = np.random.default_rng(7)
    made: Rows = {name: [] for name in SOURCES}
    for n, pack_id in enumerate(PACKS):
        days = sorted(random.choice(DAYS, 5 if n < 2 else 20, replace=False).tolist())
        level = 98.0 - 0.3 * n + random.normal(0.0, 0.2, (len(days), CELLS)).cumsum(axis=0)
        level[len(days) // 2 :] -= random.choice([0.0, 2.0], CELLS)
        for place, (number, soh) in enumerate(zip(days, level.tolist(), strict=True)):
            rows = day_of(pack_id, DAY + dt.timedelta(days=number), soh, place + 1)
            for name in SOURCES:
                made[name].extend(rows[name])
    return made


def day_of(pack_id: str, day: dt.date, soh: list[float], count: int) -> Rows:
    at = dt.datetime(day.year, day.month, day.day, 8)
    hour = dt.timedelta(hours=1)
    drive = {
        "pack_id": pack_id, "vehicle_id": f"V{pack_id}", "started_at": at, "ended_at": at + hour,
        "kind": "drive", "samples": 60, "duration_s": 3600.0, "throughput_ah": 40.0, "charge_ah": -40.0,
        "energy_wh": -14_000.0, "soc_start_pct": 90.0, "soc_end_pct": 10.0, "temperature_mean_c": 20.0,
        "gap_s": 0.0, "method_version": "session",
    }  # fmt: skip
    seen = {
        "pack_id": pack_id, "started_at": at, "ended_at": at + hour, "method": "rest_to_rest",
        "capacity_ah": [s / 2 for s in soh], "variance_ah2": [0.25] * CELLS, "temperature_mean_c": 20.0,
        "charge_ah": -40.0, "method_version": "capacity",
    }  # fmt: skip
    cells = [
        {
            "cell_id": f"{pack_id}/01/0{c + 1}", "as_of_date": day, "pack_id": pack_id, "series_index": c,
            "soh_pct": soh[c], "soh_std_pct": 2.0 / count, "soh_r_pct": soh[c] - 5.0, "efc": 1.0 * count,
            "capacity_ah": soh[c] / 2, "observations": count, "method_version": "kalman",
        }
        for c in range(CELLS)
    ]  # fmt: skip
    return {"gold.session": [drive], "gold.capacity_observation": [seen], "gold.cell_health": cells}


@dataclass
class Told:
    """A lake in which only health is known, and what follows from it."""

    lake: Lake
    frame: Callable[..., DataFrame]

    def take(self, rows: Rows, *, run: bool = True) -> None:
        for name, given in rows.items():
            upsert(self.lake, name, self.frame(name, given))
        if run:
            self.run()

    def run(self) -> None:
        for pipeline in (SOH_CHANGES, FLEET):
            pipeline.run(self.lake)

    def rows(self, name: str) -> list[dict[str, Any]]:
        return [row.asDict(recursive=True) for row in self.lake.read(name).collect()]


@pytest.fixture(scope="module")
def made(spark: SparkSession, frame: Callable[..., DataFrame]) -> Callable[[Path], Told]:
    """A lake with reference data: packs of one model, sold in one half-year."""

    def build(home: Path) -> Told:
        settings, _ = load([f"home={home}"], environment={})
        lake = Lake(spark, settings)
        ensure(lake, (*SOURCES, "gold.cell_state", "reference.packs"))
        packs = [
            {
                "pack_id": pack_id, "model": "M", "chemistry": "NMC", "cells_in_series": CELLS,
                "rated_capacity_ah": 50.0, "rated_energy_wh": 17_500.0, "warranty_from": dt.date(2024, 2, 1),
            }
            for pack_id in PACKS
        ]  # fmt: skip
        upsert(lake, "reference.packs", frame("reference.packs", packs))
        states = [
            {"pack_id": pack_id, "as_of_at": dt.datetime(2026, 1, 1), "method_version": "kalman"}
            for pack_id in PACKS
        ]
        upsert(lake, "gold.cell_state", frame("gold.cell_state", states))
        return Told(lake, frame)

    return build


@pytest.fixture(scope="module")
def at_once(made: Any, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The whole fleet in one batch."""
    told: Told = made(tmp_path_factory.mktemp("at-once"))
    told.take(fleet())
    return told


@pytest.fixture(scope="module")
def in_parts(made: Any, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The same in two parts: the middle is late, and some rows are other ones at first, or too many."""
    told: Told = made(tmp_path_factory.mktemp("in-parts"))
    whole, middle = fleet(), (DAY + dt.timedelta(days=25), DAY + dt.timedelta(days=50))

    def some(wanted: Callable[[dt.date], bool]) -> Rows:
        return {name: [row for row in rows if wanted(own_day(row))] for name, rows in whole.items()}

    early = some(lambda day: day < middle[0])
    wrong = {
        **early,
        "gold.cell_health": [r | {"soh_pct": r["soh_pct"] + 3} for r in early["gold.cell_health"]],
    }
    told.take(wrong, run=False)
    strange = day_of("P03", DAY + dt.timedelta(days=80), [60.0, 61.0], 1)
    told.take({name: rows + strange[name] for name, rows in some(lambda day: day >= middle[1]).items()})
    for name, rows in strange.items():
        delete(told.lake, name, told.frame(name, rows))
    told.take(early, run=False)
    told.take(some(lambda day: middle[0] <= day < middle[1]))
    return told


def own_day(row: dict[str, Any]) -> dt.date:
    day: dt.date = row["as_of_date"] if "as_of_date" in row else row["started_at"].date()
    return day


@pytest.mark.parametrize("name", TOLD[:-1])
def test_any_order_of_arrival_gives_the_same_rows(at_once: Told, in_parts: Told, name: str) -> None:
    found, expected = (told.lake.read(name).orderBy(*table(name).key) for told in (in_parts, at_once))
    assert expected.count()
    assert_df_equality(found, expected)


def test_every_move_above_half_a_point_has_a_row_with_reasons_and_the_windows_that_moved_it(
    at_once: Told,
) -> None:
    told = {(row["cell_id"], row["as_of_date"]): row for row in at_once.rows("gold.soh_change")}
    histories: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(fleet()["gold.cell_health"], key=lambda row: row["as_of_date"]):
        histories.setdefault(row["cell_id"], []).append(row)
    moves = 0
    for cell, days in histories.items():
        assert told[cell, days[0]["as_of_date"]]["reasons"][0] == "first_estimate"
        for before, now in pairwise(days):
            if abs(now["soh_pct"] - before["soh_pct"]) > MIN_CHANGE_PCT:
                row = told[cell, now["as_of_date"]]
                assert (row["since_date"], row["change_pct"]) == (
                    before["as_of_date"], now["soh_pct"] - before["soh_pct"],
                )  # fmt: skip
                assert "new_window" in row["reasons"]
                assert row["windows"][-1]["started_at"].date() == now["as_of_date"]
                moves += 1
    assert moves > len(PACKS)
    assert all(row["reasons"] for row in told.values())
    drifts = [row for row in told.values() if row["since_date"] and abs(row["change_pct"]) > MIN_CHANGE_PCT]
    assert len(drifts) > moves


def test_packs_stand_among_their_like_and_have_their_energy(at_once: Told) -> None:
    rows = at_once.rows("gold.pack_health")
    passports = {(r["pack_id"], r["as_of_date"]): r for r in at_once.rows("gold.battery_passport")}
    assert {row["cohort_percentile_pct"] for row in rows} >= {None, 0.0, 100.0}
    for row in rows:
        passport = passports[row["pack_id"], row["as_of_date"]]
        assert row["soce_pct"] == passport["soce_pct"] == pytest.approx(row["soh_min_pct"])
        increase = passport["resistance_increase_pct"]
        assert increase == pytest.approx(100 * (100 / row["soh_r_median_pct"] - 1))


def test_no_news_and_news_of_one_pack_touch_nothing_else(at_once: Told) -> None:
    def versions() -> dict[str, int]:
        lake = at_once.lake
        history = {name: lake.spark.sql(f"DESCRIBE HISTORY {lake.identifier(name)}") for name in TOLD}
        return {name: rows.agg({"version": "max"}).collect()[0][0] for name, rows in history.items()}

    before = versions()
    at_once.run()
    assert versions() == before
    # The second day of a pack that moves by less than half a point: only its own day is told again.
    late = day_of("P04", DAY + dt.timedelta(days=79), [96.0, 96.0], 30)
    at_once.take(late)
    changed = at_once.lake.changed(
        "gold.soh_change", before["gold.soh_change"] + 1, versions()["gold.soh_change"]
    )
    assert {(row.pack_id, row.as_of_date) for row in changed.collect()} <= {
        ("P04", DAY + dt.timedelta(days=79))
    }
    ranked = at_once.lake.changed(
        "gold.pack_health", before["gold.pack_health"] + 1, versions()["gold.pack_health"]
    )
    assert {row.as_of_date for row in ranked.collect()} == {DAY + dt.timedelta(days=79)}
    # The other tests look at the same lake, in any order.
    for name, rows in late.items():
        delete(at_once.lake, name, at_once.frame(name, rows))
    at_once.run()
