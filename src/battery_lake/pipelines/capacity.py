"""Sessions to capacity observations: changed sessions and their neighbours are looked at again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.gold.capacity_observation import CapacityParams, capacity_observation
from battery_lake.lake.changes import Span, changes, hull, overall
from battery_lake.lake.scratch import kept
from battery_lake.lake.write import replacing, upsert
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.stream import plain, run_available
from battery_lake.tables.gold import CAPACITY_OBSERVATION

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.settings import Settings


REACH: Final = 3
"""A change is felt by sessions so many times ``max_anchor_gap_s`` away."""

READ: Final = 6
"""To tell those again, so many times ``max_anchor_gap_s`` around the change must be seen."""


def capacity_params(settings: Settings) -> CapacityParams:
    """Return which rests count."""
    health = settings.health
    return CapacityParams(
        min_rest_s=health.min_rest_s,
        max_anchor_gap_s=health.max_anchor_gap_s,
        min_soc_change_frac=health.min_soc_change_frac,
        rest_c_rate=settings.sessions.rest_c_rate,
    )


def capacity_batch(lake: Lake, changed: DataFrame) -> Counts:
    """Observe again the sessions that changed and those that look at them.

    An observation looks at two sessions before its own and one after, none of them further away than
    ``max_anchor_gap_s``, and no session longer than that is looked through: so the reach of a change is
    three times that, and what has to be read twice as much.
    """
    params = capacity_params(lake.settings)
    spans = kept(lake, "capacity.spans", hull(changed, F.col("started_at"), F.col("ended_at")))
    span = overall(spans)
    if span is None:
        return Counts()
    sessions = _near(lake.read("gold.session"), spans, span, READ * params.max_anchor_gap_s)
    observed = capacity_observation(sessions, lake.read("reference.packs"), params)
    reach_s = REACH * params.max_anchor_gap_s
    fresh = kept(lake, "capacity.fresh", _near(observed, spans, span, reach_s))
    stored = _near(lake.read("gold.capacity_observation"), spans, span, reach_s)
    rows = replacing(fresh, stored, CAPACITY_OBSERVATION.key)
    # What ends within reach began at most one longest session earlier.
    within = span.widened(reach_s + params.max_anchor_gap_s).holds("t.started_at")
    written = upsert(lake, "gold.capacity_observation", rows, within=within)
    return Counts(rows_in=written, rows_kept=written)


def _near(rows: DataFrame, spans: DataFrame, span: Span, reach_s: float) -> DataFrame:
    """The rows from started_at to ended_at that are within reach of their pack's changes."""
    reach = F.make_dt_interval(secs=F.lit(reach_s))
    joined = rows.where(span.widened(reach_s).overlaps("started_at", "ended_at")).join(
        F.broadcast(spans), on="pack_id", how="inner"
    )
    is_near = (F.col("ended_at") >= F.col("low") - reach) & (F.col("started_at") <= F.col("high") + reach)
    return joined.where(is_near).drop("low", "high")


def _run(lake: Lake, progress: Progress) -> RunResult:
    source = changes(lake, "gold.session").select("pack_id", "started_at", "ended_at")
    return run_available(lake, "capacity", source, plain(capacity_batch), progress)


CAPACITY = Pipeline(
    "capacity",
    reads=("gold.session", "reference.packs"),
    writes=("gold.capacity_observation",),
    step=_run,
)
