"""The report's frame of packs beside their like: of one model and chemistry, and sold in one half-year."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.report.data import empty_frame
from battery_lake.report.load_cells import to_pandas

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from pyspark.sql import DataFrame

QUANTILES = {"soh_p10_pct": 0.1, "soh_p50_pct": 0.5, "soh_p90_pct": 0.9}


def cohorts(pack_health: DataFrame, packs: DataFrame, pack_ids: Sequence[str]) -> pd.DataFrame:
    """Return some packs, each beside the newest days of all packs of its cohort.

    Parameters
    ----------
    pack_health
        gold.pack_health.
    packs
        Packs with model, chemistry and ``sold``, the half-year of sale; null: not known, and no cohort.
    pack_ids
        The packs.
    """
    if not pack_ids:
        return empty_frame("cohorts")
    like = ["model", "chemistry", "sold"]
    newest = (
        pack_health
        .where("soh_median_pct IS NOT NULL")
        .groupBy("pack_id")
        .agg(
            F.max_by(F.struct("as_of_date", "soh_median_pct", "cohort_percentile_pct"), "as_of_date").alias(
                "n"
            )
        )
        .select("pack_id", "n.*")
        .join(packs.select("pack_id", *like), on="pack_id", how="left")
    )
    quantiles = [F.percentile("soh_median_pct", part).alias(name) for name, part in QUANTILES.items()]
    whole = newest.dropna(subset=like).groupBy(*like).agg(F.count("pack_id").alias("packs"), *quantiles)
    named = newest.where(F.col("pack_id").isin(list(pack_ids))).join(whole, on=like, how="left")
    behind = F.col("soh_median_pct") - F.col("soh_p50_pct")
    return to_pandas(named.orderBy(behind.asc_nulls_last(), "pack_id"), "cohorts")
