"""Sessions and pack health to gold.vehicle_status: every vehicle as it was last seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.tables.gold import VEHICLE_STATUS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def vehicle_status(sessions: DataFrame, health: DataFrame) -> DataFrame:
    """One row per vehicle in the sessions: the end of its last one, and its pack's newest health.

    Parameters
    ----------
    sessions
        gold.session.
    health
        gold.pack_health of the same packs.
    """
    last = F.max_by(
        F.struct("pack_id", "kind", "soc_end_pct", "ended_at"), F.struct("ended_at", "started_at")
    )
    state = F.create_map(
        *(
            F.lit(text)
            for pair in (("drive", "driving"), ("charge", "charging"), ("rest", "parked"))
            for text in pair
        )
    )
    newest = health.groupBy("pack_id").agg(
        F.max_by(F.struct("soh_min_pct", "soh_median_pct", "rul_days_p50", "alerts"), "as_of_date").alias("h")
    )
    return (
        sessions
        .where(F.col("vehicle_id").isNotNull())
        .groupBy("vehicle_id")
        .agg(last.alias("s"))
        .withColumn("pack_id", F.col("s.pack_id"))
        .join(newest, on="pack_id", how="left")
        .withColumns({
            "soc_pct": F.col("s.soc_end_pct"),
            "state": state[F.col("s.kind")],
            "last_seen_at": F.col("s.ended_at"),
            **{
                name: F.col(f"h.{name}")
                for name in ("soh_min_pct", "soh_median_pct", "rul_days_p50", "alerts")
            },
        })
        .select(*VEHICLE_STATUS.column_names)
    )
