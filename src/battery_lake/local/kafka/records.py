"""Events as the Kafka surface of an Event Hubs namespace shows those that were sent over AMQP."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from battery_lake.local.amqp.codec import Symbol, encode

if TYPE_CHECKING:
    from battery_lake.local.eventhub import Event


class Record(NamedTuple):
    """A record of Kafka.

    Parameters
    ----------
    key, value
        Its bytes.
    headers
        Names, each with its bytes.
    """

    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


def record(event: Event) -> Record:
    """Return an event as Kafka's clients get it: every property as AMQP's bytes, with their type.

    References
    ----------
    Microsoft, "Exchange events between consumers and producers that use different protocols".
    """
    declared = {
        "message-id": event.message_id,
        "correlation-id": event.correlation_id,
        "content-type": None if event.content_type is None else Symbol(event.content_type),
        "content-encoding": None if event.content_encoding is None else Symbol(event.content_encoding),
    }
    headers = [
        *event.annotations.items(),
        *((name, value) for name, value in declared.items() if value is not None),
        *event.properties.items(),
    ]
    key = None if event.partition_key is None else event.partition_key.encode()
    return Record(key, event.body, [(name, encode(value)) for name, value in headers])
