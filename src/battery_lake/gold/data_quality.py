"""Rules that messages broke, as rows of gold.data_quality."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame


def data_quality(batches: DataFrame, suite: str, severities: Mapping[str, str]) -> DataFrame:
    """One row per rule that messages of a batch broke.

    Parameters
    ----------
    batches
        ops.batch.
    suite
        Name of the suite of the rules: in place of a table's, which the messages are not in yet.
    severities
        Of the rules, by code.
    """
    by_code = F.create_map(*(F.lit(part) for pair in severities.items() for part in pair))
    return batches.select(
        F.lit(suite).alias("table_name"),
        F.concat_ws(" ", "pipeline", "generation", "batch_id").alias("batch"),
        F.col("rows_in").alias("checked"),
        F.col("finished_at").alias("checked_at"),
        F.explode("broken").alias("rule_code", "failed"),
    ).select(
        "table_name",
        "rule_code",
        F.col("batch").alias("batch_id"),
        F.lit(None).cast("bigint").alias("from_version"),
        F.lit(None).cast("bigint").alias("to_version"),
        F.lit(None).cast("string").alias("table_id"),
        "checked",
        "failed",
        F.lit(False).alias("passed"),
        F.lit(None).cast("string").alias("observed"),
        F.try_element_at(by_code, F.col("rule_code")).alias("severity"),
        "checked_at",
    )
