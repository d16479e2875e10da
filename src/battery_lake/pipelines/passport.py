"""The passports of the packs that a change touches, counted on from the last day before it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.gold.battery_passport import LONGEST_SILENCE_S, METHOD, battery_passport
from battery_lake.gold.pack_health import pack_summary
from battery_lake.lake.newest import newest_before
from battery_lake.lake.scratch import kept
from battery_lake.lake.write import replacing, upsert
from battery_lake.tables.gold import BATTERY_PASSPORT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake

ANEW: Final = dt.date(1900, 1, 1)
"""A pack whose last passport is of another method is counted again from here: before every day."""


def passports(lake: Lake, firsts: DataFrame, low: dt.date) -> int:
    """Tell again the passports of touched packs from their first touched day on; how many changed.

    Parameters
    ----------
    lake
        The tables.
    firsts
        ``pack_id`` and ``first_date``, the day of its first change.
    low
        The first of these dates.
    """
    last = newest_before(lake, BATTERY_PASSPORT.name, firsts, low, BATTERY_PASSPORT.column_names, "passport")
    base = last.select("row.*").where(F.col("method_version") == METHOD)
    plan = kept(lake, "passport.plan", _plan(firsts, last))
    since = plan.agg(
        F.min("base_date").alias("base"),
        F.min("first_date").alias("first"),
        F.count_if(F.isnull("base_date")).alias("anew"),
    ).collect()[0]
    mine = F.broadcast(plan.select("pack_id", "base_date"))

    def after_base(name: str, day: str, back_days: int) -> DataFrame:
        """The packs' rows from so many days before their base on; all of a pack that has none."""
        rows = lake.read(name)
        if not since.anew:
            # One bound for all packs lets Delta skip files; each pack's own follows.
            rows = rows.where(f"{day} >= DATE'{since.base - dt.timedelta(days=back_days)}'")
        own = F.col("base_date").isNull() | (F.col(day) >= F.date_sub("base_date", back_days))
        return rows.join(mine, on="pack_id", how="inner").where(own).drop("base_date")

    rows = battery_passport(
        base,
        after_base("gold.session", "started_at", dt.timedelta(seconds=LONGEST_SILENCE_S).days + 1),
        pack_summary(after_base("gold.cell_health", "as_of_date", 0)),
        lake.read("reference.packs"),
    )
    fresh = kept(lake, "passport.fresh", rows)
    # What is told and stands in the table is no older: older rows are the base, or before it.
    recent = f"as_of_date >= DATE'{since.first}'"
    key = BATTERY_PASSPORT.key
    stored = lake.read(BATTERY_PASSPORT.name).select(*key).where(recent)
    old = stored.join(F.broadcast(plan), on="pack_id", how="inner").where("as_of_date >= first_date")
    return upsert(lake, BATTERY_PASSPORT.name, replacing(fresh, old, key), within=f"t.{recent}")


def _plan(firsts: DataFrame, last: DataFrame) -> DataFrame:
    """One row per touched pack: ``base_date``, where it goes on, and from where on rows are replaced."""
    is_usable = F.col("row.method_version") == METHOD
    base_date = F.when(is_usable, F.col("row.as_of_date"))
    first_date = F.when(~is_usable, F.lit(ANEW)).otherwise(F.col("first_date"))
    return firsts.join(last, on="pack_id", how="left").select(
        "pack_id", base_date.alias("base_date"), first_date.alias("first_date")
    )
