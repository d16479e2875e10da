"""Everything that gold knows of a pack now, in a row of plain numbers: gold.pack_now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.tables.gold import LIFE, PACK_NOW

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

METHOD: Final = "now-1"
EVIDENCE_DAYS: Final = 30
"""Observations count as recent for so long before the pack's newest day. [d]"""
USE_DAYS: Final = 90
"""Sessions do for so long. [d]"""
HOT_C: Final = 45.0
"""Upper end of what cells bear for long; also the hottest range of the passport. [°C]"""
FULL_SOC_PCT: Final = 90.0
FAST_C_RATE: Final = 0.5
"""Charging with a higher mean is fast: 22 kW into 40 kWh is about the most that AC gives. [1/h]"""
SOON_DAYS: Final = 365
INTERVAL_STDS: Final = 2 * 1.645
"""Width of a 90 % interval in standard deviations."""
DAYS_PER_YEAR: Final = 365.25


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of some packs.

    Parameters
    ----------
    health
        The newest row of gold.pack_health of each.
    passports
        The newest row of gold.battery_passport of each: it has a row for every day with a session or health,
        so its day is the pack's newest.
    cells
        gold.cell_current.
    states
        gold.cell_state.
    sessions, observations
        gold.session and gold.capacity_observation, of the last :data:`USE_DAYS` at least.
    packs
        reference.packs.
    """

    health: DataFrame
    passports: DataFrame
    cells: DataFrame
    states: DataFrame
    sessions: DataFrame
    observations: DataFrame
    packs: DataFrame


def pack_now(known: Known, eol_soh_pct: float) -> DataFrame:
    """One row per pack that has a passport; what is not known is null.

    Parameters
    ----------
    known
        The packs' rows.
    eol_soh_pct
        End of life of packs that name none. [%]
    """
    newest = known.passports.select(
        "pack_id", F.col("as_of_date").alias("newest_date"), "soce_pct", "round_trip_efficiency_pct"
    )
    health = known.health.select(
        "pack_id", "as_of_date", "soh_min_pct", "soh_median_pct", "soh_spread_pct", "weakest_cell_id",
        "imbalance_mv", "efc", "cohort_percentile_pct",
    )  # fmt: skip
    joined = newest.join(_described(known.packs, eol_soh_pct), on="pack_id", how="inner")
    for part in (
        health,
        _outlook(known.cells),
        _intervals(known.cells, health),
        _fade(known.states),
        _use(known.sessions, joined),
        _evidence(known.observations, newest),
    ):
        joined = joined.join(part, on="pack_id", how="left")
    return joined.withColumns(_judged()).select(*PACK_NOW.column_names)


def _described(packs: DataFrame, eol_soh_pct: float) -> DataFrame:
    months = F.round(F.col("warranty_years") * 12).cast("int")
    return packs.select(
        "pack_id",
        F.coalesce("model", F.lit("unknown")).alias("model"),
        "chemistry",
        "rated_capacity_ah",
        F.coalesce("eol_soh_pct", F.lit(eol_soh_pct)).alias("eol_soh_pct"),
        F.add_months("warranty_from", months).alias("warranty_until"),
    )


def _judged() -> dict[str, Column]:
    """Yes as 1 and no as 0, so that a sum counts packs."""
    in_sight = F.coalesce(~F.col("censored"), F.lit(False))
    ends_soon = in_sight & (F.col("rul_days_p50") <= SOON_DAYS)
    lasts_days = F.date_diff("warranty_until", "as_of_date")
    is_exposed = F.coalesce(in_sight & (F.col("rul_days_p05") < lasts_days), F.lit(False))
    return {
        "packs": F.lit(1),
        "below_eol": F.when(
            F.col("soh_min_pct").isNotNull(), _flag(F.col("soh_min_pct") < F.col("eol_soh_pct"))
        ),
        "ends_in_year": _flag(F.coalesce(ends_soon, F.lit(False))),
        "warranty_exposed": F.when(F.col("warranty_until").isNotNull(), _flag(is_exposed)),
        "last_seen_days": F.unix_micros("last_seen_at") / (86_400 * 1e6),
        "recent_observations": F.coalesce("recent_observations", F.lit(0)),
        "recent_charges": F.coalesce("recent_charges", F.lit(0)),
        "recent_fast_charges": F.coalesce("recent_fast_charges", F.lit(0)),
        "method_version": F.lit(METHOD),
    }


def _flag(is_so: Column) -> Column:
    return is_so.cast("int")


def _outlook(cells: DataFrame) -> DataFrame:
    """That of the cell that ends first, as in gold.pack_health."""
    ended_first = F.struct(F.coalesce("rul_days_p50", F.lit(1e12)), "cell_id")
    names = [column.name for column in LIFE]
    return cells.groupBy("pack_id").agg(*(F.min_by(name, ended_first).alias(name) for name in names))


def _intervals(cells: DataFrame, health: DataFrame) -> DataFrame:
    """Width of the weakest cell's interval."""
    weakest = health.select("pack_id", F.col("weakest_cell_id").alias("cell_id"))
    own = cells.select("pack_id", "cell_id", "soh_std_pct").join(
        weakest, on=["pack_id", "cell_id"], how="inner"
    )
    return own.select("pack_id", (F.col("soh_std_pct") * INTERVAL_STDS).alias("soh_interval_pct"))


def _fade(states: DataFrame) -> DataFrame:
    """Fade of the median cell, carried on for a year."""
    ordered = F.array_sort(F.filter("fade_pct_per_day", lambda x: x.isNotNull() & ~F.isnan(x)))
    count = F.size(ordered)
    low, high = (F.try_element_at(ordered, F.floor((count + n) / 2).cast("int")) for n in (1, 2))
    fade = F.when(count > 0, (low + high) / 2)
    return states.select("pack_id", (fade * DAYS_PER_YEAR).alias("yearly_loss_pct"))


def _use(sessions: DataFrame, newest: DataFrame) -> DataFrame:
    """What the sessions of a pack's last days add up to. Decimal sums do not depend on the order of rows."""
    days = newest.select("pack_id", "newest_date", "rated_capacity_ah")
    own = sessions.join(F.broadcast(days), on="pack_id", how="inner").where(
        F.to_date("started_at") > F.date_sub("newest_date", USE_DAYS)
    )
    is_charge = (F.col("kind") == "charge") & F.col("current_mean_a").isNotNull()
    is_fast = is_charge & (F.col("current_mean_a") > FAST_C_RATE * F.col("rated_capacity_ah"))
    soc_pct = (F.col("soc_start_pct") + F.col("soc_end_pct")) / 2
    time_s = F.col("duration_s").cast("decimal(28,6)")

    def seconds(is_so: Column) -> Column:
        return F.coalesce(F.sum(F.when(is_so, time_s)).cast("double"), F.lit(0.0))

    return own.groupBy("pack_id").agg(
        F.max_by("vehicle_id", F.struct("ended_at", "started_at")).alias("vehicle_id"),
        F.max("ended_at").alias("last_seen_at"),
        F.count_if(is_charge).cast("int").alias("recent_charges"),
        F.count_if(is_fast).cast("int").alias("recent_fast_charges"),
        seconds(F.lit(True)).alias("recent_s"),
        seconds(F.col("temperature_mean_c") >= HOT_C).alias("recent_hot_s"),
        seconds(soc_pct > FULL_SOC_PCT).alias("recent_full_s"),
    )


def _evidence(observations: DataFrame, newest: DataFrame) -> DataFrame:
    days = newest.select("pack_id", "newest_date")
    own = observations.join(F.broadcast(days), on="pack_id", how="inner").where(
        F.to_date("started_at") > F.date_sub("newest_date", EVIDENCE_DAYS)
    )
    return own.groupBy("pack_id").agg(F.count(F.lit(1)).cast("int").alias("recent_observations"))
