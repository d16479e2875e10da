"""Asking a service again where that helps, and telling apart where it does not."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from battery_lake.clock import monotonic_s
from battery_lake.errors import RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from battery_lake.sinks.limiter import Limiter

Answer = TypeVar("Answer")

FIRST_WAIT_S: Final = 0.2
LONGEST_WAIT_S: Final = 30.0
PATIENCE_S: Final = 300.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What a failed call means.

    Parameters
    ----------
    reason
        What the service answered, in one line, without secrets.
    passes
        Whether the same call may succeed later: throttling, a server's error, a lost connection.
    wait_s
        How long the service asks to wait; None where it does not say. [s]
    """

    reason: str
    passes: bool
    wait_s: float | None = None


class RefusedError(Exception):
    """The service refuses this call for good; the text is the reason.

    It is caught where the item is at hand and becomes a row of ops.delivery_failure.
    """


def with_retries(
    ask: Callable[[], Answer],
    judge: Callable[[Exception], Fault | None],
    limiter: Limiter,
    *,
    patience_s: float = PATIENCE_S,
    sleep: Callable[[float], None] = time.sleep,
) -> Answer:
    """Ask, in turn with all others, until there is an answer.

    Parameters
    ----------
    ask
        The call; it must be harmless when repeated.
    judge
        Tells what an exception means; None: it is no fault of the service and is raised as it is.
    limiter
        Gives the turn; a wait that the service asks for holds everybody back.
    patience_s
        So long a fault that passes is waited for. [s]
    sleep
        Waiting; tests bring their own.

    Raises
    ------
    RefusedError
        The service refuses the call for good.
    RemoteError
        The fault did not pass.
    """
    began_s, failures = monotonic_s(), 0
    while True:
        limiter.take()
        try:
            return ask()
        except Exception as raised:
            fault = judge(raised)
            if fault is None:
                raise
            if not fault.passes:
                raise RefusedError(fault.reason) from raised
            failures += 1
            asked_s = fault.wait_s or None  # "0" would be no wait at all
            pause_s = asked_s or _pause_s(failures)
            if monotonic_s() - began_s + pause_s > patience_s:
                raise RemoteError(
                    "a service did not answer",
                    why=f"{fault.reason}, {failures} times in {monotonic_s() - began_s:.0f} s",
                    remedy="run it again when the service is well: what was delivered is not sent twice",
                ) from raised
            if asked_s is None:
                sleep(pause_s)
            else:
                limiter.hold(pause_s)


def _pause_s(failures: int) -> float:
    """Doubled with every failure and spread at random, so that threads do not come back together."""
    longest_s = min(FIRST_WAIT_S * 2.0 ** (failures - 1), LONGEST_WAIT_S)
    return longest_s * random.uniform(0.5, 1.0)  # noqa: S311 - no secret hangs on it
