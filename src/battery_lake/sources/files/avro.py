"""Avro files of IoT Hub's routing and of Event Hubs Capture, read as far as they can be read.

Spark's own Avro reader either stops at a broken file or skips it without a word. Here every file is
decoded by itself: what it holds up to the fault comes through, and the fault becomes a row.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any, Final

import fastavro
import pyarrow as pa

from battery_lake.sources.envelope import (
    ARROW_FIELDS,
    DEVICE,
    ENQUEUED,
    SCHEMA,
    TAKEN,
    microseconds,
    milliseconds,
    properties,
    text,
)

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator

    from pyspark.sql import DataFrame

ARROW_SCHEMA: Final = pa.schema(ARROW_FIELDS)
UNREADABLE: Final = -1
"""Sequence number of the row that stands for the unreadable rest of a file."""

BATCH_ROWS: Final = 2_000
CAPTURED: Final = re.compile(r"(?:^|/)(\d+)/\d{4}/\d\d/\d\d/\d\d/\d\d/\d\d\.avro$")
"""Capture's own naming: the partition, then year, month, day, hour, minute and second."""

Row = dict[str, Any]


def envelope(files: DataFrame, hub: str) -> DataFrame:
    """One row per message of the files, and one for every file that cannot be read to its end.

    A file of Event Hubs Capture tells partition and sequence number. Elsewhere a message is named by its
    file and its place in it, as in the routing's JSON.

    Parameters
    ----------
    files
        ``file``, ``modified_at``, ``content``.
    hub
        The name that stands for the source in bronze.

    References
    ----------
    Microsoft, "Capture events through Azure Event Hubs": naming and schema of the files.
    """

    def decode(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for row in range(batch.num_rows):
                name, at, content = (batch.column(i)[row].as_py() for i in range(3))
                yield from in_batches(messages(name, at, content), hub)

    return files.select("file", "modified_at", "content").mapInArrow(decode, SCHEMA)


def in_batches(rows: Iterator[Row], hub: str) -> Iterator[pa.RecordBatch]:
    """Yield rows as Arrow batches of a size that is good for the memory."""
    waiting: list[Row] = []
    for row in rows:
        waiting.append({"hub": hub, **row})
        if len(waiting) == BATCH_ROWS:
            yield pa.RecordBatch.from_pylist(waiting, schema=ARROW_SCHEMA)
            waiting = []
    if waiting:
        yield pa.RecordBatch.from_pylist(waiting, schema=ARROW_SCHEMA)


def messages(name: str, modified_at: dt.datetime, content: bytes) -> Iterator[Row]:
    """Yield the envelopes of one file, then what is wrong with it, if anything is.

    Parameters
    ----------
    name
        The file below the landing folder.
    modified_at
        When it was written.
    content
        Its bytes.
    """
    found = CAPTURED.search(name)
    count = 0
    try:
        for record in fastavro.reader(io.BytesIO(content)):
            yield _row(record, name, count, found[1] if found else None)
            count += 1
    except Exception as fault:  # noqa: BLE001 - whatever a decoder says of bytes that are no Avro
        reason = f"{type(fault).__name__} {fault}".strip()
        said = f"{name}: {count} messages were read, then: {reason}"
        yield {
            "partition_id": name,
            "sequence_number": UNREADABLE,
            "enqueued_at": modified_at,
            "body": said.encode(),
            "system_properties": [],
            "application_properties": [],
        }


def _row(record: Any, name: str, number: int, partition: str | None) -> Row:
    """The envelope of one record; a record of another schema keeps its text as the body."""
    if not isinstance(record, dict) or "Body" not in record:
        raise ValueError("the file is no routing or Capture file: its records have no Body")
    given = record.get("SystemProperties") or {}
    system = properties(given.items())
    captured = partition is not None and record.get("SequenceNumber") is not None
    return {
        "partition_id": partition if captured else name,
        "sequence_number": int(record["SequenceNumber"]) if captured else number,
        "enqueued_at": _taken(system, given, record),
        "device_id": system.get(DEVICE),
        "body": _bytes(record["Body"]),
        "content_type": system.get("content-type"),
        "content_encoding": system.get("content-encoding"),
        "system_properties": list(system.items()),
        "application_properties": [(text(k), text(v)) for k, v in (record.get("Properties") or {}).items()],
    }


def _taken(system: dict[str, str | None], given: dict[str, Any], record: dict[str, Any]) -> int | None:
    """When the hub took the message: microseconds since 1970; the file's own time has no fractions."""
    for value in (system.get(TAKEN), given.get(ENQUEUED), record.get("EnqueuedTimeUtc")):
        at_us = None if value is None else microseconds(milliseconds(value))
        if at_us is not None:
            return at_us
    return None


def _bytes(body: Any) -> bytes | None:
    return body.encode() if isinstance(body, str) else body
