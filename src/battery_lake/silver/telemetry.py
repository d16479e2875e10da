"""From decoded messages to silver.telemetry: valid rows, and one of every key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import Window
from pyspark.sql import functions as F

from battery_lake.silver.decode import ORIGIN_NAMES, decode
from battery_lake.silver.facts import with_facts, with_reference
from battery_lake.silver.rules import RuleParams, blanked, broken, is_refused
from battery_lake.tables.silver import TELEMETRY

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

KEY: Final = TELEMETRY.key
PLACE: Final = (*ORIGIN_NAMES, "message_index")
_NOT_CONTENT: Final = {*KEY, *PLACE, "enqueued_at", "flags", "mapping"}
CONTENT: Final = tuple(name for name in TELEMETRY.column_names if name not in _NOT_CONTENT)
"""Columns in which two messages of the same key differ if they conflict."""


def checked(bronze: DataFrame, packs: DataFrame, assignments: DataFrame, params: RuleParams) -> DataFrame:
    """One row per message: decoded, with reference data and facts, ``broken`` rules, and ``refused``."""
    messages = with_reference(decode(bronze, params.reading), packs, assignments, params.limits)
    judged = with_facts(messages).withColumn("broken", broken(params))
    return judged.withColumn("refused", is_refused(params))


def valid(messages: DataFrame, params: RuleParams) -> DataFrame:
    """One row per message that no rule refuses, in the form of silver.telemetry."""
    return (
        messages
        .where(~F.col("refused"))
        .withColumns(blanked(params))
        .withColumn("vehicle_id", F.col("device_id"))
        .select(*TELEMETRY.column_names)
    )


def content_hash() -> Column:
    """Return a hash of what a message says."""
    return F.xxhash64(*CONTENT)


def first_of_key(rows: DataFrame) -> DataFrame:
    """One row per key: the copy that the hub took first; the choice does not depend on the order of arrival.

    Rows are shuffled by pack and sorted by time on the way, so the files that are written hold few packs
    each and compress well.
    """
    order = Window.partitionBy(*KEY).orderBy("enqueued_at", content_hash(), *PLACE)
    return (
        rows
        .repartition("pack_id")
        .withColumn("copy", F.row_number().over(order))
        .where("copy = 1")
        .drop("copy")
    )
