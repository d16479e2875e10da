"""Health and life to gold.cell_current: the newest row of every cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from battery_lake.tables.gold import CELL_CURRENT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def cell_current(health: DataFrame, life: DataFrame) -> DataFrame:
    """One row per cell: its newest day, health and outlook together."""
    newest = Window.partitionBy("cell_id").orderBy(F.col("as_of_date").desc())
    latest = health.withColumn("place", F.row_number().over(newest)).where("place = 1").drop("place")
    outlook = life.drop("pack_id", "series_index")
    joined = latest.join(outlook, on=["cell_id", "as_of_date"], how="left")
    return joined.select(*CELL_CURRENT.column_names)
