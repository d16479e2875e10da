"""Packs as they are now to quantiles over them: gold.fleet_now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.tables.gold import FLEET_NOW

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

ALL: Final = "all"
"""In place of model and chemistry: every one."""


def fleet_now(packs: DataFrame) -> DataFrame:
    """One row per model and chemistry, and one of all packs.

    Parameters
    ----------
    packs
        gold.pack_now.
    """
    told_days = F.when(F.coalesce(~F.col("censored"), F.lit(False)), F.col("rul_days_p50"))
    figures = (
        F.count(F.lit(1)).cast("int").alias("packs"),
        *(F.percentile("soh_median_pct", q / 100).alias(f"soh_pct_p{q}") for q in (10, 50, 90)),
        F.percentile(told_days, 0.5).alias("rul_days_p50"),
        F.percentile("imbalance_mv", 0.95).alias("imbalance_mv_p95"),
    )
    alike = packs.groupBy("model", "chemistry").agg(*figures)
    whole = packs.groupBy(F.lit(ALL).alias("model"), F.lit(ALL).alias("chemistry")).agg(*figures)
    return alike.unionByName(whole).select(*FLEET_NOW.column_names)
