"""Accounts of batches to gold.message_daily: how many messages were kept, refused, or there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.tables.gold import MESSAGE_DAILY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

JUDGE: Final = "refine"
"""The pipeline that keeps messages or refuses them."""


def message_daily(batches: DataFrame) -> DataFrame:
    """One row per day on which a batch of messages ended.

    Parameters
    ----------
    batches
        ops.batch, of whole days.
    """
    counted = ("rows_in", "rows_kept", "rows_refused", "rows_duplicate")
    return (
        batches
        .where(F.col("pipeline") == JUDGE)
        .groupBy(F.to_date("finished_at").alias("as_of_date"))
        .agg(
            *(F.coalesce(F.sum(name), F.lit(0)).alias(name) for name in counted),
            F.max("lag_s").alias("lag_s"),
            F.max("finished_at").alias("finished_at"),
        )
        .select(*MESSAGE_DAILY.column_names)
    )
