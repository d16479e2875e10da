"""The report's frames of the fleet over time, of sessions, and of what the pipelines did and refused."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.report.data import empty_frame
from battery_lake.report.load_cells import thinned, to_pandas

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from pyspark.sql import DataFrame

ROWS: Final = 30
SESSIONS: Final = 2000


def fleet_daily(table: DataFrame, groups: Sequence[tuple[str, str]], points: int) -> pd.DataFrame:
    """Return the daily figures of some groups of model and chemistry, thinned evenly.

    Parameters
    ----------
    table
        gold.fleet_daily.
    groups
        Pairs of model and chemistry, '' for null.
    points
        Most rows a group.
    """
    if not groups:
        return empty_frame("fleet_daily")
    model, chemistry = F.coalesce("model", F.lit("")), F.coalesce("chemistry", F.lit(""))
    chosen = [(model == one) & (chemistry == other) for one, other in groups]
    rows = table.where(functools.reduce(lambda left, right: left | right, chosen))
    return to_pandas(thinned(rows, ["model", "chemistry"], points), "fleet_daily")


def newest_observed_pct(fleet: DataFrame) -> float | None:
    """Return the share of session time sampled without gaps on the newest day, by packs. [%]."""
    known = fleet.where("observed_pct IS NOT NULL AND vehicles > 0")
    share = F.sum(F.col("observed_pct") * F.col("vehicles")) / F.sum("vehicles")
    row = known.groupBy("as_of_date").agg(share.alias("pct")).orderBy(F.col("as_of_date").desc()).first()
    return None if row is None else float(row["pct"])


def batches(table: DataFrame) -> pd.DataFrame:
    """Return the sums of ops.batch a pipeline, with lag and end of its newest batch."""
    counts = [F.sum(name).alias(name) for name in ("rows_in", "rows_kept", "rows_refused", "rows_duplicate")]
    by_pipeline = (
        table
        .groupBy("pipeline")
        .agg(
            F.count("batch_id").alias("batches"),
            *counts,
            F.max_by("lag_s", "finished_at").alias("lag_s"),
            F.max("finished_at").alias("finished_at"),
        )
        .orderBy("pipeline")
    )
    return to_pandas(by_pipeline.limit(ROWS), "batches")


def refusals(quarantine: DataFrame) -> pd.DataFrame:
    """Return messages and devices in silver.quarantine by reason, the commonest first."""
    # A rule that refused a message twice over still refused one message.
    reasons = F.explode(F.array_distinct(F.col("reasons.code"))).alias("code")
    by_code = (
        quarantine
        .select("device_id", reasons)
        .groupBy("code")
        .agg(F.count("code").alias("messages"), F.countDistinct("device_id").alias("devices"))
        .orderBy(F.col("messages").desc(), "code")
    )
    return to_pandas(by_code.limit(ROWS), "refusals")


def flags(telemetry: DataFrame, days: int) -> pd.DataFrame:
    """Return messages in silver.telemetry by flag over the newest days, the commonest first.

    Parameters
    ----------
    telemetry
        silver.telemetry.
    days
        How far to look back from the newest message. [d]
    """
    newest = telemetry.agg(F.max("measured_at").alias("newest")).collect()[0]["newest"]
    if newest is None:
        return empty_frame("flags")
    since = F.lit(newest) - F.expr(f"INTERVAL {int(days)} DAYS")
    by_code = (
        telemetry
        .where(F.col("measured_at") > since)
        .select(F.explode(F.array_distinct("flags")).alias("code"))
        .groupBy("code")
        .agg(F.count("code").alias("messages"))
        .orderBy(F.col("messages").desc(), "code")
    )
    return to_pandas(by_code.limit(ROWS), "flags")


def data_gaps(table: DataFrame) -> pd.DataFrame:
    """Return the newest rows of ops.data_gap."""
    return to_pandas(table.orderBy(F.col("found_at").desc()).limit(ROWS), "data_gaps")


def sessions(table: DataFrame, pack_id: str | None, days: int) -> pd.DataFrame:
    """Return the sessions of a pack over its newest days, oldest first.

    Parameters
    ----------
    table
        gold.session.
    pack_id
        The pack; None in an empty lake.
    days
        How far to look back from the start of the newest session. [d]
    """
    of_pack = table.where(F.col("pack_id") == F.lit(pack_id))
    newest = of_pack.agg(F.max("started_at").alias("newest")).collect()[0]["newest"]
    if newest is None:
        return empty_frame("sessions")
    since = F.lit(newest) - F.expr(f"INTERVAL {int(days)} DAYS")
    recent = of_pack.where(F.col("started_at") > since).orderBy(F.col("started_at").desc()).limit(SESSIONS)
    return to_pandas(recent.orderBy("started_at"), "sessions")
