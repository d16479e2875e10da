"""The only place that asks for the time."""

from __future__ import annotations

import datetime as dt
import time


def utc_now() -> dt.datetime:
    """Return the present instant, aware, in UTC."""
    return dt.datetime.fromtimestamp(time.time(), tz=dt.UTC)


def monotonic_s() -> float:
    """Return seconds on a clock that never goes back. [s]."""
    return time.monotonic()
