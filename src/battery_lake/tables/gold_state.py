"""Columns of the estimator's state: filters of SOH and resistance, use, and the history in a few points."""

from __future__ import annotations

from typing import Final

from battery_lake.tables.model import Column

STRING: Final = (
    Column("string_bins", "array<int>", "Bins of the BMS's SOC, from 10 % on, that the sums below are of."),
    Column("string_samples", "array<int>", "Samples at rest or on charge in each of them."),
    Column("string_c_rates", "array<double>", "Sum of their currents over rated capacity, by bin. [1/h]"),
    Column("string_c_rate2", "double", "Sum of the squares of these. [1/h²]"),
    Column(
        "string_apart_v",
        "array<float>",
        "Sum of each cell's voltage less the median cell's, bin by bin. [V]",
    ),
    Column("string_c_rate_apart", "array<float>", "Sum of these times current over capacity. [V/h]"),
    Column("string_apart_v2", "array<float>", "Sum of their squares. [V²]"),
)
"""What a session tells of how the cells of a string differ; empty where it tells nothing."""

STRING_STATE: Final = (
    Column("string_days", "double", "Day of the sums below, days since 1970-01-01. [d]"),
    Column(
        "string_sum_samples",
        "array<double>",
        "Samples as in gold.session, all bins, what is long ago forgotten.",
    ),
    Column("string_sum_c_rates", "array<double>", "Their currents over rated capacity. [1/h]"),
    Column("string_sum_c_rate2", "double", "The squares of these. [1/h²]"),
    Column("string_sum_apart_v", "array<double>", "Voltages less the median cell's, bin by bin. [V]"),
    Column("string_sum_c_rate_apart", "array<double>", "These times current over capacity. [V/h]"),
    Column("string_sum_apart_v2", "array<double>", "Their squares. [V²]"),
)
"""What is known of how the cells of a string differ."""

ESTIMATOR: Final = (
    Column("as_of_at", "timestamp", "The state holds everything before this instant. UTC.", nullable=False),
    Column("soh_pct", "array<double>", "Filtered SOH. [%]"),
    Column("fade_pct_per_day", "array<double>", "Filtered loss of SOH per day. [%/d]"),
    Column("soh_variance", "array<double>", "Variance of the SOH. [%²]"),
    Column("soh_fade_covariance", "array<double>", "Covariance of SOH and fade. [%²/d]"),
    Column("fade_variance", "array<double>", "Variance of the fade. [%²/d²]"),
    Column("observations", "array<int>", "Observations taken so far."),
    Column("updated_days", "array<double>", "Day of the last update, days since 1970-01-01. [d]"),
    Column("first_days", "double", "Day of the first session, days since 1970-01-01. [d]"),
    Column("throughput_ah", "double", "Charge moved so far. [Ah]"),
    Column("distance_km", "double", "Distance seen so far. [km]"),
    Column("recent_days", "double", "Day of the sums of recent use, days since 1970-01-01. [d]"),
    Column("recent_throughput_ah", "double", "Charge moved, what is long ago forgotten. [Ah]"),
    Column("recent_distance_km", "double", "Distance, what is long ago forgotten. [km]"),
    Column(
        "resistance_log_ohm",
        "array<double>",
        "Logarithm of the filtered resistance in Ω at 50 % SOC and the first step's temperature. [1]",
    ),
    Column("resistance_activation_ev", "array<double>", "Filtered activation energy. [eV]"),
    Column("resistance_log_variance", "array<double>", "Variance of the logarithm. [1]"),
    Column("resistance_covariance_ev", "array<double>", "Covariance of the two. [eV]"),
    Column("resistance_activation_variance_ev2", "array<double>", "Variance of the activation energy. [eV²]"),
    Column("resistance_first_per_ev", "array<double>", "1/kT of the first step less that of 25 °C. [1/eV]"),
    Column("resistance_usual_per_ev", "array<double>", "1/kT of the usual step less that of 25 °C. [1/eV]"),
    Column("resistance_settled_log_ohm", "array<double>", "Mean of the logarithm over the first steps. [1]"),
    Column("resistance_observations", "array<int>", "Steps taken so far."),
    Column("resistance_updated_days", "array<double>", "Day of the last one, days since 1970-01-01. [d]"),
    *STRING_STATE,
    Column("points_width_days", "int", "Length of a point of the history. [d]"),
    Column("points_days", "array<int>", "Days with evidence in each point. [d]"),
    Column("points_day_sum_days", "array<bigint>", "Their sum, each in days since 1970-01-01. [d]"),
    Column(
        "points_weight",
        "array<int>",
        "Sum of the inverse variances of SOH at each point and cell, cell by cell. [0.001/%²]",
    ),
    Column("points_loss", "array<bigint>", "Sum of these times 100 % less SOH. [0.00001/%]"),
)
"""What is known of a pack and its cells before the day that is still open."""
