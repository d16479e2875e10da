"""Storage on this machine: events as the files that Azure's services write.

IoT Hub's routing in JSON and in Avro, and Event Hubs Capture.
"""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
from typing import TYPE_CHECKING, Any, Final

import fastavro

from battery_lake.local.amqp.codec import Typed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from battery_lake.local.eventhub import Event

ROUTED_SCHEMA: Final = fastavro.parse_schema({
    "type": "record",
    "name": "Message",
    "namespace": "Microsoft.Azure.Devices",
    "fields": [
        {"name": "EnqueuedTimeUtc", "type": "string"},
        {"name": "Properties", "type": {"type": "map", "values": "string"}},
        {"name": "SystemProperties", "type": {"type": "map", "values": "string"}},
        {"name": "Body", "type": ["null", "bytes"]},
    ],
})
_VALUE: Final = ["long", "double", "string", "bytes"]
CAPTURE_SCHEMA: Final = fastavro.parse_schema({
    "type": "record",
    "name": "EventData",
    "namespace": "Microsoft.ServiceBus.Messaging",
    "fields": [
        {"name": "SequenceNumber", "type": "long"},
        {"name": "Offset", "type": "string"},
        {"name": "EnqueuedTimeUtc", "type": "string"},
        {"name": "SystemProperties", "type": {"type": "map", "values": _VALUE}},
        {"name": "Properties", "type": {"type": "map", "values": [*_VALUE, "null"]}},
        {"name": "Body", "type": ["null", "bytes"]},
    ],
})
_ROUTED_NAMES: Final = {
    "iothub-connection-device-id": "connectionDeviceId",
    "iothub-connection-module-id": "connectionModuleId",
    "iothub-connection-auth-method": "connectionAuthMethod",
    "iothub-connection-auth-generation-id": "connectionDeviceGenerationId",
    "iothub-message-source": "messageSource",
    "iothub-enqueuedtime": "enqueuedTime",
    "message-id": "messageId",
    "correlation-id": "correlationId",
    "content-type": "contentType",
    "content-encoding": "contentEncoding",
}


def routed_json(events: Iterable[Event]) -> bytes:
    """Return events as the lines of a routing file in JSON.

    A body is JSON where the device declared it as JSON in UTF-8, else base64.

    References
    ----------
    Microsoft, "Use IoT Hub message routing": Azure Storage as a routing endpoint.
    """
    lines = []
    for event in events:
        head = {name: value for name, value in _routed(event).items() if name != "Body"}
        is_json = (event.content_type, event.content_encoding) == ("application/json", "utf-8")
        body = event.body if is_json else json.dumps(base64.b64encode(event.body).decode()).encode()
        lines.append(json.dumps(head).encode()[:-1] + b', "Body": ' + body + b"}\n")
    return b"".join(lines)


def routed_avro(events: Iterable[Event], codec: str = "deflate") -> bytes:
    """Return events as a routing file in Avro, ``null`` or ``deflate``."""
    return _avro(ROUTED_SCHEMA, map(_routed, events), codec)


def captured(events: Iterable[Event], first_number: int, enqueued_ms: int) -> bytes:
    """Return events as a file of Event Hubs Capture.

    Parameters
    ----------
    events
        Of one partition, in order.
    first_number
        Sequence number of the first.
    enqueued_ms
        When the hub took them. [ms since 1970]
    """
    return _avro(
        CAPTURE_SCHEMA,
        (_captured(event, first_number + i, enqueued_ms) for i, event in enumerate(events)),
        "deflate",
    )


def _avro(schema: Any, records: Iterable[dict[str, Any]], codec: str) -> bytes:
    file = io.BytesIO()
    fastavro.writer(file, schema, records, codec=codec)
    return file.getvalue()


def _system(event: Event) -> dict[str, Any]:
    """The annotations and message properties that are set, instants as milliseconds."""
    given = {
        **event.annotations,
        "message-id": event.message_id,
        "correlation-id": event.correlation_id,
        "content-type": event.content_type,
        "content-encoding": event.content_encoding,
        "x-opt-partition-key": event.partition_key,
    }
    plain = {k: v.value if isinstance(v, Typed) else v for k, v in given.items()}
    return {name: value for name, value in plain.items() if value is not None}


def _routed(event: Event) -> dict[str, Any]:
    system = _system(event)
    at = _time(system["iothub-enqueuedtime"])
    stamp = f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06d}0Z"
    named = {_ROUTED_NAMES.get(name, name): str(value) for name, value in system.items()}
    return {
        "EnqueuedTimeUtc": stamp,
        "Properties": {name: str(value) for name, value in event.properties.items()},
        "SystemProperties": {**named, "enqueuedTime": stamp},
        "Body": event.body,
    }


def _captured(event: Event, number: int, enqueued_ms: int) -> dict[str, Any]:
    at = _time(enqueued_ms)
    return {
        "SequenceNumber": number,
        "Offset": str(number),
        "EnqueuedTimeUtc": f"{at.month}/{at.day}/{at.year} {at:%I:%M:%S %p}",
        "SystemProperties": {**_system(event), "x-opt-enqueued-time": enqueued_ms},
        "Properties": dict(event.properties),
        "Body": event.body,
    }


def _time(at_ms: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(milliseconds=at_ms)
