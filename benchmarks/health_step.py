"""The SOH and RUL step, many packs at a time, against one pandas group a cell with the same functions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pyspark.sql import Window
from pyspark.sql import functions as F
from support.evidence import CELLS, FIRST_DAY, write_evidence
from support.output import Line, Result, arguments, publish
from support.runs import interleaved, require
from support.spark import settings_at, temporary_spark

from battery_lake.cells.life_outlook import LifeHistory, OutlookParams, outlook_days
from battery_lake.cells.life_points import LifePoints, add_day, joined, means, no_points
from battery_lake.cells.life_templates import templates_of
from battery_lake.cells.recent_use import RECENT_DAYS, daily_rate
from battery_lake.cells.rul import RulParams
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
from battery_lake.gold.cell_state import HealthParams, cell_state, pack_days, pack_inputs
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
USE = ("throughput_ah", "distance_km", "recent_throughput_ah", "recent_distance_km")
PER_DAY = ("rated_capacity_ah", "chemistry", "new_day", *USE, "first_day")
NUMBERS = (
    "capacity_ah", "soh_pct", "soh_std_pct", "efc", "observations", "rul_days_p05", "rul_days_p50",
    "rul_days_p95", "rul_efc_p05", "rul_efc_p50", "rul_efc_p95", "rul_km_p05", "rul_km_p50",
    "rul_km_p95", "censored",
)  # fmt: skip
KEY = ("cell_id", "day")
FIRST = np.array([0])
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


def product(lake: Lake, inputs: Inputs, folder: Path, states: DataFrame) -> None:
    """Do as the health pipeline does between reading and merging."""
    prepared = pack_inputs(inputs.sessions, inputs.observations, inputs.packs, states)
    days = kept(lake, "days", pack_days(prepared, HealthParams()))
    cell_health(days, inputs.packs).write.mode("overwrite").parquet(f"{folder}/health")
    cell_life(days, inputs.packs).write.mode("overwrite").parquet(f"{folder}/life")
    cell_state(days).write.mode("overwrite").parquet(f"{folder}/state")


def no_states(spark: SparkSession) -> DataFrame:
    """Return the states of packs that start anew."""
    return spark.createDataFrame([], CELL_STATE.fields)


def long_format(inputs: Inputs, cells: int, file: Path) -> DataFrame:
    """Lay out the observations of the first cells one row a cell: the textbook's input, made untimed."""
    day = F.unix_date(F.to_date("started_at"))
    so_far = Window.partitionBy("pack_id").orderBy("day")
    # exp(-(d - d_i) / T), each factor of a size that floats hold.
    fresh = F.exp((F.col("day") - FIRST_DAY) / RECENT_DAYS)
    use = (
        inputs.sessions
        .groupBy("pack_id", day.alias("day"))
        .agg(F.sum("throughput_ah").alias("moved"), F.sum("distance_km").alias("driven"))
        .select(
            "pack_id", "day", F.sum("moved").over(so_far).alias("throughput_ah"),
            F.sum("driven").over(so_far).alias("distance_km"),
            (F.sum(F.col("moved") * fresh).over(so_far) / fresh).alias("recent_throughput_ah"),
            (F.sum(F.col("driven") * fresh).over(so_far) / fresh).alias("recent_distance_km"),
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
        # A cell's history knows the days of its pack, also those that tell nothing of it.
        .where("capacity_ah IS NOT NULL OR method = 'rest_to_rest'")
        .join(use, on=["pack_id", "day"], how="inner")
        .join(F.broadcast(chosen), on="pack_id", how="inner")
        .withColumns({"cell_id": cell_id(), "new_day": F.unix_date("warranty_from")})
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
    age = float(rows["first_day"].iloc[0] - rows["new_day"].iloc[0])
    params = FilterParams()
    state, points = initial_state(1, params, age), no_points(1, 1)
    history, lives = [], []
    for start, past in zip(starts, [*starts[1:], len(day)], strict=True):
        day_of = np.arange(start, past)
        # A full discharge is the capacity test itself: it overrules windows.
        day_of = day_of[is_test[day_of]] if is_test[day_of].any() else day_of
        value, spread, count = combine_day(capacity[day_of, None], variance[day_of, None])
        now = np.array([float(day[start])])
        soh, soh_variance = 100.0 * value / rated, (100.0 / rated) ** 2 * spread
        state = step(state, now, soh, soh_variance, params, count)
        add_day(points, now, soh[None], soh_variance[None], state.soh_pct[None])
        history.append(state)
        lives.append(points[FIRST])
    return outlook(history, joined(lives), rows.iloc[starts], rated)


def outlook(history: list[FilterState], lives: LifePoints, first: pd.DataFrame, rated: float) -> pd.DataFrame:
    """Health and life of one cell on all its days."""
    known = FilterState(**{
        f.name: np.concatenate([getattr(state, f.name) for state in history]) for f in fields(FilterState)
    })
    day, new_day = first["day"].to_numpy(np.float64), float(first["new_day"].iloc[0])
    point_day, soh, variance = means(lives)
    life = LifeHistory(point_day - new_day, soh, variance, day - new_day)
    eol = RulParams().eol_soh_pct
    templates = templates_of(first["chemistry"].iloc[0], eol)
    *rul, censored = outlook_days(templates, life, known.soh_pct[:, None], eol, OutlookParams())
    used = np.maximum(day - first["first_day"].to_numpy() + 1.0, 1.0)
    quantiles = dict(zip(("p05", "p50", "p95"), (days[:, 0] for days in rul), strict=True))
    efc_a_day = daily_rate(first["recent_throughput_ah"].to_numpy(), used) / (2.0 * rated)
    km_a_day = daily_rate(first["recent_distance_km"].to_numpy(), used)
    columns: dict[str, NDArray[Any]] = {
        "capacity_ah": known.soh_pct * rated / 100,
        "soh_pct": known.soh_pct,
        "soh_std_pct": reported_std(known, FilterParams()),
        "efc": first["throughput_ah"].to_numpy() / (2.0 * rated),
        "observations": known.observations,
        **{f"rul_days_{q}": days for q, days in quantiles.items()},
        **{f"rul_efc_{q}": days * efc_a_day for q, days in quantiles.items()},
        **{f"rul_km_{q}": days * km_a_day for q, days in quantiles.items()},
        "censored": censored[:, 0],
    }
    told = np.array([now == state.updated_days[0] for now, state in zip(day, history, strict=True)])
    return pd.DataFrame({
        "cell_id": first["cell_id"].to_numpy(), "day": first["day"].to_numpy(),
        **{name: columns[name].astype(np.float64) for name in NUMBERS},
    })[told]  # fmt: skip


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
    product(Lake(spark, settings_at(folder / "home")), small, folder / "out", no_states(spark))
    textbook(long_format(small, CELLS, folder / "long"), folder / "out")


def measured(spark: SparkSession, folder: Path, packs: int, days: int, cells: int, rounds: int) -> Result:
    """Run all rounds."""
    lake = Lake(spark, settings_at(folder / "home"))
    inputs = Inputs.of(spark, write_evidence(folder / "evidence", packs, days))
    long = long_format(inputs, min(cells, packs * CELLS), folder / "long")
    textbook_cells = long.select("cell_id").distinct().count()
    out = folder / "out"
    sides: dict[str, Callable[[], Callable[[], None]]] = {
        "health step": lambda: partial(product, lake, inputs, out, no_states(spark)),
        "textbook": lambda: partial(textbook, long, out),
    }
    timed = interleaved(sides, rounds)
    ours, theirs = timed["health step"], timed["textbook"]
    size = f"{packs} packs of {CELLS} cells, {days} days; textbook on {textbook_cells:,} of these cells"
    share = packs * CELLS / textbook_cells
    return Result(
        "health_step",
        "pack_inputs, pack_days, health, life and state against groupBy(cell).applyInPandas, to Parquet",
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
