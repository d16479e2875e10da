"""The passports of the packs that a change touches, counted on from the last day before it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.gold.battery_passport import LONGEST_SILENCE_S, battery_passport
from battery_lake.lake.scratch import kept
from battery_lake.lake.write import replacing, upsert
from battery_lake.tables.gold import BATTERY_PASSPORT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake


def passports(lake: Lake, touched: DataFrame, low: dt.date) -> int:
    """Tell again the passports of touched packs from their first touched day on; how many changed.

    Parameters
    ----------
    lake
        The tables.
    touched
        ``pack_id`` and ``as_of_date`` of every change.
    low
        The first of these dates.
    """
    firsts = touched.groupBy("pack_id").agg(F.min("as_of_date").alias("first_date"))
    stored = lake.read("gold.battery_passport").join(F.broadcast(firsts), on="pack_id", how="inner")
    newest = F.max_by(F.struct(*BATTERY_PASSPORT.column_names), "as_of_date").alias("row")
    before = stored.where("as_of_date < first_date").groupBy("pack_id").agg(newest)
    base = kept(lake, "passport.base", before.select("row.*"))
    plan = kept(
        lake,
        "passport.plan",
        firsts.join(base.select("pack_id", F.col("as_of_date").alias("base_date")), on="pack_id", how="left"),
    )
    mine = F.broadcast(plan.select("pack_id", "base_date"))
    silence = dt.timedelta(seconds=LONGEST_SILENCE_S).days + 1
    since = plan.agg(
        F.min("base_date").alias("low"), F.count_if(F.isnull("base_date")).alias("anew")
    ).collect()
    begin = None if since[0].anew else since[0].low

    def of_packs(name: str, day: str, back_days: int) -> DataFrame:
        rows = lake.read(name)
        # One bound for all packs lets Delta skip files; each pack's own follows.
        rows = rows if begin is None else rows.where(f"{day} >= DATE'{begin - dt.timedelta(days=back_days)}'")
        own = F.col(day) >= F.date_sub("base_date", back_days)
        return (
            rows
            .join(mine, on="pack_id", how="inner")
            .where(F.col("base_date").isNull() | own)
            .drop("base_date")
        )

    rows = battery_passport(
        base,
        of_packs("gold.session", "started_at", silence),
        of_packs("gold.pack_health", "as_of_date", 0),
        lake.read("reference.packs"),
    )
    fresh = kept(lake, "passport.fresh", rows)
    # What is told and stands in the table is no older: older rows are the base, or before it.
    recent = f"as_of_date >= DATE'{low}'"
    old = stored.where(f"{recent} AND as_of_date >= first_date")
    rows = replacing(fresh, old, BATTERY_PASSPORT.key)
    return upsert(lake, "gold.battery_passport", rows, within=f"t.{recent}")
