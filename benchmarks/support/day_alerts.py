"""How well the alerts that need silver only find planted faults: simulated vehicles through the pipelines.

Every second vehicle has a fault of one of the causes in turn, the others none; all may plate lithium in the
cold. What a fault does besides, a weak cell's voltage through an open wire say, counts neither for nor
against the code that tells of it.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from battery_lake.cells.ocv import default_curve, shipped_curve
from battery_lake.gold.alert_rules import CODES
from battery_lake.lake.access import Lake
from battery_lake.lake.create import ensure
from battery_lake.lake.write import upsert
from battery_lake.pipelines.alerts import ALERTS
from battery_lake.pipelines.signal_faults import SIGNAL_FAULTS
from battery_lake.simulate.driving import DAY_S
from battery_lake.simulate.fleet import FleetSpec, draw_vehicle, simulate_vehicle
from battery_lake.simulate.timeline import Reporting
from battery_lake.tables.registry import table
from support.day_faults import CAUSES, Patient, plated_day
from support.figures import Figure
from support.spark import settings_at, temporary_spark

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pyspark.sql import DataFrame

    from battery_lake.simulate.columns import PackMessages
    from battery_lake.simulate.fleet import Vehicle

CELLS: Final = 24
PER_MODULE: Final = 12
REPORTING: Final = Reporting(
    drive_interval_s=45.0, ac_interval_s=300.0, dc_interval_s=60.0, heartbeat_s=3_600.0
)
START: Final = dt.date(2025, 4, 1)
"""Spring: cold enough for what has no heater, too warm to plate all the others."""

ODD: Final = (3, 7, 11)
"""Of every 20 vehicles of a simulated fleet, those that have faults already."""

BESIDE: Final[dict[str, tuple[str, ...]]] = {
    "self_discharge": ("weak_cell", "imbalance_growth"),
    "imbalance_growth": ("weak_cell", "self_discharge"),
    "weak_cell": ("self_discharge", "imbalance_growth"),
    "frozen_sensor": (
        "weak_cell",
        "lying_sensor",
        "lying_pack_voltage",
        "self_discharge",
        "imbalance_growth",
    ),
    "lying_sensor": ("weak_cell", "self_discharge", "imbalance_growth", "lying_pack_voltage"),
    "lying_probe": ("over_temperature", "plating_risk"),
    "over_temperature": ("lying_probe",),
}
"""Code of a fault to what else it may well raise on its vehicle."""

Key = tuple[str, int | None, str]
"""Pack, cell from 0 or None, code."""


@dataclass(slots=True)
class Fleet:
    """What was planted and what was told, with the day, from 0.

    Parameters
    ----------
    causes
        Cause of every key that was planted.
    planted, told
        Key to the day.
    beside
        Packs and codes that count neither way.
    """

    causes: dict[Key, str] = field(default_factory=dict)
    planted: dict[Key, float] = field(default_factory=dict)
    told: dict[Key, float] = field(default_factory=dict)
    beside: set[tuple[str, str]] = field(default_factory=set)


def measured(vehicles: int, days: int, seed: int) -> Fleet:
    """Simulate a fleet, plant faults, and take its telemetry through the pipelines.

    Parameters
    ----------
    vehicles, days
        How many, and for how long.
    seed
        The same seed gives the same fleet.
    """
    spec = FleetSpec(10_000, days, seed, START, CELLS, PER_MODULE, reporting=REPORTING)
    fleet = Fleet()
    with temporary_spark() as (spark, folder):
        lake = Lake(spark, settings_at(folder / "home"))
        ensure(lake, dict.fromkeys((*SIGNAL_FAULTS.reads, *SIGNAL_FAULTS.writes, *ALERTS.reads)))
        numbers = [n for n in range(1, 2 * vehicles + 20) if n % 20 not in ODD][:vehicles]
        _write(folder, (_patient(spec, number, place, fleet) for place, number in enumerate(numbers)))
        for name in ("reference.packs", "silver.telemetry"):
            upsert(lake, name, _whole(spark.read.parquet(f"{folder}/{name}"), name))
        SIGNAL_FAULTS.run(lake)
        ALERTS.run(lake)
        _listen(lake, spec, fleet)
    return fleet


def _patient(spec: FleetSpec, number: int, place: int, fleet: Fleet) -> Patient:
    """A vehicle with its fault, if it gets one, which is noted."""
    messages, _ = simulate_vehicle(spec, number)
    rng = np.random.default_rng([spec.seed, number, 3])
    midnight_s = dt.datetime.combine(spec.start, dt.time(), tzinfo=dt.UTC).timestamp()
    begins = float(np.floor(rng.uniform(0.15, 0.35) * spec.days))
    patient = Patient(draw_vehicle(spec, number), messages, rng, begins, midnight_s)
    code = ""
    if place % 2:
        cause = list(CAUSES)[place // 2 % len(CAUSES)]
        plant, code = CAUSES[cause]
        plant(patient)
        if code != "plating_risk":
            key = patient.vehicle.pack_id, patient.cell, code
            fleet.causes[key], fleet.planted[key] = cause, patient.begins
            fleet.beside |= {(patient.vehicle.pack_id, other) for other in BESIDE.get(code, ())}
    plates = plated_day(patient)
    if np.isfinite(plates) and code != "lying_probe":
        key = patient.vehicle.pack_id, None, "plating_risk"
        fleet.causes[key], fleet.planted[key] = "lithium plated", plates
    return patient


def _write(folder: Path, patients: Iterable[Patient]) -> None:
    """One file a vehicle, in the form of the tables."""
    for name in ("reference.packs", "silver.telemetry"):
        (folder / name).mkdir()
    for count, patient in enumerate(patients):
        pq.write_table(_telemetry(patient.messages, count), folder / "silver.telemetry" / f"{count}.parquet")
        pq.write_table(_pack(patient.vehicle), folder / "reference.packs" / f"{count}.parquet")


def _telemetry(messages: PackMessages, partition: int) -> pa.Table:
    rows = len(messages)
    at_us = np.rint(1e6 * messages.measured_at_s).astype(np.int64)
    same: dict[str, Any] = {
        "pack_id": messages.pack_id, "vehicle_id": messages.vehicle_id, "hub": "made",
        "partition_id": str(partition),
    }  # fmt: skip
    numbers = ("current_a", "pack_voltage_v", "soc_pct", "insulation_kohm")
    lists = ("cell_voltages_v", "temperatures_c")
    return pa.table({
        **{name: pa.array([value] * rows, pa.string()) for name, value in same.items()},
        "measured_at": pa.array(at_us, pa.timestamp("us", tz="UTC")),
        "sequence": pa.array(messages.sequence, pa.int64()),
        "sequence_number": pa.array(np.arange(rows), pa.int64()),
        "message_index": pa.array(np.zeros(rows), pa.int32()),
        "state": pa.array(messages.state, pa.string()),
        "flags": pa.array([[]] * rows, pa.list_(pa.string())),
        **{name: pa.array(getattr(messages, name), pa.float64()) for name in numbers},
        **{name: pa.array(list(getattr(messages, name)), pa.list_(pa.float64())) for name in lists},
    })


def _whole(rows: DataFrame, name: str) -> DataFrame:
    """Rows with all columns of a table, in its types; what they do not have is null."""
    columns = table(name).columns
    values = ((c.name if c.name in rows.columns else "null", c) for c in columns)
    return rows.selectExpr(*(f"CAST({value} AS {c.type}) AS {c.name}" for value, c in values))


def _pack(vehicle: Vehicle) -> pa.Table:
    curve = shipped_curve(default_curve(vehicle.design.chemistry))
    return pa.Table.from_pylist([
        {
            "pack_id": vehicle.pack_id,
            "chemistry": vehicle.design.chemistry,
            "cells_in_series": CELLS,
            "cells_per_module": PER_MODULE,
            "rated_capacity_ah": vehicle.rated_ah,
            "cell_high_v": vehicle.design.high_v,
            "ocv_soc_frac": curve.soc_frac.tolist(),
            "ocv_v": curve.ocv_v.tolist(),
        }
    ])


def _listen(lake: Lake, spec: FleetSpec, fleet: Fleet) -> None:
    """Note the first day of every alert; of cells by their place in the string."""
    midnight = dt.datetime.combine(spec.start, dt.time(), tzinfo=dt.UTC)
    for row in lake.read("gold.alert").toArrow().to_pylist():
        pack_id, code = row["pack_id"], row["code"]
        parts = row["cell_id"].removeprefix(pack_id).strip("/").split("/")
        cell = PER_MODULE * (int(parts[0]) - 1) + int(parts[1]) - 1 if len(parts) > 1 else None
        day = (row["raised_at"] - midnight).total_seconds() / DAY_S
        fleet.told[pack_id, cell, code] = min(fleet.told.get((pack_id, cell, code), np.inf), day)


def figures(fleet: Fleet) -> list[Figure]:
    """Return precision, recall, false alerts and days to raise of each code, and recall of each cause."""
    found = []
    for code in CODES:
        planted = {key: day for key, day in fleet.planted.items() if key[2] == code}
        told = {
            key: day
            for key, day in fleet.told.items()
            if key[2] == code and (key[0], code) not in fleet.beside
        }
        true = _true(planted, told)
        found += [
            Figure(0, code, name, value)
            for name, value in {
                "planted": float(len(planted)),
                "precision": len(true) / len(told) if told else float("nan"),
                "recall": len(true) / len(planted) if planted else float("nan"),
                "false_alerts": float(len(told) - len(true)),
                "days_to_raise_p50": float(np.median(list(true.values()))) if true else float("nan"),
            }.items()
        ]
        causes = dict.fromkeys(fleet.causes[key] for key in planted)
        for cause in causes if len(causes) > 1 else ():
            own = {key: day for key, day in planted.items() if fleet.causes[key] == cause}
            hit = {key: day for key, day in true.items() if key in own}
            found += [
                Figure(0, f"  {cause}", "planted", float(len(own))),
                Figure(0, f"  {cause}", "recall", len(hit) / len(own)),
                Figure(
                    0, f"  {cause}", "days_to_raise_p50", float(np.median(list(hit.values()) or [np.nan]))
                ),
            ]
    return found


def _true(planted: dict[Key, float], told: dict[Key, float]) -> dict[Key, float]:
    """Faults that were told on their day or later, and after how many days; the day's start counts."""
    return {
        key: max(told[key] - day, 0.0)
        for key, day in planted.items()
        if np.floor(told.get(key, -1.0)) >= np.floor(day)
    }
