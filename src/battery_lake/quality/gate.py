"""What may leave the lake: changes whose batch has met every critical expectation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.lake.versions import VERSION

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def verdicts(data_quality: DataFrame) -> DataFrame:
    """One row per batch of a table: ``from_version`` to ``to_version``, ``checked_at``, ``passed``.

    Parameters
    ----------
    data_quality
        gold.data_quality. A batch has passed where no critical expectation failed.
    """
    return (
        data_quality
        .where("to_version IS NOT NULL")
        .groupBy("table_name", "from_version", "to_version")
        .agg(
            F.max("checked_at").alias("checked_at"),
            F.bool_and(F.expr("passed OR severity != 'critical'")).alias("passed"),
        )
    )


def released(changed: DataFrame, data_quality: DataFrame, name: str) -> DataFrame:
    """Return the changes of a table that may leave.

    What has not been checked yet waits; what has failed waits until it is written anew, or until a check of
    the whole table passes.

    Parameters
    ----------
    changed
        Rows with the version that brought them, as :func:`battery_lake.lake.versions.rows_between` has them.
    data_quality
        gold.data_quality.
    name
        The table.
    """
    passed = verdicts(data_quality).where(F.col("passed") & (F.col("table_name") == name))
    inside = F.col(VERSION).between(F.col("from_version"), F.col("to_version"))
    return changed.join(F.broadcast(passed), on=inside, how="left_semi")


def held(data_quality: DataFrame) -> DataFrame:
    """Return the batches that may not leave: table_name, from_version, to_version."""
    found = verdicts(data_quality)
    failed, passed = found.where("NOT passed").alias("f"), found.where("passed").alias("p")
    covers = (
        "p.table_name = f.table_name AND p.from_version <= f.from_version AND p.to_version >= f.to_version"
    )
    waiting = failed.join(passed, on=F.expr(covers), how="left_anti")
    return waiting.select("table_name", "from_version", "to_version")
