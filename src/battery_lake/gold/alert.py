"""Alerts of packs to gold.alert: each with the name of its cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.gold.cell_health import cell_id
from battery_lake.tables.gold import ALERT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


def alert(alerts: DataFrame, packs: DataFrame) -> DataFrame:
    """One row per alert, from raising to clearing.

    Parameters
    ----------
    alerts
        What :func:`battery_lake.gold.alert_state.pack_alerts` gives.
    packs
        reference.packs.
    """
    per_module = packs.select("pack_id", "cells_per_module", "cells_in_series")
    apart = alerts.select("pack_id", F.inline("alerts")).join(
        F.broadcast(per_module), on="pack_id", how="inner"
    )
    named = F.when(F.col("series_index").isNull(), F.col("pack_id")).otherwise(cell_id())
    return apart.withColumn("cell_id", named).select(*ALERT.column_names)
