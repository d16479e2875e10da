"""Columns of what key figures are made of: a pack now, the fleet now, and the messages of a day."""

from __future__ import annotations

from typing import Final

from battery_lake.tables.model import Column

OF_PACK: Final = (
    Column("vehicle_id", "string", "Vehicle that carried it in its newest session."),
    Column("model", "string", "Model name; unknown where it is not told.", nullable=False),
    Column("chemistry", "string", "Chemistry of the cells.", nullable=False),
    Column("packs", "int", "1: what the row counts as.", nullable=False),
    Column("as_of_date", "date", "Day of the newest health; null: none yet. UTC."),
    Column("last_seen_at", "timestamp", "End of its newest session. UTC."),
    Column("last_seen_days", "double", "The same, since 1970-01-01. [d]"),
    Column("rated_capacity_ah", "double", "Capacity of the new pack. [Ah]"),
    Column("eol_soh_pct", "double", "SOH at which life ends. [%]"),
    Column("warranty_until", "date", "Last day of the warranty; null: not known."),
    Column("soh_min_pct", "double", "SOH of the weakest cell. [%]"),
    Column("soh_median_pct", "double", "SOH of the median cell. [%]"),
    Column("soh_spread_pct", "double", "SOH of the best cell less that of the weakest. [%]"),
    Column("soh_interval_pct", "double", "Width of the 90 % interval of the weakest cell's SOH. [%]"),
    Column("yearly_loss_pct", "double", "Loss of SOH in a year at the median cell's fade now. [%]"),
    Column("soce_pct", "double", "State of certified energy. [%]"),
    Column("weakest_cell_id", "string", "The weakest cell."),
    Column("below_eol", "int", "1: the weakest cell's SOH lies below its end of life; else 0."),
    Column("ends_in_year", "int", "1: by the median its life ends within 365 days; else 0."),
    Column(
        "warranty_exposed",
        "int",
        "1: by the pessimistic quantile its life ends before the warranty does; null: no warranty is known.",
    ),
    Column("imbalance_mv", "double", "Highest less lowest cell voltage at the newest day's last rest. [mV]"),
    Column("efc", "double", "Equivalent full cycles so far."),
    Column("cohort_percentile_pct", "double", "Share of like, as old packs with a lower median SOH. [%]"),
    Column("round_trip_efficiency_pct", "double", "Energy out over energy in. [%]"),
    Column("recent_observations", "int", "Capacity observations of its last 30 days.", nullable=False),
    Column("recent_charges", "int", "Charges of its last 90 days whose current is known.", nullable=False),
    Column("recent_fast_charges", "int", "Those with a mean above half the rated capacity an hour."),
    Column("recent_s", "double", "Time in sessions of its last 90 days. [s]"),
    Column("recent_hot_s", "double", "That in sessions with a mean of 45 °C or more. [s]"),
    Column("recent_full_s", "double", "That in sessions with a mean SOC above 90 %. [s]"),
)
"""What is known of a pack, beside its outlook. Its last days end with its newest session or health."""

OF_FLEET: Final = (
    Column("packs", "int", "Packs.", nullable=False),
    Column("soh_pct_p10", "double", "Median-cell SOH: a tenth of the packs lie lower. [%]"),
    Column("soh_pct_p50", "double", "Median-cell SOH of the median pack. [%]"),
    Column("soh_pct_p90", "double", "Median-cell SOH: a tenth of the packs lie higher. [%]"),
    Column("rul_days_p50", "double", "Median RUL of the median pack, lower bounds left out. [d]"),
    Column("imbalance_mv_p95", "double", "Imbalance: a twentieth of the packs lie higher. [mV]"),
)
"""Quantiles over packs: sums and means need none of these."""

OF_MESSAGES: Final = (
    Column("rows_in", "bigint", "Messages that were looked at.", nullable=False),
    Column("rows_kept", "bigint", "Those that silver took.", nullable=False),
    Column("rows_refused", "bigint", "Those that went to quarantine.", nullable=False),
    Column("rows_duplicate", "bigint", "Those that were there already.", nullable=False),
    Column("lag_s", "double", "Greatest age of a batch's newest message when the batch ended. [s]"),
    Column("finished_at", "timestamp", "When the last batch of the day ended. UTC."),
)
"""What became of messages."""
