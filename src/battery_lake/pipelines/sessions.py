"""Silver to sessions: new and late messages re-open the sessions around them, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.cells.sessions import SessionParams
from battery_lake.gold.session import session
from battery_lake.lake.changes import changes, hull
from battery_lake.lake.scratch import kept
from battery_lake.lake.write import DELETED, upsert
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.stream import run_available

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

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
    reach = F.make_dt_interval(secs=F.lit(params.gap_s + 4 * params.window_s))
    touched = hull(changed, F.col("measured_at"), F.col("measured_at"))
    before = lake.read("gold.session").select("pack_id", "started_at", "ended_at")
    spans = kept(lake, "sessions.spans", _reopened(touched, before, reach))
    telemetry = lake.read("silver.telemetry").join(F.broadcast(spans), on="pack_id", how="inner")
    context = telemetry.where(F.col("measured_at").between(F.col("low") - reach, F.col("high") + reach))
    cut = session(context.drop("low", "high"), lake.read("reference.packs"), params)
    inside = F.col("started_at").between(F.col("low"), F.col("high"))
    fresh = cut.join(F.broadcast(spans), on="pack_id", how="inner").where(inside).drop("low", "high")
    fresh = kept(lake, "sessions.fresh", fresh)
    gone = (
        before
        .join(F.broadcast(spans), on="pack_id", how="inner")
        .where(inside)
        .join(fresh.select("pack_id", "started_at"), on=["pack_id", "started_at"], how="left_anti")
        .select("pack_id", "started_at", F.lit(True).alias(DELETED))
    )
    rows = fresh.withColumn(DELETED, F.lit(False)).unionByName(gone, allowMissingColumns=True)
    written = upsert(lake, "gold.session", rows)
    return Counts(rows_in=written, rows_kept=written)


def _reopened(touched: DataFrame, before: DataFrame, reach: Column) -> DataFrame:
    """The spans of the changes, widened to the sessions that they reach."""
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


def _batch(lake: Lake, changed: DataFrame, batch_id: int) -> Counts:
    del batch_id
    return sessions_batch(lake, changed)


def _run(lake: Lake, progress: Progress) -> RunResult:
    source = changes(lake, "silver.telemetry").select("pack_id", "measured_at")
    return run_available(lake, "sessions", source, _batch, progress)


SESSIONS = Pipeline(
    "sessions", reads=("silver.telemetry", "reference.packs"), writes=("gold.session",), step=_run
)
