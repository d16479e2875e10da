"""Messages that share a key: the one that was first is kept, equal ones are counted, others quarantined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.clock import utc_now
from battery_lake.lake.changes import Span, overall
from battery_lake.lake.scratch import kept
from battery_lake.lake.sql import instant
from battery_lake.lake.write import delete, insert_missing, upsert
from battery_lake.pipelines.model import Counts
from battery_lake.silver.duplicates import CONFLICT, DUPLICATE, KEPT, copies, verdicts
from battery_lake.silver.quarantine import CONFLICT_CODE, conflicting
from battery_lake.silver.telemetry import PLACE, checked, valid

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.silver.rules import RuleParams
    from battery_lake.silver.telemetry import Kind

_IS_LOSER: Final = f"verdict = '{CONFLICT}' AND NOT is_stored"


@dataclass(frozen=True, slots=True)
class Arrived:
    """The valid messages of a batch that go into one table.

    To decode and judge a message is what costs; so it is done once for :attr:`copies`, which are narrow.

    Parameters
    ----------
    kind
        Which of the messages.
    bronze
        The batch as it came.
    messages
        The batch, checked; a look at it decodes it again.
    copies
        Key, place and content of the valid messages, written down.
    span
        The messages' time; None where there is no message.
    params
        What they were checked with.
    """

    kind: Kind
    bronze: DataFrame
    messages: DataFrame
    copies: DataFrame
    span: Span | None
    params: RuleParams


def arrived(lake: Lake, bronze: DataFrame, messages: DataFrame, params: RuleParams, kind: Kind) -> Arrived:
    """Write down what is to be known of a batch's valid messages of a kind."""
    found = kept(lake, f"refine.{kind.table.short_name}", copies(valid(messages, params, kind), kind.key))
    span = overall(found.selectExpr("measured_at AS low", "measured_at AS high"))
    return Arrived(kind, bronze, messages, found, span, params)


def settle(lake: Lake, batch: Arrived) -> Counts:
    """Decide on every valid message of a batch that did not simply go in.

    Returns
    -------
    Counts
        ``rows_refused`` conflicts and ``rows_duplicate`` duplicates among the batch's own messages.
    """
    span, kind = batch.span, batch.kind
    if span is None:
        return Counts()
    judged = kept(lake, "refine.judged", _judged(lake, batch, span))
    counts = {
        (row.verdict, row.is_stored): int(row["count"])
        for row in judged.groupBy("verdict", "is_stored").count().collect()
    }
    lost = counts.get((CONFLICT, False), 0)
    # What leaves silver goes to quarantine first: a crash in between repeats both.
    if lost:
        rows = conflicting(batch.bronze, judged.where(_IS_LOSER).select(*PLACE), utc_now())
        insert_missing(lake, "silver.quarantine", rows)
    if counts.get((CONFLICT, True), 0):
        _judge_again(lake, judged, span, batch)
    if counts.get((KEPT, False), 0):
        winners = judged.where(f"verdict = '{KEPT}' AND NOT is_stored").select(*PLACE)
        rows = valid(batch.messages, batch.params, kind).join(winners, on=list(PLACE), how="left_semi")
        upsert(lake, kind.table.name, rows, within=span.holds("t.measured_at"))
    return Counts(rows_refused=lost, rows_duplicate=counts.get((DUPLICATE, False), 0))


def conflicts(lake: Lake, batch: Arrived) -> DataFrame:
    """Return the places of a batch's valid messages that say something else than what silver keeps now."""
    return _judged(lake, batch, batch.span).where(_IS_LOSER).select(*PLACE)


def _judged(lake: Lake, batch: Arrived, span: Span | None) -> DataFrame:
    stored = lake.read(batch.kind.table.name).where(span.holds("measured_at") if span else "false")
    return verdicts(batch.copies, stored, batch.kind.key)


def _judge_again(lake: Lake, judged: DataFrame, span: Span, batch: Arrived) -> None:
    """Hold every message ever received against the new one where silver's own has to leave.

    Copies of the one that leaves were duplicates and are conflicts now; copies of the new one were conflicts.
    Rare: it needs a second message under a used key that the hub took earlier and that comes later.
    """
    kind, params = batch.kind, batch.params
    leaving = judged.where(f"verdict = '{CONFLICT}' AND is_stored").select(*kind.key).distinct()
    winners = (
        judged
        .where(f"verdict = '{KEPT}'")
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
        copies(valid(messages, params, kind), kind.key)
        .join(winners, on=list(kind.key), how="inner")
        .select(*PLACE, (F.col("content") == F.col("kept_content")).alias("is_equal"))
    )
    told = kept(lake, "refine.told", told)
    losers = conflicting(received, told.where("NOT is_equal").select(*PLACE), utc_now())
    insert_missing(lake, "silver.quarantine", losers)
    in_conflict = lake.read("silver.quarantine").where(f"exists(reasons, r -> r.code = '{CONFLICT_CODE}')")
    delete(
        lake,
        "silver.quarantine",
        in_conflict.join(told.where("is_equal"), on=list(PLACE), how="left_semi").select(*PLACE),
    )
