"""Sessions and observations to the health and life of every cell.

A pack goes on from its stored state unless something changed before it; then the pack, and no other, is
filtered anew from its first day.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.cells.rul import RulParams
from battery_lake.gold.cell_current import cell_current
from battery_lake.gold.cell_health import cell_health
from battery_lake.gold.cell_life import cell_life
from battery_lake.gold.cell_state import (
    SESSION_COLUMNS,
    STATE,
    HealthParams,
    cell_state,
    pack_days,
    pack_inputs,
)
from battery_lake.lake.changes import changes
from battery_lake.lake.create import ensure
from battery_lake.lake.reach import ANEW, reach
from battery_lake.lake.scratch import kept
from battery_lake.lake.write import replacing, upsert
from battery_lake.models.champion import champion
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.stream import plain, run_available

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.cells.life_prior import LifePrior
    from battery_lake.lake.access import Lake
    from battery_lake.lake.reach import Reach


def health_batch(lake: Lake, changed: DataFrame) -> Counts:
    """Filter the touched packs on, or anew, by the champion of now, and write what is different."""
    return follow_packs(lake, changed, champion(lake.settings))


def follow_packs(lake: Lake, changed: DataFrame, prior: LifePrior | None) -> Counts:
    """Filter the touched packs on, or anew, and write what is different.

    Parameters
    ----------
    lake
        The tables.
    changed
        Packs and instants that something changed at.
    prior
        What lives are like; None: that of the product.
    """
    packs = lake.read("reference.packs")
    states = lake.read("gold.cell_state")
    plan = kept(lake, "health.plan", _plan(changed, states))
    since = reach(plan)
    if since is None:
        return Counts()
    goes_on = plan.where("goes_on").select("pack_id")
    use = lake.read("gold.session").select(*SESSION_COLUMNS)
    inputs = pack_inputs(
        _from_plan(use, plan, since),
        _from_plan(lake.read("gold.capacity_observation").drop("method_version"), plan, since),
        packs,
        states.join(F.broadcast(goes_on), on="pack_id", how="left_semi"),
    )
    params = HealthParams(rul=RulParams(eol_soh_pct=lake.settings.health.eol_soh_pct), prior=prior)
    days = kept(lake, "health.days", pack_days(inputs, params))
    health, life = cell_health(days, packs), cell_life(days, packs)
    told = _replace(lake, "gold.cell_health", health, plan, since)
    lives = _replace(lake, "gold.cell_life", life, plan, since)
    upsert(lake, "gold.cell_current", cell_current(health, life))
    _mend_current(lake, plan, since)
    upsert(lake, "gold.cell_state", cell_state(days))
    # Another champion moves lives and leaves health as it was.
    written = max(told, lives)
    return Counts(rows_in=written, rows_kept=written)


def _plan(changed: DataFrame, states: DataFrame) -> DataFrame:
    """One row per touched pack: ``from_at``, and whether it ``goes_on`` there from its state, or starts anew.

    A pack with a state starts anew from its first session. One without may have sessions that told nothing.
    """
    touched = changed.groupBy("pack_id").agg(F.min("started_at").alias("low"))
    known = states.select("pack_id", "as_of_at", "first_days", "method_version")
    goes_on = (F.col("method_version") == STATE) & (F.col("low") >= F.col("as_of_at"))
    first = F.date_from_unix_date(F.col("first_days").cast("int")).cast("timestamp")
    from_at = F.when(goes_on, F.col("as_of_at")).when(F.isnotnull(first), F.least("low", first))
    return touched.join(known, on="pack_id", how="left").select(
        "pack_id",
        F.coalesce(from_at, F.expr(ANEW)).alias("from_at"),
        F.coalesce(goes_on, F.lit(False)).alias("goes_on"),
    )


def _from_plan(rows: DataFrame, plan: DataFrame, since: Reach) -> DataFrame:
    """The planned packs' rows from their starting points on."""
    joined = rows.where(since.instants("started_at")).join(F.broadcast(plan), on="pack_id", how="inner")
    return joined.where("started_at >= from_at").drop("from_at", "goes_on")


def _replace(lake: Lake, name: str, rows: DataFrame, plan: DataFrame, since: Reach) -> int:
    """Upsert the rows and delete those that the planned packs no longer have; how many changed."""
    key = ["cell_id", "as_of_date"]
    stored = lake.read(name).where(since.days("as_of_date")).select(*key, "pack_id")
    in_plan = stored.join(F.broadcast(plan), on="pack_id", how="inner").where(
        "as_of_date >= to_date(from_at)"
    )
    return upsert(lake, name, replacing(rows, in_plan, key), within=since.days("as_of_date", "t."))


def _mend_current(lake: Lake, plan: DataFrame, since: Reach) -> None:
    """Put right the cells whose newest day has gone: rare, late data took their evidence away."""
    health, life = lake.read("gold.cell_health"), lake.read("gold.cell_life")
    # Days before a pack's start have not been touched.
    current = (
        lake
        .read("gold.cell_current")
        .join(F.broadcast(plan), on="pack_id", how="inner")
        .where("as_of_date >= to_date(from_at)")
    )
    day = ["cell_id", "as_of_date"]
    recent = health.where(since.days("as_of_date")).select(*day)
    orphans = kept(lake, "health.orphans", current.join(recent, on=day, how="left_anti").select("cell_id"))
    if orphans.isEmpty():
        return
    back = cell_current(
        health.join(orphans, on="cell_id", how="left_semi"), life.join(orphans, on="cell_id", how="left_semi")
    )
    upsert(lake, "gold.cell_current", replacing(back, orphans, ["cell_id"]))


def rescore(lake: Lake) -> Counts:
    """Tell every pack's newest day anew by the champion of now, from the state before that day."""
    ensure(lake, dict.fromkeys((*HEALTH.reads, *HEALTH.writes)))
    newest = lake.read("gold.cell_state").select("pack_id", F.col("as_of_at").alias("started_at"))
    return health_batch(lake, newest)


def _run(lake: Lake, progress: Progress) -> RunResult:
    prior = champion(lake.settings)
    sources = [
        changes(lake, name).select("pack_id", "started_at")
        for name in ("gold.session", "gold.capacity_observation")
    ]
    return run_available(
        lake,
        "health",
        sources[0].unionByName(sources[1]),
        plain(partial(follow_packs, prior=prior)),
        progress,
    )


HEALTH = Pipeline(
    "health",
    reads=("gold.session", "gold.capacity_observation", "reference.packs"),
    writes=("gold.cell_state", "gold.cell_health", "gold.cell_life", "gold.cell_current"),
    step=_run,
)
