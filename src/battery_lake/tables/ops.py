"""Operations: what every batch did, what was lost, what could not be delivered."""

from __future__ import annotations

from battery_lake.tables.model import Column, Table, key

BATCH = Table(
    name="ops.batch",
    grain="A batch of a pipeline.",
    columns=(
        key("pipeline", "string", "The pipeline."),
        key("generation", "string", "The checkpoint that the batch counts in; a new one starts from 0."),
        key("batch_id", "bigint", "Number of the batch."),
        Column("rows_in", "bigint", "Rows or messages taken."),
        Column("rows_kept", "bigint", "Rows that stand in the target because of this batch."),
        Column("rows_refused", "bigint", "Rows that went to quarantine."),
        Column("rows_duplicate", "bigint", "Rows that were there already."),
        Column(
            "broken", "map<string,bigint>", "Messages that broke a rule, by its code; only those there are."
        ),
        Column("seconds", "double", "Time the batch took. [s]"),
        Column("lag_s", "double", "Age of the newest message when the batch ended. [s]"),
        Column("version", "string", "Version of battery_lake that ran."),
        Column("finished_at", "timestamp", "When the batch ended. UTC."),
    ),
    key=("pipeline", "generation", "batch_id"),
    change_feed=True,
)

DATA_GAP = Table(
    name="ops.data_gap",
    grain="A range of messages that the source no longer had.",
    columns=(
        key("hub", "string", "The hub."),
        key("partition_id", "string", "The partition."),
        key("from_sequence_number", "bigint", "First message that is missing."),
        Column("to_sequence_number", "bigint", "First message after the gap."),
        Column("reason", "string", "Why they are missing."),
        Column("found_at", "timestamp", "When the gap was found. UTC."),
    ),
    key=("hub", "partition_id", "from_sequence_number"),
    change_feed=True,
)

DELIVERY_FAILURE = Table(
    name="ops.delivery_failure",
    grain="A result that could not be delivered to a sink.",
    columns=(
        key("sink", "string", "The sink."),
        key("item_key", "string", "What was to be delivered."),
        Column("payload", "string", "The delivery itself, as JSON."),
        Column("reason", "string", "What the sink answered."),
        Column("tries", "int", "How often it was tried."),
        Column("failed_at", "timestamp", "When it was tried last. UTC."),
    ),
    key=("sink", "item_key"),
)

TABLES = (BATCH, DATA_GAP, DELIVERY_FAILURE)
