"""The report's frame of where vehicles are: squares with how many stand in them, without names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.report.load_cells import to_pandas

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

SQUARES: Final = 2000
"""Most squares that are drawn, those with most vehicles first."""


def positions(vehicle_position: DataFrame, vehicle_status: DataFrame, packs: DataFrame) -> pd.DataFrame:
    """Return the squares in which vehicles were last.

    Parameters
    ----------
    vehicle_position, vehicle_status
        gold's tables of these names.
    packs
        Packs with their end of life. [%]
    """
    health = vehicle_status.select("vehicle_id", "pack_id", "soh_min_pct").join(
        packs.select("pack_id", "eol_soh_pct"), on="pack_id", how="left"
    )
    is_below = F.col("soh_min_pct") < F.col("eol_soh_pct")
    squares = (
        vehicle_position
        .join(health, on="vehicle_id", how="left")
        .groupBy("latitude", "longitude", "cell_size_km")
        .agg(
            F.count("vehicle_id").alias("vehicles"),
            F.count(F.when(is_below, 1)).alias("below"),
            F.min("soh_min_pct").alias("soh_min_pct"),
            F.max("measured_at").alias("measured_at"),
        )
        .orderBy(F.desc("vehicles"), "latitude", "longitude")
    )
    return to_pandas(squares.limit(SQUARES), "positions")
