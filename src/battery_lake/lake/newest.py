"""The newest row before a day: looked for nearby first, so that a daily run does not read a history."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.lake.scratch import kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake

NEAR_DAYS: Final = 30
"""So far back is looked first; only what has no row there is looked for in all that is older. [d]"""


def newest_before(
    lake: Lake, name: str, wanted: DataFrame, low: dt.date, columns: Sequence[str], scratch: str
) -> DataFrame:
    """Return the newest row of each wanted key before its first day: the key, and the columns in ``row``.

    Parameters
    ----------
    lake, name
        The table, with ``as_of_date``.
    wanted
        The keys, and ``first_date``: only rows before it count.
    low
        The first of these dates, or one before: files far from it are skipped.
    columns
        What is wanted of the row.
    scratch
        Name under which intermediate results are kept.
    """
    key = [column for column in wanted.columns if column != "first_date"]
    near = f"as_of_date >= DATE'{low - dt.timedelta(days=NEAR_DAYS)}'"

    def newest(where: str, of: DataFrame) -> DataFrame:
        rows = lake.read(name).where(where).join(of, on=key, how="inner").where("as_of_date < first_date")
        return rows.groupBy(*key).agg(F.max_by(F.struct(*columns), "as_of_date").alias("row"))

    found = kept(lake, f"{scratch}.near", newest(near, wanted))
    missing = wanted.join(found.select(*key), on=key, how="left_anti")
    if missing.isEmpty():
        return found
    return found.unionByName(kept(lake, f"{scratch}.far", newest(f"NOT ({near})", missing)))
