"""Health and observations to gold.soh_change: packs go on from their last told days.

What is told of a pack from its first changed day on is told again; nothing before it can change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.gold.soh_change import POINT_COLUMNS, WINDOW_DAYS, soh_change
from battery_lake.lake.changes import changes
from battery_lake.lake.newest import newest_before
from battery_lake.lake.reach import reach
from battery_lake.lake.scratch import kept
from battery_lake.lake.write import replacing, upsert
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.stream import plain, run_available
from battery_lake.tables.gold import SOH_CHANGE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.lake.reach import Reach

CELL: Final = ("pack_id", "cell_id")


def soh_changes_batch(lake: Lake, changed: DataFrame) -> Counts:
    """Tell the touched packs again from their first changed day on."""
    firsts = kept(
        lake, "soh_changes.firsts", changed.groupBy("pack_id").agg(F.min("as_of_date").alias("first_date"))
    )
    starts = reach(firsts.withColumnRenamed("first_date", "from_at"))
    if starts is None:
        return Counts()

    def since(name: str, day: str = "as_of_date", back_days: int = 0) -> DataFrame:
        """The touched packs' rows from so many days before their first changed day on."""
        recent = lake.read(name).where(starts.back(back_days).days(day))
        own = recent.join(F.broadcast(firsts), on="pack_id", how="inner")
        return own.where(F.col(day) >= F.date_sub("first_date", back_days)).drop("first_date")

    health = since("gold.cell_health")
    cells = health.select(*CELL).distinct().join(F.broadcast(firsts), on="pack_id", how="inner")
    rows = soh_change(
        health,
        _base(lake, kept(lake, "soh_changes.cells", cells), starts),
        since("gold.capacity_observation", "started_at", WINDOW_DAYS),
        lake.read("reference.packs"),
    )
    fresh = kept(lake, "soh_changes.fresh", rows)
    stored = since(SOH_CHANGE.name)
    written = upsert(
        lake,
        SOH_CHANGE.name,
        replacing(fresh, stored, SOH_CHANGE.key),
        within=starts.days("as_of_date", "t."),
    )
    return Counts(rows_in=written, rows_kept=written)


def _base(lake: Lake, cells: DataFrame, starts: Reach) -> DataFrame:
    """What every cell is compared with first: its last told day and its last day before the changes.

    A cell has a told day, its first at least, where it has any.
    """
    levels = newest_before(lake, SOH_CHANGE.name, cells, starts, POINT_COLUMNS, "soh_changes.levels")
    known = cells.join(levels.select(*CELL), on=list(CELL), how="left_semi")
    last = newest_before(lake, "gold.cell_health", known, starts, POINT_COLUMNS, "soh_changes.previous")
    return levels.withColumnRenamed("row", "level").join(
        last.withColumnRenamed("row", "previous"), on=list(CELL), how="inner"
    )


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
