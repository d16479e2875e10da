"""A made-up fleet in gold, with what key figures are made of computed by the pipeline."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame, SparkSession

    from battery_lake.lake.access import Lake

DAY = dt.date(2026, 3, 2)
T0 = dt.datetime(2026, 3, 2, 6)  # noqa: DTZ001  Spark takes UTC without a zone here
PACKS, CELLS = 12, 3
TABLES = (
    "reference.packs", "gold.pack_health", "gold.battery_passport", "gold.cell_current", "gold.cell_state",
    "gold.session", "gold.capacity_observation", "ops.batch", "gold.fleet_daily", "gold.alert",
    "gold.data_quality", "gold.cell_health", "gold.cell_life",
)  # fmt: skip


def _pack(number: int, rng: np.random.Generator) -> dict[str, list[dict[str, Any]]]:
    """Rows of a pack, by table; the twelfth has sessions and no health yet, the eleventh no warranty."""
    pack_id, soh = f"P{number:02}", 99.0 - 2.1 * number + rng.normal(0, 0.3)
    name = {"pack_id": pack_id}
    day = {**name, "as_of_date": DAY, "method_version": "1"}
    cell_soh = soh + np.array([0.4, 0.0, -1.5])
    rul = np.maximum(cell_soh - 80.0, 0.0) * rng.uniform(60, 90)
    censored = number == 0
    cells = [
        {
            "cell_id": f"{pack_id}/1/{i + 1}", "as_of_date": DAY, **name, "series_index": i,
            "soh_pct": float(cell_soh[i]), "soh_std_pct": 0.5 + 0.1 * i, "censored": censored,
            **{f"rul_{u}_{q}": float(rul[i] * f * k) for u, f in (("days", 1), ("efc", 0.4), ("km", 90))
               for q, k in (("p05", 0.6), ("p50", 1.0), ("p95", 1.6))},
            "method_version": "1",
        }
        for i in range(CELLS)
    ]  # fmt: skip
    health = {
        **day, "soh_min_pct": float(cell_soh.min()), "soh_median_pct": float(soh),
        "soh_max_pct": float(cell_soh.max()), "soh_spread_pct": float(np.ptp(cell_soh)),
        "weakest_cell_id": f"{pack_id}/1/3", "imbalance_mv": 3.0 + number, "efc": 100.0 + number,
        "rul_days_p50": float(rul.min()), "alerts": [], "cohort_percentile_pct": 100.0 - 8 * number,
    }  # fmt: skip
    sessions = [
        {
            **name, "started_at": T0 - dt.timedelta(days=back, hours=number),
            "ended_at": T0 - dt.timedelta(days=back, hours=number - 1), "kind": kind, "samples": 9,
            "vehicle_id": f"V{number:02}", "duration_s": 3600.0, "current_mean_a": amps, "soc_start_pct": low,
            "soc_end_pct": high, "temperature_mean_c": warm, "method_version": "1", "energy_wh": 10.0 * amps,
        }
        for back, kind, amps, low, high, warm in (
            (0, "charge", 10.0 + 5 * number, 40.0, 80.0, 25.0), (1, "rest", 0.0, 95.0, 95.0, 20.0),
            (2, "drive", -20.0, 80.0, 60.0, 46.0), (3, "charge", 9.0, 60.0, 90.0, None),
            (120, "charge", 99.0, 0.0, 99.0, 60.0),
        )
    ]  # fmt: skip
    seen = [
        {**name, "started_at": T0 - dt.timedelta(days=d), "method": "rest_to_rest", "method_version": "1"}
        for d in (1, 9, 45)
    ]
    return {
        "reference.packs": [{
            **name, "model": "A" if number % 2 else None, "chemistry": "NMC", "cells_in_series": CELLS,
            "rated_capacity_ah": 50.0, "eol_soh_pct": None if number % 3 else 82.0, "warranty_years": 8.0,
            "warranty_from": None if number == 10 else dt.date(2019 + number % 5, 1, 31),
        }],
        "gold.pack_health": [] if number == 11 else [
            {**health, "as_of_date": DAY - dt.timedelta(days=9), "soh_min_pct": 99.9}, health
        ],
        "gold.battery_passport": [
            {**day, "soce_pct": float(soh), "round_trip_efficiency_pct": 90.0 + number / 2}
        ],
        "gold.cell_current": [] if number == 11 else cells,
        "gold.cell_health": [] if number == 11 else [
            {k: v for k, v in c.items() if not k.startswith(("rul", "censored"))} for c in cells
        ],
        "gold.cell_life": [] if number == 11 else [
            {k: v for k, v in c.items() if k not in {"soh_pct", "soh_std_pct", "method_version"}}
            for c in cells
        ],
        "gold.cell_state": [{
            **name, "as_of_at": T0, "fade_pct_per_day": [0.001 * number, None, 0.004], "method_version": "1",
        }],
        "gold.session": sessions,
        "gold.capacity_observation": seen,
    }  # fmt: skip


def _rows() -> dict[str, list[dict[str, Any]]]:
    rng = np.random.default_rng(20260302)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for number in range(PACKS):
        for name, made in _pack(number, rng).items():
            rows[name] += made
    batch = {"generation": "g", "rows_duplicate": 1, "seconds": 1.0}
    rows["ops.batch"] = [
        {**batch, "pipeline": pipeline, "batch_id": n, "rows_in": 100 * n, "rows_kept": 95 * n - 1,
         "rows_refused": 5 * n, "lag_s": 30.0 + n, "finished_at": T0 + dt.timedelta(hours=9 * n)}
        for pipeline in ("refine", "sessions") for n in (1, 2, 3)
    ]  # fmt: skip
    rows["gold.fleet_daily"] = [
        {"as_of_date": DAY - dt.timedelta(days=back), "model": "A", "chemistry": "NMC", "vehicles": 5,
         "soh_pct_p10": 80.0, "soh_pct_p50": 88.0, "soh_pct_p90": 95.0, "soh_min_pct": 76.0, "alerts": 1,
         "observed_pct": 99.0}
        for back in range(3)
    ]  # fmt: skip
    rows["gold.alert"] = [
        {"pack_id": "P09", "cell_id": "P09/1/3", "code": "weak_cell", "raised_at": T0, "severity": "warning",
         "evidence": "{}"}
    ]  # fmt: skip
    rows["gold.data_quality"] = [
        {"table_name": "silver.message", "rule_code": "undecodable", "batch_id": "refine g 1", "checked": 100,
         "failed": 5, "passed": False, "severity": "warning", "checked_at": T0}
    ]  # fmt: skip
    return rows


@pytest.fixture(scope="session")
def gold_rows() -> dict[str, list[dict[str, Any]]]:
    """The rows that the lake was filled with, by table."""
    return _rows()


@pytest.fixture(scope="session")
def kpi_lake(
    spark: SparkSession,
    frame: Callable[[str, list[dict[str, Any]]], DataFrame],
    gold_rows: dict[str, list[dict[str, Any]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Lake:
    """A lake with these rows, on which the job ``kpis`` has run."""
    from battery_lake.lake.access import Lake
    from battery_lake.lake.create import ensure
    from battery_lake.pipelines.registry import run_job
    from battery_lake.settings import load

    settings, _ = load([f"home={tmp_path_factory.mktemp('kpis')}"], environment={})
    lake = Lake(spark, settings)
    ensure(lake, TABLES)
    for name, rows in gold_rows.items():
        lake.save(name, frame(name, rows).write.format("delta").mode("append"))
    run_job("kpis", lake)
    return lake
