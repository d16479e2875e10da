"""From the SDK's events to the envelope that every source yields, as Arrow batches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from azure.eventhub.amqp import AmqpMessageBodyType

from battery_lake.sources import envelope
from battery_lake.sources.envelope import ARROW_FIELDS, DEVICE, OF_THE_MESSAGE, properties, text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from azure.eventhub import EventData

    from battery_lake.sources.eventhubs.receiver import Chunk

SCHEMA: Final = f"{envelope.SCHEMA}, offset STRING, missing_before BIGINT"
"""The rows of the source: the envelope; ``offset``, the service's, opaque; ``missing_before``, how many
events right before this one are gone, null where none is."""

ARROW_SCHEMA: Final = pa.schema([*ARROW_FIELDS, ("offset", pa.string()), ("missing_before", pa.int64())])

OFFSET, NUMBER, ENQUEUED, TAKEN = (
    name.encode() for name in (envelope.OFFSET, envelope.NUMBER, envelope.ENQUEUED, envelope.TAKEN)
)
_OF_THE_MESSAGE: Final = tuple((name, name.replace("-", "_")) for name in OF_THE_MESSAGE)


def record_batch(hub: str, partition: str, chunk: Chunk) -> pa.RecordBatch:
    """Return the events as rows of :data:`SCHEMA`."""
    count = len(chunk.events)
    columns: dict[str, list[Any]] = {name: [] for name in ARROW_SCHEMA.names}
    columns["hub"], columns["partition_id"] = [hub] * count, [partition] * count
    for event in chunk.events:
        message = event.raw_amqp_message
        annotations = message.annotations or {}
        system = properties([*annotations.items(), *_message_properties(message.properties)])
        number: Any = annotations.get(NUMBER)
        taken_ms = annotations.get(TAKEN) or annotations.get(ENQUEUED, 0)
        columns["sequence_number"].append(number)
        columns["enqueued_at"].append(1000 * taken_ms)
        columns["device_id"].append(system.get(DEVICE))
        columns["body"].append(_body(event))
        columns["content_type"].append(system.get("content-type"))
        columns["content_encoding"].append(system.get("content-encoding"))
        columns["system_properties"].append(list(system.items()))
        columns["application_properties"].append([
            (text(k), text(v)) for k, v in (message.application_properties or {}).items()
        ])
        columns["offset"].append(text(annotations.get(OFFSET)))
        columns["missing_before"].append(chunk.missing.get(number))
    return pa.RecordBatch.from_pydict(columns, schema=ARROW_SCHEMA)


def _message_properties(given: Any) -> Iterator[tuple[str, Any]]:
    """The properties of the AMQP message that are set."""
    if given is None:
        return
    for name, attribute in _OF_THE_MESSAGE:
        value = getattr(given, attribute)
        if value is not None:
            yield name, value


def _body(event: EventData) -> bytes:
    """The bytes that the device sent; an AMQP value or sequence, which IoT Hub never sends, as JSON."""
    body: Any = event.body
    if event.body_type is AmqpMessageBodyType.DATA:  # chunks of one payload
        return b"".join(body)
    parts = list(body) if event.body_type is AmqpMessageBodyType.SEQUENCE else body
    return json.dumps(parts, default=str).encode()
