"""Silver to sessions: new and late messages re-open the sessions around them, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.cells.sessions import SessionParams
from battery_lake.gold.session import session
from battery_lake.lake.changes import Span, changes, hull, inside, overall
from battery_lake.lake.scratch import kept
from battery_lake.lake.write import replacing, upsert
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.stream import plain, run_available
from battery_lake.tables.gold import SESSION

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.settings import Settings


def session_params(settings: Settings) -> SessionParams:
    """Return how sessions are cut."""
    chosen = settings.sessions
    return SessionParams(window_s=chosen.window_s, gap_s=chosen.gap_s, rest_c_rate=chosen.rest_c_rate)


def sessions_batch(lake: Lake, changed: DataFrame) -> Counts:
    """Cut the sessions of the touched packs again, within the time that the changes can reach.

    A sample's kind depends on samples at most two windows away, and a session ends after ``gap_s`` of
    silence: further than both together no change is felt. Sessions that are gone after the cut are deleted.
    """
    params = session_params(lake.settings)
    reach_s = params.gap_s + 4 * params.window_s
    touched = kept(lake, "sessions.touched", hull(changed, F.col("measured_at"), F.col("measured_at")))
    changed_span = overall(touched)
    if changed_span is None:
        return Counts()
    near = changed_span.widened(reach_s).overlaps("started_at", "ended_at")
    before = lake.read("gold.session").select("pack_id", "started_at", "ended_at").where(near)
    spans = kept(lake, "sessions.spans", _reopened(touched, before, reach_s))
    span = overall(spans)
    assert span is not None
    fresh = kept(lake, "sessions.fresh", _cut(lake, spans, span, params, reach_s))
    stored = lake.read("gold.session").select("pack_id", "started_at").where(span.holds("started_at"))
    rows = replacing(fresh, inside(stored, spans, "started_at"), SESSION.key)
    written = upsert(lake, "gold.session", rows, within=span.holds("t.started_at"))
    return Counts(rows_in=written, rows_kept=written)


def _cut(lake: Lake, spans: DataFrame, span: Span, params: SessionParams, reach_s: float) -> DataFrame:
    """The sessions that start within the spans, cut with what lies around them in view."""
    reach = F.make_dt_interval(secs=F.lit(reach_s))
    telemetry = lake.read("silver.telemetry").where(span.widened(reach_s).holds("measured_at"))
    context = telemetry.join(F.broadcast(spans), on="pack_id", how="inner").where(
        F.col("measured_at").between(F.col("low") - reach, F.col("high") + reach)
    )
    found = session(context.drop("low", "high"), lake.read("reference.packs"), params)
    return inside(found, spans, "started_at")


def _reopened(touched: DataFrame, before: DataFrame, reach_s: float) -> DataFrame:
    """The spans of the changes, widened to the sessions that they reach."""
    reach = F.make_dt_interval(secs=F.lit(reach_s))
    near = (F.col("ended_at") >= F.col("low") - reach) & (F.col("started_at") <= F.col("high") + reach)
    reached = (
        before
        .join(F.broadcast(touched), on="pack_id", how="inner")
        .where(near)
        .groupBy("pack_id")
        .agg(F.min("started_at").alias("first"), F.max("ended_at").alias("last"))
    )
    return touched.join(reached, on="pack_id", how="left").select(
        "pack_id", F.least("low", "first").alias("low"), F.greatest("high", "last").alias("high")
    )


def _run(lake: Lake, progress: Progress) -> RunResult:
    source = changes(lake, "silver.telemetry").select("pack_id", "measured_at")
    return run_available(lake, "sessions", source, plain(sessions_batch), progress)


SESSIONS = Pipeline(
    "sessions", reads=("silver.telemetry", "reference.packs"), writes=("gold.session",), step=_run
)
