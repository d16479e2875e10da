"""The SOH and RUL step, many packs at a time, against one pandas group a cell with the same functions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pyspark.sql import Window
from pyspark.sql import functions as F
from support.evidence import CELLS, write_evidence
from support.output import Line, Result, arguments, publish
from support.runs import interleaved, require
from support.spark import settings_at, temporary_spark

from battery_lake.cells.rul import RulParams, remaining_days
from battery_lake.cells.soh_filter import (
    FilterParams,
    FilterState,
    combine_day,
    initial_state,
    reported_std,
    step,
)
from battery_lake.gold.cell_health import cell_health, cell_id
from battery_lake.gold.cell_life import cell_life
from battery_lake.gold.cell_state import HealthParams, pack_days, pack_inputs
from battery_lake.lake.access import Lake
from battery_lake.lake.scratch import kept
from battery_lake.tables.gold import CELL_STATE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from pyspark.sql import DataFrame, SparkSession
    from support.evidence import Evidence


AIM = 25.0
TOLERANCE = 1e-9
LONG = ("cell_id", "day", "started_at", "method", "capacity_ah", "variance_ah2")
PER_DAY = ("rated_capacity_ah", "eol_soh_pct", "throughput_ah", "distance_km", "first_day")
NUMBERS = (
    "capacity_ah", "soh_pct", "soh_std_pct", "efc", "observations", "rul_days_p05", "rul_days_p50",
    "rul_days_p95", "rul_efc_p05", "rul_efc_p50", "rul_efc_p95", "rul_km_p05", "rul_km_p50",
    "rul_km_p95", "censored",
)  # fmt: skip
KEY = ("cell_id", "day")
TEXTBOOK_ROWS = f"cell_id string, day int, {', '.join(f'{name} double' for name in NUMBERS)}"


@dataclass(frozen=True, slots=True)
class Inputs:
    """The frames that both sides start from."""

    sessions: DataFrame
    observations: DataFrame
    packs: DataFrame

    @classmethod
    def of(cls, spark: SparkSession, files: Evidence) -> Inputs:
        """Return the files as frames."""
        return cls(*(spark.read.parquet(str(getattr(files, f.name))) for f in fields(cls)))


def product(lake: Lake, inputs: Inputs, folder: Path) -> None:
    """Do as the health pipeline does between reading and merging."""
    states = lake.spark.createDataFrame([], CELL_STATE.fields)
    prepared = pack_inputs(inputs.sessions, inputs.observations, inputs.packs, states)
    days = kept(lake, "days", pack_days(prepared, HealthParams()))
    cell_health(days, inputs.packs).write.mode("overwrite").parquet(f"{folder}/health")
    cell_life(days, inputs.packs).write.mode("overwrite").parquet(f"{folder}/life")


def long_format(inputs: Inputs, cells: int, file: Path) -> DataFrame:
    """Lay out the observations of the first cells one row a cell: the textbook's input, made untimed."""
    day = F.unix_date(F.to_date("started_at"))
    so_far = Window.partitionBy("pack_id").orderBy("day")
    use = (
        inputs.sessions
        .groupBy("pack_id", day.alias("day"))
        .agg(F.sum("throughput_ah").alias("moved"), F.sum("distance_km").alias("driven"))
        .select(
            "pack_id", "day", F.sum("moved").over(so_far).alias("throughput_ah"),
            F.sum("driven").over(so_far).alias("distance_km"),
            F.min("day").over(Window.partitionBy("pack_id")).alias("first_day"),
        )
    )  # fmt: skip
    chosen = inputs.packs.orderBy("pack_id").limit(-(-cells // CELLS))
    values = F.posexplode(F.arrays_zip("capacity_ah", "variance_ah2")).alias("series_index", "value")
    rows = (
        inputs.observations
        .withColumn("day", day)
        .select("pack_id", "day", "started_at", "method", values)
        .select("*", "value.*")
        .where("capacity_ah IS NOT NULL")
        .join(use, on=["pack_id", "day"], how="inner")
        .join(F.broadcast(chosen), on="pack_id", how="inner")
        .withColumn("cell_id", cell_id())
    )
    rows.select(*LONG, *PER_DAY).write.parquet(str(file))
    return rows.sparkSession.read.parquet(str(file))


def textbook(rows: DataFrame, folder: Path) -> None:
    """One pandas group a cell."""
    known = rows.groupBy("cell_id").applyInPandas(one_cell, TEXTBOOK_ROWS)
    known.write.mode("overwrite").parquet(f"{folder}/cells")


def one_cell(rows: pd.DataFrame) -> pd.DataFrame:
    """Filter one cell through its days: health and outlook on each."""
    rows = rows.sort_values(["started_at", "method"])
    day = rows["day"].to_numpy(np.int64)
    starts = np.flatnonzero(np.diff(day, prepend=-1))
    capacity, variance = rows["capacity_ah"].to_numpy(), rows["variance_ah2"].to_numpy()
    is_test = (rows["method"] == "full_discharge").to_numpy()
    rated = float(rows["rated_capacity_ah"].iloc[0])
    params, state, history = FilterParams(), initial_state(1), []
    for start, past in zip(starts, [*starts[1:], len(day)], strict=True):
        day_of = np.arange(start, past)
        # A full discharge is the capacity test itself: it overrules windows.
        day_of = day_of[is_test[day_of]] if is_test[day_of].any() else day_of
        value, spread, count = combine_day(capacity[day_of, None], variance[day_of, None])
        now = np.array([float(day[start])])
        state = step(state, now, 100.0 * value / rated, (100.0 / rated) ** 2 * spread, params, count)
        history.append(state)
    return outlook(history, rows.iloc[starts], rated)


def outlook(history: list[FilterState], first: pd.DataFrame, rated: float) -> pd.DataFrame:
    """Health and life of one cell on all its days."""
    known = FilterState(**{
        f.name: np.concatenate([getattr(state, f.name) for state in history]) for f in fields(FilterState)
    })
    eol = first["eol_soh_pct"].to_numpy(np.float64)
    *rul, censored = remaining_days(known, eol, RulParams())
    used = np.maximum(first["day"].to_numpy() - first["first_day"].to_numpy() + 1.0, 1.0)
    efc = first["throughput_ah"].to_numpy() / (2.0 * rated)
    quantiles = dict(zip(("p05", "p50", "p95"), rul, strict=True))
    km_a_day = first["distance_km"].to_numpy() / used
    columns: dict[str, NDArray[Any]] = {
        "capacity_ah": known.soh_pct * rated / 100,
        "soh_pct": known.soh_pct,
        "soh_std_pct": reported_std(known, FilterParams()),
        "efc": efc,
        "observations": known.observations,
        **{f"rul_days_{q}": days for q, days in quantiles.items()},
        **{f"rul_efc_{q}": days * (efc / used) for q, days in quantiles.items()},
        **{f"rul_km_{q}": days * km_a_day for q, days in quantiles.items()},
        "censored": censored,
    }
    return pd.DataFrame({
        "cell_id": first["cell_id"].to_numpy(), "day": first["day"].to_numpy(),
        **{name: columns[name].astype(np.float64) for name in NUMBERS},
    })  # fmt: skip


def agreement(spark: SparkSession, folder: Path) -> str:
    """Check that both sides give the same numbers for every cell and day that the textbook did."""
    key = ["cell_id", "as_of_date"]
    health, life = (spark.read.parquet(f"{folder}/{name}") for name in ("health", "life"))
    ours = health.join(life.drop("pack_id", "series_index"), on=key, how="inner").select(
        "cell_id", F.unix_date("as_of_date").alias("day"), *(F.col(c).cast("double") for c in NUMBERS)
    )
    theirs = spark.read.parquet(f"{folder}/cells")
    expected = theirs.count()
    mine = ours.join(theirs.select("cell_id").distinct(), on="cell_id", how="left_semi")
    require(mine.count() == expected, f"{mine.count()} rows of the same cells, {expected} expected")
    pairs = mine.alias("a").join(theirs.alias("b"), on=list(KEY), how="inner")
    apart = {
        name: F.max(
            F.abs(F.col(f"a.{name}") - F.col(f"b.{name}")) / F.greatest(F.abs(f"b.{name}"), F.lit(1.0))
        )
        for name in NUMBERS
    }
    row = pairs.agg(F.count(F.lit(1)).alias("rows"), *(x.alias(n) for n, x in apart.items())).collect()[0]
    require(row.rows == expected, f"{row.rows} of {expected} rows have a counterpart")
    worst = max(float(row[name]) for name in NUMBERS)
    require(worst <= TOLERANCE, f"the sides differ by {worst:g}: {row.asDict()}")
    return f"{expected:,} rows of {len(NUMBERS)} numbers, largest relative difference {worst:.1g}"


def warm_up(spark: SparkSession, folder: Path) -> None:
    """Run both ways once on two packs, untimed."""
    small = Inputs.of(spark, write_evidence(folder / "evidence", 2, 20))
    product(Lake(spark, settings_at(folder / "home")), small, folder / "out")
    textbook(long_format(small, CELLS, folder / "long"), folder / "out")


def measured(spark: SparkSession, folder: Path, packs: int, days: int, cells: int, rounds: int) -> Result:
    """Run all rounds."""
    lake = Lake(spark, settings_at(folder / "home"))
    inputs = Inputs.of(spark, write_evidence(folder / "evidence", packs, days))
    long = long_format(inputs, min(cells, packs * CELLS), folder / "long")
    textbook_cells = long.select("cell_id").distinct().count()
    out = folder / "out"
    sides: dict[str, Callable[[], Callable[[], None]]] = {
        "health step": lambda: partial(product, lake, inputs, out),
        "textbook": lambda: partial(textbook, long, out),
    }
    timed = interleaved(sides, rounds)
    ours, theirs = timed["health step"], timed["textbook"]
    size = f"{packs} packs of {CELLS} cells, {days} days; textbook on {textbook_cells:,} of these cells"
    share = packs * CELLS / textbook_cells
    return Result(
        "health_step",
        "pack_inputs, pack_days, cell_health, cell_life against groupBy(cell).applyInPandas, to Parquet",
        "cells",
        (
            Line.of("health step", packs * CELLS, ours, theirs, share),
            Line.of("textbook, one group a cell", textbook_cells, theirs, theirs),
        ),
        AIM,
        agreement(spark, out),
        (size + f"; {rounds} rounds, interleaved, medians",),
    )  # fmt: skip


def main() -> None:
    """Measure and print."""
    chosen = arguments(
        "Cells per second of the SOH and RUL step against one pandas group a cell.",
        vehicles=(200, "packs of 96 cells"),
        days=(60, "days with evidence"),
        textbook_cells=(1_000, "cells for the textbook, rounded up to whole packs"),
        rounds=(3, "repetitions"),
    )
    with temporary_spark() as (spark, folder):
        if not chosen.cold:
            warm_up(spark, folder / "warm")
        result = measured(spark, folder, chosen.vehicles, chosen.days, chosen.textbook_cells, chosen.rounds)
    publish(result, chosen.json)


if __name__ == "__main__":
    main()
