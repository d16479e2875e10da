"""From where on rows are read when each pack goes on from a day of its own: Delta skips files by it.

Most packs go on from about the same day; a few, whose earlier days changed, from long ago. One bound for all
would read everybody's history for those few, so they get a bound, and a range of names, of their own.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.lake.sql import instant, quoted

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

NEAR_DAYS: Final = 30
"""A pack that starts so much earlier than the last one to start is one of the few. [d]"""


@dataclass(frozen=True, slots=True)
class Reach:
    """Where packs start, those of the few apart.

    Parameters
    ----------
    near, far
        Earliest start of the many, and of the few.
    first_pack, last_pack
        The few lie between these names; empty: there are none.
    """

    near: dt.datetime
    far: dt.datetime
    first_pack: str = ""
    last_pack: str = ""

    def back(self, days: int) -> Reach:
        """Return the same with starts so many days earlier.

        Parameters
        ----------
        days
            How many. [d]
        """
        earlier = dt.timedelta(days=days)
        return Reach(self.near - earlier, self.far - earlier, self.first_pack, self.last_pack)

    def instants(self, column: str, prefix: str = "") -> str:
        """Return the SQL condition that holds for every row of a pack from its start on.

        Parameters
        ----------
        column
            A timestamp of the rows.
        prefix
            Of the table, with a dot.
        """
        return self._either(prefix, *(f"{prefix}{column} >= {instant(at)}" for at in (self.near, self.far)))

    def days(self, column: str, prefix: str = "") -> str:
        """Return the SQL condition that holds for every row of a pack from the day of its start on.

        Parameters
        ----------
        column
            A date of the rows.
        prefix
            Of the table, with a dot.
        """
        return self._either(
            prefix, *(f"{prefix}{column} >= DATE'{at:%Y-%m-%d}'" for at in (self.near, self.far))
        )

    def _either(self, prefix: str, near: str, far: str) -> str:
        if not self.last_pack:
            return f"({near})"
        names = f"{prefix}pack_id BETWEEN {quoted(self.first_pack)} AND {quoted(self.last_pack)}"
        return f"({near} OR ({names} AND {far}))"


def reach(starts: DataFrame) -> Reach | None:
    """Return where packs start; None: there are no packs.

    Parameters
    ----------
    starts
        ``pack_id``, and ``from_at``, its start: an instant or a day.
    """
    own = starts.select("pack_id", F.col("from_at").cast("timestamp").alias("at"))
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
        )
        .collect()[0]
    )
    if row.near is None:
        return None
    return Reach(row.near, row.far, row.first_pack or "", row.last_pack or "")
