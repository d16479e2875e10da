"""From the envelope to bronze.telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    import datetime as dt

    from pyspark.sql import DataFrame


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
