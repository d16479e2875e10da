"""Columns of alerts and of what they come from: days of a pack, and what the rules remember of it."""

from __future__ import annotations

from typing import Final

from battery_lake.tables.model import Column, key

DEVIATION: Final = (
    Column("deviation_mv", "array<double>", "Each cell against its neighbours, at rest. [mV]"),
    Column("deviation_std_mv", "array<double>", "Its standard deviation by measurement. [mV]"),
    Column("band_deviation_mv", "array<double>", "The same in the voltage band of trends. [mV]"),
    Column("band_std_mv", "array<double>", "Its standard deviation by measurement. [mV]"),
    Column("spread_mv", "double", "Standard deviation between healthy neighbours of the pack. [mV]"),
    Column("width_mv", "double", "Width of the pack in that band, outermost cells left out. [mV]"),
    Column("width_std_mv", "double", "Its standard deviation by measurement. [mV]"),
    Column("messages", "int", "Messages of the day.", nullable=False),
    Column("quiet_messages", "int", "Those at rest with voltages: they told of deviation."),
    Column(
        "far_off",
        "array<struct<series_index:int,deviation_mv:double,voltage_v:double,messages:int,"
        "first_at:timestamp>>",
        "Cells that single messages show far off, each at its worst; null: no voltages.",
    ),
    Column("temperature_max_c", "double", "Highest reading of any probe; null: none. [°C]"),
    Column("hot_severity", "string", "warning or critical where a probe was too hot, or stood out."),
    Column("hot_probe", "int", "The worst such probe, from 0."),
    Column("hot_temperature_c", "double", "Its reading. [°C]"),
    Column("hot_above_others_c", "double", "How far above the others it was. [°C]"),
    Column("hot_messages", "int", "Messages that showed it."),
    Column("hot_first_at", "timestamp", "The first of them. UTC."),
    Column("plating_severity", "string", "warning or critical where it was charged too fast for the cold."),
    Column("plating_excess_ah", "double", "Charge beyond the limit; null: not known. [Ah]"),
    Column("plating_excess_pct", "double", "The same over rated capacity. [%]"),
    Column("plating_coldest_c", "double", "Coldest probe while beyond the limit. [°C]"),
    Column("plating_current_max_a", "double", "Highest current while beyond the limit. [A]"),
    Column("insulation_severity", "string", "warning or critical where the insulation was too low."),
    Column("insulation_low_kohm", "double", "Lowest insulation resistance that lasted; null: untold. [kΩ]"),
    Column("insulation_low_ohm_per_v", "double", "The same over the pack's highest voltage. [Ω/V]"),
    Column("insulation_readings", "int", "Messages that told of insulation."),
    Column("insulation_first_at", "timestamp", "Where the first stretch that is too low begins. UTC."),
    Column(
        "lying_cells",
        "array<struct<series_index:int,follow_frac:double,step_follow_frac:double>>",
        "Cells whose reading does not follow the string's, and how much it does; null: untold.",
    ),
    Column("probe_apart_c", "double", "Oddest probe against all, after hours of rest; null: untold. [°C]"),
    Column("apart_probe", "int", "That probe, from 0."),
    Column("apart_messages", "int", "Messages after hours of rest."),
    Column("string_gap_pct", "double", "Pack voltage less its cells' sum, at rest; null: untold. [%]"),
    Column("frozen_messages", "int", "Messages whose signals stood still while the current moved."),
    Column("frozen_first_at", "timestamp", "The first of them. UTC."),
)
"""What a day shows of a pack: its cells beside each other, and what single messages say."""

TREND: Final = (
    "struct<level_v:array<double>,rate_v_per_day:array<double>,level_variance:array<double>,"
    "covariance:array<double>,rate_variance:array<double>,first_v:array<double>,first_days:array<double>,"
    "updated_days:array<double>,days:array<int>>"
)
"""A trend: one array entry a cell; fields as in :class:`battery_lake.cells.odd_cells.Trend`."""

OPEN_ALERTS: Final = Column(
    "open_alerts",
    "array<struct<series_index:int,code:string,raised_at:timestamp,severity:string,evidence:string>>",
    "Alerts that are open; without a cell: of the whole pack.",
)
AS_OF_AT: Final = Column(
    "as_of_at", "timestamp", "The state holds everything before this instant. UTC.", nullable=False
)

STATE: Final = (
    AS_OF_AT,
    Column(
        "cell_evidence",
        "struct<low:array<double>,named:array<boolean>,z:array<double>,days:array<int>>",
        "Sequential test of each cell.",
    ),
    Column("cell_trend", TREND, "Level and rate of each cell's deviation, and their covariance."),
    Column("width_trend", TREND, "The same of the width of the pack: one entry."),
    OPEN_ALERTS,
)
"""What the rules know of a pack."""

ESTIMATE: Final = (
    Column("day_soh_pct", "array<double>", "Capacity of each cell over rated capacity. [%]"),
    Column("day_soh_std_pct", "array<double>", "Its standard deviation. [%]"),
    Column("day_capacity_temperature_c", "double", "Mean temperature of those measurements. [°C]"),
    Column("day_resistance_mohm", "array<double>", "10 s resistance of each cell at 25 °C, 50 % SOC. [mΩ]"),
    Column("day_resistance_std_mohm", "array<double>", "Its standard deviation. [mΩ]"),
    Column("day_resistance_temperature_c", "double", "Mean temperature of those steps. [°C]"),
)
"""What a day alone says of every cell; null: nothing."""

RAISED: Final = (
    key("cell_id", "string", "The cell; the pack's id where it concerns the whole pack."),
    key("code", "string", "What is wrong."),
    key("raised_at", "timestamp", "When it was raised. UTC."),
    Column("severity", "string", "info, warning or critical."),
    Column("evidence", "string", "What was seen on the last day that told, as JSON."),
    Column("cleared_at", "timestamp", "When it was no longer so; null: it is open. UTC."),
)
"""An alert, beside its pack."""
