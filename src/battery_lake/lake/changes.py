"""Changes of a table as a stream, and what a batch of them touches."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F

from battery_lake.lake.sql import instant

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from battery_lake.lake.access import Lake


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, both ends included; UTC without a zone, as Spark hands it over."""

    low: dt.datetime
    high: dt.datetime

    def widened(self, seconds: float) -> Span:
        """Return the span with so much more on either side."""
        margin = dt.timedelta(seconds=seconds)
        return Span(self.low - margin, self.high + margin)

    def holds(self, column: str) -> str:
        """Return the SQL condition that a time lies within. Delta skips files by it."""
        return f"{column} BETWEEN {instant(self.low)} AND {instant(self.high)}"

    def overlaps(self, start: str, end: str) -> str:
        """Return the SQL condition that what lasts from ``start`` to ``end`` shares time with the span."""
        return f"{end} >= {instant(self.low)} AND {start} <= {instant(self.high)}"


def changes(lake: Lake, name: str) -> DataFrame:
    """Return every row ever inserted, updated (before and after) or deleted."""
    return lake.stream(name, readChangeFeed="true", startingVersion="0")


def hull(changed: DataFrame, low: Column, high: Column) -> DataFrame:
    """One row per pack that a batch touches: pack_id, and the span ``low`` to ``high`` of its changes."""
    return changed.groupBy("pack_id").agg(F.min(low).alias("low"), F.max(high).alias("high"))


def inside(rows: DataFrame, spans: DataFrame, at: str) -> DataFrame:
    """Return the rows whose time, the column ``at``, lies within their pack's span ``low`` to ``high``."""
    joined = rows.join(F.broadcast(spans), on="pack_id", how="inner")
    return joined.where(F.col(at).between(F.col("low"), F.col("high"))).drop("low", "high")


def overall(spans: DataFrame) -> Span | None:
    """Return the span of all packs together; None where there is none."""
    row: Any = spans.agg(F.min("low").alias("low"), F.max("high").alias("high")).collect()[0]
    return None if row.low is None else Span(row.low, row.high)
