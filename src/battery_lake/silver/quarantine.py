"""From refused messages to silver.quarantine: the bytes, and every reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.silver.decode import ORIGIN_NAMES
from battery_lake.silver.rules import RuleParams, reasons
from battery_lake.tables.silver import QUARANTINE

if TYPE_CHECKING:
    import datetime as dt

    from pyspark.sql import DataFrame

CONFLICT_CODE: Final = "conflicting_duplicate"
"""Reason of a valid message that says something else than the one that silver keeps."""
_CONFLICT_DETAIL: Final = "silver keeps another message with this pack, time and sequence"


def refused(messages: DataFrame, params: RuleParams, refused_at: dt.datetime) -> DataFrame:
    """One row per message that a rule refuses, with every rule it breaks."""
    return (
        messages
        .where("refused")
        .withColumn("reasons", reasons(params))
        .withColumn("refused_at", F.lit(refused_at))
        .select(*QUARANTINE.column_names)
    )


def conflicting(bronze: DataFrame, places: DataFrame, refused_at: dt.datetime) -> DataFrame:
    """One row per message that says something else than the message that silver keeps.

    Parameters
    ----------
    bronze
        Holds the bodies.
    places
        Where the messages are: origin and ``message_index``.
    refused_at
        The time of it. UTC.
    """
    reason = F.struct(F.lit(CONFLICT_CODE).alias("code"), F.lit(_CONFLICT_DETAIL).alias("detail"))
    return (
        bronze
        .join(places, on=list(ORIGIN_NAMES), how="inner")
        .withColumn("reasons", F.array(reason))
        .withColumn("refused_at", F.lit(refused_at))
        .select(*QUARANTINE.column_names)
    )
