"""From bytes to typed rows: the canonical message, schema version 1.

The body is parsed once. What cannot be read stays a row, with nulls and a mark that says why, so that
the rules can refuse it with a reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.tables.bronze import ORIGIN

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

CANONICAL_V1: Final = (
    "schema_version INT, pack_id STRING, measured_at TIMESTAMP, sequence BIGINT, state STRING,"
    " current_a DOUBLE, pack_voltage_v DOUBLE, soc_pct DOUBLE, cell_voltages_v ARRAY<DOUBLE>,"
    " temperatures_c ARRAY<DOUBLE>, odometer_km DOUBLE, latitude DOUBLE, longitude DOUBLE"
)
"""The fields of a canonical message that silver keeps, with their types."""

CORRUPT: Final = "_corrupt"
ORIGIN_NAMES: Final = tuple(column.name for column in ORIGIN)
READ_COLUMNS: Final = (*ORIGIN_NAMES, "enqueued_at", "device_id", "body", "content_encoding")
"""What silver takes from bronze."""


def decode(bronze: DataFrame) -> DataFrame:
    """One row per message in a body: typed fields beside origin, device, body and what was unreadable.

    Returns
    -------
    DataFrame
        ``origin columns``, ``message_index``, ``enqueued_at``, ``device_id``, ``body``,
        ``content_encoding``, ``text`` (the message's own JSON), ``is_object`` and the fields of
        :data:`CANONICAL_V1`; :data:`CORRUPT` holds the text of a message whose JSON or types are wrong.
    """
    text = F.col("body").cast("string")
    is_array = F.substring(F.ltrim(text), 1, 1) == "["
    elements = F.coalesce(F.when(is_array, F.from_json(text, "ARRAY<STRING>")), F.array(text))
    messages = bronze.select(*READ_COLUMNS, F.posexplode_outer(elements).alias("place", "text"))
    # An empty array holds no message: it stays one row, which the rules refuse.
    messages = messages.withColumn("message_index", F.coalesce("place", F.lit(0)))
    options = {"columnNameOfCorruptRecord": CORRUPT, "mode": "PERMISSIVE"}
    parsed = F.from_json("text", f"{CANONICAL_V1}, {CORRUPT} STRING", options)
    is_object = F.coalesce(F.substring(F.ltrim("text"), 1, 1) == "{", F.lit(False))
    return messages.withColumn("m", parsed).select(
        *READ_COLUMNS, "message_index", "text", is_object.alias("is_object"), "m.*"
    )
