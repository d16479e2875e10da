"""Messages that share a key: the one that was first is kept, equal ones are counted, others quarantined."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.clock import utc_now
from battery_lake.lake.changes import Span, overall
from battery_lake.lake.sql import instant
from battery_lake.lake.write import delete, insert_missing, upsert
from battery_lake.pipelines.model import Counts
from battery_lake.silver.duplicates import CONFLICT, DUPLICATE, KEPT, verdicts
from battery_lake.silver.quarantine import CONFLICT_CODE, conflicting
from battery_lake.silver.telemetry import PLACE, checked, content_hash, valid

if TYPE_CHECKING:
    import datetime as dt

    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.silver.rules import RuleParams
    from battery_lake.silver.telemetry import Kind

CONFLICT_DETAIL = "silver keeps another message with this pack, time and sequence"


def settle(lake: Lake, messages: DataFrame, params: RuleParams, kind: Kind) -> Counts:
    """Decide on every valid message of a batch that did not simply go in.

    Parameters
    ----------
    lake
        The tables.
    messages
        The batch, checked.
    params
        What it was checked with.
    kind
        Which of them.

    Returns
    -------
    Counts
        ``rows_refused`` conflicts and ``rows_duplicate`` duplicates among the batch's own messages.
    """
    arrived = valid(messages, params, kind)
    span = _time_of(arrived)
    if span is None:
        return Counts()
    judged = verdicts(arrived, lake.read(kind.table.name).where(span.holds("measured_at")), kind.key)
    counts = {
        (row.verdict, row.is_stored): int(row["count"])
        for row in judged.groupBy("verdict", "is_stored").count().collect()
    }
    lost = counts.get((CONFLICT, False), 0)
    # What leaves silver goes to quarantine first: a crash in between repeats both.
    if lost:
        losers = judged.where((F.col("verdict") == CONFLICT) & ~F.col("is_stored")).select(*PLACE)
        rows = messages.join(losers, on=list(PLACE), how="left_semi")
        insert_missing(lake, "silver.quarantine", conflicting(rows, CONFLICT_DETAIL, utc_now()))
    if counts.get((CONFLICT, True), 0):
        _judge_again(lake, judged, span, params, kind)
    if counts.get((KEPT, False), 0):
        winners = judged.where((F.col("verdict") == KEPT) & ~F.col("is_stored")).select(*PLACE)
        upsert(
            lake,
            kind.table.name,
            arrived.join(winners, on=list(PLACE), how="left_semi"),
            within=span.holds("t.measured_at"),
        )
    return Counts(rows_refused=lost, rows_duplicate=counts.get((DUPLICATE, False), 0))


def conflicts_of(
    lake: Lake, messages: DataFrame, params: RuleParams, kind: Kind, refused_at: dt.datetime
) -> DataFrame:
    """One row per valid message of a batch that says something else than what silver keeps now."""
    arrived = valid(messages, params, kind)
    span = _time_of(arrived)
    stored = lake.read(kind.table.name).where(span.holds("measured_at") if span else "false")
    judged = verdicts(arrived, stored, kind.key)
    losers = judged.where((F.col("verdict") == CONFLICT) & ~F.col("is_stored")).select(*PLACE)
    rows = messages.join(losers, on=list(PLACE), how="left_semi")
    return conflicting(rows, CONFLICT_DETAIL, refused_at)


def _time_of(arrived: DataFrame) -> Span | None:
    """The messages' time; None where there is no message."""
    return overall(arrived.select(F.col("measured_at").alias("low"), F.col("measured_at").alias("high")))


def _judge_again(lake: Lake, judged: DataFrame, span: Span, params: RuleParams, kind: Kind) -> None:
    """Hold every message ever received against the new one where silver's own has to leave.

    Copies of the one that leaves were duplicates and are conflicts now; copies of the new one were conflicts.
    Rare: it needs a second message under a used key that the hub took earlier and that comes later.
    """
    leaving = judged.where((F.col("verdict") == CONFLICT) & F.col("is_stored")).select(*kind.key).distinct()
    winners = (
        judged
        .where(F.col("verdict") == KEPT)
        .join(leaving, on=list(kind.key), how="left_semi")
        .select(*kind.key, F.col("content").alias("kept_content"))
    )
    assigned = lake.read("reference.pack_assignment")
    carriers = assigned.join(leaving, on="pack_id", how="left_semi").select(
        F.col("vehicle_id").alias("device_id")
    )
    # No valid message is further ahead of the hub's clock.
    taken = span.widened(params.clock_skew_s).low
    received = (
        lake
        .read("bronze.telemetry")
        .where(f"enqueued_at >= {instant(taken)}")
        .join(F.broadcast(carriers.distinct()), on="device_id", how="left_semi")
    )
    messages = checked(received, lake.read("reference.packs"), assigned, params)
    told = (
        valid(messages, params, kind)
        .withColumn("content", content_hash())
        .join(winners, on=list(kind.key), how="inner")
        .select(*PLACE, (F.col("content") == F.col("kept_content")).alias("is_equal"))
    )
    losers = messages.join(told.where("NOT is_equal"), on=list(PLACE), how="left_semi")
    insert_missing(lake, "silver.quarantine", conflicting(losers, CONFLICT_DETAIL, utc_now()))
    in_conflict = lake.read("silver.quarantine").where(f"exists(reasons, r -> r.code = '{CONFLICT_CODE}')")
    delete(
        lake,
        "silver.quarantine",
        in_conflict.join(told.where("is_equal"), on=list(PLACE), how="left_semi").select(*PLACE),
    )
