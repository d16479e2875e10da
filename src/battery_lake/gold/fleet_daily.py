"""Pack health to gold.fleet_daily: how the packs of a model stand on a day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import Window
from pyspark.sql import functions as F

from battery_lake.tables.gold import FLEET_DAILY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FRESH_DAYS: Final = 30
"""A pack counts on a day if it had evidence within so many days before."""


def lasting(health: DataFrame) -> DataFrame:
    """Every row once for each day to be told on which it is its pack's newest and still fresh.

    Parameters
    ----------
    health
        Rows of packs, one a day at most, with ``first_date`` and ``last_date``, from which to which day is to
        be told of the pack's like; other columns stay.

    Returns
    -------
    DataFrame
        The rows with ``as_of_date`` the day, and ``told_on`` the row's own.
    """
    per_pack = Window.partitionBy("pack_id").orderBy("as_of_date")
    until = F.least(
        F.date_add("as_of_date", FRESH_DAYS),
        F.date_sub(F.lead("as_of_date").over(per_pack), 1),
        "last_date",
    )
    since = F.greatest("as_of_date", "first_date")
    spans = health.withColumns({"since": since, "until": until}).where("since <= until")
    return (
        spans
        .withColumnRenamed("as_of_date", "told_on")
        .withColumn("as_of_date", F.explode(F.sequence("since", "until")))
        .drop("since", "until", "first_date", "last_date")
    )


def fleet_daily(health: DataFrame, sessions: DataFrame, packs: DataFrame) -> DataFrame:
    """One row per day, model and chemistry on which at least one of its packs had new evidence.

    Parameters
    ----------
    health
        gold.pack_health of whole models, from :data:`FRESH_DAYS` before their days to be told.
    sessions
        gold.session of these days.
    packs
        reference.packs, with ``first_date`` and ``last_date``, the days to be told of a model and chemistry.
    """
    cohort = packs.select("pack_id", F.coalesce("model", F.lit("unknown")).alias("model"), "chemistry")
    key = ["as_of_date", "model", "chemistry"]
    days = packs.select("pack_id", "first_date", "last_date")
    known = health.join(F.broadcast(cohort), on="pack_id", how="inner")
    told = known.select(*key).distinct()
    daily = lasting(known.join(F.broadcast(days), on="pack_id", how="inner")).join(
        told, on=key, how="left_semi"
    )
    summary = daily.groupBy(*key).agg(
        F.count(F.lit(1)).cast("int").alias("vehicles"),
        *(F.percentile("soh_median_pct", q / 100).alias(f"soh_pct_p{q}") for q in (10, 50, 90)),
        F.min("soh_min_pct").alias("soh_min_pct"),
        *(F.percentile("rul_days_p50", q / 100).alias(f"rul_days_p{q}") for q in (10, 50)),
        F.count_if(F.size("alerts") > 0).cast("int").alias("alerts"),
    )
    return summary.join(_observed(sessions, cohort), on=key, how="left").select(*FLEET_DAILY.column_names)


def _observed(sessions: DataFrame, cohort: DataFrame) -> DataFrame:
    """Share of session time without gaps. Decimal sums do not depend on the order of rows."""
    exact = "decimal(28,6)"
    total = F.sum(F.col("duration_s").cast(exact)).cast("double")
    missing = F.sum(F.col("gap_s").cast(exact)).cast("double")
    return (
        sessions
        .join(F.broadcast(cohort), on="pack_id", how="inner")
        .groupBy(F.to_date("started_at").alias("as_of_date"), "model", "chemistry")
        .agg((100 * (1 - F.try_divide(missing, total))).alias("observed_pct"))
    )
