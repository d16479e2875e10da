"""Options of the ``eventhubs`` format, typed; a wrong one is an error that names the right one."""

from __future__ import annotations

import datetime as dt
import difflib
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from battery_lake.errors import SettingsError
from battery_lake.sources.address import HubAddress, parse_connection_string

if TYPE_CHECKING:
    from collections.abc import Mapping

NAMES: Final = (
    "connectionString", "fullyQualifiedNamespace", "eventHubName", "credential", "consumerGroup",
    "startingPosition", "maxEventsPerTrigger", "maxBytesPerTrigger", "receiveTimeout", "prefetch",
    "failOnDataLoss", "transport", "proxy",
)  # fmt: skip
CREDENTIALS: Final = ("default", "managed_identity")
TRANSPORTS: Final = ("amqp", "websockets")
_SIZE: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_BY_LOWER: Final = {name.lower(): name for name in NAMES}

Position = str | dt.datetime | dict[str, int]
"""``earliest``, ``latest``, a time, or a sequence number a partition."""


@dataclass(frozen=True, slots=True)
class EventHubsOptions:
    """What the source was asked for; :func:`parse_options` has the defaults.

    Parameters
    ----------
    address
        The hub.
    credential
        How to get a token where there is no connection string.
    client_id
        Of a user-assigned managed identity, behind ``managed_identity:``.
    consumer_group
        Readers of one group share a limit of five receivers a partition: give every stream its own.
    starting_position
        Where a new stream begins.
    max_events, max_bytes
        Limits of one batch; None: all that is there.
    receive_timeout_s
        A partition that should hold more events but gives none for so long is an error. [s]
    prefetch
        Events that the service may send ahead.
    fail_on_data_loss
        Whether events that retention has removed unread stop the stream.
    transport, proxy
        How to reach the service.
    """

    address: HubAddress
    credential: str
    client_id: str | None
    consumer_group: str
    starting_position: Position
    max_events: int | None
    max_bytes: int | None
    receive_timeout_s: float
    prefetch: int
    fail_on_data_loss: bool
    transport: str
    proxy: str = field(repr=False)


def parse_options(given: Mapping[str, str]) -> EventHubsOptions:
    """Read the options of ``spark.readStream.format("eventhubs")``; case does not matter.

    Raises
    ------
    SettingsError
        An option is unknown, missing or has no such value.
    """
    known = _known(given)
    credential, _, client_id = known.get("credential", "default").partition(":")
    return EventHubsOptions(
        address=_address(known),
        credential=_one_of("credential", credential, CREDENTIALS),
        client_id=client_id or None,
        consumer_group=known.get("consumerGroup", "$Default"),
        starting_position=_position(known.get("startingPosition", "latest")),
        max_events=_number(known, "maxEventsPerTrigger"),
        max_bytes=_size(known, "maxBytesPerTrigger"),
        receive_timeout_s=float(_number(known, "receiveTimeout") or 60),
        prefetch=_number(known, "prefetch") or 1000,
        fail_on_data_loss=_one_of(
            "failOnDataLoss", known.get("failOnDataLoss", "true").lower(), ("true", "false")
        )
        == "true",
        transport=_one_of("transport", known.get("transport", "amqp").lower(), TRANSPORTS),
        proxy=known.get("proxy", ""),
    )


def _known(given: Mapping[str, str]) -> dict[str, str]:
    known = {}
    for name, value in given.items():
        right = _BY_LOWER.get(name.lower())
        if right is None:
            near = difflib.get_close_matches(name.lower(), _BY_LOWER, n=1)
            raise SettingsError(
                f"eventhubs has no option {name}",
                remedy=f"did you mean {_BY_LOWER[near[0]]}?" if near else f"options: {', '.join(NAMES)}",
            )
        known[right] = str(value)
    return known


def _address(known: dict[str, str]) -> HubAddress:
    hub = known.get("eventHubName", "")
    if known.get("connectionString"):
        return parse_connection_string(known["connectionString"], hub)
    namespace = known.get("fullyQualifiedNamespace", "")
    if not namespace or not hub:
        raise SettingsError(
            "eventhubs does not know which hub to read",
            remedy="set connectionString, or fullyQualifiedNamespace and eventHubName",
        )
    return HubAddress(namespace, hub)


def _position(text: str) -> Position:
    if text in {"earliest", "latest"}:
        return text
    try:
        if text.lstrip().startswith("{"):
            return {str(name): int(number) for name, number in json.loads(text).items()}
        at = dt.datetime.fromisoformat(text)
    except (ValueError, TypeError, AttributeError):
        raise SettingsError(
            f"startingPosition {text!r} is no position",
            remedy='earliest, latest, a time such as 2026-01-31T00:00:00Z, or {"0": 1200, "1": 0}: the'
            " sequence number to begin with, a partition",
        ) from None
    return at if at.tzinfo else at.replace(tzinfo=dt.UTC)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise SettingsError(f"{name} {value!r} is unknown", remedy=f"one of {', '.join(allowed)}")
    return value


def _number(known: dict[str, Any], name: str) -> int | None:
    if name not in known:
        return None
    if not known[name].isdecimal() or int(known[name]) < 1:
        raise SettingsError(f"{name} {known[name]!r} is no number", remedy="a whole number from 1 on")
    return int(known[name])


def _size(known: dict[str, str], name: str) -> int | None:
    if name not in known:
        return None
    found = re.fullmatch(r"(\d+)([kmg]?)b?", known[name].strip().lower())
    if not found or int(found[1]) < 1:
        raise SettingsError(
            f"{name} {known[name]!r} is no size", remedy="a number of bytes, or 64k, 256m, 1g"
        )
    return int(found[1]) * _SIZE[found[2]]
