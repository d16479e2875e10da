"""Versions of a table: which there are, and the rows that some of them brought."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake

VERSION: Final = "_commit_version"
"""Column of changes: the version that brought the row."""
_IMAGES: Final = ("insert", "update_postimage")


def latest_version(lake: Lake, name: str) -> int:
    """Return the newest version of a table."""
    return int(lake.spark.sql(f"DESCRIBE HISTORY {lake.identifier(name)} LIMIT 1").collect()[0]["version"])


def identity(lake: Lake, name: str) -> str:
    """Return what tells a table from another that bore its name before: versions are its own."""
    return str(lake.spark.sql(f"DESCRIBE DETAIL {lake.identifier(name)}").collect()[0]["id"])


def rows_at(lake: Lake, name: str, version: int) -> DataFrame:
    """Return a table as a version left it."""
    return lake.spark.sql(f"SELECT * FROM {lake.identifier(name)} VERSION AS OF {version}")


def rows_between(lake: Lake, name: str, first: int, last: int) -> DataFrame:
    """Return the rows that were inserted or updated, as each version left them, with that version.

    Parameters
    ----------
    lake, name
        The table; it has a change feed.
    first, last
        Versions, both included.
    """
    changed = lake.changed(name, first, last)
    return changed.where(F.col("_change_type").isin(*_IMAGES)).drop("_change_type", "_commit_timestamp")
