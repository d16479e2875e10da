"""Task 8: every cell of a simulated fleet with known truth, from messages to gold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.compute as pc
import pyarrow.dataset as ds
from support.figures import Figure
from support.spark import settings_at, temporary_spark

from battery_lake.cells.metrics import Z90, coverage90, rmse
from battery_lake.cli.fleet_files import write_fleet
from battery_lake.lake.access import Lake
from battery_lake.pipelines.reference import load_reference
from battery_lake.pipelines.registry import run_job
from battery_lake.simulate.fleet import FleetSpec

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NUMBER: Final = 8
TITLE: Final = "Simulated fleet, 3 months of partial charges, every cell against its truth"
MONTHS_3_DAYS: Final = 91
VEHICLES: Final = 24
STEPS_V: Final = (0.001, 0.005)
NAMED: Final = 3
JOBS: Final = ("ingest", "refine", "health")
MIN_SOC_CHANGE_PCT: Final = 20.0


def figures(data: Path, train: Path) -> list[Figure]:
    """Measure per-cell SOH, its intervals, and who is the weakest; nothing is read from the folders.

    Parameters
    ----------
    data, train
        Not used: this fleet's truth is its own.
    """
    del data, train
    found: list[Figure] = []
    with temporary_spark() as (spark, folder):
        for step_v in STEPS_V:
            home = folder / f"{1000 * step_v:.0f}mv"
            spec = FleetSpec(
                VEHICLES, MONTHS_3_DAYS, seed=8, lfp_share=0.5, voltage_step_v=step_v, full_charges=False
            )
            lake = Lake(spark, settings_at(home))
            write_fleet(lake.settings, spec, lambda _: None)
            load_reference(lake, home / "reference" / "fleet")
            for job in JOBS:
                run_job(job, lake)
            found += _of_fleet(lake, home, f"{1000 * step_v:.0f} mV")
    return found


def _of_fleet(lake: Lake, home: Path, resolution: str) -> list[Figure]:
    """Figures of each chemistry of one fleet."""
    packs = lake.read("reference.packs").select("pack_id", "chemistry", "new_resistance_mohm").toPandas()
    chemistry = dict(zip(packs["pack_id"], packs["chemistry"], strict=True))
    told = ("cell_id", "soh_pct", "soh_std_pct", "resistance_mohm")
    known = lake.read("gold.cell_current").select(*told).toPandas()
    cells = _truth(home).merge(known, on="cell_id", how="left").merge(packs, on="pack_id")
    simple = _coulomb_ratio(lake)
    found: list[Figure] = []
    for name in sorted(set(chemistry.values())):
        own = [(str(p), rows) for p, rows in cells.groupby("pack_id") if chemistry[str(p)] == name]
        found += _of_chemistry(own, simple, f"{name} {resolution}")
        found += _of_resistance([rows for _, rows in own], f"{name} {resolution}")
    return found


def _of_chemistry(packs: list[tuple[str, pd.DataFrame]], simple: dict[str, float], name: str) -> list[Figure]:
    truth, soh, std = (
        [rows[column].to_numpy() for _, rows in packs] for column in ("truth_pct", "soh_pct", "soh_std_pct")
    )
    ratio = [np.full(len(t), simple.get(pack, np.nan)) for (pack, _), t in zip(packs, truth, strict=True)]
    median = [np.full(len(t), np.median(t)) for t in truth]
    whole = np.concatenate
    estimate, true = whole(soh), whole(truth)
    told = [float(np.isfinite(s).mean()) for s in soh]
    return [
        Figure(NUMBER, name, "rmse_pp", rmse(estimate, true), rmse(whole(ratio), true)),
        Figure(NUMBER, name, "rmse_pp_true_median", rmse(estimate, true), rmse(whole(median), true)),
        Figure(NUMBER, name, "coverage90", coverage90(estimate, whole(std), true)),
        Figure(NUMBER, name, "half_width_pp", float(Z90 * np.nanmean(whole(std)))),
        Figure(NUMBER, name, "deviation_correlation", _mean(list(map(_correlation, soh, truth)))),
        Figure(NUMBER, name, "top3_weakest", _mean(list(map(_is_named, soh, truth))), NAMED / len(truth[0])),
        Figure(NUMBER, name, "cells_told", _mean(told)),
    ]


def _of_resistance(packs: list[pd.DataFrame], name: str) -> list[Figure]:
    """Figures of the resistance; the baseline of the error is the new cell's for all."""
    truth, known, new = (
        [rows[column].to_numpy() for rows in packs]
        for column in ("truth_mohm", "resistance_mohm", "new_resistance_mohm")
    )
    true = np.concatenate(truth)
    error_pct, base_pct = (
        float(np.nanmedian(100.0 * np.abs(np.concatenate(guess) / true - 1.0))) for guess in (known, new)
    )
    return [
        Figure(NUMBER, name, "resistance_error_pct", error_pct, base_pct),
        Figure(NUMBER, name, "resistance_correlation", _mean(list(map(_correlation, known, truth)))),
    ]


def _truth(home: Path) -> pd.DataFrame:
    """SOH and resistance of every cell on the last day."""
    rows = ds.dataset(home / "truth" / "fleet").to_table(
        columns=["pack_id", "cell_id", "as_of_date", "soh_pct", "resistance_mohm"]
    )
    last = rows.filter(pc.equal(rows.column("as_of_date"), pc.max(rows.column("as_of_date"))))
    truth: pd.DataFrame = (
        last
        .drop_columns(["as_of_date"])
        .rename_columns(["pack_id", "cell_id", "truth_pct", "truth_mohm"])
        .to_pandas()
    )
    return truth


def _coulomb_ratio(lake: Lake) -> dict[str, float]:
    """SOH of each pack as its charge over the BMS's change of SOC says, in the median. [%]."""
    rows = (
        lake
        .read("gold.session")
        .where(f"abs(soc_end_pct - soc_start_pct) >= {MIN_SOC_CHANGE_PCT}")
        .join(lake.read("reference.packs").select("pack_id", "rated_capacity_ah"), on="pack_id")
        .selectExpr("pack_id", "1e4 * charge_ah / (soc_end_pct - soc_start_pct) / rated_capacity_ah AS soh")
        .groupBy("pack_id")
        .agg({"soh": "median"})
        .toPandas()
    )
    return dict(zip(rows["pack_id"], rows["median(soh)"], strict=True))


def _correlation(soh: Floats, truth: Floats) -> float:
    """Of the estimated with the true deviations within a pack; 0 where nothing is told."""
    told = np.isfinite(soh)
    if told.sum() < NAMED or np.ptp(soh[told]) == 0.0:
        return 0.0
    return float(np.corrcoef(soh[told], truth[told])[0, 1])


def _is_named(soh: Floats, truth: Floats) -> float:
    """Whether the truly weakest cell is among the weakest three; 1 or 0."""
    order = np.argsort(np.where(np.isfinite(soh), soh, np.inf))
    return float(np.argmin(truth) in order[:NAMED])


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
