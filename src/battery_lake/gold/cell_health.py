"""Pack days to gold.cell_health: capacity, SOH and resistance of every cell on a day with evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.gold.cell_state import METHOD
from battery_lake.tables.gold import CELL_HEALTH

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


def cells(days: DataFrame, packs: DataFrame, *arrays: str) -> DataFrame:
    """One row per pack, day and cell that the day told of: the arrays taken apart, the cell named."""
    per_module = packs.select("pack_id", "cells_per_module", "cells_in_series")
    zipped = F.posexplode(F.arrays_zip(*arrays)).alias("series_index", "cell")
    apart = days.join(F.broadcast(per_module), on="pack_id", how="inner").select("*", zipped).drop(*arrays)
    return (
        apart
        .select("*", "cell.*")
        .where(F.col(arrays[0]).isNotNull())
        .withColumn("cell_id", cell_id())
        .drop("cell", "cells_per_module", "cells_in_series")
    )


def cell_id() -> Column:
    """Return the cell's name: pack / module / cell within the module, two digits each, from 1."""
    module_size = F.coalesce("cells_per_module", "cells_in_series")
    module = F.floor(F.col("series_index") / module_size) + 1
    within = F.col("series_index") % module_size + 1
    return F.concat_ws("/", "pack_id", _two_digits(module), _two_digits(within))


def _two_digits(number: Column) -> Column:
    """Return the number with two digits at least, without format_string, which is slow."""
    text = number.cast("string")
    return F.lpad(text, F.greatest(F.length(text), F.lit(2)), F.lit("0"))


def cell_health(days: DataFrame, packs: DataFrame) -> DataFrame:
    """One row per cell and day with new evidence.

    Parameters
    ----------
    days
        What :func:`battery_lake.gold.cell_state.pack_days` gives.
    packs
        reference.packs.
    """
    return (
        cells(days, packs, "soh_pct", "soh_std_pct", "observations", "resistance_mohm", "soh_r_pct")
        .withColumns({
            "capacity_ah": F.col("soh_pct") * F.col("rated_capacity_ah") / 100,
            "method_version": F.lit(METHOD),
        })
        .select(*CELL_HEALTH.column_names)
    )
