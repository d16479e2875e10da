"""Running a stream to its end: batches, progress, accounting in ops.batch, and honest errors."""

from __future__ import annotations

import gc
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pyspark.errors import StreamingQueryException
from pyspark.sql import functions as F

import battery_lake
from battery_lake import errors
from battery_lake.clock import monotonic_s, utc_now
from battery_lake.errors import BatteryLakeError, DataLossError
from battery_lake.lake.access import Lake
from battery_lake.lake.write import append_once, insert_missing
from battery_lake.log import logger
from battery_lake.pipelines.model import Counts, Progress, RunResult
from battery_lake.sources.checkpoint import clear_drafts
from battery_lake.tables.ops import BATCH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pyspark.sql import DataFrame
    from pyspark.sql.streaming.query import StreamingQuery

    Batch = Callable[[Lake, DataFrame, int], Counts]

ROWS: Final = ("rows_in", "rows_kept", "rows_refused", "rows_duplicate")
"""What a batch's account counts."""


def run_available(
    lake: Lake, pipeline: str, source: DataFrame, batch: Batch, progress: Progress, *, stream: str = ""
) -> RunResult:
    """Take everything that is there now, batch by batch, then end.

    Parameters
    ----------
    lake, pipeline, source, batch, progress, stream
        As of :func:`run_stream`.

    Raises
    ------
    BatteryLakeError
        What a batch raised, or the stream's own failure in words.
    """
    return run_stream(lake, pipeline, source, batch, progress, stream=stream)


def run_stream(
    lake: Lake,
    pipeline: str,
    source: DataFrame,
    batch: Batch,
    progress: Progress,
    *,
    stream: str = "",
    every_s: float | None = None,
) -> RunResult:
    """Take what is there batch by batch, and go on with what comes where that is wished.

    Parameters
    ----------
    lake, pipeline
        Whose work it is.
    source
        A streaming frame.
    batch
        Handles one batch; must give the same result when the same batch comes again.
    progress
        Told of every batch.
    stream
        Under which name the stream keeps its place; empty: the pipeline's.
    every_s
        Between two batches of a stream that goes on until it is stopped; None: end with what is there. [s]

    Raises
    ------
    BatteryLakeError
        What a batch raised, or the stream's own failure in words.
    """
    result = RunResult(pipeline)
    stream = stream or pipeline
    generation = lake.generation(stream)
    clear_drafts(Path(lake.checkpoint(stream)))
    faults: list[Exception] = []
    settings = lake.settings  # not the lake: where batches run elsewhere, no session can be sent there
    began = monotonic_s()

    def handle(frame: DataFrame, batch_id: int) -> None:
        started = monotonic_s()
        inner = Lake(frame.sparkSession, settings)
        try:
            counts = batch(inner, frame, batch_id)
            _balance(pipeline, batch_id, counts)
            account(inner, (pipeline, generation, batch_id), counts, monotonic_s() - started)
        except Exception as fault:
            faults.append(fault)
            raise
        result.batches += 1
        result.counts = result.counts + counts
        progress.batch(pipeline, batch_id, counts.rows_in)
        logger(pipeline).info("batch_committed", batch_id=batch_id, rows=counts.rows_in)
        if every_s is not None:
            gc.collect()  # as at the end, which is far

    writer = source.writeStream.foreachBatch(handle).queryName(pipeline)
    writer = writer.option("checkpointLocation", lake.checkpoint(stream))
    is_endless = every_s is not None
    query = (
        writer.trigger(processingTime=f"{every_s} seconds")
        if is_endless
        else writer.trigger(availableNow=True)
    ).start()
    try:
        query.awaitTermination()
        result.end_offset = _end_offset(query)
        if not result.batches:
            result += _accounted(lake, (pipeline, generation), query)
    except StreamingQueryException as fault:
        raise _in_words(pipeline, faults[0] if faults else fault) from fault
    finally:
        query.stop()
        # Frames sit in cycles of references, and each holds its plan in Java's memory.
        gc.collect()
    result.seconds = monotonic_s() - began
    return result


def plain(batch: Callable[[Lake, DataFrame], Counts]) -> Batch:
    """Return a batch for :func:`run_available` from one that does not ask for its number."""
    return lambda lake, frame, _number: batch(lake, frame)


def _accounted(lake: Lake, key: tuple[str, str], query: StreamingQuery) -> RunResult:
    """What a query's batches did, from their accounts: through Spark Connect they ran in another process."""
    told = [json.loads(progress.json) for progress in query.recentProgress]
    done = [one["batchId"] for one in told if "addBatch" in one["durationMs"]]
    pipeline, generation = key
    result = RunResult(pipeline)
    if not done:
        return result
    own = (F.col("pipeline") == pipeline) & (F.col("generation") == generation)
    rows = lake.read("ops.batch").where(own & F.col("batch_id").between(min(done), max(done)))
    sums = [F.sum(name).alias(name) for name in ROWS]
    found = rows.agg(F.count(F.lit(1)).alias("batches"), *sums).collect()[0]
    result.batches = found.batches
    rows_in, kept, refused, duplicate = (int(found[name] or 0) for name in ROWS)
    result.counts = Counts(rows_in, kept, refused, duplicate)
    return result


def _end_offset(query: StreamingQuery) -> dict[str, Any]:
    """How far the source was read, in the source's own terms; empty where no batch has run."""
    progress = query.lastProgress
    offset = json.loads(progress.json)["sources"][0]["endOffset"] if progress else None
    return offset if isinstance(offset, dict) else {}


def _balance(pipeline: str, batch_id: int, counts: Counts) -> None:
    explained = counts.rows_kept + counts.rows_refused + counts.rows_duplicate
    if explained != counts.rows_in:
        raise DataLossError(
            f"{pipeline} batch {batch_id} does not add up",
            why=f"{counts.rows_in} rows came, {counts.rows_kept} kept + {counts.rows_refused} refused"
            f" + {counts.rows_duplicate} duplicate = {explained}",
            remedy="nothing was committed past this batch; report it with the batch's bronze rows",
        )


def account(lake: Lake, key: tuple[str, str, int], counts: Counts, seconds: float) -> None:
    """Say once what a batch did; one that runs again keeps the account of its first run.

    Parameters
    ----------
    lake
        The tables.
    key
        Pipeline, generation and number of the batch.
    counts
        What it did.
    seconds
        How long it took. [s]
    """
    pipeline, generation, batch_id = key
    rows = lake.spark.createDataFrame([_account(key, counts, seconds)], BATCH.fields)
    append_once(lake, "ops.batch", rows, writer=f"{pipeline}/{generation}", number=batch_id)


def account_once(lake: Lake, accounts: Mapping[tuple[str, str, int], Counts], seconds: float) -> None:
    """Say what is about to be done, all in one commit; what has been said under a key stays as it was.

    Parameters
    ----------
    lake
        The tables.
    accounts
        What will be done, by pipeline, generation and number.
    seconds
        How long it took to find out. [s]
    """
    if accounts:
        rows = [_account(key, counts, seconds) for key, counts in accounts.items()]
        insert_missing(lake, "ops.batch", lake.spark.createDataFrame(rows, BATCH.fields))


def _account(key: tuple[str, str, int], counts: Counts, seconds: float) -> dict[str, Any]:
    """A row of ops.batch."""
    pipeline, generation, batch_id = key
    now = utc_now().replace(tzinfo=None)  # Spark's timestamps are UTC without a zone here
    return {
        "pipeline": pipeline,
        "generation": generation,
        "batch_id": batch_id,
        "rows_in": counts.rows_in,
        "rows_kept": counts.rows_kept,
        "rows_refused": counts.rows_refused,
        "rows_duplicate": counts.rows_duplicate,
        "seconds": seconds,
        "broken": counts.broken,
        "lag_s": None if counts.newest_at is None else (now - counts.newest_at).total_seconds(),
        "version": battery_lake.__version__,
        "finished_at": now,
    }


def _in_words(pipeline: str, fault: Exception) -> BatteryLakeError:
    """What stopped the stream: our own error as it is, anything else in one line."""
    return _ours(fault) or BatteryLakeError(
        f"{pipeline} stopped",
        why=f"{type(fault).__name__}: {_telling_line(str(fault))[:500]}",
        remedy="run it again: it goes on from the last committed batch; --debug shows the trace",
    )


def _ours(fault: Exception) -> BatteryLakeError | None:
    """Our own error, or the one that a Python process of Spark's wrote into the fault's text."""
    if isinstance(fault, BatteryLakeError):
        return fault
    found = re.search(r"battery_lake\.errors\.(\w+): (.+)(?:\nwhy: (.+))?(?:\ndo:  (.+))?", str(fault))
    kind = getattr(errors, found[1], None) if found else None
    if found is None or kind is None:
        return None
    made: BatteryLakeError = kind(found[2], why=found[3] or "", remedy=found[4] or "")
    return made


def _telling_line(text: str) -> str:
    """The line that names the cause: Spark's innermost [ERROR_CLASS], else the first."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    classed = [
        line for line in lines if re.search(r"\[[A-Z][A-Z0-9_.]+\] ", line) and "STREAM_FAILED" not in line
    ]
    return (classed or lines or [""])[-1 if classed else 0]
