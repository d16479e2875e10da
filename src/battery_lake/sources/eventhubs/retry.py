"""Faults of the service: which pass, how long to wait, and how to say the others in words."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Final, TypeVar

from azure.eventhub.exceptions import AuthenticationError, EventHubError

from battery_lake.clock import monotonic_s
from battery_lake.errors import BatteryLakeError, RemoteError
from battery_lake.log import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from battery_lake.sources.eventhubs.options import EventHubsOptions

Answer = TypeVar("Answer")

FIRST_WAIT_S: Final = 0.2
LONGEST_WAIT_S: Final = 10.0
LASTING: Final = (
    "amqp:not-found",
    "amqp:not-allowed",
    "amqp:not-implemented",
    "com.microsoft:argument-error",
)
"""Conditions that waiting does not mend."""

_SECRET: Final = re.compile(r"(SharedAccessKey|SharedAccessSignature|sig)=[^;&\s'\"]+", flags=re.IGNORECASE)


def with_retries(options: EventHubsOptions, doing: str, ask: Callable[[], Answer]) -> Answer:
    """Ask again, with growing pauses, until there is an answer or the time is up.

    Raises
    ------
    RemoteError
        The fault does not pass.
    """
    began, failures = monotonic_s(), 0
    while True:
        try:
            return ask()
        except (EventHubError, OSError, ValueError) as fault:
            failures += 1
            pause(options, doing, fault, failures=failures, since_s=monotonic_s() - began)


def pause(options: EventHubsOptions, doing: str, fault: Exception, *, failures: int, since_s: float) -> None:
    """Wait after a fault before the next try, or give up.

    Parameters
    ----------
    options
        Say for how long to try.
    doing
        What has failed, for the log and the error.
    fault
        How.
    failures
        In a row; each doubles the pause, up to a limit.
    since_s
        Time since it last went well. [s]

    Raises
    ------
    RemoteError
        To try again is of no use: no permission, nothing there under that name, or the time is up.
    """
    pause_s = min(FIRST_WAIT_S * 2.0 ** (failures - 1), LONGEST_WAIT_S)
    is_lasting = isinstance(fault, AuthenticationError) or any(mark in str(fault) for mark in LASTING)
    if is_lasting or since_s + pause_s > options.receive_timeout_s:
        raise in_words(options, doing, fault) from None
    logger("eventhubs").warning("retry", doing=doing, fault=without_secrets(str(fault)), failures=failures)
    time.sleep(pause_s)


def in_words(options: EventHubsOptions, doing: str, fault: Exception) -> BatteryLakeError:
    """Return the error that says what to check; it holds no secret."""
    whole = str(fault)  # the condition stands in its second line
    text = without_secrets(whole.split("\n", maxsplit=1)[0])[:400]
    where = (
        f"hub {options.address.hub} at {options.address.namespace}, consumer group {options.consumer_group}"
    )
    if isinstance(fault, AuthenticationError):
        remedy = (
            "check the key and that its policy may listen ('service' on IoT Hub)"
            if options.address.connection_string
            else "give the identity the role 'Azure Event Hubs Data Receiver' on the namespace or hub"
        )
        return RemoteError(f"{where}: not let in while {doing}", why=text, remedy=remedy)
    if "amqp:not-found" in whole:
        remedy = "check the Event Hub-compatible name (EntityPath) and that the consumer group exists"
        return RemoteError(f"{where}: not there while {doing}", why=text, remedy=remedy)
    if "resource-limit-exceeded" in whole:
        remedy = "five readers a partition and consumer group are allowed: give this stream its own group"
        return RemoteError(f"{where}: too many readers while {doing}", why=text, remedy=remedy)
    if "amqp:link:stolen" in whole:
        remedy = (
            "another reader has taken the partition for itself (owner level): give this stream its own group"
        )
        return RemoteError(f"{where}: an exclusive reader while {doing}", why=text, remedy=remedy)
    remedy = "check network, firewall and private endpoint (port 5671; transport=websockets uses 443)"
    return RemoteError(f"{where}: gave up {doing}", why=text, remedy=remedy)


def without_secrets(text: str) -> str:
    """Return the text with keys and signatures masked."""
    return _SECRET.sub(r"\1=***", text)
