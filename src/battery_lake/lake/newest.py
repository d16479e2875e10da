"""The newest row before a day: looked for nearby first, so that a daily run does not read a history."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from battery_lake.lake.scratch import kept
from battery_lake.lake.sql import quoted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from battery_lake.lake.access import Lake
    from battery_lake.lake.reach import Reach

STEPS_DAYS: Final = (30, 360)
"""So far back is looked, one after the other; what has no row there is looked for in all that is older."""


def newest_before(
    lake: Lake, name: str, wanted: DataFrame, starts: Reach, columns: Sequence[str], scratch: str
) -> DataFrame:
    """Return the newest row of each wanted key before its first day: the key, and the columns in ``row``.

    Parameters
    ----------
    lake, name
        The table, with ``pack_id`` and ``as_of_date``.
    wanted
        The keys, ``pack_id`` among them, and ``first_date``: only rows before it count.
    starts
        These dates, or earlier ones: files far before them are skipped.
    columns
        What is wanted of the row.
    scratch
        Name under which intermediate results are kept.
    """
    key = [column for column in wanted.columns if column != "first_date"]
    found: list[DataFrame] = []
    left, names, older = wanted, "true", "true"
    for place, back_days in enumerate((*STEPS_DAYS, None)):
        recent = "true" if back_days is None else starts.back(back_days).days("as_of_date")
        rows = lake.read(name).where(f"{recent} AND {older} AND {names}").join(left, on=key, how="inner")
        newest = F.max_by(F.struct(*columns), "as_of_date").alias("row")
        found.append(
            kept(lake, f"{scratch}.{place}", rows.where("as_of_date < first_date").groupBy(*key).agg(newest))
        )
        left = left.join(found[-1].select(*key), on=key, how="left_anti")
        # Without a row are new packs, most of all: by their names files of the others are skipped.
        span = left.agg(F.min("pack_id").alias("low"), F.max("pack_id").alias("high")).collect()[0]
        if span.low is None:
            break
        names = f"pack_id BETWEEN {quoted(span.low)} AND {quoted(span.high)}"
        older = f"NOT {recent}"
    return reduce(DataFrame.unionByName, found)
