"""Text that goes into SQL statements."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import datetime as dt


def quoted(text: str) -> str:
    """Return a SQL string literal."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def instant(at: dt.datetime) -> str:
    """Return a SQL timestamp literal of a UTC instant."""
    return f"TIMESTAMP'{at:%Y-%m-%d %H:%M:%S.%f}'"
