"""The service's rate limits: how many requests a second, before it answers 429.

References
----------
Microsoft, Azure Digital Twins service limits, "Rate limits".
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from battery_lake.clock import monotonic_s
from battery_lake.local.twins.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Callable

PER_SECOND: Final = {
    "jobs": 1,
    "models": 100,
    "read": 1_000,
    "patch": 1_000,
    "create": 500,
    "one": 10,
    "query": 500,
    "eventroutes": 100,
}
"""Requests a second, by what they do; ``one``: changes to one twin or its relationships."""


class Rates:
    """Counts the requests of the last second.

    Parameters
    ----------
    is_enforced
        Whether too many are refused.
    now_s
        Clock; tests bring their own.
    """

    def __init__(self, is_enforced: bool, now_s: Callable[[], float] = monotonic_s) -> None:
        self.is_enforced = is_enforced
        self.refused = 0
        self._now_s = now_s
        self._went: dict[tuple[str, str], deque[float]] = {}

    def check(self, kind: str, twin_id: str = "") -> None:
        """Count a request.

        Parameters
        ----------
        kind
            A key of :data:`PER_SECOND`.
        twin_id
            The twin that it changes, if it changes one.

        Raises
        ------
        ServiceError
            There were too many.
        """
        if not self.is_enforced:
            return
        keys = [(kind, "")]
        if twin_id and kind in {"patch", "create"}:
            keys.append(("one", twin_id))
        now_s = self._now_s()
        lines = [self._line(key, now_s) for key in keys]
        if any(len(line) >= PER_SECOND[key[0]] for key, line in zip(keys, lines, strict=True)):
            self.refused += 1
            raise ServiceError(429, "QuotaReachedError", "The maximum rate limit has been reached.")
        for line in lines:
            line.append(now_s)

    def _line(self, key: tuple[str, str], now_s: float) -> deque[float]:
        line = self._went.setdefault(key, deque())
        while line and line[0] <= now_s - 1.0:
            line.popleft()
        return line
