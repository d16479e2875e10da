"""All packs with how each is now: also those of which no estimate is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.report import text
from battery_lake.report.load_cells import described_packs, newest_health

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from pyspark.sql import DataFrame

NEVER_SEEN: Final = "no session yet"
NO_WINDOW: Final = "no capacity told yet"
_HEALTH: Final = (
    "as_of_date", "soh_min_pct", "soh_median_pct", "weakest_cell_id", "rul_days_p05", "rul_days_p50",
    "rul_days_p95", "censored",
)  # fmt: skip


def pack_list(
    read: Callable[[str], DataFrame], eol_soh_pct: float, model: str = "", limit: int = 50
) -> pd.DataFrame:
    """Return the packs, the weakest first, those without an estimate last.

    Parameters
    ----------
    read
        Gives a table by its name.
    eol_soh_pct
        End of life of packs that name none. [%]
    model
        Only packs of this model; empty: all.
    limit
        Most rows.

    Returns
    -------
    pandas.DataFrame
        Columns pack_id, vehicle_id (that carries it now), model, chemistry, soh_min_pct, soh_std_pct,
        soh_median_pct, as_of_date, rul_days_p05, rul_days_p50, rul_days_p95, censored, warranty_until,
        seen_date (its newest day with a session), open_alerts, verdict: words, or why nothing is known.
    """
    packs = described_packs(read("reference.packs"), eol_soh_pct)
    health = newest_health(read("gold.pack_health"), _HEALTH)
    weakest = read("gold.cell_current").select(F.col("cell_id").alias("weakest_cell_id"), "soh_std_pct")
    seen = read("gold.battery_passport").groupBy("pack_id").agg(F.max("as_of_date").alias("seen_date"))
    carried = read("reference.pack_assignment").where("valid_to IS NULL")
    vehicles = carried.groupBy("pack_id").agg(F.max("vehicle_id").alias("vehicle_id"))
    is_open = read("gold.alert").where("cleared_at IS NULL")
    alerts = is_open.groupBy("pack_id").agg(F.count("*").alias("open_alerts"))
    wanted = packs.where(F.col("model") == model) if model else packs
    joined = wanted.join(health, on="pack_id", how="left").join(weakest, on="weakest_cell_id", how="left")
    for more in (seen, vehicles, alerts):
        joined = joined.join(more, on="pack_id", how="left")
    counted = joined.fillna(0, subset=["open_alerts"])
    found = counted.orderBy(F.col("soh_min_pct").asc_nulls_last(), "pack_id").limit(limit)
    rows: pd.DataFrame = found.toArrow().to_pandas()
    columns = [
        "pack_id", "vehicle_id", "model", "chemistry", "soh_min_pct", "soh_std_pct", "soh_median_pct",
        "as_of_date", "rul_days_p05", "rul_days_p50", "rul_days_p95", "censored", "warranty_until",
        "seen_date", "open_alerts",
    ]  # fmt: skip
    return rows[columns].assign(verdict=[_verdict(row) for _, row in rows.iterrows()])


def _verdict(row: pd.Series) -> str:
    """What a pack's row calls for, or why it says nothing."""
    if text.is_absent(row["soh_min_pct"]):
        return NEVER_SEEN if text.is_absent(row["seen_date"]) else NO_WINDOW
    return text.pack_status(row)[1]
