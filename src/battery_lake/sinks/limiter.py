"""How many calls a second may go out: one limiter for all threads that call a service."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from battery_lake.clock import monotonic_s

if TYPE_CHECKING:
    from collections.abc import Callable

HEADROOM_FRAC: Final = 0.95
"""Share of a published limit that is used: the service's clock and ours cut seconds differently."""


def burst_for(per_second: float, threads: int) -> int:
    """Return the largest burst with which no second holds more calls than the limit.

    It holds the share that is used, a burst, and of every thread one call whose turn was before.

    Parameters
    ----------
    per_second
        The service's published limit. [1/s]
    threads
        That call at the same time.

    Examples
    --------
    >>> burst_for(1000.0, threads=16)
    34
    """
    return max(1, round(per_second * (1.0 - HEADROOM_FRAC)) - threads)


class Limiter:
    """Token bucket: calls wait for their turn, evenly spaced, and all wait when the service says so.

    Parameters
    ----------
    per_second
        The service's published limit. [1/s]
    burst
        Calls that may go at once after a silence; few, so that no window of a second holds more than allowed.
        More than one also lets calls catch up after the machine let all threads wait past their turns.
    now_s, sleep
        Clock and waiting; tests bring their own.

    Examples
    --------
    >>> limiter = Limiter(per_second=1000.0)
    >>> limiter.take()
    """

    def __init__(
        self,
        per_second: float,
        *,
        burst: int = 1,
        now_s: Callable[[], float] = monotonic_s,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._interval_s = 1.0 / (per_second * HEADROOM_FRAC)
        self._burst_s = (burst - 1) * self._interval_s
        self._now_s, self._sleep = now_s, sleep
        self._lock = threading.Lock()
        self._next_s = self._now_s()

    def take(self, calls: int = 1) -> None:
        """Wait until so many calls may go out.

        Parameters
        ----------
        calls
            What the request counts for.
        """
        with self._lock:
            now_s = self._now_s()
            turn_s = max(self._next_s, now_s - self._burst_s)
            self._next_s = turn_s + calls * self._interval_s
        if turn_s > now_s:
            self._sleep(turn_s - now_s)

    def hold(self, seconds: float) -> None:
        """Let nobody pass for a time: the service asked for it.

        Parameters
        ----------
        seconds
            From now. [s]
        """
        with self._lock:
            self._next_s = max(self._next_s, self._now_s() + seconds)
