"""The passports of the packs that a change touches, counted on from the last day before it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.gold.battery_passport import LONGEST_SILENCE_S, METHOD, battery_passport
from battery_lake.gold.pack_health import pack_summary
from battery_lake.lake.newest import newest_before
from battery_lake.lake.reach import reach
from battery_lake.lake.scratch import kept
from battery_lake.lake.write import replacing, upsert
from battery_lake.tables.gold import BATTERY_PASSPORT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.lake.reach import Reach

ANEW: Final = dt.date(1900, 1, 1)
"""A pack whose last passport is of another method is counted again from here: before every day."""


def passports(lake: Lake, firsts: DataFrame, touched: Reach) -> int:
    """Tell again the passports of touched packs from their first touched day on; how many changed.

    Parameters
    ----------
    lake
        The tables.
    firsts
        ``pack_id`` and ``first_date``, the day of its first change.
    touched
        These dates.
    """
    last = newest_before(
        lake, BATTERY_PASSPORT.name, firsts, touched, BATTERY_PASSPORT.column_names, "passport"
    )
    base = last.select("row.*").where(F.col("method_version") == METHOD)
    plan = kept(lake, "passport.plan", _plan(firsts, last))
    # A pack without a base has no day before its first touched one.
    starts = plan.select("pack_id", F.coalesce("base_date", "first_date").alias("from_at"))
    base_at, first_at = reach(starts), reach(plan.withColumnRenamed("first_date", "from_at"))
    if base_at is None or first_at is None:
        return 0

    def after_base(name: str, day: str, back_days: int) -> DataFrame:
        """The packs' rows from so many days before their base on."""
        rows = lake.read(name).where(base_at.back(back_days).days(day))
        own = rows.join(F.broadcast(starts), on="pack_id", how="inner")
        return own.where(F.col(day) >= F.date_sub("from_at", back_days)).drop("from_at")

    rows = battery_passport(
        base,
        after_base("gold.session", "started_at", dt.timedelta(seconds=LONGEST_SILENCE_S).days + 1),
        pack_summary(after_base("gold.cell_health", "as_of_date", 0)),
        lake.read("reference.packs"),
    )
    fresh = kept(lake, "passport.fresh", rows)
    # What is told and stands in the table is no older: older rows are the base, or before it.
    key = BATTERY_PASSPORT.key
    stored = lake.read(BATTERY_PASSPORT.name).select(*key).where(first_at.days("as_of_date"))
    old = stored.join(F.broadcast(plan), on="pack_id", how="inner").where("as_of_date >= first_date")
    within = first_at.days("as_of_date", "t.")
    return upsert(lake, BATTERY_PASSPORT.name, replacing(fresh, old, key), within=within)


def _plan(firsts: DataFrame, last: DataFrame) -> DataFrame:
    """One row per touched pack: ``base_date``, where it goes on, and from where on rows are replaced."""
    is_usable = F.col("row.method_version") == METHOD
    base_date = F.when(is_usable, F.col("row.as_of_date"))
    first_date = F.when(~is_usable, F.lit(ANEW)).otherwise(F.col("first_date"))
    return firsts.join(last, on="pack_id", how="left").select(
        "pack_id", base_date.alias("base_date"), first_date.alias("first_date")
    )
