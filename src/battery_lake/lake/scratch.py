"""Intermediate results of a batch that are used more than once: written down, not cached.

Serverless compute allows no cache; a file is read again as often as needed. The next batch overwrites it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake


def kept(lake: Lake, name: str, frame: DataFrame) -> DataFrame:
    """Write a frame under a name of its own and return it as read from there."""
    path = f"{lake.checkpoint('scratch')}/{name}"
    schema = frame.schema
    frame.write.mode("overwrite").parquet(path)
    return lake.spark.read.schema(schema).parquet(path)
