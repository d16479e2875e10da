"""Events: what a caller appends, what is stored, and what a receiver gets.

Stored is the encoded message without the annotations that the service sets, so that sending an
event needs no second encoding.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from battery_lake.local.amqp.codec import Described, Symbol, Typed, decode, encode
from battery_lake.local.amqp.errors import DECODE_ERROR, MESSAGE_TOO_LARGE, AmqpError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from battery_lake.local.eventhub.log import Record

BATCH_FORMAT = 0x80013700
HEADER, DELIVERY_ANNOTATIONS, MESSAGE_ANNOTATIONS, PROPERTIES, APPLICATION_PROPERTIES, DATA = range(
    0x70, 0x76
)
VALUE = 0x77
MAP_8, MAP_32 = 0xC1, 0xD1
PARTITION_KEY = "x-opt-partition-key"
# the service sets these; a sender's own are replaced
SET_BY_SERVICE = frozenset({"x-opt-sequence-number", "x-opt-offset", "x-opt-enqueued-time"})
IOT_SOURCE = "Telemetry"

# bytes of header and delivery annotations, number of message annotations, their bytes
_STORED = struct.Struct(">HHI")
MAX_HEAD_BYTES = 0xFFFF
_MAP = struct.Struct(">4sII")
_SEQUENCE = encode(Symbol("x-opt-sequence-number")) + b"\x81"
_OFFSET = encode(Symbol("x-opt-offset"))
_ENQUEUED = encode(Symbol("x-opt-enqueued-time")) + b"\x83"
_I64 = struct.Struct(">q")


@dataclass(frozen=True)
class Event:
    """An event as a caller hands it in.

    Parameters
    ----------
    body
        The payload.
    properties
        Application properties.
    annotations
        Message annotations by name, for instance those of `iot_annotations`.
    content_type, content_encoding, message_id, correlation_id
        Message properties of the same names.
    partition_key
        Key by which the event was sent, if any.
    """

    body: bytes
    properties: Mapping[str, Any] = field(default_factory=dict)
    annotations: Mapping[str, Any] = field(default_factory=dict)
    content_type: str | None = None
    content_encoding: str | None = None
    message_id: str | None = None
    correlation_id: str | None = None
    partition_key: str | None = None


def iot_annotations(
    device_id: str,
    *,
    enqueued_ms: int | None = None,
    module_id: str | None = None,
    message_source: str = IOT_SOURCE,
    model_id: str | None = None,
    component: str | None = None,
    generation_id: str = "638000000000000000",
) -> dict[str, Any]:
    """Return the annotations that IoT Hub puts on a device's message.

    Parameters
    ----------
    device_id
        The device.
    enqueued_ms
        When IoT Hub received the message. [ms since 1970]
    module_id
        The device's module, if one sent it.
    message_source
        ``Telemetry`` or another of the hub's sources.
    model_id, component
        Digital twin model and component of a Plug and Play device.
    generation_id
        Tells devices apart that had the same id one after the other.

    Returns
    -------
    dict
        Annotations by name.

    References
    ----------
    Microsoft, Create and read IoT Hub messages: system properties of device-to-cloud messages.
    """
    method = '{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}'
    given = {
        "iothub-connection-device-id": device_id,
        "iothub-connection-module-id": module_id,
        "iothub-connection-auth-method": method,
        "iothub-connection-auth-generation-id": generation_id,
        "iothub-enqueuedtime": None if enqueued_ms is None else Typed("timestamp", enqueued_ms),
        "iothub-message-source": message_source,
        "dt-dataschema": model_id,
        "dt-subject": component,
    }
    return {name: value for name, value in given.items() if value is not None}


def store(event: Event) -> bytes:
    """Return an event in its stored form."""
    pairs = b"".join(encode(Symbol(name)) + encode(value) for name, value in event.annotations.items())
    count = len(event.annotations)
    if event.partition_key is not None:
        pairs += encode(Symbol(PARTITION_KEY)) + encode(event.partition_key)
        count += 1
    rest = b""
    message_properties = [event.message_id, None, None, None, None, event.correlation_id]
    message_properties += [_symbol(event.content_type), _symbol(event.content_encoding)]
    if any(value is not None for value in message_properties):
        rest += encode(Described(PROPERTIES, message_properties + [None] * 5))
    if event.properties:
        rest += encode(Described(APPLICATION_PROPERTIES, dict(event.properties)))
    rest += encode(Described(DATA, event.body))
    return _STORED.pack(0, count, len(pairs)) + pairs + rest


def store_message(payload: bytes) -> tuple[bytes, str | None]:
    """Return a message from a sender in its stored form.

    Parameters
    ----------
    payload
        An encoded message.

    Returns
    -------
    tuple
        Stored form and partition key.

    Raises
    ------
    AmqpError
        Where the bytes are no message, or more than 64 kB stand before its message annotations.
    """
    head, pairs, count, rest, key = b"", b"", 0, b"", None
    for code, start, end in sections(payload):
        if code in {HEADER, DELIVERY_ANNOTATIONS}:
            head += payload[start:end]
        elif code == MESSAGE_ANNOTATIONS:
            for name, value, raw in _pairs(payload, start + 3):
                if name == PARTITION_KEY:
                    key = str(value)
                if name not in SET_BY_SERVICE:
                    pairs += raw
                    count += 1
        else:
            rest += payload[start:end]
    if len(head) > MAX_HEAD_BYTES:
        raise AmqpError(MESSAGE_TOO_LARGE, f"header and delivery annotations of {len(head)} bytes")
    return _STORED.pack(len(head), count, len(pairs)) + head + pairs + rest, key


def unbatch(message_format: int, payload: bytes) -> list[bytes]:
    """Return the messages of a batch, or the one message.

    Parameters
    ----------
    message_format
        `BATCH_FORMAT` where every data section of the payload is a message.
    payload
        What the sender transferred.

    Returns
    -------
    list of bytes
        Encoded messages.

    Raises
    ------
    AmqpError
        Where the bytes are no message.
    """
    if message_format != BATCH_FORMAT:
        return [payload]
    return [decode(payload, start + 3)[0] for code, start, _ in sections(payload) if code == DATA]


def outer_partition_key(payload: bytes) -> str | None:
    """Return the partition key that a message or a batch as a whole carries."""
    for code, start, _ in sections(payload):
        if code == MESSAGE_ANNOTATIONS:
            found = {name: value for name, value, _ in _pairs(payload, start + 3)}
            return str(found[PARTITION_KEY]) if PARTITION_KEY in found else None
    return None


def deliver(record: Record, runtime: bytes = b"") -> bytes:
    """Return the message that a receiver gets.

    Parameters
    ----------
    record
        The stored event.
    runtime
        Delivery annotations, encoded, where the receiver asked for them.

    Returns
    -------
    bytes
        The encoded message with the service's annotations.
    """
    sequence_number, offset, enqueued_ms, stored = record
    head_bytes, count, pair_bytes = _STORED.unpack_from(stored)
    pairs_at = _STORED.size + head_bytes
    rest_at = pairs_at + pair_bytes
    text = str(offset).encode()
    service = (
        _SEQUENCE + _I64.pack(sequence_number)
        + _OFFSET + b"\xa1" + bytes((len(text),)) + text
        + _ENQUEUED + _I64.pack(enqueued_ms)
    )  # fmt: skip
    annotations = _MAP.pack(b"\x00\x53\x72\xd1", 4 + len(service) + pair_bytes, 2 * (3 + count))
    head = stored[_STORED.size : pairs_at]
    return b"".join((
        _with_runtime(head, runtime) if runtime else head,
        annotations,
        service,
        stored[pairs_at:rest_at],
        stored[rest_at:],
    ))


def _with_runtime(head: bytes, runtime: bytes) -> bytes:
    """Put a receiver's delivery annotations behind the sender's, which have one section in common."""
    kept, pairs, count = b"", b"", 0
    for part in (head, runtime):
        for code, start, end in sections(part):
            if code != DELIVERY_ANNOTATIONS:
                kept += part[start:end]
                continue
            for _, _, raw in _pairs(part, start + 3):
                pairs += raw
                count += 1
    return kept + _MAP.pack(b"\x00\x53\x71\xd1", 4 + len(pairs), 2 * count) + pairs


def sections(payload: bytes) -> Iterator[tuple[int, int, int]]:
    """Walk a message's sections.

    Parameters
    ----------
    payload
        An encoded message.

    Yields
    ------
    tuple
        Section code, start and end.

    Raises
    ------
    AmqpError
        Where the bytes are no message.
    """
    at = 0
    while at < len(payload):
        if payload[at : at + 2] != b"\x00\x53" or len(payload) < at + 3:
            raise AmqpError(DECODE_ERROR, f"no message section at byte {at}")
        _, end = decode(payload, at + 3)
        yield payload[at + 2], at, end
        at = end


def _pairs(payload: bytes, at: int) -> Iterator[tuple[Any, Any, bytes]]:
    """Walk a map: key, value and the bytes of both."""
    small = payload[at] == MAP_8
    if not small and payload[at] != MAP_32:
        return
    count = payload[at + 2] if small else int.from_bytes(payload[at + 5 : at + 9])
    at += 3 if small else 9
    for _ in range(count // 2):
        key, value_at = decode(payload, at)
        value, end = decode(payload, value_at)
        yield key, value, payload[at:end]
        at = end


def _symbol(text: str | None) -> Symbol | None:
    """Make a symbol of a text."""
    return None if text is None else Symbol(text)
