"""From the envelope to bronze.telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.tables.bronze import PLAUSIBLE_TIMES

if TYPE_CHECKING:
    import datetime as dt

    from pyspark.sql import Column, DataFrame


def plausible_time() -> Column:
    """Return when the hub took a message; null where no hub's clock shows such a time."""
    return F.when(
        F.col("enqueued_at").between(*(F.lit(t).cast("timestamp") for t in PLAUSIBLE_TIMES)),
        F.col("enqueued_at"),
    )


def telemetry(envelope: DataFrame, ingested_at: dt.datetime) -> DataFrame:
    """One row per message as received.

    Parameters
    ----------
    envelope
        What a source yields.
    ingested_at
        Instant that the batch is stamped with.
    """
    return envelope.withColumn("ingested_at", F.lit(ingested_at))
