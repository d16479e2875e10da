"""The same messages from the hub, from Kafka and from Capture's files: one bronze, compared by its hash."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from battery_lake.lake.access import Lake
from battery_lake.local.eventhub import Event, EventHubStandIn, iot_annotations
from battery_lake.local.kafka import record
from battery_lake.local.storage import captured
from battery_lake.pipelines.ingest import INGEST
from battery_lake.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

PARTITIONS = 2
AT_MS = 1_767_225_600_000
FILE_EVENTS = 25_000
RECORD = (
    "topic string, partition int, key binary, value binary, headers array<struct<key: string, value: binary>>"
)


def event(partition: int, number: int) -> Event:
    """The message of a place; now and then one with what few messages have."""
    rare = number % 97 == 0
    return Event(
        b'{"partition": %d, "number": %d, "cell_voltages_v": [3.870, 3.85]}' % (partition, number),
        properties={"schema_version": "1", **({"tries": number % 5} if rare else {})},
        annotations=iot_annotations(
            f"V{number % 50}", enqueued_ms=AT_MS + number, model_id="dtmi:bms;1" if rare else None
        ),
        content_type="application/json",
        content_encoding="utf-8",
        message_id=f"m-{number}" if rare else None,
        partition_key=f"V{number % 50}" if rare else None,
    )


def hub_of(folder: Path, count: int) -> EventHubStandIn:
    hub = EventHubStandIn(folder, partitions=PARTITIONS)
    for partition in range(PARTITIONS):
        hub.append(partition, (event(partition, number) for number in range(count)), enqueued_ms=AT_MS)
    return hub


def capture(folder: Path, count: int) -> None:
    """Write what Capture would have written."""
    for partition in range(PARTITIONS):
        for place, first in enumerate(range(0, count, FILE_EVENTS)):
            at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(minutes=5 * place)
            file = folder / "cars" / "telemetry" / str(partition) / f"{at:%Y/%m/%d/%H/%M/%S}.avro"
            file.parent.mkdir(parents=True)
            some = (event(partition, number) for number in range(first, min(first + FILE_EVENTS, count)))
            file.write_bytes(captured(some, first, AT_MS))


def send(spark: SparkSession, servers: str, topic: str, count: int) -> None:
    """Send to Kafka, a task a partition, in order."""

    def records(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            places = batch.column(0).to_pylist()
            rows = []
            for partition, number in (divmod(place, count) for place in places):
                key, value, headers = record(event(partition, number))
                rows.append({
                    "topic": topic,
                    "partition": partition,
                    "key": key,
                    "value": value,
                    "headers": [{"key": name, "value": raw} for name, raw in headers],
                })
            yield pa.RecordBatch.from_pylist(rows, schema=ARROW)

    frame = spark.range(0, PARTITIONS * count, 1, PARTITIONS).mapInArrow(records, RECORD)
    options = {"kafka.bootstrap.servers": servers, "includeHeaders": "true"}
    frame.write.format("kafka").options(**options).save()


ARROW = pa.schema([
    ("topic", pa.string()),
    ("partition", pa.int32()),
    ("key", pa.binary()),
    ("value", pa.binary()),
    ("headers", pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))),
])


def content(home: Path) -> tuple[int, str]:
    """How many messages bronze holds, and a hash of all that it says of them, whatever their order."""
    files = DeltaTable(str(home / "lake" / "bronze" / "telemetry")).file_uris()
    row = (
        "hub, partition_id, sequence_number, epoch_us(enqueued_at), device_id, md5(body), content_type,"
        " content_encoding, list_sort(map_entries(system_properties))::text,"
        " list_sort(map_entries(application_properties))::text"
    )
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT count(*), sum(hash({row})::HUGEINT)::text FROM read_parquet($1)", [files]
        ).fetchone()
    assert found is not None
    return int(found[0]), str(found[1])


@pytest.mark.parametrize(
    "count",
    [400, pytest.param(1_000_000, marks=[pytest.mark.proof, pytest.mark.timeout(3600)])],
)
def test_every_source_gives_the_same_bronze(
    spark: SparkSession, broker: Any, tmp_path: Path, count: int, topic: str
) -> None:
    capture(tmp_path / "captured", count)
    send(spark, broker.servers, topic, count)
    found = {}
    with hub_of(tmp_path / "hub", count) as hub:
        given: dict[str, dict[str, Any]] = {
            "eventhubs": {"eventhubs.connection_string": hub.connection_string},
            "kafka": {"kafka.bootstrap_servers": broker.servers, "kafka.topic": topic},
            "files": {"source.file_format": "avro", "source.landing": tmp_path / "captured"},
        }
        for kind, settings in given.items():
            home = tmp_path / kind
            pairs = {"home": home, "source.format": kind, "source.hub": "telemetry", **settings}
            chosen, _ = load([f"{name}={value}" for name, value in pairs.items()], environment={})
            INGEST.run(Lake(spark, chosen))
            found[kind] = content(home)
    assert found["eventhubs"][0] == PARTITIONS * count
    assert found["kafka"] == found["files"] == found["eventhubs"], found
