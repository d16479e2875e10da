"""Aggregates of a frame that is written: told by the write itself where that can be, else asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from pyspark.sql import Observation

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


class Observed:
    """A frame and aggregates of it.

    Parameters
    ----------
    rows
        The frame.
    columns
        Aggregates, each with a name.
    """

    def __init__(self, rows: DataFrame, *columns: Column) -> None:
        self._rows, self._columns, self._seen = rows, columns, Observation()
        self.frame = rows.observe(self._seen, *columns)
        """The frame to write."""

    @cached_property
    def values(self) -> dict[str, Any]:
        """The aggregates by name, once the frame is written.

        Spark Connect tells nothing of a frame that stands within a MERGE: there it is read once more.
        """
        found = dict(self._seen.get)
        if found:
            return found
        row: dict[str, Any] = self._rows.agg(*self._columns).collect()[0].asDict()
        return row
