"""Sessions and observations to the health and life of every cell.

A pack goes on from its stored state unless something changed before it; then the pack, and no other, is
filtered anew from its first day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.cells.rul import RulParams
from battery_lake.gold.cell_current import cell_current
from battery_lake.gold.cell_health import cell_health
from battery_lake.gold.cell_life import cell_life
from battery_lake.gold.cell_state import STATE, HealthParams, cell_state, pack_days, pack_inputs
from battery_lake.gold.resistance_state import STEP_COLUMNS
from battery_lake.lake.changes import changes
from battery_lake.lake.scratch import kept
from battery_lake.lake.sql import instant
from battery_lake.lake.write import replacing, upsert
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.stream import plain, run_available

if TYPE_CHECKING:
    import datetime as dt

    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake


def health_batch(lake: Lake, changed: DataFrame) -> Counts:
    """Filter the touched packs on, or anew, and write what is different."""
    packs = lake.read("reference.packs")
    states = lake.read("gold.cell_state")
    plan = kept(lake, "health.plan", _plan(changed, states))
    since = _since(plan)
    goes_on = plan.where("from_at IS NOT NULL").select("pack_id")
    use = lake.read("gold.session").select(
        "pack_id", "started_at", "throughput_ah", "distance_km", *STEP_COLUMNS
    )
    inputs = pack_inputs(
        _from_plan(use, plan, since),
        _from_plan(lake.read("gold.capacity_observation").drop("method_version"), plan, since),
        packs,
        states.join(F.broadcast(goes_on), on="pack_id", how="left_semi"),
    )
    params = HealthParams(rul=RulParams(eol_soh_pct=lake.settings.health.eol_soh_pct))
    days = kept(lake, "health.days", pack_days(inputs, params))
    health, life = cell_health(days, packs), cell_life(days, packs)
    written = _replace(lake, "gold.cell_health", health, plan, since)
    _replace(lake, "gold.cell_life", life, plan, since)
    upsert(lake, "gold.cell_current", cell_current(health, life))
    _mend_current(lake, plan)
    upsert(lake, "gold.cell_state", cell_state(days))
    return Counts(rows_in=written, rows_kept=written)


def _since(plan: DataFrame) -> dt.datetime | None:
    """The earliest instant that any planned pack goes on from; None where one starts anew."""
    row = plan.agg(
        F.min("from_at").alias("low"), F.count_if(F.col("from_at").isNull()).alias("anew")
    ).collect()[0]
    earliest: dt.datetime | None = row.low
    return None if row.anew else earliest


def _plan(changed: DataFrame, states: DataFrame) -> DataFrame:
    """One row per touched pack: ``from_at``, where it goes on; null: it starts anew."""
    touched = changed.groupBy("pack_id").agg(F.min("started_at").alias("low"))
    usable = states.where(F.col("method_version") == STATE).select("pack_id", "as_of_at")
    goes_on = F.when(F.col("low") >= F.col("as_of_at"), F.col("as_of_at"))
    return touched.join(usable, on="pack_id", how="left").select("pack_id", goes_on.alias("from_at"))


def _from_plan(rows: DataFrame, plan: DataFrame, since: dt.datetime | None) -> DataFrame:
    """The planned packs' rows from their starting points on."""
    recent = rows if since is None else rows.where(f"started_at >= {instant(since)}")
    joined = recent.join(F.broadcast(plan), on="pack_id", how="inner")
    return joined.where("from_at IS NULL OR started_at >= from_at").drop("from_at")


def _replace(lake: Lake, name: str, rows: DataFrame, plan: DataFrame, since: dt.datetime | None) -> int:
    """Upsert the rows and delete those that the planned packs no longer have; how many changed."""
    key = ["cell_id", "as_of_date"]
    recent = "true" if since is None else f"as_of_date >= DATE'{since:%Y-%m-%d}'"
    stored = lake.read(name).where(recent).select(*key, "pack_id")
    in_plan = stored.join(F.broadcast(plan), on="pack_id", how="inner").where(
        "from_at IS NULL OR as_of_date >= to_date(from_at)"
    )
    within = recent.replace("as_of_date", "t.as_of_date")
    return upsert(lake, name, replacing(rows, in_plan, key), within=within)


def _mend_current(lake: Lake, plan: DataFrame) -> None:
    """Put right the cells whose newest day has gone: rare, late data took their evidence away."""
    health, life = lake.read("gold.cell_health"), lake.read("gold.cell_life")
    current = lake.read("gold.cell_current").join(
        F.broadcast(plan.select("pack_id")), on="pack_id", how="left_semi"
    )
    day = ["cell_id", "as_of_date"]
    orphans = kept(
        lake, "health.orphans", current.join(health.select(*day), on=day, how="left_anti").select("cell_id")
    )
    if orphans.isEmpty():
        return
    back = cell_current(
        health.join(orphans, on="cell_id", how="left_semi"), life.join(orphans, on="cell_id", how="left_semi")
    )
    upsert(lake, "gold.cell_current", replacing(back, orphans, ["cell_id"]))


def _run(lake: Lake, progress: Progress) -> RunResult:
    sources = [
        changes(lake, name).select("pack_id", "started_at")
        for name in ("gold.session", "gold.capacity_observation")
    ]
    return run_available(lake, "health", sources[0].unionByName(sources[1]), plain(health_batch), progress)


HEALTH = Pipeline(
    "health",
    reads=("gold.session", "gold.capacity_observation", "reference.packs"),
    writes=("gold.cell_state", "gold.cell_health", "gold.cell_life", "gold.cell_current"),
    step=_run,
)
