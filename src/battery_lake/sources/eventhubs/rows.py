"""From the SDK's events to the envelope that every source yields, as Arrow batches."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import pyarrow as pa

from battery_lake.sources import envelope
from battery_lake.sources.envelope import ARROW_FIELDS, DEVICE, OF_THE_MESSAGE, microseconds, properties, text

if TYPE_CHECKING:
    from collections.abc import Callable

    from azure.eventhub._pyamqp.message import Message

    from battery_lake.sources.eventhubs.receiver import Chunk

SCHEMA: Final = f"{envelope.SCHEMA}, offset STRING, missing_before BIGINT"
"""The rows of the source: the envelope; ``offset``, the service's, opaque; ``missing_before``, how many
events right before this one are gone, null where none is."""

ARROW_SCHEMA: Final = pa.schema([*ARROW_FIELDS, ("offset", pa.string()), ("missing_before", pa.int64())])

OFFSET, NUMBER, ENQUEUED, TAKEN = (
    name.encode() for name in (envelope.OFFSET, envelope.NUMBER, envelope.ENQUEUED, envelope.TAKEN)
)
_ONE_VALUE: Final = (
    "sequence_number", "enqueued_at", "device_id", "body", "content_type", "content_encoding", "offset",
    "missing_before",
)  # fmt: skip


def record_batch(hub: str, partition: str, chunk: Chunk) -> pa.RecordBatch:
    """Return the events as rows of :data:`SCHEMA`."""
    columns: dict[str, list[Any]] = {name: [] for name in _ONE_VALUE}
    system, application = _Maps(), _Maps()
    numbers, taken_us, devices, bodies, types, encodings, offsets, missing = columns.values()
    for message in chunk.events:
        annotations: dict[Any, Any] = dict(message.message_annotations or {})
        number, offset = annotations.pop(NUMBER), annotations.pop(OFFSET, None)
        enqueued_ms, taken_ms = annotations.pop(ENQUEUED, 0), annotations.pop(TAKEN, None)
        spelt = _spelt(tuple(annotations.items()), message.properties or ())
        system.add(spelt.names, spelt.values)
        if taken_ms is not None:
            system.add_to_last(envelope.TAKEN, text(taken_ms))
        own = message.application_properties
        application.add(*(_texts(tuple(own.items())) if own else _NOTHING))
        numbers.append(number)
        taken_us.append(microseconds(taken_ms) or microseconds(enqueued_ms))
        devices.append(spelt.device)
        bodies.append(_body(message))
        types.append(spelt.content_type)
        encodings.append(spelt.content_encoding)
        offsets.append(text(offset))
        missing.append(chunk.missing.get(number))
    count = len(chunk.events)
    arrays = {
        "hub": pa.repeat(hub, count),
        "partition_id": pa.repeat(partition, count),
        "system_properties": system.array(),
        "application_properties": application.array(),
        **{name: pa.array(values, ARROW_SCHEMA.field(name).type) for name, values in columns.items()},
    }
    return pa.RecordBatch.from_arrays([arrays[name] for name in ARROW_SCHEMA.names], schema=ARROW_SCHEMA)


class _Maps:
    """A column of maps, flat: to hand Arrow a list of pairs a row takes three times as long."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._values: list[str | None] = []
        self._ends = [0]

    def add(self, names: tuple[str, ...], values: tuple[str | None, ...]) -> None:
        self._names.extend(names)
        self._values.extend(values)
        self._ends.append(len(self._names))

    def add_to_last(self, name: str, value: str | None) -> None:
        self._names.append(name)
        self._values.append(value)
        self._ends[-1] += 1

    def array(self) -> pa.MapArray:
        return pa.MapArray.from_arrays(
            pa.array(self._ends, pa.int32()),
            pa.array(self._names, pa.string()),
            pa.array(self._values, pa.string()),
        )


class _Spelt(NamedTuple):
    """Properties in the one spelling, and those of them that have a column."""

    names: tuple[str, ...]
    values: tuple[str | None, ...]
    device: str | None
    content_type: str | None
    content_encoding: str | None


_NOTHING: Final = ((), ())


def remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Keep results: but for the time, the same properties come again and again."""
    cached = functools.lru_cache(maxsize=16384)(function)

    @functools.wraps(function)
    def ask(*arguments: Any) -> Any:
        try:
            return cached(*arguments)
        except TypeError:  # a list or a map as a value cannot be looked up
            return function(*arguments)

    return ask


@remembered
def _spelt(annotations: tuple[tuple[Any, Any], ...], declared: tuple[Any, ...]) -> _Spelt:
    """The annotations, and those properties of the AMQP message that are set."""
    own = ((name, value) for name, value in zip(OF_THE_MESSAGE, declared, strict=False) if value is not None)
    found = properties([*annotations, *own])
    columns = (found.get(DEVICE), found.get("content-type"), found.get("content-encoding"))
    return _Spelt(tuple(found), tuple(found.values()), *columns)


@remembered
def _texts(pairs: tuple[tuple[Any, Any], ...]) -> tuple[tuple[str, ...], tuple[str | None, ...]]:
    found = {text(key) or "": text(value) for key, value in pairs}
    return tuple(found), tuple(found.values())


def _body(message: Message) -> bytes:
    """The bytes that the device sent; an AMQP value or sequence, which IoT Hub never sends, as JSON."""
    data = cast("list[bytes] | None", message.data)
    if data:  # chunks of one payload
        return data[0] if len(data) == 1 else b"".join(data)
    return json.dumps(message.sequence or message.value, default=str).encode()
