"""What is different from an earlier day: packs that moved, fell below their end of life, or fell silent."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from pyspark.sql import functions as F

from battery_lake.gold.soh_change import MIN_CHANGE_PCT
from battery_lake.report.data import SILENT_DAYS, Changes, empty_frame
from battery_lake.report.load_alerts import alert_changes
from battery_lake.report.load_cells import to_pandas

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    import pandas as pd
    from pyspark.sql import DataFrame

    Read = Callable[[str], DataFrame]

CHANGED: Final = 20
"""Most packs that are listed."""

FLAGS: Final = ("is_new", "is_below", "is_moved", "is_silent")


def compared_day(days: Collection[dt.date], newest: dt.date | None) -> dt.date | None:
    """Return the newest of some days that lies before the newest evidence; None where none does."""
    return max((day for day in days if newest is not None and day < newest), default=None)


def load_changes(
    read: Read, packs: DataFrame, days: Collection[dt.date], newest: dt.date | None
) -> tuple[Changes, pd.DataFrame, pd.DataFrame]:
    """Return what is different from an earlier day: counts, alerts, packs.

    Both sides are read from the tables as they are now, by day: what a late message taught of that day
    counts as known then.

    Parameters
    ----------
    read
        Gives a table by its name.
    packs
        The packs that count, with model and end of life. [%]
    days
        Days that can be compared with; the newest that has newer evidence is.
    newest
        Day of the newest evidence.
    """
    since, asked = compared_day(days, newest), max(days, default=None)
    if since is None:
        return Changes(asked=asked), empty_frame("alert_changes"), empty_frame("pack_changes")
    since_at = dt.datetime.combine(since + dt.timedelta(days=1), dt.time(), dt.UTC)
    counted, alerts = alert_changes(read("gold.alert"), since_at)
    changed = _changed(read, packs, since, since_at)
    flags: dict[str, Any] = (
        changed
        .agg(*(F.count(F.when(F.col(flag), 1)).alias(flag.removeprefix("is_")) for flag in FLAGS))
        .collect()[0]
        .asDict()
    )
    return Changes(since=since, asked=asked, **counted, **flags), alerts, _listed(read, changed, since)


def _changed(read: Read, packs: DataFrame, since: dt.date, since_at: dt.datetime) -> DataFrame:
    """One row per pack that is different, with why it is listed."""
    day = F.col("as_of_date")
    point = F.struct("as_of_date", "soh_min_pct", "weakest_cell_id")
    was = day <= F.lit(since)
    seen = read("gold.vehicle_status").groupBy("pack_id").agg(F.max("last_seen_at").alias("last_seen_at"))
    last = seen.agg(F.max("last_seen_at").alias("newest_at"))
    silence = F.expr(f"INTERVAL {SILENT_DAYS} DAYS")
    before, now, end = F.col("before.soh_min_pct"), F.col("now.soh_min_pct"), F.col("eol_soh_pct")
    return (
        read("gold.pack_health")
        .where("soh_min_pct IS NOT NULL")
        .groupBy("pack_id")
        .agg(
            F.max_by(point, day).alias("now"),
            F.max_by(F.when(was, point), F.when(was, day)).alias("before"),
        )
        .join(packs, on="pack_id", how="inner")
        .join(seen, on="pack_id", how="left")
        .crossJoin(F.broadcast(last))
        .withColumns({
            "is_new": F.col("before").isNull(),
            "is_below": (now < end) & F.coalesce(before >= end, F.lit(True)),
            "is_moved": F.coalesce(F.abs(now - before) > MIN_CHANGE_PCT, F.lit(False)),
            "is_silent": F.coalesce(
                (F.col("last_seen_at") < F.col("newest_at") - silence)
                & (F.col("last_seen_at") >= F.lit(since_at) - silence),
                F.lit(False),
            ),
        })
        .where(" OR ".join(FLAGS))
        .select(
            "pack_id", "model", "eol_soh_pct", "last_seen_at", *FLAGS,
            F.col("before.as_of_date").alias("before_date"), F.col("now.as_of_date").alias("as_of_date"),
            before.alias("soh_before_pct"), now.alias("soh_pct"),
            F.col("now.weakest_cell_id").alias("weakest_cell_id"),
        )
    )  # fmt: skip


def _listed(read: Read, changed: DataFrame, since: dt.date) -> pd.DataFrame:
    """The packs that changed most, with the reasons of the weakest cell's newest move, or of its string's."""
    move = F.abs(F.coalesce(F.col("soh_pct") - F.col("soh_before_pct"), F.lit(0.0)))
    order = (F.desc("is_below"), F.desc("is_silent"), F.desc("is_moved"), move.desc(), F.asc("pack_id"))
    shown = changed.orderBy(*order).limit(CHANGED)
    is_weakest = F.col("cell_id") == F.col("weakest_cell_id")
    telling = F.struct(is_weakest, "as_of_date", F.abs("change_pct"), "cell_id")
    why = (
        read("gold.soh_change")
        .where(F.col("as_of_date") > F.lit(since))
        .join(F.broadcast(shown.select("pack_id", "weakest_cell_id")), on="pack_id", how="inner")
        .groupBy("pack_id")
        .agg(F.max_by("reasons", telling).alias("reasons"))
    )
    with_reasons = shown.join(why, on="pack_id", how="left").withColumn(
        "reasons", F.array_join("reasons", ", ")
    )
    return to_pandas(with_reasons.orderBy(*order), "pack_changes")
