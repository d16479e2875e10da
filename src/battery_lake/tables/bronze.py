"""Bronze: every message as it was received, nothing lost."""

from __future__ import annotations

from battery_lake.tables.model import Column, Table, key

ORIGIN = (
    key("hub", "string", "Where the message came in: the hub's name, or the landing folder's."),
    key(
        "partition_id", "string", "Partition of the hub; for landing files the file's path below the folder."
    ),
    key("sequence_number", "bigint", "Position in the partition; for landing files the line, from 0."),
)
"""The three columns that name a received message for ever."""

PLAUSIBLE_TIMES = ("2000-01-01", "2200-01-01")
"""A hub's clock shows no time before or after: such a message is kept in bronze and refused by silver."""

TELEMETRY = Table(
    name="bronze.telemetry",
    grain="A message as received.",
    columns=(
        *ORIGIN,
        Column("enqueued_at", "timestamp", "When the hub took the message. UTC."),
        Column("device_id", "string", "Device that the hub authenticated: the vehicle."),
        Column("body", "binary", "The body, byte for byte."),
        Column("content_type", "string", "Media type that the device declared."),
        Column("content_encoding", "string", "Encoding that the device declared: utf-8, gzip."),
        Column("system_properties", "map<string,string>", "All properties that the hub set."),
        Column("application_properties", "map<string,string>", "All properties that the device set."),
        Column("ingested_at", "timestamp", "When the row was written here. UTC.", nullable=False),
    ),
    key=("hub", "partition_id", "sequence_number"),
    cluster_by=("device_id", "enqueued_at"),
    change_feed=True,
)

TABLES = (TELEMETRY,)
