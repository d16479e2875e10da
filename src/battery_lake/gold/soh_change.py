"""Cell health and observations to gold.soh_change: every larger move of a cell's SOH, and why it moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.cells.soh_filter import FilterParams
from battery_lake.tables.gold import SOH_CHANGE
from battery_lake.tables.gold_changes import WINDOW

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

MIN_CHANGE_PCT: Final = 0.5
"""A move by more is told. [%]"""

WINDOW_DAYS: Final = 28
"""Windows so far back are named; a longer silence before a row is a reason. [d]"""

MOST_WINDOWS: Final = 10
"""The sharpest so many windows are named."""

COLD_C: Final = 10.0
"""Windows colder than this make capacity look low. [°C]"""

NARROWED_FRAC: Final = 0.75
"""The interval narrowed if the standard deviation fell to this share of what it was. [1]"""

HALF_INTERVAL_STD: Final = 1.645
"""Half the 90 % interval over the standard deviation. [1]"""

FADE_SHARE_PCT: Final = 50.0
"""From this share on the expected fade is a reason. [%]"""

TEST: Final = "full_discharge"

REASONS: Final = {
    "first_estimate": "the cell's first row: before, only what its kind and age let expect was known",
    "method_changed": "the estimate on the day before was made by another version of the method",
    "new_capacity_test": "a full discharge told the capacity itself",
    "expected_fade": "an ordinary cell loses at least half as much in that time",
    "silent_period": "nothing had been observed of the cell for 28 days or more",
    "beyond_interval": "it moved out of the 90 % interval that was reported: take it seriously",
    "wide_interval_narrowed": "the interval was wide, and new evidence narrowed it by a quarter or more",
    "cold_windows": "the windows were colder than 10 °C, where capacity looks low",
    "new_window": "charges or drives between rests told of the capacity",
    "no_window_stands": "no observation of the cell stands that moved it: its string's did, or it has gone",
}
"""All codes and what they mean, the most telling first."""

POINT: Final = "as_of_date date, soh_pct double, soh_std_pct double, observations int, method_version string"
"""What is compared of a cell's days."""

POINT_COLUMNS: Final = tuple(field.split()[0] for field in POINT.split(", "))
POINT_TYPE: Final = "struct<" + ",".join(field.replace(" ", ":") for field in POINT.split(", ")) + ">"
CELL: Final = ("cell_id", "pack_id", "series_index")


def soh_change(health: DataFrame, base: DataFrame, observations: DataFrame, packs: DataFrame) -> DataFrame:
    """One row per cell and day on which its SOH had moved by more than 0.5 points, and for its first day.

    A day is compared with the cell's day before, then with the last day that was told: so neither a jump
    nor a slow drift goes untold, and none is told twice.

    Parameters
    ----------
    health
        gold.cell_health: the days to be told.
    base
        ``cell_id``; ``level``, the cell's last told day before those, and ``previous``, its last day
        before those, as structs of :data:`POINT`. A cell without a row begins anew.
    observations
        gold.capacity_observation of the packs, from ``WINDOW_DAYS`` before these days on.
    packs
        reference.packs.
    """
    moves = _moves(health, base)
    key = ["cell_id", "as_of_date"]
    known = moves.join(_windows(moves, observations), on=key, how="left").join(
        F.broadcast(packs.select("pack_id", "rated_capacity_ah")), on="pack_id", how="inner"
    )
    nothing = F.array().cast(f"array<{WINDOW}>")
    told = known.withColumn("all", F.coalesce("all", nothing)).withColumns(_figures())
    innovation = F.col("observed_soh_pct") - (F.col("soh_before_pct") - F.col("expected_fade_pct"))
    ranked = F.transform("all", lambda w: F.struct(w["capacity_std_ah"].alias("std_ah"), w.alias("window")))
    sharpest = F.transform(F.slice(F.sort_array(ranked), 1, MOST_WINDOWS), lambda r: r["window"])
    return told.withColumns({
        "innovation_pct": innovation,
        "reasons": _reasons(),
        "windows": F.sort_array(sharpest),
    }).select(*SOH_CHANGE.column_names)


def _moves(health: DataFrame, base: DataFrame) -> DataFrame:
    """The days that are told, each beside the day that it is compared with."""
    point = F.struct(*POINT_COLUMNS)
    days = health.groupBy(*CELL).agg(F.sort_array(F.collect_list(point)).alias("days"))
    begun = days.join(base.select("cell_id", "level", "previous"), on="cell_id", how="left")
    empty = F.array().cast(f"array<struct<now:{POINT_TYPE},before:{POINT_TYPE},seen:date>>")
    start = F.struct("level", "previous", empty.alias("told"))
    rows = begun.select(*CELL, F.explode(F.aggregate("days", start, _stepped)["told"]).alias("move"))
    now, before = F.col("move.now"), F.col("move.before")
    return rows.select(
        *CELL,
        now["as_of_date"].alias("as_of_date"),
        before["as_of_date"].alias("since_date"),
        before["soh_pct"].alias("soh_before_pct"),
        now["soh_pct"].alias("soh_pct"),
        (now["soh_pct"] - before["soh_pct"]).alias("change_pct"),
        before["soh_std_pct"].alias("soh_std_before_pct"),
        now["soh_std_pct"].alias("soh_std_pct"),
        F.datediff(now["as_of_date"], F.col("move.seen")).alias("silent_days"),
        now["observations"].alias("observations"),
        (now["observations"] - F.coalesce(before["observations"], F.lit(0))).alias("new_observations"),
        now["method_version"].alias("method_version"),
        before["method_version"].alias("method_version_before"),
    )


def _stepped(state: Column, day: Column) -> Column:
    """The state after one more day: the last told day, the last day, and all that was told."""
    previous, level = state["previous"], state["level"]

    def is_far(point: Column) -> Column:
        return F.abs(day["soh_pct"] - point["soh_pct"]) > MIN_CHANGE_PCT

    before = F.when(is_far(previous), previous).when(is_far(level), level)
    is_told = previous.isNull() | before.isNotNull()
    move = F.struct(day.alias("now"), before.alias("before"), previous["as_of_date"].alias("seen"))
    return F.struct(
        F.when(is_told, day).otherwise(level).alias("level"),
        day.alias("previous"),
        F.when(is_told, F.concat(state["told"], F.array(move))).otherwise(state["told"]).alias("told"),
    )


def _windows(moves: DataFrame, observations: DataFrame) -> DataFrame:
    """What was observed of each moved cell since the day it is compared with, in order of time."""
    day = F.to_date("started_at")
    mine = F.col("capacity_ah")[F.col("series_index")]
    is_recent = (day > F.date_sub("as_of_date", WINDOW_DAYS)) & (day <= F.col("as_of_date"))
    # A first row rests on its own day alone.
    is_new = day > F.coalesce("since_date", F.date_sub("as_of_date", 1))
    said = observations.withColumnRenamed("method_version", "observed_by")
    window = F.struct(
        "started_at", "ended_at", "method", mine.alias("capacity_ah"),
        F.sqrt(F.col("variance_ah2")[F.col("series_index")]).alias("capacity_std_ah"),
        "charge_ah", "soc_start_pct", "soc_end_pct", "temperature_mean_c",
        F.col("observed_by").alias("method_version"),
    )  # fmt: skip
    return (
        moves
        .select("cell_id", "pack_id", "series_index", "as_of_date", "since_date")
        .join(said, on="pack_id", how="inner")
        .where(is_recent & is_new & mine.isNotNull())
        .groupBy("cell_id", "as_of_date")
        .agg(F.sort_array(F.collect_list(window)).alias("all"))
    )


def _figures() -> dict[str, Column]:
    """What follows from the windows and the days; sums run in order of time, so that all digits repeat."""
    fade_pct = FilterParams().fade_pct_per_day * F.datediff("as_of_date", "since_date")
    share = F.when(F.col("change_pct") < 0, F.least(F.try_divide(fade_pct, -F.col("change_pct")), F.lit(1.0)))
    tests = F.filter("all", lambda window: window["method"] == TEST)
    # A test overrules the windows of its day, as in the filter.
    test_days = F.transform(tests, lambda window: F.to_date(window["started_at"]))

    def counts(window: Column) -> Column:
        overruled = F.array_contains(test_days, F.to_date(window["started_at"]))
        return (window["method"] == TEST) | ~overruled

    counting = F.filter("all", counts)
    weight = F.transform(counting, lambda window: 1 / (window["capacity_std_ah"] * window["capacity_std_ah"]))
    weighted = F.zip_with(counting, weight, lambda window, w: window["capacity_ah"] * w)
    capacity_ah = F.try_divide(_sum(weighted), _sum(weight))
    warmth = F.filter(F.transform("all", lambda window: window["temperature_mean_c"]), F.isnotnull)
    return {
        "expected_fade_pct": fade_pct,
        "fade_share_pct": F.when(F.col("since_date").isNotNull(), 100 * F.coalesce(share, F.lit(0.0))),
        "observed_soh_pct": 100 * capacity_ah / F.col("rated_capacity_ah"),
        "window_temperature_c": F.try_divide(_sum(warmth), F.size(warmth)),
    }


def _sum(values: Column) -> Column:
    return F.aggregate(values, F.lit(0.0), lambda total, value: total + value)


def _reasons() -> Column:
    """The codes that hold, in the order of :data:`REASONS`."""
    is_test = F.exists("all", lambda window: window["method"] == TEST)
    is_window = F.exists("all", lambda window: window["method"] != TEST)
    holds = {
        "first_estimate": F.col("since_date").isNull(),
        "method_changed": F.col("method_version") != F.col("method_version_before"),
        "new_capacity_test": is_test,
        "expected_fade": F.col("fade_share_pct") >= FADE_SHARE_PCT,
        "silent_period": F.col("silent_days") >= WINDOW_DAYS,
        "beyond_interval": F.abs("change_pct") > HALF_INTERVAL_STD * F.col("soh_std_before_pct"),
        "wide_interval_narrowed": F.col("soh_std_pct") <= NARROWED_FRAC * F.col("soh_std_before_pct"),
        "cold_windows": F.col("window_temperature_c") < COLD_C,
        "new_window": is_window,
        "no_window_stands": F.size("all") == 0,
    }
    return F.array_compact(F.array(*(F.when(holds[code], code) for code in REASONS)))
