"""What only a look back shows: each rule with a story that breaks it, and one beside it that does not."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.sql import functions as F

from battery_lake.quality.suites import read_suite
from battery_lake.silver.facts import Limits
from battery_lake.silver.signal_fault import HistoryParams, signal_fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame, SparkSession

CARS = Path(__file__).parents[3] / "shared" / "data" / "ev_cell_faults"
T0 = dt.datetime(2026, 3, 2, 8)  # noqa: DTZ001
PACK = {"pack_id": "P1", "chemistry": "NMC", "cells_in_series": 2, "rated_capacity_ah": 50.0}


def drive(*changes: dict[str, Any], step_s: float = 10.0) -> list[dict[str, Any]]:
    """Messages one after the other; each says what is different from a quiet pack, ``after_s`` too."""
    rows, at = [], T0
    for number, change in enumerate(changes):
        at += dt.timedelta(seconds=change.get("after_s", step_s))
        row = {
            "measured_at": at, "sequence": number, "current_a": 0.0, "pack_voltage_v": 7.4, "soc_pct": 50.0,
            "cell_voltages_v": [3.7, 3.7], "odometer_km": 100.0,
        }  # fmt: skip
        rows.append(row | {key: value for key, value in change.items() if key != "after_s"})
    return rows


def frozen(messages: int, *, amperes: float = 0.0, moving: bool = False) -> list[dict[str, Any]]:
    """A drive of 60 s steps whose current swings; the voltages follow only where they move."""
    return drive(
        *(
            {
                "current_a": amperes * (number % 2),
                "pack_voltage_v": 7.4 + (0.01 * (number % 2) if moving else 0.0),
            }
            for number in range(messages)
        ),
        step_s=60.0,
    )


def charge(messages: int, amperes: float, **others: Any) -> list[dict[str, Any]]:
    """A charge of 60 s steps whose voltages rise."""
    steps = ({"current_a": amperes, "pack_voltage_v": 7.4 + n / 1000, **others} for n in range(messages))
    return drive(*steps, step_s=60.0)


STORIES: dict[str, tuple[list[dict[str, Any]], list[tuple[int, str, str]]]] = {
    "all is well": (drive({}, {}, {"cell_voltages_v": [3.7, 3.2]}, {"soc_pct": 59.0}), []),
    "a cell jumps and comes back": (
        drive({}, {"cell_voltages_v": [3.7, 2.5]}, {}),
        [(n, "cell_voltage_jump", "cell 2 by 1.2 V in 10.0 s") for n in (1, 2)],
    ),
    "a cell has moved over a pause": (drive({}, {"cell_voltages_v": [3.7, 2.5], "after_s": 61}), []),
    "a message without cells between": (
        drive({}, {"cell_voltages_v": None}, {"cell_voltages_v": [2.5, 3.7]}),
        [(2, "cell_voltage_jump", "cell 1 by 1.2 V in 20.0 s")],
    ),
    "another number of cells": (drive({}, {"cell_voltages_v": [1.0]}), []),
    "an unknown cell": (drive({}, {"cell_voltages_v": [None, 3.7]}, {"cell_voltages_v": [2.0, 3.7]}), []),
    "the state of charge is set anew": (
        drive({}, {"soc_pct": 62.0}), [(1, "soc_jump", "50.0 to 62.0 % in 10.0 s")],
    ),
    "as much as the fastest charge may move": (drive({}, {"soc_pct": 69.0, "after_s": 60}), []),
    "a state of charge after the night": (drive({}, {"soc_pct": 90.0, "after_s": 1801}), []),
    "the odometer goes back": (
        drive({}, {"odometer_km": 98.5}, {}), [(1, "odometer_backwards", "100.0 to 98.5 km")],
    ),
    "the odometer rounds": (drive({}, {"odometer_km": 99.0}, {"odometer_km": 99.0}), []),
    "an odometer that was lost for a while": (
        drive({}, {"odometer_km": None}, {"odometer_km": 1.0}),
        [(2, "odometer_backwards", "100.0 to 1.0 km")],
    ),
    "voltages stand while the current moves": (
        frozen(11, amperes=20.0),
        [(n, "voltages_frozen", f"no voltage moved in {60.0 * n} s, the current by 20.0 A") for n in (9, 10)],
    ),
    "voltages stand at rest": (frozen(11), []),
    "voltages move a little": (frozen(11, amperes=20.0, moving=True), []),
    "the state of charge stands while charge moves": (
        charge(11, 20.0), [(n, "soc_frozen", f"50.0 % while {round(n / 3, 2)} Ah moved") for n in (8, 9, 10)],
    ),
    "the state of charge stands at its end": (charge(11, 20.0, soc_pct=100.0), []),
}  # fmt: skip


def faults(frame: Callable[..., DataFrame], telemetry: list[dict[str, Any]]) -> DataFrame:
    filled = {"vehicle_id": "V", "flags": [], "hub": "h", "partition_id": "0", "message_index": 0}
    rows = [{**filled, "sequence_number": n, "pack_id": "P1", **row} for n, row in enumerate(telemetry)]
    packs = sorted({row["pack_id"] for row in rows})
    known = frame("reference.packs", [PACK | {"pack_id": pack} for pack in packs])
    return signal_fault(frame("silver.telemetry", rows), known, Limits(), HistoryParams())


def test_each_story_shows_what_is_wrong_with_it_and_nothing_else(frame: Callable[..., DataFrame]) -> None:
    rows = [row | {"pack_id": name} for name, (story, _) in STORIES.items() for row in story]
    found: dict[str, list[tuple[int, str, str]]] = {name: [] for name in STORIES}
    for r in faults(frame, rows).orderBy("pack_id", "sequence", "code").collect():
        found[r.pack_id].append((r.sequence, r.code, r.detail))
    assert found == {name: expected for name, (_, expected) in STORIES.items()}


@pytest.mark.usefixtures("compiled")
@pytest.mark.skipif(not CARS.is_dir(), reason="the logs of real cars are not beside the repository")
def test_nothing_is_found_in_the_logs_of_three_real_cars(
    spark: SparkSession, frame: Callable[..., DataFrame]
) -> None:
    logs = spark.read.parquet(str(CARS / "EV*.parquet")).withColumns({
        "pack_id": F.col("vehicle_id"),
        "measured_at": F.col("measured_at").cast("timestamp"),
        "sequence": F.monotonically_increasing_id(),
        "cell_voltages_v": F.expr("transform(cell_voltages_v, v -> if(v BETWEEN 0.5 AND 5, v, null))"),
        **{name: F.expr(f"double({name})") for name in ("pack_voltage_v", "soc_pct", "current_a")},
        "odometer_km": F.expr("nullif(double(odometer_km), 0D)"),  # nothing read
    })
    assert logs.count() == 131_051
    cars = ({"pack_id": f"EV{n}", "rated_capacity_ah": 130.0} for n in (1, 2, 3))
    packs = frame("reference.packs", [PACK | car for car in cars])
    assert signal_fault(logs, packs, Limits(), HistoryParams()).collect() == []


def test_every_rule_of_the_suite_has_a_story() -> None:
    listed = (e.kwargs.get("value_set", ()) for e in read_suite("silver.signal_fault").expectations)
    assert {code for _, expected in STORIES.values() for _, code, _ in expected} == set().union(*listed)
