"""What is now, for key figures: packs that changed, the fleet that they are in, and messages by day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from battery_lake.gold.fleet_now import fleet_now
from battery_lake.gold.message_daily import message_daily
from battery_lake.gold.pack_now import USE_DAYS, Known, pack_now
from battery_lake.lake.changes import changes
from battery_lake.lake.newest import newest_before
from battery_lake.lake.reach import reach
from battery_lake.lake.scratch import kept
from battery_lake.lake.write import replacing, upsert
from battery_lake.pipelines.fleet import END_OF_TIME
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.stream import plain, run_available
from battery_lake.tables.gold import BATTERY_PASSPORT, FLEET_NOW, PACK_HEALTH, PACK_NOW

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.lake.reach import Reach


def packs_batch(lake: Lake, changed: DataFrame) -> Counts:
    """Tell the touched packs again, and the quantiles over all packs as they then stand."""
    # A change of a pack's reference has no day: its rows are looked for further and further back.
    since = F.coalesce(F.min("as_of_date"), F.lit(END_OF_TIME.date()))
    touched = kept(lake, "kpis.touched", changed.groupBy("pack_id").agg(since.alias("from_at")))
    starts = reach(touched)
    if starts is None:
        return Counts()
    packs = touched.select("pack_id")
    fresh = kept(lake, "kpis.packs", _packs(lake, packs, starts))
    stored = lake.read(PACK_NOW.name).join(F.broadcast(packs), on="pack_id", how="left_semi")
    written = upsert(lake, PACK_NOW.name, replacing(fresh, stored, PACK_NOW.key))
    fleet = kept(lake, "kpis.fleet", fleet_now(lake.read(PACK_NOW.name)))
    upsert(lake, FLEET_NOW.name, replacing(fleet, lake.read(FLEET_NOW.name), FLEET_NOW.key))
    return Counts(rows_in=written, rows_kept=written)


def _packs(lake: Lake, packs: DataFrame, starts: Reach) -> DataFrame:
    """Rows of the touched packs: newest days are looked for near the change first."""
    ever = packs.withColumn("first_date", F.lit(END_OF_TIME.date()))

    def newest(name: str, columns: Any) -> DataFrame:
        found = newest_before(lake, name, ever, starts, columns, f"kpis.{name}")
        return kept(lake, f"kpis.{name}.newest", found.select("row.*"))

    def own(name: str) -> DataFrame:
        return lake.read(name).join(F.broadcast(packs), on="pack_id", how="left_semi")

    passports = newest(BATTERY_PASSPORT.name, BATTERY_PASSPORT.column_names)
    newest_days = reach(passports.select("pack_id", F.col("as_of_date").alias("from_at")))
    recent = "false" if newest_days is None else newest_days.back(USE_DAYS).instants("started_at")
    known = Known(
        health=newest(PACK_HEALTH.name, PACK_HEALTH.column_names),
        passports=passports,
        cells=own("gold.cell_current"),
        states=own("gold.cell_state"),
        sessions=own("gold.session").where(recent),
        observations=own("gold.capacity_observation").where(recent),
        packs=lake.read("reference.packs"),
    )
    return pack_now(known, lake.settings.health.eol_soh_pct)


def _messages(lake: Lake) -> int:
    """Count the newest day that is told once more, and what came since; how many rows changed."""
    told = lake.read("gold.message_daily").agg(F.max("finished_at")).collect()[0][0]
    batches = lake.read("ops.batch")
    if told is not None:
        batches = batches.where(f"finished_at >= DATE'{told:%Y-%m-%d}'")
    rows = message_daily(batches)
    if told is not None and rows.where(F.col("finished_at") > F.lit(told)).isEmpty():
        return 0  # a MERGE that changes nothing would still be a version
    return upsert(lake, "gold.message_daily", rows)


def _run(lake: Lake, progress: Progress) -> RunResult:
    no_day = F.lit(None).cast("date").alias("as_of_date")
    changed = (
        changes(lake, PACK_HEALTH.name)
        .select("pack_id", "as_of_date")
        .unionByName(changes(lake, BATTERY_PASSPORT.name).select("pack_id", "as_of_date"))
        .unionByName(changes(lake, "reference.packs").select("pack_id", no_day))
    )
    result = run_available(lake, "kpis", changed, plain(packs_batch), progress)
    counted = _messages(lake)
    return result + RunResult("kpis", counts=Counts(rows_in=counted, rows_kept=counted))


KPIS = Pipeline(
    "kpis",
    reads=(
        "gold.pack_health", "gold.battery_passport", "gold.cell_current", "gold.cell_state", "gold.session",
        "gold.capacity_observation", "reference.packs", "ops.batch",
    ),
    writes=("gold.pack_now", "gold.fleet_now", "gold.message_daily"),
    step=_run,
)  # fmt: skip
