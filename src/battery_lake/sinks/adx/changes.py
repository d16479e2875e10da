"""What a stretch of a table's history says that is still so: the newest change of every key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import Window
from pyspark.sql import functions as F

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame

VERSION: Final = "lake_version"
DELETED: Final = "lake_deleted"


def newest_changes(changed: DataFrame, key: Sequence[str], columns: Sequence[str]) -> DataFrame:
    """One row per key: its columns as the last change left them, ``lake_version``, ``lake_deleted``.

    Parameters
    ----------
    changed
        Rows of Delta's change data feed.
    key
        Columns of the key.
    columns
        What is wanted of a row.
    """
    deleted = F.col("_change_type") == "delete"
    # A version that writes a key anew deletes it and inserts it: it is there then.
    newest_first = Window.partitionBy(*key).orderBy(F.col("_commit_version").desc(), deleted.asc())
    return (
        changed
        .where("_change_type != 'update_preimage'")
        .withColumn("_place", F.row_number().over(newest_first))
        .where("_place = 1")
        .select(*columns, F.col("_commit_version").alias(VERSION), deleted.alias(DELETED))
    )


def standing(rows: DataFrame, version: int, columns: Sequence[str]) -> DataFrame:
    """Return rows of a table as a version left them, in the same form."""
    return rows.select(*columns, F.lit(version).cast("bigint").alias(VERSION), F.lit(False).alias(DELETED))
