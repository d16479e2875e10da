"""The report's frames of packs and cells: the weakest, their histories, the distribution, the error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from pyspark.sql import functions as F
from pyspark.sql.window import Window

from battery_lake.report.data import COLUMNS, INTERVAL_SIGMAS, empty_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyspark.sql import DataFrame

    from battery_lake.report.selection import Selection

HISTOGRAM_ROWS: Final = 5000


def to_pandas(frame: DataFrame, name: str) -> pd.DataFrame:
    """Return a bounded frame with the columns of :data:`~battery_lake.report.data.COLUMNS` in pandas."""
    # Through Arrow: the same on Spark Connect, and instants keep their zone.
    rows: pd.DataFrame = frame.select(*COLUMNS[name]).toArrow().to_pandas()
    return rows


def described_packs(packs: DataFrame, eol_soh_pct: float) -> DataFrame:
    """Return one row a pack with what the report says of it.

    Parameters
    ----------
    packs
        reference.packs.
    eol_soh_pct
        End of life of packs that name none. [%]
    """
    half_year = F.ceil(F.month("warranty_from") / 6)
    months = F.round(F.col("warranty_years") * 12).cast("int")
    return packs.select(
        "pack_id",
        "model",
        "chemistry",
        (F.col("cells_in_series") == 1).alias("is_single"),
        F.coalesce("eol_soh_pct", F.lit(eol_soh_pct)).alias("eol_soh_pct"),
        F.concat(F.year("warranty_from"), F.lit(" H"), half_year).alias("sold"),
        F.add_months("warranty_from", months).alias("warranty_until"),
    )


def newest_health(pack_health: DataFrame, names: Sequence[str]) -> DataFrame:
    """Return some columns of the newest row of gold.pack_health of each pack."""
    newest = F.max_by(F.struct(*names), "as_of_date").alias("newest")
    return pack_health.groupBy("pack_id").agg(newest).select("pack_id", "newest.*")


def worst_packs(pack_health: DataFrame, cells: DataFrame, limit: int) -> pd.DataFrame:
    """Return the newest row of the packs whose weakest cell is worst, with that cell's deviation.

    Parameters
    ----------
    pack_health
        gold.pack_health.
    cells
        gold.cell_current of the packs to rank, with their packs' descriptions.
    limit
        Most rows.
    """
    names = [
        "as_of_date", "soh_min_pct", "soh_median_pct", "weakest_cell_id", "efc", "rul_days_p05",
        "rul_days_p50", "rul_days_p95", "censored", "alerts", "cohort_percentile_pct",
    ]  # fmt: skip
    # The weakest cell brings its deviation and its pack's description in one join.
    weakest = cells.select(
        F.col("cell_id").alias("weakest_cell_id"), "soh_std_pct", "model", "chemistry", "eol_soh_pct",
        "warranty_until",
    )  # fmt: skip
    ranked = (
        newest_health(pack_health, names)
        .join(weakest, on="weakest_cell_id", how="inner")
        .withColumn("alerts", F.array_join("alerts", ", "))
        .orderBy(F.col("soh_min_pct").asc_nulls_last(), "pack_id")
    )
    return to_pandas(ranked.limit(limit), "worst_packs")


def worst_cells(cells: DataFrame, limit: int) -> pd.DataFrame:
    """Return the weakest cells, worst first."""
    known = cells.where("soh_pct IS NOT NULL")
    return to_pandas(known.orderBy("soh_pct", "cell_id").limit(limit), "worst_cells")


def featured_cells(
    cells: DataFrame, packs: pd.DataFrame, selection: Selection
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the cells whose histories are drawn, and all cells of the first pack.

    Parameters
    ----------
    cells
        gold.cell_current with the packs' descriptions.
    packs
        The weakest packs, worst first.
    selection
        Names the packs, or says how many of the weakest.
    """
    known = cells.where("soh_pct IS NOT NULL")
    pack_ids = list(selection.pack_ids)
    if not pack_ids:
        singles = known.where("is_single").orderBy("soh_pct", "cell_id").select("pack_id")
        lowest = [str(row["pack_id"]) for row in singles.limit(selection.single_histories).collect()]
        # In a lake of single cells alone the weakest packs are these very cells.
        pack_ids = list(dict.fromkeys([*packs["pack_id"].head(selection.histories), *lowest]))
    columns = list(dict.fromkeys([*COLUMNS["pack_cells"], "pack_id", "model", "chemistry", "eol_soh_pct"]))
    of_packs: pd.DataFrame = (
        known.where(F.col("pack_id").isin(pack_ids)).select(columns).toArrow().to_pandas()
    )
    rows = [row for pack_id in pack_ids for row in _roles(of_packs[of_packs["pack_id"] == pack_id])]
    if not rows:
        return empty_frame("featured"), empty_frame("pack_cells")
    featured = pd.DataFrame(rows)[list(COLUMNS["featured"])].reset_index(drop=True)
    of_first = of_packs[of_packs["pack_id"] == featured["pack_id"].iloc[0]]
    return featured, of_first[list(COLUMNS["pack_cells"])].reset_index(drop=True)


def _roles(cells: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a pack's weakest cell and the cell nearest to its median."""
    if cells.empty:
        return []
    by_soh = cells.sort_values(["soh_pct", "cell_id"])
    chosen = {"weakest": by_soh.iloc[0]}
    if len(by_soh) > 1:
        # The upper one of two middle cells, so that it is never the weakest.
        chosen["median"] = by_soh.iloc[len(by_soh) // 2]
    return [
        {**{str(name): cell[name] for name in cells.columns}, "role": role} for role, cell in chosen.items()
    ]


def histories(
    read: Callable[[str], DataFrame], truth: DataFrame | None, featured: pd.DataFrame, points: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return health, outlook and true SOH over time of the featured cells.

    Parameters
    ----------
    read
        Gives a table by its name.
    truth
        Columns cell_id, as_of_date, soh_pct; None where it is not known.
    featured
        The cells; only the weakest ones get an outlook.
    points
        Most rows a cell.
    """
    weakest = featured[featured["role"] == "weakest"]
    health = _history(read("gold.cell_health"), featured, points, "health")
    outlook = _history(read("gold.cell_life"), weakest, points, "outlook")
    if truth is None:
        return health, outlook, empty_frame("truth")
    # The true values have no pack: they are found by the cell alone.
    true_soh = truth.where(F.col("cell_id").isin(weakest["cell_id"].tolist()))
    return health, outlook, to_pandas(thinned(true_soh, ["cell_id"], points), "truth")


def _history(table: DataFrame, cells: pd.DataFrame, points: int, name: str) -> pd.DataFrame:
    """Return the rows of some cells over time; the pack narrows the files that are read."""
    chosen = table.where(F.col("pack_id").isin(cells["pack_id"].unique().tolist()))
    chosen = chosen.where(F.col("cell_id").isin(cells["cell_id"].tolist()))
    return to_pandas(thinned(chosen, ["cell_id"], points), name)


def thinned(frame: DataFrame, groups: Sequence[str], points: int) -> DataFrame:
    """Return at most ``points`` rows a group, evenly over its days, the newest always among them."""
    group = Window.partitionBy(*groups)
    stride = F.ceil(F.count("as_of_date").over(group) / F.lit(points))
    place = F.row_number().over(group.orderBy(F.col("as_of_date").desc())) - 1
    marked = frame.withColumn("_is_kept", place % stride == 0)
    return marked.where("_is_kept").drop("_is_kept").orderBy(*groups, "as_of_date")


def soh_histogram(cells: DataFrame) -> pd.DataFrame:
    """Return the cells a bin of one percentage point, by model and chemistry."""
    bins = (
        cells
        .where("soh_pct IS NOT NULL")
        .groupBy("model", "chemistry", F.floor("soh_pct").cast("double").alias("soh_bin_pct"))
        .agg(F.count("cell_id").alias("cells"))
        .orderBy(F.col("cells").desc(), "model", "chemistry", "soh_bin_pct")
    )
    return to_pandas(bins.limit(HISTOGRAM_ROWS), "soh_histogram")


def accuracy(cell_health: DataFrame, truth: DataFrame) -> pd.DataFrame:
    """Return the error of the estimated SOH a set of cells, over all cells and days that have a truth.

    Parameters
    ----------
    cell_health
        gold.cell_health.
    truth
        Columns set_name, cell_id, as_of_date, soh_pct.
    """
    true_soh = truth.select("set_name", "cell_id", "as_of_date", F.col("soh_pct").alias("true_soh_pct"))
    error = F.col("soh_pct") - F.col("true_soh_pct")
    held = F.abs(error) <= INTERVAL_SIGMAS * F.col("soh_std_pct")
    by_set = (
        cell_health
        .join(true_soh, on=["cell_id", "as_of_date"], how="inner")
        .where("soh_pct IS NOT NULL AND true_soh_pct IS NOT NULL")
        .groupBy("set_name")
        .agg(
            F.countDistinct("cell_id").alias("cells"),
            F.count("cell_id").alias("rows"),
            F.avg(F.abs(error)).alias("mae_pct"),
            F.sqrt(F.avg(error * error)).alias("rmse_pct"),
            (100.0 * F.avg(held.cast("double"))).alias("covered_pct"),
        )
        .orderBy("set_name")
    )
    return to_pandas(by_set, "accuracy")
