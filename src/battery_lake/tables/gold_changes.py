"""Columns of why the SOH of a cell moved."""

from __future__ import annotations

from typing import Final

from battery_lake.tables.model import Column

WINDOW: Final = (
    "struct<started_at:timestamp,ended_at:timestamp,method:string,capacity_ah:double,capacity_std_ah:double,"
    "charge_ah:double,soc_start_pct:double,soc_end_pct:double,temperature_mean_c:double,"
    "method_version:string>"
)
"""What one session said of the cell's capacity: as gold.capacity_observation has it, of this cell."""

CHANGE: Final = (
    Column("since_date", "date", "The day that the SOH is compared with; null: the cell's first row."),
    Column("soh_before_pct", "double", "SOH on that day. [%]"),
    Column("soh_pct", "double", "SOH on this day. [%]"),
    Column("change_pct", "double", "SOH on this day less that of since_date. [%]"),
    Column("soh_std_before_pct", "double", "Standard deviation of the SOH on since_date. [%]"),
    Column("soh_std_pct", "double", "Standard deviation of the SOH on this day. [%]"),
    Column("expected_fade_pct", "double", "What an ordinary cell loses from since_date to this day. [%]"),
    Column("fade_share_pct", "double", "Share of the change that the expected fade explains. [%]"),
    Column("observed_soh_pct", "double", "Mean of what the windows say, by their variances. [%]"),
    Column("innovation_pct", "double", "That less the SOH expected after since_date. [%]"),
    Column("silent_days", "int", "Since the cell's evidence before this day's. [d]"),
    Column("observations", "int", "Capacity observations that the estimate rests on."),
    Column("new_observations", "int", "Those of them that were taken since since_date."),
    Column("window_temperature_c", "double", "Mean temperature of the windows. [°C]"),
    Column(
        "windows",
        f"array<{WINDOW}>",
        "What moved it: the sharpest observations since since_date, of the last 28 days at most, in order of"
        " time; started_at is the session's key in gold.session.",
    ),
    Column("reasons", "array<string>", "Codes of why it moved, the most telling first.", nullable=False),
    Column("method_version_before", "string", "Version of the method of the estimate on since_date."),
)
"""How far the SOH moved, since when, and why."""
