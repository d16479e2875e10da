"""Cell health and life to gold.pack_health: weakest, median and best cell, and what they say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.gold.cell_state import METHOD
from battery_lake.tables.gold import PACK_HEALTH

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True, slots=True)
class PackHealthParams:
    """What counts as an alert.

    Parameters
    ----------
    spread_alert_pct
        A weakest cell so far below the median is weak. [%]
    eol_soh_pct
        End of life where a pack's own is empty. [%]
    """

    spread_alert_pct: float = 5.0
    eol_soh_pct: float = 80.0


def pack_summary(health: DataFrame) -> DataFrame:
    """One row per pack and day: weakest, median and best cell, resistance and cycles.

    Parameters
    ----------
    health
        gold.cell_health.
    """
    return health.groupBy("pack_id", "as_of_date").agg(
        F.min("soh_pct").alias("soh_min_pct"),
        F.median("soh_pct").alias("soh_median_pct"),
        F.max("soh_pct").alias("soh_max_pct"),
        F.median("soh_r_pct").alias("soh_r_median_pct"),
        F.min_by("cell_id", F.struct("soh_pct", "cell_id")).alias("weakest_cell_id"),
        F.max("efc").alias("efc"),
    )


def pack_health(
    health: DataFrame,
    life: DataFrame,
    rests: DataFrame,
    passports: DataFrame,
    packs: DataFrame,
    params: PackHealthParams,
) -> DataFrame:
    """One row per pack and day with new evidence; where it stands among others is not told here.

    Parameters
    ----------
    health, life
        gold.cell_health and gold.cell_life of the days to be told.
    rests
        gold.session, kind rest, of the same days.
    passports
        gold.battery_passport of the same days: state of certified energy.
    packs
        reference.packs.
    params
        What counts as an alert.
    """
    key = ["pack_id", "as_of_date"]
    known = packs.select("pack_id", "eol_soh_pct", "rated_capacity_ah")
    is_at_end = F.col("soh_min_pct") < F.coalesce("eol_soh_pct", F.lit(params.eol_soh_pct))
    is_weak = F.col("soh_median_pct") - F.col("soh_min_pct") > params.spread_alert_pct
    alerts = F.array(F.when(is_at_end, "end_of_life"), F.when(is_weak, "weak_cell"))
    return (
        pack_summary(health)
        .join(_outlook(life), on=key, how="left")
        .join(_imbalance(rests), on=key, how="left")
        .join(passports.select(*key, "soce_pct"), on=key, how="left")
        .join(F.broadcast(known), on="pack_id", how="inner")
        .withColumns({
            "soh_spread_pct": F.col("soh_max_pct") - F.col("soh_min_pct"),
            "throughput_ah": F.col("efc") * 2 * F.col("rated_capacity_ah"),
            "alerts": F.array_compact(alerts),
            "cohort_percentile_pct": F.lit(None).cast("double"),
            "method_version": F.lit(METHOD),
        })
        .select(*PACK_HEALTH.column_names)
    )


def _outlook(life: DataFrame) -> DataFrame:
    """That of the cell that ends first."""
    ended_first = F.struct(F.coalesce("rul_days_p50", F.lit(1e12)), "cell_id")
    outlook = ("rul_days_p05", "rul_days_p50", "rul_days_p95", "censored")
    return life.groupBy("pack_id", "as_of_date").agg(
        *(F.min_by(name, ended_first).alias(name) for name in outlook)
    )


def _imbalance(rests: DataFrame) -> DataFrame:
    """Spread of the cells' voltages at the end of each day's last rest. [mV]."""
    spread_v = F.array_max("end_cell_voltages_v") - F.array_min("end_cell_voltages_v")
    return rests.groupBy("pack_id", F.to_date("started_at").alias("as_of_date")).agg(
        F.max_by(spread_v * 1000, "started_at").alias("imbalance_mv")
    )
