"""Silver: typed, checked, each message once; what was refused stands in quarantine."""

from __future__ import annotations

from battery_lake.tables.bronze import ORIGIN
from battery_lake.tables.model import Column, Table, key

MESSAGE_INDEX = Column(
    "message_index", "int", "Place of the message in a body that is an array, from 0.", nullable=False
)

TELEMETRY = Table(
    name="silver.telemetry",
    grain="A valid message of a pack.",
    columns=(
        key("pack_id", "string", "The pack that was measured."),
        key("measured_at", "timestamp", "When the BMS measured. UTC."),
        key("sequence", "bigint", "The device's own message counter."),
        Column(
            "vehicle_id", "string", "Vehicle that carried the pack: the authenticated device.", nullable=False
        ),
        Column("state", "string", "What the device says it does: driving, charging, parked."),
        Column("current_a", "double", "Pack current; charge is positive. [A]"),
        Column("pack_voltage_v", "double", "Voltage of the whole string. [V]"),
        Column("soc_pct", "double", "State of charge as the BMS reports it, 0 to 100. [%]"),
        Column("cell_voltages_v", "array<double>", "One voltage per cell in series, in order. [V]"),
        Column("cell_voltage_min_v", "double", "Lowest cell voltage as the BMS reports it. [V]"),
        Column("cell_voltage_max_v", "double", "Highest cell voltage as the BMS reports it. [V]"),
        Column("temperatures_c", "array<double>", "One reading per probe. [°C]"),
        Column("insulation_kohm", "double", "Insulation resistance against the chassis. [kΩ]"),
        Column("odometer_km", "double", "Odometer. [km]"),
        Column("latitude", "double", "Position, degrees north.", personal=True),
        Column("longitude", "double", "Position, degrees east.", personal=True),
        Column(
            "flags", "array<string>", "Codes of the rules that flagged or blanked something.", nullable=False
        ),
        Column("mapping", "string", "Mapping that read the message."),
        Column("enqueued_at", "timestamp", "When the hub took the message. UTC."),
        *ORIGIN,
        MESSAGE_INDEX,
    ),
    key=("pack_id", "measured_at", "sequence"),
    cluster_by=("pack_id", "measured_at"),
    change_feed=True,
)

TELEMETRY_PART = Table(
    name="silver.telemetry_part",
    grain="A valid message that carries one cell of a pack; silver.telemetry has them put together.",
    columns=(
        *TELEMETRY.columns[:3],
        key("cell_number", "bigint", "The cell in series order, from 1."),
        *TELEMETRY.columns[3:],
    ),
    key=("pack_id", "measured_at", "sequence", "cell_number"),
    cluster_by=("pack_id", "measured_at"),
    change_feed=True,
)

QUARANTINE = Table(
    name="silver.quarantine",
    grain="A message that was refused.",
    columns=(
        *ORIGIN,
        key("message_index", "int", MESSAGE_INDEX.comment),
        Column("enqueued_at", "timestamp", "When the hub took the message. UTC."),
        Column("device_id", "string", "Device that the hub authenticated."),
        Column("body", "binary", "The body, byte for byte."),
        Column("reasons", "array<struct<code:string,detail:string>>", "Every rule that refused it, and why."),
        Column("refused_at", "timestamp", "When it was refused first. UTC.", nullable=False),
    ),
    key=("hub", "partition_id", "sequence_number", "message_index"),
    cluster_by=("device_id", "enqueued_at"),
    change_feed=True,
)

SIGNAL_FAULT = Table(
    name="silver.signal_fault",
    grain="What a message shows to be wrong beside those before it; it is in silver all the same.",
    columns=(
        *TELEMETRY.columns[:3],
        key("code", "string", "What is wrong."),
        Column("detail", "string", "What was found."),
    ),
    key=("pack_id", "measured_at", "sequence", "code"),
    cluster_by=("pack_id", "measured_at"),
    change_feed=True,
)

TABLES = (TELEMETRY, TELEMETRY_PART, QUARANTINE, SIGNAL_FAULT)
