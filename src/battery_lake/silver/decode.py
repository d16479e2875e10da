"""From bytes to typed rows: what the mappings in use make of a body.

A body is parsed once, by the mapping that is for it. What cannot be read stays a row, with nulls and a mark
that says why, so that the rules can refuse it with a reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.mapping.targets import TARGETS
from battery_lake.silver.unpack import GZIP_ENCODINGS, Unpacked
from battery_lake.tables.bronze import ORIGIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyspark.sql import Column, DataFrame

    from battery_lake.mapping.compile import Compiled
    from battery_lake.mapping.targets import Target

CORRUPT: Final = "_corrupt"
ORIGIN_NAMES: Final = tuple(column.name for column in ORIGIN)
PARSE_OPTIONS: Final = {"columnNameOfCorruptRecord": CORRUPT, "mode": "PERMISSIVE"}
CHOSEN: Final = "mapping_number"


@dataclass(frozen=True, slots=True)
class Reading:
    """How bodies are read.

    Parameters
    ----------
    mappings
        In the order in which they are tried; the first that is for a body reads it.
    max_body_bytes, max_unzipped_bytes
        Size of the largest body that is read, as sent and unzipped. [B]
    unpacks
        Whether there may be bodies that are no text; where it is known that there are none, it is cheaper.
    """

    mappings: tuple[Compiled, ...]
    max_body_bytes: int = 1_048_576
    max_unzipped_bytes: int = 16_777_216
    unpacks: bool = True


def is_packed(mappings: Iterable[Compiled]) -> str:
    """Return SQL that is true for a row of bronze whose body may be no text; never null."""
    zipped = f"coalesce(lower(content_encoding), '') IN {GZIP_ENCODINGS}"
    avro = [f"({mapping.applies})" for mapping in mappings if mapping.avro_schema]
    return " OR ".join([zipped, *avro])


def read_columns(mappings: Iterable[Compiled]) -> tuple[str, ...]:
    """Return what silver takes from bronze."""
    wanted = (*ORIGIN_NAMES, "enqueued_at", "device_id", "body", "content_encoding")
    reads_properties = any(mapping.reads_properties for mapping in mappings)
    return (*wanted, "application_properties") if reads_properties else wanted


def decode(bronze: DataFrame, reading: Reading) -> DataFrame:
    """One row per message in a body: typed fields beside origin, device, body and what was unreadable.

    Parameters
    ----------
    bronze
        bronze.telemetry.
    reading
        How.

    Returns
    -------
    DataFrame
        Origin, ``message_index``, ``enqueued_at``, ``device_id``, ``body``, ``content_encoding``, ``text``
        (the message's own JSON), ``is_object``, ``mapping`` (null: none is for it), ``is_known_schema``,
        ``schema_found``, ``unreadable`` (signals that cannot be read), ``bomb``, ``unzip_problem``, the
        canonical signals, ``cell_number`` where a mapping puts cells together; :data:`CORRUPT` holds the text
        of a message whose JSON or types are wrong.
    """
    mappings = reading.mappings
    bodies = _texts(bronze.select(*read_columns(mappings)), reading)
    if len(mappings) > 1:
        bodies = bodies.withColumn(CHOSEN, F.expr(_choice(mappings)))
    parsed = _parsed(_messages(bodies, mappings), mappings)
    is_object = F.coalesce(F.substring(F.ltrim("text"), 1, 1) == "{", F.lit(False))
    has_cell_numbers = any(mapping.cell for mapping in mappings)
    return parsed.select(
        *read_columns(()),
        "message_index",
        "text",
        is_object.alias("is_object"),
        _by_mapping(mappings, lambda m: f"'{m.name}'", "STRING").alias("mapping"),
        _by_mapping(mappings, lambda m: m.field_test.holds if m.field_test else "true", "BOOLEAN").alias(
            "is_known_schema"
        ),
        _by_mapping(mappings, _schema_found, "STRING").alias("schema_found"),
        _by_mapping(mappings, lambda m: m.faults or "null", "ARRAY<STRING>").alias("unreadable"),
        "bomb",
        "unzip_problem",
        _by_mapping(mappings, lambda m: f"p{m.number}.{CORRUPT}", "STRING").alias(CORRUPT),
        *(_signal(mappings, target) for target in TARGETS.values()),
        *(
            [_by_mapping(mappings, lambda m: m.cell or "null", "BIGINT").alias("cell_number")]
            if has_cell_numbers
            else []
        ),
    )


def _texts(rows: DataFrame, reading: Reading) -> DataFrame:
    """Every row with its body as ``text``, unpacked where it has to be; null where it is not read."""
    fits = f"if(octet_length(body) <= {reading.max_body_bytes}, body, null)"
    nothing = F.lit(None).cast("string")
    rows = rows.withColumns({"content": F.expr(fits), "bomb": nothing, "unzip_problem": nothing})
    if reading.unpacks:
        packed = is_packed(reading.mappings)
        schemas = {m.number: m.avro_schema for m in reading.mappings if m.avro_schema}
        chosen = rows.where(packed).withColumn("text", nothing)
        chosen = chosen.withColumn(CHOSEN, F.expr(_choice(reading.mappings))).drop("text")
        unpacked = chosen.mapInArrow(Unpacked(schemas, reading.max_unzipped_bytes), chosen.schema)
        rows = rows.where(f"NOT ({packed})").unionByName(unpacked.drop(CHOSEN))
    return rows.withColumn("text", F.col("content").cast("string")).drop("content")


def _choice(mappings: tuple[Compiled, ...]) -> str:
    """SQL of the number of the mapping that is for a body; null: none.

    A field of the body is looked for before the parse only where another mapping could still be for it: the
    last mapping's field is read with the rest.
    """
    lines = []
    for mapping in mappings:
        test = mapping.field_test
        needs_look = test is not None and mapping is not mappings[-1]
        condition = (
            mapping.applies if test is None or not needs_look else f"{mapping.applies} AND {test.before}"
        )
        lines.append(f"WHEN {condition} THEN {mapping.number}")
    return f"CASE {' '.join(lines)} END"


def _is_for(mapping: Compiled, mappings: tuple[Compiled, ...]) -> str:
    """SQL that is true where the mapping reads the body; never null."""
    return f"{CHOSEN} <=> {mapping.number}" if len(mappings) > 1 else mapping.applies


def _by_mapping(mappings: tuple[Compiled, ...], sql: Callable[[Compiled], str], sql_type: str) -> Column:
    """What the chosen mapping says; null where none is chosen."""
    if len(mappings) == 1 and mappings[0].applies == "true":
        return F.expr(sql(mappings[0])).cast(sql_type)
    lines = " ".join(f"WHEN {_is_for(mapping, mappings)} THEN {sql(mapping)}" for mapping in mappings)
    return F.expr(f"CASE {lines} END").cast(sql_type)


def _signal(mappings: tuple[Compiled, ...], target: Target) -> Column:
    """A canonical signal, whichever mapping reads it."""
    return _by_mapping(mappings, lambda m: m.columns[target.name], target.sql_type).alias(target.name)


def _messages(bodies: DataFrame, mappings: tuple[Compiled, ...]) -> DataFrame:
    """One row per message of every body; a body without one stays a row, which the rules refuse."""
    for mapping in mappings:
        if mapping.envelope_schema:
            envelope = F.expr(f"CASE WHEN {_is_for(mapping, mappings)} THEN text END")
            bodies = bodies.withColumn(f"e{mapping.number}", F.from_json(envelope, mapping.envelope_schema))
    is_array = F.substring(F.ltrim("text"), 1, 1) == "["
    elements = F.coalesce(F.when(is_array, F.from_json("text", "ARRAY<STRING>")), F.array("text"))
    for mapping in mappings:
        if mapping.messages:
            elements = F.when(F.expr(_is_for(mapping, mappings)), F.expr(mapping.messages)).otherwise(
                elements
            )
    # A column of their own: Spark 4.1 loses the envelope where the list is taken out of it in the explode.
    messages = bodies.withColumn("items", elements).select(
        "*", F.posexplode_outer("items").alias("place", "message")
    )
    return messages.withColumns({
        "message_index": F.coalesce("place", F.lit(0)),
        "text": F.col("message"),
    })


def _parsed(messages: DataFrame, mappings: tuple[Compiled, ...]) -> DataFrame:
    """Every message read by its mapping, in a column of the mapping's own."""
    for mapping in mappings:
        text = F.col("text")
        if len(mappings) > 1 or mapping.applies != "true":
            text = F.expr(f"CASE WHEN {_is_for(mapping, mappings)} THEN text END")
        schema = f"{mapping.schema}, {CORRUPT} STRING"
        messages = messages.withColumn(f"p{mapping.number}", F.from_json(text, schema, PARSE_OPTIONS))
    return messages


def _schema_found(mapping: Compiled) -> str:
    if mapping.field_test is None:
        return "null"
    return f"coalesce(cast({mapping.field_test.value} AS STRING), 'none')"
