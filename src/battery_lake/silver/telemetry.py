"""From decoded messages to silver.telemetry: valid rows, and one of every key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.silver.decode import ORIGIN_NAMES, decode
from battery_lake.silver.facts import with_facts, with_reference
from battery_lake.silver.rules import RuleParams, blanked, broken, is_refused
from battery_lake.tables.silver import TELEMETRY, TELEMETRY_PART

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from battery_lake.tables.model import Table

KEY: Final = TELEMETRY.key
PLACE: Final = (*ORIGIN_NAMES, "message_index")
_NOT_CONTENT: Final = {*KEY, *PLACE, "enqueued_at", "flags", "mapping"}
CONTENT: Final = tuple(name for name in TELEMETRY.column_names if name not in _NOT_CONTENT)
"""Columns in which two messages of the same key differ if they conflict."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Messages that go into one table: whole ones, or parts of which each carries one cell.

    Parameters
    ----------
    table
        Where they go.
    condition
        SQL that holds for their rows among the valid ones; empty: all are of this kind.
    """

    table: Table
    condition: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """Columns that are the same in two copies."""
        return self.table.key


def kinds(params: RuleParams) -> tuple[Kind, ...]:
    """Return the kinds of messages that the mappings in use can give."""
    if not any(mapping.cell for mapping in params.reading.mappings):
        return (Kind(TELEMETRY),)
    return Kind(TELEMETRY, "cell_number IS NULL"), Kind(TELEMETRY_PART, "cell_number IS NOT NULL")


def checked(bronze: DataFrame, packs: DataFrame, assignments: DataFrame, params: RuleParams) -> DataFrame:
    """One row per message: decoded, with reference data and facts, ``broken`` rules, and ``refused``."""
    messages = with_reference(decode(bronze, params.reading), packs, assignments, params.limits)
    judged = with_facts(messages).withColumn("broken", broken(params))
    return judged.withColumn("refused", is_refused(params))


def valid(messages: DataFrame, params: RuleParams, kind: Kind | None = None) -> DataFrame:
    """One row per message of a kind that no rule refuses, in the form of the kind's table."""
    kind = kind or kinds(params)[0]
    rows = messages.where(~F.col("refused"))
    return (
        (rows.where(kind.condition) if kind.condition else rows)
        .withColumns(blanked(params))
        .withColumn("vehicle_id", F.col("device_id"))
        .select(*kind.table.column_names)
    )


def content_hash() -> Column:
    """Return a hash of what a message says."""
    return F.xxhash64(*CONTENT)


def first_of_key(rows: DataFrame, key: tuple[str, ...] = KEY) -> DataFrame:
    """One row per key: the copy that the hub took first; the choice does not depend on the order of arrival.

    Rows are shuffled by pack and sorted by time on the way, so the files that are written hold few packs
    each and compress well. An aggregate, since a window costs some three times as much where nearly every
    key is there once.
    """
    order = F.struct("enqueued_at", content_hash().alias("content"), *PLACE)
    others = F.struct(*(name for name in rows.columns if name not in key))
    # Of a shuffle that turns out empty Spark drops what comes before, observations too, but for a node that
    # it must keep.
    shuffled = rows.repartition("pack_id").observe("shuffled", F.count(F.lit(1)).alias("rows"))
    first = shuffled.groupBy(*key).agg(F.min_by(others, order).alias("first"))
    return first.select(*key, "first.*").select(*rows.columns)
