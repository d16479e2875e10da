"""What may leave the lake: changes whose batch has met every critical expectation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from battery_lake.lake.versions import VERSION

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def verdicts(data_quality: DataFrame) -> DataFrame:
    """One row per batch of a table: its identity, its versions from and to, when checked, and if it passed.

    Parameters
    ----------
    data_quality
        gold.data_quality. A batch has passed where no critical expectation failed.
    """
    return (
        data_quality
        .where("to_version IS NOT NULL")
        .groupBy("table_name", "table_id", "from_version", "to_version")
        .agg(
            F.max("checked_at").alias("checked_at"),
            F.bool_and(F.expr("passed OR severity != 'critical'")).alias("passed"),
        )
    )


def released(changed: DataFrame, data_quality: DataFrame, name: str, table_id: str) -> DataFrame:
    """Return the changes of a table that may leave.

    What has not been checked yet waits; what has failed waits until it is written anew, or until a check of
    the whole table passes.

    Parameters
    ----------
    changed
        Rows with the version that brought them, as :func:`battery_lake.lake.versions.rows_between` has them.
    data_quality
        gold.data_quality.
    name, table_id
        The table, and its identity: verdicts of another one that bore its name say nothing of it.
    """
    passed = _passed(data_quality, name, table_id)
    inside = F.col(VERSION).between(F.col("from_version"), F.col("to_version"))
    return changed.join(F.broadcast(passed), on=inside, how="left_semi")


def released_until(data_quality: DataFrame, name: str, table_id: str) -> int:
    """Return the version of a table up to which everything may leave, without a gap; -1: nothing may.

    Parameters
    ----------
    data_quality
        gold.data_quality.
    name, table_id
        The table, and its identity: verdicts of another one that bore its name say nothing of it.
    """
    passed = _passed(data_quality, name, table_id)
    before = Window.orderBy("from_version").rowsBetween(Window.unboundedPreceding, -1)
    reached = F.coalesce(F.max("to_version").over(before), F.lit(-1))
    walked = passed.withColumn("is_gap", F.col("from_version") > reached + 1)
    first_gap = F.min(F.when(F.col("is_gap"), F.col("from_version"))).over(Window.partitionBy(F.lit(1)))
    whole = walked.withColumn("first_gap", first_gap)
    whole = whole.where("first_gap IS NULL OR from_version < first_gap")
    until = whole.agg(F.max("to_version").alias("until")).collect()[0].until
    return -1 if until is None else int(until)


def held(data_quality: DataFrame) -> DataFrame:
    """Return the batches that may not leave: table_name, table_id, from_version, to_version."""
    found = verdicts(data_quality)
    failed, passed = found.where("NOT passed").alias("f"), found.where("passed").alias("p")
    covers = (
        "p.table_name = f.table_name AND p.table_id <=> coalesce(f.table_id, p.table_id)"
        " AND p.from_version <= f.from_version AND p.to_version >= f.to_version"
    )
    waiting = failed.join(passed, on=F.expr(covers), how="left_anti")
    return waiting.select("table_name", "table_id", "from_version", "to_version")


def _passed(data_quality: DataFrame, name: str, table_id: str) -> DataFrame:
    """The batches of a table that have passed; verdicts from before identities were kept count for it too."""
    is_of = (F.col("table_name") == name) & (F.coalesce("table_id", F.lit(table_id)) == table_id)
    return verdicts(data_quality).where(F.col("passed") & is_of)
