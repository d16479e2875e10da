"""Gold: sessions, health, life; what everyone reads."""

from __future__ import annotations

from battery_lake.tables.gold_alerts import AS_OF_AT, DEVIATION, ESTIMATE, OPEN_ALERTS, RAISED, STATE
from battery_lake.tables.gold_changes import CHANGE
from battery_lake.tables.gold_now import OF_FLEET, OF_MESSAGES, OF_PACK
from battery_lake.tables.gold_state import ESTIMATOR, STRING
from battery_lake.tables.model import Column, Table, key

PACK = key("pack_id", "string", "The pack.")
CELL = key("cell_id", "string", "The cell: pack / module / cell within the module, from 1.")
AS_OF_DATE = key("as_of_date", "date", "The day; values hold what was known at its end. UTC.")
SERIES_INDEX = Column("series_index", "int", "Place of the cell in the string, from 0.", nullable=False)
METHOD_VERSION = Column(
    "method_version", "string", "Version of the method that made the row.", nullable=False
)
MODEL_VERSION = Column("model_version", "string", "Version of the model that made the outlook.")

HEALTH = (
    Column("capacity_ah", "double", "Capacity now. [Ah]"),
    Column("soh_pct", "double", "Capacity now over rated capacity. [%]"),
    Column("soh_std_pct", "double", "Standard deviation of soh_pct: the 90 % interval is ±1.645 of it. [%]"),
    Column("resistance_mohm", "double", "10 s DC resistance at 25 °C and 50 % SOC. [mΩ]"),
    Column(
        "soh_r_pct",
        "double",
        "Resistance when new over resistance now; new: reference.packs, else the first steps of a pack that"
        " was new then, else empty. [%]",
    ),
    Column("efc", "double", "Equivalent full cycles so far."),
    Column("observations", "int", "Capacity observations that the estimate rests on."),
)
LIFE = (
    Column("rul_days_p05", "double", "Remaining useful life, pessimistic: 5 % chance of less. [d]"),
    Column("rul_days_p50", "double", "Remaining useful life, median. [d]"),
    Column("rul_days_p95", "double", "Remaining useful life, optimistic: 5 % chance of more. [d]"),
    Column("rul_efc_p05", "double", "The same in equivalent full cycles, pessimistic."),
    Column("rul_efc_p50", "double", "The same in equivalent full cycles, median."),
    Column("rul_efc_p95", "double", "The same in equivalent full cycles, optimistic."),
    Column("rul_km_p05", "double", "The same in distance, pessimistic. [km]"),
    Column("rul_km_p50", "double", "The same in distance, median. [km]"),
    Column("rul_km_p95", "double", "The same in distance, optimistic. [km]"),
    Column("eol_date_p50", "date", "Day on which life ends, median."),
    Column("censored", "boolean", "True where no end of life is in sight: the numbers are lower bounds."),
)

SESSION = Table(
    name="gold.session",
    grain="A drive, charge or rest of a pack.",
    columns=(
        PACK,
        key("started_at", "timestamp", "First sample. UTC."),
        Column("ended_at", "timestamp", "Last sample. UTC.", nullable=False),
        Column("kind", "string", "charge, drive or rest.", nullable=False),
        Column("vehicle_id", "string", "Vehicle that carried the pack."),
        Column("samples", "int", "Messages in the session.", nullable=False),
        Column("duration_s", "double", "From first to last sample. [s]"),
        Column("charge_ah", "double", "Net charge; into the pack is positive. [Ah]"),
        Column("throughput_ah", "double", "Charge moved in either direction. [Ah]"),
        Column("energy_wh", "double", "Net energy; into the pack is positive. [Wh]"),
        Column("sampling_ah2", "double", "Variance of the charge: current is unknown between samples. [Ah²]"),
        Column("soc_start_pct", "double", "The BMS's SOC at the start. [%]"),
        Column("soc_end_pct", "double", "The BMS's SOC at the end. [%]"),
        Column("temperature_mean_c", "double", "Mean over samples and probes. [°C]"),
        Column("temperature_max_c", "double", "Highest reading of any probe. [°C]"),
        Column("distance_km", "double", "Odometer end less start. [km]"),
        Column("gaps", "int", "Intervals between samples that were too long to integrate well."),
        Column("gap_s", "double", "Length of those intervals together. [s]"),
        Column("start_current_a", "double", "Current of the first sample. [A]"),
        Column("end_current_a", "double", "Current of the last sample. [A]"),
        Column("current_mean_a", "double", "Mean of the readings. [A]"),
        Column("current_max_a", "double", "Greatest current in either direction. [A]"),
        Column("start_cell_voltages_v", "array<double>", "Cell voltages of the first sample. [V]"),
        Column("end_cell_voltages_v", "array<double>", "Cell voltages of the last sample. [V]"),
        Column("min_cell_voltages_v", "array<double>", "Lowest voltage of each cell in the session. [V]"),
        Column("max_cell_voltages_v", "array<double>", "Highest voltage of each cell in the session. [V]"),
        Column("low_limit_charge_ah", "double", "Charge taken until the first cell met its low limit. [Ah]"),
        Column("step_a", "double", "Step of the current from rest that the session begins with. [A]"),
        Column("step_s", "double", "Time between the two samples of that step. [s]"),
        Column("step_temperature_c", "double", "Mean temperature at that step. [°C]"),
        Column("step_soc_pct", "double", "The BMS's SOC at that step. [%]"),
        Column(
            "step_resistance_mohm", "array<double>", "Resistance of each cell in that step, as measured. [mΩ]"
        ),
        Column("step_variance_mohm2", "array<double>", "Variance of each resistance. [mΩ²]"),
        *STRING,
        METHOD_VERSION,
    ),
    key=("pack_id", "started_at"),
    cluster_by=("pack_id", "started_at"),
    change_feed=True,
)

CAPACITY_OBSERVATION = Table(
    name="gold.capacity_observation",
    grain="What one session says of the capacity of a pack's cells, by one method.",
    columns=(
        PACK,
        key("started_at", "timestamp", "Start of the session. UTC."),
        key("method", "string", "rest_to_rest or full_discharge."),
        Column("ended_at", "timestamp", "End of the session. UTC."),
        Column(
            "capacity_ah", "array<double>", "Capacity of each cell; null: the session does not tell. [Ah]"
        ),
        Column("variance_ah2", "array<double>", "Variance of each capacity. [Ah²]"),
        Column("charge_ah", "double", "Charge moved between the two ends of the window. [Ah]"),
        Column("soc_start_pct", "double", "SOC of the median cell at the window's start. [%]"),
        Column("soc_end_pct", "double", "SOC of the median cell at the window's end. [%]"),
        Column("temperature_mean_c", "double", "Mean temperature of the session. [°C]"),
        METHOD_VERSION,
    ),
    key=("pack_id", "started_at", "method"),
    cluster_by=("pack_id", "started_at"),
    change_feed=True,
)

CELL_STATE = Table(
    name="gold.cell_state",
    grain="The estimator's state of a pack, one array entry a cell, before the day that is still open.",
    columns=(
        PACK,
        *ESTIMATOR,
        METHOD_VERSION,
    ),
    key=("pack_id",),
    change_feed=True,
)

CELL_HEALTH = Table(
    name="gold.cell_health",
    grain="A cell on a day with new evidence.",
    columns=(CELL, AS_OF_DATE, PACK, SERIES_INDEX, *HEALTH, METHOD_VERSION),
    key=("cell_id", "as_of_date"),
    cluster_by=("pack_id", "as_of_date"),
    change_feed=True,
)

CELL_LIFE = Table(
    name="gold.cell_life",
    grain="A cell's outlook on a day with new evidence.",
    columns=(
        CELL,
        AS_OF_DATE,
        Column("pack_id", "string", "The pack.", nullable=False),
        SERIES_INDEX,
        *LIFE,
        MODEL_VERSION,
    ),
    key=("cell_id", "as_of_date"),
    cluster_by=("pack_id", "as_of_date"),
    change_feed=True,
)

SOH_CHANGE = Table(
    name="gold.soh_change",
    grain="A cell on a day on which its SOH had moved by more than 0.5 points, or was first told.",
    columns=(CELL, AS_OF_DATE, PACK, SERIES_INDEX, *CHANGE, METHOD_VERSION),
    key=("cell_id", "as_of_date"),
    cluster_by=("pack_id", "as_of_date"),
    change_feed=True,
)

CELL_CURRENT = Table(
    name="gold.cell_current",
    grain="A cell now.",
    columns=(
        CELL,
        Column("as_of_date", "date", "Day of the newest evidence. UTC.", nullable=False),
        Column("pack_id", "string", "The pack.", nullable=False),
        SERIES_INDEX,
        *HEALTH,
        *LIFE,
        METHOD_VERSION,
        MODEL_VERSION,
    ),
    key=("cell_id",),
    cluster_by=("pack_id",),
    change_feed=True,
)

PACK_HEALTH = Table(
    name="gold.pack_health",
    grain="A pack on a day with new evidence.",
    columns=(
        PACK,
        AS_OF_DATE,
        Column("soh_min_pct", "double", "SOH of the weakest cell. [%]"),
        Column("soh_median_pct", "double", "SOH of the median cell. [%]"),
        Column("soh_max_pct", "double", "SOH of the best cell. [%]"),
        Column("soh_spread_pct", "double", "Best less weakest. [%]"),
        Column("soce_pct", "double", "State of certified energy, as in gold.battery_passport. [%]"),
        Column("soh_r_median_pct", "double", "Resistance when new over now: median of the cells. [%]"),
        Column("weakest_cell_id", "string", "The weakest cell."),
        Column("imbalance_mv", "double", "Highest less lowest cell voltage at the day's last rest. [mV]"),
        Column("efc", "double", "Equivalent full cycles so far."),
        Column("throughput_ah", "double", "Charge moved so far, both directions. [Ah]"),
        Column("rul_days_p05", "double", "RUL of the cell that ends first, pessimistic. [d]"),
        Column("rul_days_p50", "double", "RUL of the cell that ends first, median. [d]"),
        Column("rul_days_p95", "double", "RUL of the cell that ends first, optimistic. [d]"),
        Column("censored", "boolean", "True where no cell's end of life is in sight."),
        Column("alerts", "array<string>", "Codes of what needs attention.", nullable=False),
        Column("cohort_percentile_pct", "double", "Share of like, as old packs with a lower median SOH. [%]"),
        METHOD_VERSION,
    ),
    key=("pack_id", "as_of_date"),
    cluster_by=("pack_id", "as_of_date"),
    change_feed=True,
)

CELL_DEVIATION = Table(
    name="gold.cell_deviation",
    grain="How the cells of a pack lay beside each other on a day, and what single messages showed.",
    columns=(PACK, AS_OF_DATE, *DEVIATION, METHOD_VERSION),
    key=("pack_id", "as_of_date"),
    cluster_by=("pack_id", "as_of_date"),
    change_feed=True,
)

ALERT_STATE = Table(
    name="gold.alert_state",
    grain="What the alert rules know of a pack before the day that is still open.",
    columns=(PACK, *STATE, METHOD_VERSION),
    key=("pack_id",),
    change_feed=True,
)

DAY_ESTIMATE = Table(
    name="gold.day_estimate",
    grain="What a day alone says of the cells of a pack: nothing is filtered.",
    columns=(PACK, AS_OF_DATE, *ESTIMATE, METHOD_VERSION),
    key=("pack_id", "as_of_date"),
    cluster_by=("pack_id", "as_of_date"),
    change_feed=True,
)

AGEING_STATE = Table(
    name="gold.ageing_state",
    grain="What is open of a pack's ageing alerts before the day that is still open.",
    columns=(PACK, AS_OF_AT, OPEN_ALERTS, METHOD_VERSION),
    key=("pack_id",),
    change_feed=True,
)

ALERT = Table(
    name="gold.alert",
    grain="An alert, from raising to clearing.",
    columns=(PACK, *RAISED),
    key=("pack_id", "cell_id", "code", "raised_at"),
    cluster_by=("pack_id", "raised_at"),
    change_feed=True,
)

VEHICLE_STATUS = Table(
    name="gold.vehicle_status",
    grain="A vehicle now.",
    columns=(
        key("vehicle_id", "string", "The vehicle."),
        Column("pack_id", "string", "The pack it carries."),
        Column("soc_pct", "double", "State of charge as the BMS reports it. [%]"),
        Column("state", "string", "driving, charging or parked."),
        Column("soh_min_pct", "double", "SOH of the pack's weakest cell. [%]"),
        Column("soh_median_pct", "double", "SOH of the pack's median cell. [%]"),
        Column("rul_days_p50", "double", "RUL of the pack's weakest cell, median. [d]"),
        Column("alerts", "array<string>", "Codes of what needs attention."),
        Column("last_seen_at", "timestamp", "Newest message. UTC."),
    ),
    key=("vehicle_id",),
    change_feed=True,
)

VEHICLE_POSITION = Table(
    name="gold.vehicle_position",
    grain="Where a vehicle is, coarse.",
    columns=(
        key("vehicle_id", "string", "The vehicle."),
        Column("latitude", "double", "Middle of the grid cell, degrees north.", personal=True),
        Column("longitude", "double", "Middle of the grid cell, degrees east.", personal=True),
        Column("cell_size_km", "double", "Size of the grid cell. [km]"),
        Column("measured_at", "timestamp", "When it was there. UTC."),
    ),
    key=("vehicle_id",),
    change_feed=True,
)

FLEET_DAILY = Table(
    name="gold.fleet_daily",
    grain="The fleet on a day, by model and chemistry.",
    columns=(
        AS_OF_DATE,
        key("model", "string", "Model of the packs."),
        key("chemistry", "string", "Chemistry of the packs."),
        Column("vehicles", "int", "Packs with evidence within the last 30 days."),
        Column("soh_pct_p10", "double", "Median-cell SOH: a tenth of the packs lie lower. [%]"),
        Column("soh_pct_p50", "double", "Median-cell SOH of the median pack. [%]"),
        Column("soh_pct_p90", "double", "Median-cell SOH: a tenth of the packs lie higher. [%]"),
        Column("soh_min_pct", "double", "SOH of the weakest cell of all. [%]"),
        Column("rul_days_p10", "double", "Median RUL: a tenth of the packs lie lower. [d]"),
        Column("rul_days_p50", "double", "Median RUL of the median pack. [d]"),
        Column("alerts", "int", "Packs with at least one alert."),
        Column("observed_pct", "double", "Share of session time that was sampled without gaps. [%]"),
    ),
    key=("as_of_date", "model", "chemistry"),
    cluster_by=("as_of_date",),
    change_feed=True,
)

BATTERY_PASSPORT = Table(
    name="gold.battery_passport",
    grain="A pack's dynamic passport data on a day.",
    columns=(
        PACK,
        AS_OF_DATE,
        Column("soce_pct", "double", "State of certified energy. [%]"),
        Column("remaining_capacity_ah", "double", "Capacity now. [Ah]"),
        Column("remaining_energy_wh", "double", "Energy of a full charge now. [Wh]"),
        Column("efc", "double", "Equivalent full cycles so far."),
        Column("throughput_ah", "double", "Charge moved so far, both directions. [Ah]"),
        Column("throughput_wh", "double", "Energy moved so far, both directions. [Wh]"),
        Column("resistance_increase_pct", "double", "Resistance now over new, less 100, median cell. [%]"),
        Column("round_trip_efficiency_pct", "double", "Energy out over energy in. [%]"),
        Column("temperature_range_s", "map<string,double>", "Time in each range of temperature. [s]"),
        Column("soc_range_s", "map<string,double>", "Time in each range of SOC. [s]"),
        Column("negative_events", "map<string,bigint>", "Deep discharges; seconds in extreme temperatures."),
        Column("soh_min_pct", "double", "SOH of the weakest cell, as last known. [%]"),
        Column("energy_in_wh", "double", "Energy of all sessions that charged, so far. [Wh]"),
        Column("energy_out_wh", "double", "Energy of all sessions that discharged, so far. [Wh]"),
        Column("charge_out_ah", "double", "Charge of all sessions that discharged, so far. [Ah]"),
        Column("first_soc_pct", "double", "The BMS's SOC at the pack's first session. [%]"),
        Column("last_soc_pct", "double", "The BMS's SOC as last known. [%]"),
        Column("sources", "map<string,string>", "Where each value comes from."),
        METHOD_VERSION,
    ),
    key=("pack_id", "as_of_date"),
    cluster_by=("pack_id", "as_of_date"),
    change_feed=True,
)

DATA_QUALITY = Table(
    name="gold.data_quality",
    grain="An expectation of a table on a batch; of silver.message, a rule on a batch of messages.",
    columns=(
        key("table_name", "string", "The table that was checked; silver.message: messages before silver."),
        key("rule_code", "string", "The expectation, or the rule."),
        key("batch_id", "string", "The batch: the table's versions, or the pipeline's batch."),
        Column("from_version", "bigint", "First version of the table whose changes were checked."),
        Column("to_version", "bigint", "Last version of the table whose changes were checked."),
        Column("table_id", "string", "Identity of the table that the versions are of: Delta's own."),
        Column("checked", "bigint", "Rows that were looked at; 1 where rows are looked at together."),
        Column("failed", "bigint", "Rows that do not meet it; some may be tolerated."),
        Column("passed", "boolean", "Whether no more failed than may.", nullable=False),
        Column("observed", "string", "What was found, where rows are looked at together."),
        Column("severity", "string", "critical, warning or info."),
        Column("checked_at", "timestamp", "When. UTC."),
    ),
    key=("table_name", "rule_code", "batch_id"),
    change_feed=True,
)

PACK_NOW = Table(
    name="gold.pack_now",
    grain="A pack now: what key figures count and average.",
    columns=(PACK, *OF_PACK, *LIFE, METHOD_VERSION),
    key=("pack_id",),
    change_feed=True,
)

FLEET_NOW = Table(
    name="gold.fleet_now",
    grain="The packs now: those of a model and chemistry, or all of them.",
    columns=(
        key("model", "string", "Model of the packs; all: every one."),
        key("chemistry", "string", "Chemistry of the packs; all: every one."),
        *OF_FLEET,
    ),
    key=("model", "chemistry"),
    change_feed=True,
)

MESSAGE_DAILY = Table(
    name="gold.message_daily",
    grain="What became of the messages that were looked at on a day.",
    columns=(key("as_of_date", "date", "Day on which their batches ended. UTC."), *OF_MESSAGES),
    key=("as_of_date",),
    change_feed=True,
)

TABLES = (
    SESSION, CAPACITY_OBSERVATION, CELL_STATE, CELL_HEALTH, CELL_LIFE, SOH_CHANGE, CELL_CURRENT, PACK_HEALTH,
    CELL_DEVIATION, ALERT_STATE, DAY_ESTIMATE, AGEING_STATE, ALERT, VEHICLE_STATUS, VEHICLE_POSITION,
    FLEET_DAILY, BATTERY_PASSPORT, PACK_NOW, FLEET_NOW, MESSAGE_DAILY, DATA_QUALITY,
)  # fmt: skip
