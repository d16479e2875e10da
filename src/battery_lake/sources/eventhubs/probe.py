"""Whether the consumer group may be read: a receiver is opened on every partition, and closed again."""

from __future__ import annotations

import dataclasses
import enum
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from azure.eventhub.exceptions import AuthenticationError, EventHubError

from battery_lake.clock import utc_now
from battery_lake.errors import RemoteError
from battery_lake.sources.eventhubs.receiver import Receiver
from battery_lake.sources.eventhubs.retry import with_retries, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable

    from battery_lake.sources.eventhubs.options import EventHubsOptions

AT_A_TIME: Final = 8
"""Receivers that are tried at once: to open one takes most of a second."""

PATIENCE_S: Final = 3.0
"""So long a fault may last that passes by itself. [s]"""


class Reason(enum.StrEnum):
    """Why a receiver is refused."""

    NO_GROUP = "no such consumer group"
    TOO_MANY = "too many readers"
    EXCLUSIVE = "an exclusive reader"
    NOT_LET_IN = "not let in"
    OTHER = "another fault"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A receiver that could not be opened.

    Parameters
    ----------
    reason
        Why, as far as it is known.
    text
        What the service said; nothing secret.
    """

    reason: Reason
    text: str


def refusals(options: EventHubsOptions, partitions: Iterable[str]) -> dict[str, Refusal]:
    """Return why a partition may not be read; partitions that may be are left out.

    Parameters
    ----------
    options
        Say where the hub is and which consumer group is read.
    partitions
        Names.
    """
    hurried = dataclasses.replace(options, receive_timeout_s=min(PATIENCE_S, options.receive_timeout_s))
    names = list(partitions)
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        found = list(pool.map(lambda name: _refusal(hurried, name), names))
    return {name: refusal for name, refusal in zip(names, found, strict=True) if refusal is not None}


def why_refused(fault: Exception) -> Refusal:
    """Return what a fault of the SDK means for a reader.

    References
    ----------
    Microsoft, "Event Hubs messaging exceptions"; "Event Hubs quotas and limits" (receivers, epochs).
    """
    whole = str(fault)
    if isinstance(fault, AuthenticationError):
        reason = Reason.NOT_LET_IN
    elif "amqp:not-found" in whole:
        reason = Reason.NO_GROUP
    elif "resource-limit-exceeded" in whole:
        reason = Reason.TOO_MANY
    elif "amqp:link:stolen" in whole or "epoch" in whole.lower():
        reason = Reason.EXCLUSIVE
    else:
        reason = Reason.OTHER
    return Refusal(reason, without_secrets(whole.split("\n", maxsplit=1)[0])[:300])


def _refusal(options: EventHubsOptions, partition: str) -> Refusal | None:
    """Try for a while; the last fault counts."""
    faults: list[Exception] = []

    def ask() -> None:
        # An instant suits every partition, also an empty one.
        receiver = Receiver(options, partition, utc_now())
        try:
            receiver.receive(1)
        except (EventHubError, OSError, ValueError) as fault:
            faults.append(fault)
            raise
        finally:
            receiver.close()

    try:
        with_retries(options, f"opening a receiver on partition {partition}", ask)
    except RemoteError:
        return why_refused(faults[-1])
    return None
