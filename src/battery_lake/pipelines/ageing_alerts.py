"""Sessions and capacities to ageing alerts: what a day alone says of cells, and what a year of days shows.

Only packs with new evidence are looked at, each a year back, or as far as what its open alerts were raised
from. A pack goes on from its stored state unless a day before it changed; then the pack, and no other, is
judged anew from its first day.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.cells.ageing_alerts import AgeingParams
from battery_lake.gold.ageing_rules import CODES
from battery_lake.gold.ageing_state import METHOD, ageing_inputs, ageing_state, look_back, pack_ageing
from battery_lake.gold.day_estimate import day_estimate
from battery_lake.gold.resistance_state import STEP_COLUMNS
from battery_lake.lake.changes import changes
from battery_lake.lake.scratch import kept
from battery_lake.pipelines.alert_plan import (
    plan,
    planned,
    starts,
    touched_days,
    write_alerts,
    write_days,
    write_states,
)
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.stream import plain, run_available
from battery_lake.tables.gold import AGEING_STATE, DAY_ESTIMATE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.lake.reach import Reach

IS_STEP = "step_resistance_mohm IS NOT NULL"


def ageing_batch(lake: Lake, changed: DataFrame) -> Counts:
    """Tell the touched days again, then judge their packs on, or anew, and write what is different."""
    touched, span = touched_days(lake, changed, "started_at", "ageing.touched")
    if span is None:
        return Counts()
    fresh = kept(lake, "ageing.days", _told_again(lake, touched, span))
    write_days(lake, DAY_ESTIMATE, fresh, touched, span)
    going_on = kept(lake, "ageing.plan", plan(touched, fresh, lake.read(AGEING_STATE.name), METHOD))
    written = _write_alerts(lake, going_on)
    return Counts(rows_in=written, rows_kept=written)


def _told_again(lake: Lake, touched: DataFrame, span: Reach) -> DataFrame:
    """The touched days of the touched packs, whole."""

    def of_days(name: str, *columns: str) -> DataFrame:
        of_span = lake.read(name).where(span.instants("started_at"))
        rows = of_span.select("pack_id", "started_at", *columns)
        key = ["pack_id", "as_of_date"]
        return rows.withColumn("as_of_date", F.to_date("started_at")).join(touched, on=key, how="left_semi")

    observed = ("method", "capacity_ah", "variance_ah2", "temperature_mean_c")
    return day_estimate(
        of_days("gold.session", *STEP_COLUMNS).where(IS_STEP),
        of_days("gold.capacity_observation", *observed),
        lake.read("reference.packs"),
    )


def _write_alerts(lake: Lake, going_on: DataFrame) -> int:
    """Judge the planned packs and write their alerts, then their states; how many alerts changed."""
    begun = planned(lake.read(AGEING_STATE.name), going_on, "as_of_at = from_at")
    seen = kept(lake, "ageing.seen", look_back(going_on, begun))
    first = starts(seen.select("pack_id", F.col("first_date").alias("from_at")))
    days = lake.read(DAY_ESTIMATE.name).where(first.days("as_of_date"))
    inputs = ageing_inputs(days, lake.read("reference.packs"), seen, begun)
    stepped = kept(lake, "ageing.stepped", pack_ageing(inputs, AgeingParams()))
    written = write_alerts(lake, stepped, going_on, starts(going_on), CODES)
    # Last: a crash before it repeats what came before, with the same state to go on from.
    write_states(lake, AGEING_STATE, ageing_state(stepped), going_on)
    return written


def _run(lake: Lake, progress: Progress) -> RunResult:
    steps = changes(lake, "gold.session").where(IS_STEP).select("pack_id", "started_at")
    capacities = changes(lake, "gold.capacity_observation").select("pack_id", "started_at")
    return run_available(lake, "ageing_alerts", steps.unionByName(capacities), plain(ageing_batch), progress)


AGEING_ALERTS = Pipeline(
    "ageing_alerts",
    reads=("gold.session", "gold.capacity_observation", "reference.packs"),
    writes=("gold.day_estimate", "gold.ageing_state", "gold.alert"),
    step=_run,
)
