"""Changes of a table as a stream, and what a batch of them touches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from battery_lake.lake.access import Lake


def changes(lake: Lake, name: str) -> DataFrame:
    """Return every row ever inserted, updated (before and after) or deleted."""
    return lake.stream(name, readChangeFeed="true", startingVersion="0")


def hull(changed: DataFrame, low: Column, high: Column) -> DataFrame:
    """One row per pack that a batch touches: pack_id, and the span ``low`` to ``high`` of its changes."""
    return changed.groupBy("pack_id").agg(F.min(low).alias("low"), F.max(high).alias("high"))
