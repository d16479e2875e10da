"""Where a pack stands among packs like it: of its model and chemistry, and sold in the same half-year."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import Window
from pyspark.sql import functions as F

from battery_lake.gold.fleet_daily import lasting

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

MIN_PACKS: Final = 10
"""Fewer packs than this are no cohort."""


def cohort_percentile(health: DataFrame, packs: DataFrame) -> DataFrame:
    """Share of a pack's cohort with a lower median SOH, in whole percent, on its days to be told.

    Every pack stands with its newest row of the last :data:`battery_lake.gold.fleet_daily.FRESH_DAYS`. A pack
    whose ``model`` or ``warranty_from`` is not known, or with fewer than :data:`MIN_PACKS` packs in its
    cohort that day, has no row. Whole percent, since otherwise one late pack would move every row.

    Parameters
    ----------
    health
        ``pack_id``, ``as_of_date`` and ``soh_median_pct`` of whole cohorts, from ``FRESH_DAYS`` before their
        days to be told.
    packs
        reference.packs, with ``first_date`` and ``last_date``, these days.
    """
    half_year = F.floor((F.month("warranty_from") - 1) / 6)
    cohort = packs.where("model IS NOT NULL AND warranty_from IS NOT NULL").select(
        "pack_id", "model", "chemistry", F.year("warranty_from").alias("year"), half_year.alias("half"),
        "first_date", "last_date",
    )  # fmt: skip
    like = ["model", "chemistry", "year", "half"]
    known = health.join(F.broadcast(cohort), on="pack_id", how="inner")
    told = known.select("as_of_date", *like).distinct()
    daily = lasting(known).join(told, on=["as_of_date", *like], how="left_semi")
    together = Window.partitionBy("as_of_date", *like)
    share_pct = F.round(100 * F.percent_rank().over(together.orderBy("soh_median_pct")))
    is_enough = F.count(F.lit(1)).over(together) >= MIN_PACKS
    ranked = daily.withColumn("cohort_percentile_pct", F.when(is_enough, share_pct))
    return ranked.where("cohort_percentile_pct IS NOT NULL AND as_of_date = told_on").select(
        "pack_id", "as_of_date", "cohort_percentile_pct"
    )
