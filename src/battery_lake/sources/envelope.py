"""The envelope: what every source yields, and one spelling of its properties whatever way they came.

Properties are named as IoT Hub's own endpoint names them; its routing to storage has other names for
the same. Instants among them are milliseconds since 1970.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMA: Final = (
    "hub STRING, partition_id STRING, sequence_number BIGINT, enqueued_at TIMESTAMP, device_id STRING,"
    " body BINARY, content_type STRING, content_encoding STRING, system_properties MAP<STRING,STRING>,"
    " application_properties MAP<STRING,STRING>"
)

_TEXTS: Final = pa.map_(pa.string(), pa.string())
ARROW_FIELDS: Final = (
    pa.field("hub", pa.string()),
    pa.field("partition_id", pa.string()),
    pa.field("sequence_number", pa.int64()),
    pa.field("enqueued_at", pa.timestamp("us", tz="UTC")),
    pa.field("device_id", pa.string()),
    pa.field("body", pa.binary()),
    pa.field("content_type", pa.string()),
    pa.field("content_encoding", pa.string()),
    pa.field("system_properties", _TEXTS),
    pa.field("application_properties", _TEXTS),
)
"""The same as Arrow's fields."""

DEVICE: Final = "iothub-connection-device-id"
TAKEN: Final = "iothub-enqueuedtime"
"""When IoT Hub took a message: it hands it on to the endpoint's own queue a moment later."""
NUMBER: Final = "x-opt-sequence-number"
OFFSET: Final = "x-opt-offset"
ENQUEUED: Final = "x-opt-enqueued-time"
PARTITION_KEY: Final = "x-opt-partition-key"
PLACES: Final = frozenset({NUMBER, OFFSET, ENQUEUED})
"""Annotations of the queue itself: columns say the same."""

OF_THE_MESSAGE: Final = (
    "message-id", "user-id", "to", "subject", "reply-to", "correlation-id", "content-type",
    "content-encoding", "absolute-expiry-time", "creation-time", "group-id", "group-sequence",
    "reply-to-group-id",
)  # fmt: skip
"""The properties of an AMQP message (AMQP 1.0, 3.2.4)."""

ROUTED: Final = {
    "messageId": "message-id",
    "userId": "user-id",
    "correlationId": "correlation-id",
    "contentType": "content-type",
    "contentEncoding": "content-encoding",
    "connectionDeviceId": DEVICE,
    "connectionModuleId": "iothub-connection-module-id",
    "connectionDeviceGenerationId": "iothub-connection-auth-generation-id",
    "connectionAuthMethod": "iothub-connection-auth-method",
    "enqueuedTime": TAKEN,
    "messageSource": "iothub-message-source",
}
"""What IoT Hub's routing to storage calls a property, and what its own endpoint calls it.

References
----------
Microsoft, "Create and read IoT Hub messages", system properties of device-to-cloud messages.
"""

YEARS_MS: Final = (-62_135_596_800_000, 253_402_300_799_999)
"""Years 1 to 9999 in milliseconds since 1970: more is no instant to Spark."""

_US_TIME: Final = re.compile(r"(\d+)/(\d+)/(\d{4}) (\d+):(\d\d):(\d\d) ([AP])M")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def properties(pairs: Iterable[tuple[Any, Any]]) -> dict[str, str | None]:
    """Return properties in the one spelling: text, the first of a name, without the queue's places.

    Numbers as they print, bytes as UTF-8, with replacement where they are none.
    """
    found: dict[str, str | None] = {}
    for key, value in pairs:
        given = text(key) or ""
        name = ROUTED.get(given, given)
        if name in PLACES or name in found:
            continue
        at = milliseconds(value) if name == TAKEN else None
        found[name] = text(value) if at is None else str(at)
    return found


def text(value: Any) -> str | None:
    """Return a property's value as text."""
    if isinstance(value, bytes):
        return _decoded(value)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def milliseconds(value: Any) -> int | None:
    """Return an instant as milliseconds since 1970, from any of the forms in use; None where it is none.

    A number is milliseconds already. Text is ISO 8601, UTC where it names no zone, or, as Event Hubs
    Capture writes it, US American: ``1/31/2026 9:05:00 PM``.
    """
    if isinstance(value, int):
        return value
    given = (text(value) or "").strip()
    if given.isdecimal():
        return int(given)
    try:
        at = _us_time(given) or dt.datetime.fromisoformat(given)
    except ValueError:
        return None
    at = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
    return (at - _EPOCH) // dt.timedelta(milliseconds=1)


def microseconds(at_ms: int | None) -> int | None:
    """Return an instant in microseconds since 1970; None where Spark knows no such instant."""
    low, high = YEARS_MS
    return 1000 * at_ms if at_ms is not None and low <= at_ms <= high else None


def _us_time(given: str) -> dt.datetime | None:
    found = _US_TIME.fullmatch(given)
    if found is None:
        return None
    month, day, year, hour, minute, second = (int(part) for part in found.groups()[:6])
    return dt.datetime(
        year, month, day, hour % 12 + (12 if found[7] == "P" else 0), minute, second, tzinfo=dt.UTC
    )


@functools.lru_cache(maxsize=16384)
def _decoded(value: bytes) -> str:
    """The same names and devices come again and again."""
    return value.decode("utf-8", errors="replace")
