"""Pack days to gold.cell_life: how long every cell has left, as days, cycles and distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.gold.cell_health import cells
from battery_lake.tables.gold import CELL_LIFE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def cell_life(days: DataFrame, packs: DataFrame) -> DataFrame:
    """One row per cell and day with new evidence; cycles and distance by the pack's use of lately.

    Parameters
    ----------
    days
        What :func:`battery_lake.gold.cell_state.pack_days` gives.
    packs
        reference.packs.
    """
    quantiles = ("p05", "p50", "p95")
    eol_date = F.date_add("as_of_date", F.round("rul_days_p50").cast("int"))
    return (
        cells(days, packs, *(f"rul_days_{q}" for q in quantiles), "censored")
        .withColumns({
            **{f"rul_efc_{q}": F.col(f"rul_days_{q}") * F.col("efc_per_day") for q in quantiles},
            **{f"rul_km_{q}": F.col(f"rul_days_{q}") * F.col("km_per_day") for q in quantiles},
            "eol_date_p50": F.when(~F.col("censored"), eol_date),
        })
        .select(*CELL_LIFE.column_names)
    )
