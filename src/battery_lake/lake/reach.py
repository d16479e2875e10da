"""From where on rows are read when each pack goes on from a day of its own: Delta skips files by it.

Most packs go on from about the same day; a few, whose earlier days changed, from long ago. One bound for all
would read everybody's history for those few, so they get a bound, and a range of names, of their own.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.lake.sql import instant, quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

NEAR_DAYS: Final = 30
"""A pack that starts so much earlier than the last one to start is one of the few. [d]"""

ANEW: Final = "TIMESTAMP'1900-01-01'"
"""A pack that starts anew, whose first day nobody knows, goes on from here: before every day."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where packs start, those of the few apart, and where all end.

    Parameters
    ----------
    near, far
        Earliest start of the many, and of the few.
    first_pack, last_pack
        The few lie between these names; empty: there are none.
    last
        The last day's midnight; None: there is no end.
    """

    near: dt.datetime
    far: dt.datetime
    first_pack: str = ""
    last_pack: str = ""
    last: dt.datetime | None = None

    def back(self, days: int) -> Reach:
        """Return the same with starts so many days earlier.

        Parameters
        ----------
        days
            How many. [d]
        """
        earlier = dt.timedelta(days=days)
        return replace(self, near=self.near - earlier, far=self.far - earlier)

    def instants(self, column: str) -> str:
        """Return the SQL condition that holds for every row of a pack from its start on.

        Parameters
        ----------
        column
            A timestamp of the rows.
        """
        near, far = (f"{column} >= {instant(at)}" for at in (self.near, self.far))
        end = "" if self.last is None else f"{column} < {instant(self.last + dt.timedelta(days=1))}"
        return self._either("", near, far, end)

    def days(self, column: str, prefix: str = "") -> str:
        """Return the SQL condition that holds for every row of a pack from the day of its start on.

        Parameters
        ----------
        column
            A date of the rows.
        prefix
            Of the table, with a dot.
        """
        near, far = (f"{prefix}{column} >= DATE'{at:%Y-%m-%d}'" for at in (self.near, self.far))
        end = "" if self.last is None else f"{prefix}{column} <= DATE'{self.last:%Y-%m-%d}'"
        return self._either(prefix, near, far, end)

    def _either(self, prefix: str, near: str, far: str, end: str) -> str:
        if self.last_pack:
            names = f"{prefix}pack_id BETWEEN {quoted(self.first_pack)} AND {quoted(self.last_pack)}"
            near = f"({near} OR ({names} AND {far}))"
        return f"({near} AND {end})" if end else f"({near})"


def reach(starts: DataFrame) -> Reach | None:
    """Return where packs start, and end; None: there are no packs.

    Parameters
    ----------
    starts
        ``pack_id``; ``from_at``, its start, and ``to_at``, its end, if there is one: instants or days.
    """
    ends = F.col("to_at").cast("timestamp") if "to_at" in starts.columns else F.lit(None).cast("timestamp")
    own = starts.select("pack_id", F.col("from_at").cast("timestamp").alias("at"), ends.alias("end"))
    newest = F.broadcast(own.agg((F.max("at") - F.expr(f"INTERVAL {NEAR_DAYS} DAYS")).alias("limit")))
    is_near = F.col("at") >= F.col("limit")
    row = (
        own
        .crossJoin(newest)
        .agg(
            F.min(F.when(is_near, F.col("at"))).alias("near"),
            F.min("at").alias("far"),
            F.min(F.when(~is_near, F.col("pack_id"))).alias("first_pack"),
            F.max(F.when(~is_near, F.col("pack_id"))).alias("last_pack"),
            F.max("end").alias("last"),
        )
        .collect()[0]
    )
    if row.near is None:
        return None
    return Reach(row.near, row.far, row.first_pack or "", row.last_pack or "", row.last)
