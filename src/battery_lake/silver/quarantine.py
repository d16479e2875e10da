"""From refused messages to silver.quarantine: the bytes, and every reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.silver.rules import RuleParams, reasons
from battery_lake.tables.silver import QUARANTINE

if TYPE_CHECKING:
    import datetime as dt

    from pyspark.sql import DataFrame

CONFLICT_CODE: Final = "conflicting_duplicate"
"""Reason of a valid message that says something else than the one that silver keeps."""


def refused(messages: DataFrame, params: RuleParams, refused_at: dt.datetime) -> DataFrame:
    """One row per message that a rule refuses, with every rule it breaks."""
    return (
        messages
        .where("refused")
        .withColumn("reasons", reasons(params))
        .withColumn("refused_at", F.lit(refused_at))
        .select(*QUARANTINE.column_names)
    )


def conflicting(messages: DataFrame, detail: str, refused_at: dt.datetime) -> DataFrame:
    """One row per decoded message that says something else than the message that silver keeps."""
    reason = F.struct(F.lit(CONFLICT_CODE).alias("code"), F.lit(detail).alias("detail"))
    return (
        messages
        .withColumn("reasons", F.array(reason))
        .withColumn("refused_at", F.lit(refused_at))
        .select(*QUARANTINE.column_names)
    )
