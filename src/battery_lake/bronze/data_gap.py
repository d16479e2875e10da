"""Holes in the sequence numbers of a hub's partitions, for ops.data_gap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

if TYPE_CHECKING:
    import datetime as dt

    from pyspark.sql import DataFrame

REASON: Final = "the hub's retention removed them before they were read"


def data_gap(events: DataFrame, found_at: dt.datetime) -> DataFrame:
    """One row per hole right before an event.

    Parameters
    ----------
    events
        Rows of the ``eventhubs`` source: ``missing_before`` says how many events before each one are gone.
    found_at
        Instant that the rows are stamped with.
    """
    return events.where("missing_before > 0").select(
        "hub",
        "partition_id",
        (F.col("sequence_number") - F.col("missing_before")).alias("from_sequence_number"),
        F.col("sequence_number").alias("to_sequence_number"),
        F.lit(REASON).alias("reason"),
        F.lit(found_at).alias("found_at"),
    )
