"""Health and observations to gold.soh_change: packs go on from their last told days.

What is told of a pack from its first changed day on is told again; nothing before it can change.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.gold.soh_change import POINT_COLUMNS, WINDOW_DAYS, soh_change
from battery_lake.lake.changes import changes, overall
from battery_lake.lake.newest import newest_before
from battery_lake.lake.scratch import kept
from battery_lake.lake.write import replacing, upsert
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.stream import plain, run_available
from battery_lake.tables.gold import SOH_CHANGE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake

CELL: Final = ("pack_id", "cell_id")


def soh_changes_batch(lake: Lake, changed: DataFrame) -> Counts:
    """Tell the touched packs again from their first changed day on."""
    firsts = kept(
        lake, "soh_changes.firsts", changed.groupBy("pack_id").agg(F.min("as_of_date").alias("first_date"))
    )
    instant = F.col("first_date").cast("timestamp")
    span = overall(firsts.select(instant.alias("low"), instant.alias("high")))
    if span is None:
        return Counts()
    low = span.low.date()

    def since(rows: DataFrame, back_days: int = 0) -> DataFrame:
        """The touched packs' rows from so many days before their first changed day on."""
        recent = rows.where(f"as_of_date >= DATE'{low - dt.timedelta(days=back_days)}'")
        own = recent.join(F.broadcast(firsts), on="pack_id", how="inner")
        return own.where(F.col("as_of_date") >= F.date_sub("first_date", back_days)).drop("first_date")

    observations = lake.read("gold.capacity_observation").withColumn("as_of_date", F.to_date("started_at"))
    rows = soh_change(
        since(lake.read("gold.cell_health")),
        _base(lake, firsts, low),
        since(observations, WINDOW_DAYS).drop("as_of_date"),
        lake.read("reference.packs"),
    )
    fresh = kept(lake, "soh_changes.fresh", rows)
    stored = since(lake.read(SOH_CHANGE.name).select("pack_id", *SOH_CHANGE.key))
    within = f"t.as_of_date >= DATE'{low}'"
    written = upsert(lake, SOH_CHANGE.name, replacing(fresh, stored, SOH_CHANGE.key), within=within)
    return Counts(rows_in=written, rows_kept=written)


def _base(lake: Lake, firsts: DataFrame, low: dt.date) -> DataFrame:
    """What every cell is compared with first: its last told day and its last day before the changes.

    Told days are few, a first one at least, so they are looked through whole; days are not.
    """
    told = lake.read(SOH_CHANGE.name).join(F.broadcast(firsts), on="pack_id", how="inner")
    levels = kept(
        lake,
        "soh_changes.levels",
        told
        .where("as_of_date < first_date")
        .groupBy(*CELL, "first_date")
        .agg(F.max_by(F.struct(*POINT_COLUMNS), "as_of_date").alias("level")),
    )
    last = newest_before(
        lake, "gold.cell_health", levels.drop("level"), low, POINT_COLUMNS, "soh_changes.previous"
    )
    return levels.join(last.withColumnRenamed("row", "previous"), on=list(CELL), how="inner")


def _run(lake: Lake, progress: Progress) -> RunResult:
    health = changes(lake, "gold.cell_health").select("pack_id", "as_of_date")
    seen = changes(lake, "gold.capacity_observation").select(
        "pack_id", F.to_date("started_at").alias("as_of_date")
    )
    return run_available(lake, "soh_changes", health.unionByName(seen), plain(soh_changes_batch), progress)


SOH_CHANGES = Pipeline(
    "soh_changes",
    reads=("gold.cell_health", "gold.capacity_observation", "reference.packs"),
    writes=("gold.soh_change",),
    step=_run,
)
