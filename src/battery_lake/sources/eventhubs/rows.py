"""From the SDK's events to the envelope that every source yields, as Arrow batches."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from azure.eventhub.amqp import AmqpMessageBodyType

if TYPE_CHECKING:
    from azure.eventhub import EventData

    from battery_lake.sources.eventhubs.receiver import Chunk

SCHEMA: Final = (
    "hub STRING, partition_id STRING, sequence_number BIGINT, enqueued_at TIMESTAMP, device_id STRING,"
    " body BINARY, content_type STRING, content_encoding STRING, system_properties MAP<STRING,STRING>,"
    " application_properties MAP<STRING,STRING>, offset STRING, missing_before BIGINT"
)
"""The rows of the source: the envelope; ``offset``, the service's, opaque; ``missing_before``, how many
events right before this one are gone, null where none is."""

_TEXTS: Final = pa.map_(pa.string(), pa.string())
ARROW_SCHEMA: Final = pa.schema([
    ("hub", pa.string()),
    ("partition_id", pa.string()),
    ("sequence_number", pa.int64()),
    ("enqueued_at", pa.timestamp("us", tz="UTC")),
    ("device_id", pa.string()),
    ("body", pa.binary()),
    ("content_type", pa.string()),
    ("content_encoding", pa.string()),
    ("system_properties", _TEXTS),
    ("application_properties", _TEXTS),
    ("offset", pa.string()),
    ("missing_before", pa.int64()),
])

OFFSET, NUMBER, ENQUEUED = b"x-opt-offset", b"x-opt-sequence-number", b"x-opt-enqueued-time"
TAKEN: Final = b"iothub-enqueuedtime"
"""When IoT Hub took a message: it hands it on to the endpoint's own queue a moment later."""

_PLACES: Final = {OFFSET, NUMBER, ENQUEUED}
DEVICE: Final = "iothub-connection-device-id"
_OF_THE_MESSAGE: Final = (
    "message_id", "user_id", "to", "subject", "reply_to", "correlation_id", "content_type",
    "content_encoding", "absolute_expiry_time", "creation_time", "group_id", "group_sequence",
    "reply_to_group_id",
)  # fmt: skip


def record_batch(hub: str, partition: str, chunk: Chunk) -> pa.RecordBatch:
    """Return the events as rows of :data:`SCHEMA`.

    Every property becomes text: numbers as they print, instants in milliseconds since 1970 as they come.
    """
    count = len(chunk.events)
    columns: dict[str, list[Any]] = {name: [] for name in ARROW_SCHEMA.names}
    columns["hub"], columns["partition_id"] = [hub] * count, [partition] * count
    for event in chunk.events:
        message = event.raw_amqp_message
        annotations = message.annotations or {}
        system = [(text(k), text(v)) for k, v in annotations.items() if k not in _PLACES]
        system += _message_properties(message.properties)
        named = dict(system)
        number: Any = annotations.get(NUMBER)
        taken_ms = annotations.get(TAKEN) or annotations.get(ENQUEUED, 0)
        columns["sequence_number"].append(number)
        columns["enqueued_at"].append(1000 * taken_ms)
        columns["device_id"].append(named.get(DEVICE))
        columns["body"].append(_body(event))
        columns["content_type"].append(named.get("content-type"))
        columns["content_encoding"].append(named.get("content-encoding"))
        columns["system_properties"].append(system)
        columns["application_properties"].append([
            (text(k), text(v)) for k, v in (message.application_properties or {}).items()
        ])
        columns["offset"].append(text(annotations.get(OFFSET)))
        columns["missing_before"].append(chunk.missing.get(number))
    return pa.RecordBatch.from_pydict(columns, schema=ARROW_SCHEMA)


def text(value: Any) -> str | None:
    """Return a property's value as text; bytes as UTF-8, with replacement where they are none."""
    if isinstance(value, bytes):
        return _decoded(value)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


@functools.lru_cache(maxsize=16384)
def _decoded(value: bytes) -> str:
    """The same names and devices come again and again."""
    return value.decode("utf-8", errors="replace")


def _message_properties(properties: Any) -> list[tuple[str | None, str | None]]:
    """The properties of the AMQP message that are set, under their AMQP names."""
    if properties is None:
        return []
    found = ((name, getattr(properties, name)) for name in _OF_THE_MESSAGE)
    return [(name.replace("_", "-"), text(value)) for name, value in found if value is not None]


def _body(event: EventData) -> bytes:
    """The bytes that the device sent; an AMQP value or sequence, which IoT Hub never sends, as JSON."""
    body: Any = event.body
    if event.body_type is AmqpMessageBodyType.DATA:  # chunks of one payload
        return b"".join(body)
    parts = list(body) if event.body_type is AmqpMessageBodyType.SEQUENCE else body
    return json.dumps(parts, default=str).encode()
