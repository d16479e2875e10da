"""Sessions and pack health to gold.battery_passport: counters since the first message, and energy left."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

from pyspark.sql import Window
from pyspark.sql import functions as F

from battery_lake.tables.gold import BATTERY_PASSPORT

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

METHOD: Final = "passport-3"
LONGEST_SILENCE_S: Final = 3 * 86_400.0
"""A longer silence is counted nowhere: nobody knows how the pack spent it. [s]"""

TEMPERATURE_EDGES_C: Final = (0.0, 15.0, 30.0, 45.0)
"""Between these the ranges of temperature lie; the outer ones are extreme. [°C]"""

SOC_EDGES_PCT: Final = (20.0, 40.0, 60.0, 80.0)
DEEP_DISCHARGE_PCT: Final = 5.0
"""A drive that ends below is a deep discharge. [%]"""

MIN_EFC: Final = 5.0
"""Before so many cycles energy out over energy in says more of where the pack stood than of its losses."""

SOURCES: Final = {
    "soce_pct": "remaining_energy_wh over reference.packs.rated_energy_wh",
    "remaining_capacity_ah": "gold.pack_health.soh_min_pct, the weakest cell, times rated capacity",
    "remaining_energy_wh": "remaining_capacity_ah times the mean voltage of all discharges",
    "efc": "throughput_ah over twice the rated capacity",
    "throughput_ah": "gold.session: current counted",
    "throughput_wh": "gold.session: power counted",
    "resistance_increase_pct": "100 / gold.pack_health.soh_r_median_pct less 1, the median cell; new is what"
    " reference.packs.new_resistance_mohm says, else what the pack's first steps told",
    "round_trip_efficiency_pct": "gold.session: energy out over energy in, less what is stored",
    "temperature_range_s": "gold.session: mean temperature of each session and of the silence before it",
    "soc_range_s": "gold.session: the BMS's SOC of each session and of the silence before it",
    "negative_events": "gold.session: SOC, temperature and charging at the day's sessions",
}  # fmt: skip
"""Where each value comes from."""


def _names(edges: tuple[float, ...], unit: str) -> tuple[str, ...]:
    inner = tuple(f"{low:.0f}_to_{high:.0f}_{unit}" for low, high in pairwise(edges))
    return (f"below_{edges[0]:.0f}_{unit}", *inner, f"from_{edges[-1]:.0f}_{unit}")


TEMPERATURE_NAMES: Final = _names(TEMPERATURE_EDGES_C, "c")
"""Keys of ``temperature_range_s``, from cold to hot."""

SOC_NAMES: Final = _names(SOC_EDGES_PCT, "pct")
"""Keys of ``soc_range_s``, from empty to full."""

EVENTS: Final = (
    "deep_discharge", "extreme_temperature_s", "charging_in_extreme_temperature_s", "charging_below_0_c_s",
    "charging_from_45_c_s",
)  # fmt: skip
"""Keys of ``negative_events``: a count, and whole seconds."""


def battery_passport(base: DataFrame, sessions: DataFrame, health: DataFrame, packs: DataFrame) -> DataFrame:
    """One row per pack and day with a session or new health, counted on from where the base stands.

    Parameters
    ----------
    base
        gold.battery_passport: the last row of each pack before the days to be told; may hold none.
    sessions
        gold.session of the packs after their base, and of ``LONGEST_SILENCE_S`` before.
    health
        ``soh_min_pct`` and ``soh_r_median_pct`` of gold.pack_health, of the packs after their base.
    packs
        reference.packs.

    References
    ----------
    Regulation (EU) 2023/1542, Annex VII: state of certified energy, and the parameters of the expected
    lifetime: throughput of energy and capacity, harmful events, full equivalent cycles.
    UN GTR No. 22: state of certified energy.
    """
    key = ["pack_id", "as_of_date"]
    begun = base.select("pack_id", F.col("as_of_date").alias("base_date"))
    increase_pct = 100 * (100 / F.col("soh_r_median_pct") - 1)
    known = health.select(*key, "soh_min_pct", increase_pct.alias("resistance_increase_pct"))
    days = _days(_with_time(sessions)).join(known, on=key, how="full")
    new = days.join(F.broadcast(begun), on="pack_id", how="left").where(
        "base_date IS NULL OR as_of_date > base_date"
    )
    rows = new.drop("base_date").withColumn("is_base", F.lit(False))
    counted = _counted_on(rows.unionByName(_as_day(base), allowMissingColumns=True))
    return _told(counted.where("NOT is_base"), packs)


def _with_time(sessions: DataFrame) -> DataFrame:
    """Every session with the time that it stands for: its own, and the silence before it."""
    order = Window.partitionBy("pack_id").orderBy("started_at")
    silence_s = (F.unix_micros("started_at") - F.lag(F.unix_micros("ended_at")).over(order)) / 1e6
    stood_s = F.when(silence_s <= LONGEST_SILENCE_S, F.greatest(silence_s, F.lit(0.0)))
    return sessions.withColumn(
        "stood_s", F.coalesce("duration_s", F.lit(0.0)) + F.coalesce(stood_s, F.lit(0.0))
    )


def _days(sessions: DataFrame) -> DataFrame:
    """What each pack's day adds to its counters."""
    is_charge, is_drive = F.col("kind") == "charge", F.col("kind") == "drive"
    soc_pct = (F.coalesce("soc_start_pct", "soc_end_pct") + F.coalesce("soc_end_pct", "soc_start_pct")) / 2
    mean_c = F.col("temperature_mean_c")
    is_cold, is_hot = mean_c < TEMPERATURE_EDGES_C[0], mean_c >= TEMPERATURE_EDGES_C[-1]
    is_extreme = is_cold | is_hot
    counters = {
        "throughput_ah": F.col("throughput_ah"),
        "throughput_wh": F.abs("energy_wh"),
        # The last stretch of a charge or a drive counts in the rest that follows: so all sessions count.
        "energy_in_wh": F.when(F.col("energy_wh") > 0, F.col("energy_wh")),
        "energy_out_wh": F.when(F.col("energy_wh") < 0, -F.col("energy_wh")),
        "charge_out_ah": F.when(F.col("charge_ah") < 0, -F.col("charge_ah")),
        "deep_discharge": F.when(is_drive & (F.col("soc_end_pct") < DEEP_DISCHARGE_PCT), 1.0),
        "extreme_temperature_s": F.when(is_extreme, F.col("stood_s")),
        "charging_in_extreme_temperature_s": F.when(is_extreme & is_charge, F.col("duration_s")),
        "charging_below_0_c_s": F.when(is_cold & is_charge, F.col("duration_s")),
        "charging_from_45_c_s": F.when(is_hot & is_charge, F.col("duration_s")),
        **_spent(TEMPERATURE_NAMES, TEMPERATURE_EDGES_C, mean_c),
        **_spent(SOC_NAMES, SOC_EDGES_PCT, soc_pct),
    }
    return sessions.groupBy("pack_id", F.to_date("started_at").alias("as_of_date")).agg(
        # Rounded, so that the order in which rows are added shows in no digit.
        *(
            F.round(F.coalesce(F.sum(value), F.lit(0.0)), 0 if name in EVENTS else 6).alias(name)
            for name, value in counters.items()
        ),
        F.min_by("soc_start_pct", F.when(F.col("soc_start_pct").isNotNull(), F.col("started_at"))).alias(
            "first_soc_pct"
        ),
        F.max_by("soc_end_pct", F.when(F.col("soc_end_pct").isNotNull(), F.col("started_at"))).alias(
            "last_soc_pct"
        ),
    )


COUNTERS: Final = (
    "throughput_ah", "throughput_wh", "energy_in_wh", "energy_out_wh", "charge_out_ah", *EVENTS,
    *TEMPERATURE_NAMES, *SOC_NAMES,
)  # fmt: skip


def _as_day(base: DataFrame) -> DataFrame:
    """The base as a day whose counters hold all that was before."""
    maps = {
        "negative_events": EVENTS,
        "temperature_range_s": TEMPERATURE_NAMES,
        "soc_range_s": SOC_NAMES,
    }
    taken = {
        name: F.element_at(source, name).cast("double") for source, names in maps.items() for name in names
    }
    return base.select(
        "pack_id",
        "as_of_date",
        "throughput_ah", "throughput_wh", "energy_in_wh", "energy_out_wh", "charge_out_ah",
        *(value.alias(name) for name, value in taken.items()),
        "first_soc_pct",
        "last_soc_pct",
        "soh_min_pct",
        "resistance_increase_pct",
        F.lit(True).alias("is_base"),
    )  # fmt: skip


def _counted_on(days: DataFrame) -> DataFrame:
    """Every day with its counters summed so far, and what was last known of health and SOC."""
    so_far = Window.partitionBy("pack_id").orderBy("as_of_date").rowsBetween(Window.unboundedPreceding, 0)
    return days.withColumns({
        **{name: F.sum(F.coalesce(name, F.lit(0.0))).over(so_far) for name in COUNTERS},
        **{
            name: F.last(name, ignorenulls=True).over(so_far)
            for name in ("soh_min_pct", "resistance_increase_pct", "last_soc_pct")
        },
        "first_soc_pct": F.first("first_soc_pct", ignorenulls=True).over(so_far),
    })


def _told(counted: DataFrame, packs: DataFrame) -> DataFrame:
    """The days in the form of the contract."""
    known = packs.select("pack_id", "rated_capacity_ah", "rated_energy_wh")
    mean_v = F.try_divide("energy_out_wh", "charge_out_ah")
    # What is still stored of the energy that went in, or what was stored before, is no loss.
    stored_wh = (F.col("last_soc_pct") - F.col("first_soc_pct")) / 100 * F.col("remaining_energy_wh")
    efficiency = F.try_divide(100 * (F.col("energy_out_wh") + stored_wh), F.col("energy_in_wh"))
    is_told = (F.col("efc") >= MIN_EFC) & efficiency.between(0, 100)
    return (
        counted
        .join(F.broadcast(known), on="pack_id", how="inner")
        .withColumns({
            "efc": F.col("throughput_ah") / (2 * F.col("rated_capacity_ah")),
            "remaining_capacity_ah": F.col("soh_min_pct") / 100 * F.col("rated_capacity_ah"),
        })
        .withColumn("remaining_energy_wh", F.col("remaining_capacity_ah") * mean_v)
        .withColumns({
            "soce_pct": 100 * F.col("remaining_energy_wh") / F.col("rated_energy_wh"),
            "round_trip_efficiency_pct": F.when(is_told, efficiency),
            "temperature_range_s": _map(TEMPERATURE_NAMES, "double"),
            "soc_range_s": _map(SOC_NAMES, "double"),
            "negative_events": _map(EVENTS, "bigint"),
            "sources": F.create_map(*(F.lit(text) for pair in SOURCES.items() for text in pair)),
            "method_version": F.lit(METHOD),
        })
        .select(*BATTERY_PASSPORT.column_names)
    )


def _spent(names: tuple[str, ...], edges: tuple[float, ...], value: Column) -> dict[str, Column]:
    """Time of a session by the range that its value lies in."""
    bounds = (float("-inf"), *edges, float("inf"))
    ranges = zip(names, bounds[:-1], bounds[1:], strict=True)
    return {name: F.when((value >= low) & (value < high), F.col("stood_s")) for name, low, high in ranges}


def _map(names: tuple[str, ...], kind: str) -> Column:
    return F.create_map(*(part for name in names for part in (F.lit(name), F.col(name).cast(kind))))
