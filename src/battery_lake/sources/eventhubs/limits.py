"""Read limits as Spark 4.2 hands them to a source in Python; Spark 4.1 has none and knows no such names.

With 4.1 the reader keeps its own limits, and a run that is to end is begun again until it reads nothing.
"""

from __future__ import annotations

from typing import Any

try:
    from pyspark.sql.streaming import datasource as _spark  # type: ignore[attr-defined, unused-ignore]
except ImportError:
    _spark = None  # type: ignore[assignment, unused-ignore]

SupportsTriggerAvailableNow: type = _spark.SupportsTriggerAvailableNow if _spark else object
"""Spark's mark of a source that knows where a run that is to end has to end; nothing with Spark 4.1."""


def default_limit(max_events: int | None, max_bytes: int | None) -> Any:
    """Return the options' limit in Spark's words: it takes one, the number of events before the bytes."""
    assert _spark is not None  # only Spark 4.2 asks
    if max_events is not None:
        return _spark.ReadMaxRows(max_events)
    if max_bytes is not None:
        return _spark.ReadMaxBytes(max_bytes)
    return _spark.ReadAllAvailable()


def in_force(limit: Any, max_events: int | None, max_bytes: int | None) -> tuple[int | None, int | None]:
    """Return the limits of a batch: events and bytes.

    Parameters
    ----------
    limit
        What Spark asks for; None with Spark 4.1, which asks for nothing.
    max_events, max_bytes
        The options'.
    """
    if limit is None or _spark is None:
        return max_events, max_bytes
    if isinstance(limit, _spark.ReadMaxRows):
        return limit.max_rows, max_bytes
    if isinstance(limit, _spark.ReadMaxBytes):
        return max_events, limit.max_bytes
    return None, None
