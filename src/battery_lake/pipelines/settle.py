"""Messages that share a key: the one that was first is kept, equal ones are counted, others quarantined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.clock import utc_now
from battery_lake.lake.changes import Span, overall
from battery_lake.lake.write import insert_missing, upsert
from battery_lake.pipelines.model import Counts
from battery_lake.silver.decode import decode
from battery_lake.silver.duplicates import CONFLICT, DUPLICATE, KEPT, verdicts
from battery_lake.silver.quarantine import conflicting
from battery_lake.silver.telemetry import PLACE, valid

if TYPE_CHECKING:
    import datetime as dt

    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake

CONFLICT_DETAIL = "silver keeps another message with this pack, time and sequence"


def settle(lake: Lake, messages: DataFrame) -> Counts:
    """Decide on every valid message of a batch that did not simply go in.

    Parameters
    ----------
    lake
        The tables.
    messages
        The batch, checked.

    Returns
    -------
    Counts
        ``rows_refused`` conflicts and ``rows_duplicate`` duplicates among the batch's own messages.
    """
    arrived = valid(messages)
    span = _time_of(arrived)
    if span is None:
        return Counts()
    judged = verdicts(arrived, lake.read("silver.telemetry").where(span.holds("measured_at")))
    counts = {
        (row.verdict, row.is_stored): int(row["count"])
        for row in judged.groupBy("verdict", "is_stored").count().collect()
    }
    lost = counts.get((CONFLICT, False), 0)
    # What leaves silver goes to quarantine first: a crash in between repeats both.
    _quarantine(lake, messages, judged, counts)
    if counts.get((KEPT, False), 0):
        winners = judged.where((F.col("verdict") == KEPT) & ~F.col("is_stored")).select(*PLACE)
        upsert(
            lake,
            "silver.telemetry",
            arrived.join(winners, on=list(PLACE), how="left_semi"),
            within=span.holds("t.measured_at"),
        )
    return Counts(rows_refused=lost, rows_duplicate=counts.get((DUPLICATE, False), 0))


def conflicts_of(lake: Lake, messages: DataFrame, refused_at: dt.datetime) -> DataFrame:
    """One row per valid message of a batch that says something else than what silver keeps now."""
    arrived = valid(messages)
    span = _time_of(arrived)
    stored = lake.read("silver.telemetry").where(span.holds("measured_at") if span else "false")
    judged = verdicts(arrived, stored)
    losers = judged.where((F.col("verdict") == CONFLICT) & ~F.col("is_stored")).select(*PLACE)
    rows = messages.join(losers, on=list(PLACE), how="left_semi")
    return conflicting(rows, CONFLICT_DETAIL, refused_at)


def _time_of(arrived: DataFrame) -> Span | None:
    """The messages' time; None where there is no message."""
    return overall(arrived.select(F.col("measured_at").alias("low"), F.col("measured_at").alias("high")))


def _quarantine(
    lake: Lake, messages: DataFrame, judged: DataFrame, counts: dict[tuple[str, bool], int]
) -> None:
    conflicts = judged.where(F.col("verdict") == CONFLICT)
    if counts.get((CONFLICT, False), 0):
        losers = conflicts.where("NOT is_stored").select(*PLACE)
        rows = messages.join(losers, on=list(PLACE), how="left_semi")
        insert_missing(lake, "silver.quarantine", conflicting(rows, CONFLICT_DETAIL, utc_now()))
    if counts.get((CONFLICT, True), 0):
        losers = conflicts.where("is_stored").select(*PLACE)
        origin = [name for name in PLACE if name != "message_index"]
        received = lake.read("bronze.telemetry").join(losers.select(*origin), on=origin, how="left_semi")
        rows = decode(received).join(losers, on=list(PLACE), how="left_semi")
        insert_missing(lake, "silver.quarantine", conflicting(rows, CONFLICT_DETAIL, utc_now()))
