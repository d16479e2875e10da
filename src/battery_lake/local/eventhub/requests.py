"""The nodes that answer requests: `$cbs` takes tokens, `$management` tells about hub and partitions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from battery_lake import clock
from battery_lake.local.amqp.codec import Described, Symbol, Typed, decode, encode
from battery_lake.local.amqp.errors import NOT_FOUND, SERVER_BUSY, UNAUTHORIZED
from battery_lake.local.eventhub.events import APPLICATION_PROPERTIES, PROPERTIES, VALUE, sections
from battery_lake.local.eventhub.fault_state import BUSY_TEXT
from battery_lake.local.eventhub.tokens import reason_to_refuse, reason_to_refuse_jwt

if TYPE_CHECKING:
    from collections.abc import Callable

    from battery_lake.local.amqp.link import Link
    from battery_lake.local.eventhub.fault_state import FaultState
    from battery_lake.local.eventhub.hub import Hub

CBS, MANAGEMENT = "$cbs", "$management"
JWT_TOKEN_TYPE = "jwt"  # noqa: S105 - a type's name
HUB_TYPE, PARTITION_TYPE = "com.microsoft:eventhub", "com.microsoft:partition"
YEAR_ONE_MS = -62_135_596_800_000  # how the service writes a time that is not set
AUDIENCE = re.compile(r"^[a-z]+://[^/]*/*")
ACCEPTED, OK, UNAUTHORIZED_STATUS, NOT_FOUND_STATUS, BUSY_STATUS = 202, 200, 401, 404, 503

Answer = tuple[int, str, str | None, Any]
"""Status code, description, error condition and value."""


class ResponseLink:
    """The link on which answers go back; they wait for credit."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._waiting: list[bytes] = []

    def send(self, message: bytes) -> None:
        """Send an answer as soon as there is credit."""
        self._waiting.append(message)
        self.on_flow()

    def on_flow(self) -> None:
        """Send what waits."""
        del self._waiting[: self._link.send(self._waiting)]

    def on_message(self, message_format: int, payload: bytes) -> None:
        """Ignore: nothing is sent to a receiver's link."""

    def on_detach(self) -> None:
        """Drop what waits."""
        self._waiting.clear()


class RequestLink:
    """The link on which requests come in.

    Parameters
    ----------
    link
        The link; answers go to the receiving link of the same session and address.
    answer
        Answers application properties and value of a request.
    """

    def __init__(self, link: Link, answer: Callable[[dict[str, Any], Any], Answer]) -> None:
        self._link = link
        self._answer = answer

    def on_message(self, message_format: int, payload: bytes) -> None:
        """Answer a request."""
        del message_format
        parts = {code: decode(payload, start + 3)[0] for code, start, _ in sections(payload)}
        message_id = (parts.get(PROPERTIES) or [None])[0]
        status, description, condition, value = self._answer(
            parts.get(APPLICATION_PROPERTIES) or {}, parts.get(VALUE)
        )
        properties: dict[str, Any] = {"status-code": Typed("int", status), "status-description": description}
        if condition is not None:
            properties["error-condition"] = Symbol(condition)
        message = (
            encode(Described(PROPERTIES, [None] * 5 + [message_id] + [None] * 7))
            + encode(Described(APPLICATION_PROPERTIES, properties))
            + encode(Described(VALUE, value))
        )
        for other in self._link.session.links.values():
            if isinstance(other.node, ResponseLink) and other.address == self._link.address:
                other.node.send(message)

    def on_flow(self) -> None:
        """Do nothing: a sender gives no credit."""

    def on_detach(self) -> None:
        """Do nothing: nothing is kept for a request."""


def cbs_answers(
    link: Link, hub: Hub, key_name: str, key: str | None, faults: FaultState
) -> Callable[[dict[str, Any], Any], Answer]:
    """Return what answers put-token on a connection.

    Parameters
    ----------
    link
        A link of the connection; a good token authorizes all of it.
    hub
        The hub; a token for another one is answered with status 404, as the service does.
    key_name, key
        The hub's policy; without a key any signature is good.
    faults
        What is to go wrong.

    Returns
    -------
    callable
        Application properties and token to answer. The answer to a bad token has no error condition,
        because the Python SDK shows the status only where there is none.
    """

    def answer(properties: dict[str, Any], token: Any) -> Answer:
        """Judge a token."""
        reason = None
        if faults.take("refused_tokens"):
            reason = "Unauthorized access. 'Listen' claim(s) are required to perform this operation."
        elif properties.get("type") == JWT_TOKEN_TYPE:
            reason = reason_to_refuse_jwt(str(token), clock.utc_now().timestamp())
        else:
            reason = reason_to_refuse(str(token), key_name, key, clock.utc_now().timestamp())
        link.session.connection.authorized = reason is None
        if reason is not None:
            return UNAUTHORIZED_STATUS, reason, None, None
        audience = str(properties.get("name"))
        if AUDIENCE.sub("", audience).partition("/")[0].lower() not in {"", hub.name.lower()}:
            return NOT_FOUND_STATUS, f"The messaging entity '{audience}' could not be found.", None, None
        return ACCEPTED, "Accepted", None, None

    return answer


def management_answers(link: Link, hub: Hub, faults: FaultState) -> Callable[[dict[str, Any], Any], Answer]:
    """Return what answers reads of hub and partitions.

    Parameters
    ----------
    link
        A link of the connection, which must have presented a good token.
    hub
        The hub.
    faults
        What is to go wrong.

    Returns
    -------
    callable
        Application properties and value to answer.
    """

    def answer(properties: dict[str, Any], _value: Any) -> Answer:
        """Read hub or partition."""
        if not link.session.connection.authorized:
            return UNAUTHORIZED_STATUS, "no good token was presented on this connection", UNAUTHORIZED, None
        if faults.take("busy_requests"):
            return BUSY_STATUS, BUSY_TEXT, SERVER_BUSY, None
        name, partition = str(properties.get("name")), str(properties.get("partition"))
        if name != hub.name:
            return _not_found(f"The messaging entity '{name}' could not be found.")
        if properties.get("type") == HUB_TYPE:
            return OK, "OK", None, _hub_value(hub)
        known = partition.isdigit() and int(partition) < len(hub.logs)
        if properties.get("type") == PARTITION_TYPE and known:
            return OK, "OK", None, _partition_value(hub, int(partition))
        return _not_found(f"The messaging entity '{name}|{partition}' could not be found.")

    return answer


def _not_found(description: str) -> Answer:
    """Answer that there is no such thing."""
    return NOT_FOUND_STATUS, description, NOT_FOUND, None


def _hub_value(hub: Hub) -> dict[str, Any]:
    """Tell about the hub."""
    ids = [str(at) for at in range(len(hub.logs))]
    return {
        "name": hub.name,
        "type": HUB_TYPE,
        "created_at": Typed("timestamp", hub.created_ms),
        "partition_count": Typed("int", len(ids)),
        "partition_ids": Typed("array", ("string", ids)),
    }


def _partition_value(hub: Hub, partition: int) -> dict[str, Any]:
    """Tell about a partition."""
    log = hub.logs[partition]
    return {
        "name": hub.name,
        "type": PARTITION_TYPE,
        "partition": str(partition),
        "begin_sequence_number": log.begin,
        "last_enqueued_sequence_number": log.next_sequence_number - 1,
        "last_enqueued_offset": str(log.last_offset),
        "last_enqueued_time_utc": Typed("timestamp", log.last_enqueued_ms or YEAR_ONE_MS),
        "is_partition_empty": log.begin == log.next_sequence_number,
    }
