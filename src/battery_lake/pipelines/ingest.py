"""Messages to bronze, as they come: from landing files, from the hub itself, or from Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.bronze.data_gap import data_gap
from battery_lake.bronze.telemetry import plausible_time, telemetry
from battery_lake.clock import utc_now
from battery_lake.errors import BatteryLakeError, SetupError
from battery_lake.lake.observed import Observed
from battery_lake.lake.scratch import kept
from battery_lake.lake.sql import quoted
from battery_lake.lake.write import insert_missing
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.stream import run_stream
from battery_lake.sources import kafka
from battery_lake.sources.files import avro, landing, lines
from battery_lake.tables.bronze import TELEMETRY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.pipelines.stream import Batch

ENVELOPE = [name for name in TELEMETRY.column_names if name != "ingested_at"]
"""What every source gives."""

LANDING = "landing"
"""Name of the source in bronze where files are read and the settings give none."""


def _line_batch(lake: Lake, batch: DataFrame, batch_id: int) -> Counts:
    """Number the lines, read their envelopes, append what bronze lacks."""
    del batch_id
    numbered = lines.numbered(batch)
    if not numbered.files:
        return Counts()
    hub = lake.settings.source.hub or LANDING
    names = ", ".join(quoted(name) for name in numbered.files)
    within = f"t.hub = {quoted(hub)} AND t.partition_id IN ({names})"
    return _append(lake, lines.envelope(numbered.lines, hub), within)


def _avro_batch(lake: Lake, batch: DataFrame, batch_id: int) -> Counts:
    """Decode the files once, append what bronze lacks."""
    del batch_id
    return _append_ranges(
        lake, kept(lake, "ingest.messages", avro.envelope(batch, lake.settings.source.hub or LANDING))
    )


def _hub_batch(lake: Lake, events: DataFrame, batch_id: int) -> Counts:
    """Read the events once, write down what is missing among them, append what bronze lacks."""
    del batch_id
    events = kept(lake, "ingest.messages", _named(lake, events))
    if not events.where("missing_before > 0").isEmpty():
        insert_missing(lake, "ops.data_gap", data_gap(events, utc_now()))
    return _append_ranges(lake, events.select(*ENVELOPE))


def _kafka_batch(lake: Lake, records: DataFrame, batch_id: int) -> Counts:
    """Read the records once, append what bronze lacks."""
    del batch_id
    return _append_ranges(lake, kept(lake, "ingest.messages", _named(lake, kafka.envelope(records))))


def _named(lake: Lake, envelope: DataFrame) -> DataFrame:
    """The messages under the name that the settings give their source, if they give one."""
    name = lake.settings.source.hub
    return envelope.withColumn("hub", F.lit(name)) if name else envelope


def _append_ranges(lake: Lake, envelope: DataFrame) -> Counts:
    """Append what bronze lacks; the ranges of sequence numbers say where it has to look."""
    ranges = (
        envelope
        .groupBy("hub", "partition_id")
        .agg(
            F.min("sequence_number").alias("low"),
            F.max("sequence_number").alias("high"),
        )
        .collect()
    )
    if not ranges:
        return Counts()
    within = " OR ".join(
        f"(t.hub = {quoted(row.hub)} AND t.partition_id = {quoted(row.partition_id)}"
        f" AND t.sequence_number BETWEEN {row.low} AND {row.high})"
        for row in ranges
    )
    return _append(lake, envelope, f"({within})")


def _append(lake: Lake, envelope: DataFrame, within: str) -> Counts:
    taken = Observed(
        telemetry(envelope, utc_now()),
        F.count(F.lit(1)).alias("rows"),
        F.max(plausible_time()).alias("newest"),
    )
    insert_missing(lake, "bronze.telemetry", taken.frame, within=within)
    count = int(taken.values["rows"])
    return Counts(rows_in=count, rows_kept=count, newest_at=taken.values["newest"])


def _run(lake: Lake, progress: Progress) -> RunResult:
    if lake.settings.source.format == "eventhubs":
        return _run_hub(lake, progress)
    if lake.settings.source.format == "kafka":
        return _run_kafka(lake, progress)
    if "://" not in lake.settings.source.landing:
        lake.settings.landing.mkdir(parents=True, exist_ok=True)
    if lake.settings.source.file_format == "avro":
        return _run_stream(lake, landing.whole_files(lake.spark, lake.settings), _avro_batch, progress)
    return _run_stream(lake, landing.json_lines(lake.spark, lake.settings), _line_batch, progress)


def _run_stream(lake: Lake, source: DataFrame, batch: Batch, progress: Progress) -> RunResult:
    chosen = lake.settings.source
    every_s = chosen.every_s or None
    return run_stream(lake, "ingest", source, batch, progress, stream=chosen.stream, every_s=every_s)


def _run_hub(lake: Lake, progress: Progress) -> RunResult:
    """Read until everything that was there at the start is in bronze.

    Spark 4.1 ends such a run after one batch of a source in Python, however much is left: it is run again.
    """
    try:
        from battery_lake.sources.eventhubs.stream import has_reached, stream, tails  # noqa: PLC0415
    except ModuleNotFoundError as fault:  # the SDK comes with an extra
        raise SetupError(
            "the hub cannot be read", why=str(fault), remedy="pip install 'battery-lake[azure]'"
        ) from fault
    hub = lake.settings.eventhubs
    wanted = tails(hub)
    result = RunResult("ingest")
    while True:
        run = _run_stream(lake, stream(lake.spark, hub), _hub_batch, progress)
        result += run
        if not run.batches or has_reached(run.end_offset, wanted):
            return result


def _run_kafka(lake: Lake, progress: Progress) -> RunResult:
    records = kafka.stream(lake.spark, lake.settings.kafka)
    try:
        return _run_stream(lake, records, _kafka_batch, progress)
    except BatteryLakeError as fault:
        raise kafka.explained(fault, lake.settings.kafka) from fault.__cause__


INGEST = Pipeline("ingest", reads=(), writes=("bronze.telemetry", "ops.data_gap"), step=_run)
