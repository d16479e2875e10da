"""Messages as IoT Hub's routing to storage writes them in JSON: one a line.

A line holds EnqueuedTimeUtc, Properties, SystemProperties and Body. Such files carry no offset, so a
message is named by its file and its line.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.sources.envelope import DEVICE, ROUTED, TAKEN, YEARS_MS

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

LINE: Final = (
    "EnqueuedTimeUtc STRING, Properties MAP<STRING,STRING>, SystemProperties MAP<STRING,STRING>, Body STRING"
)
"""The routing line; Body comes as JSON text, written anew."""

_STRING = r'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
_FLAT_OBJECT = rf"\{{(?:[^{{}}\"]|{_STRING})*+\}}"
BEFORE_BODY = (
    rf'^\s*+\{{\s*+(?:"EnqueuedTimeUtc"\s*+:\s*+{_STRING}\s*+,\s*+'
    rf'|"(?:System)?Properties"\s*+:\s*+{_FLAT_OBJECT}\s*+,\s*+)*+"Body"\s*+:\s*+'
)
"""Java pattern of what stands before the Body of a routing line, in any order."""


@dataclass(frozen=True, slots=True)
class Numbered:
    """A batch of lines with their numbers, and the files they stand in."""

    lines: DataFrame
    files: tuple[str, ...]


def numbered(lines: DataFrame) -> Numbered:
    """Number the lines of a batch within their files, from 0: columns file, line, value.

    Spark may read one file as several blocks in several tasks. Row numbers within a task come for free;
    the lines before a block are counted first, without looking into them: one row a block comes back.
    """
    rows = lines.withColumn("task_row", F.monotonically_increasing_id())
    blocks = (
        rows
        .groupBy("file", "block_start")
        .agg(F.min("task_row").alias("first_row"), F.count(F.lit(1)).alias("block_lines"))
        .orderBy("file", "block_start")
        .collect()
    )
    offsets: list[tuple[str, int, int]] = []
    before: dict[str, int] = {}
    for block in blocks:
        at = before.get(block.file, 0)
        offsets.append((block.file, block.block_start, at - block.first_row))
        before[block.file] = at + block.block_lines
    known = lines.sparkSession.createDataFrame(offsets, "file string, block_start bigint, shift bigint")
    joined = rows.join(F.broadcast(known), on=["file", "block_start"], how="inner")
    return Numbered(
        joined.select("file", (F.col("task_row") + F.col("shift")).alias("line"), "value"), tuple(before)
    )


def envelope(lines: DataFrame, hub: str) -> DataFrame:
    """One row per message: the envelope that every source yields.

    A Body that is JSON keeps its very text where it stands last, as the routing writes it; elsewhere the
    parser writes it anew. A Body that is no UTF-8 JSON comes as base64 text. A line that is no envelope at
    all is kept whole as the body, without a device: silver refuses it with the reason.
    """
    parsed = (
        lines
        .where(F.trim("value") != "")
        .withColumn("e", F.from_json("value", LINE))
        .withColumn("entries", in_one_spelling("e.SystemProperties"))
        .withColumn("system", first_of_each("entries"))
    )
    body = F.col("e.Body")
    is_json = F.substring(body, 1, 1).isin("{", "[")
    decoded = F.expr("try_to_binary(e.Body, 'base64')")
    system = F.col("system")
    taken_ms = system[TAKEN].try_cast("bigint")
    taken = F.when(taken_ms.between(*YEARS_MS), F.timestamp_millis(taken_ms))
    return parsed.select(
        F.lit(hub).alias("hub"),
        F.col("file").alias("partition_id"),
        F.col("line").alias("sequence_number"),
        F.coalesce(taken, F.expr("try_cast(e.EnqueuedTimeUtc AS timestamp)")).alias("enqueued_at"),
        system[DEVICE].alias("device_id"),
        F
        .when(body.isNull(), F.col("value").cast("binary"))
        .when(is_json, F.coalesce(exact_body(), body).cast("binary"))
        .otherwise(F.coalesce(decoded, body.cast("binary")))
        .alias("body"),
        system["content-type"].alias("content_type"),
        system["content-encoding"].alias("content_encoding"),
        system.alias("system_properties"),
        F.col("e.Properties").alias("application_properties"),
    )


def in_one_spelling(name: str) -> Column:
    """Return the entries of a map of system properties, spelt as the envelope spells them."""
    names = "map({})".format(", ".join(f"'{routed}', '{known}'" for routed, known in ROUTED.items()))
    at = "unix_millis(try_cast(entry.value AS timestamp))"
    return F.expr(
        f"transform(map_entries({name}), entry -> named_struct("
        f"'key', coalesce(try_element_at({names}, entry.key), entry.key),"
        f" 'value', coalesce(if(entry.key = 'enqueuedTime', cast({at} AS string), null), entry.value)))"
    )


def first_of_each(entries: str) -> Column:
    """Return entries as a map; of a name that stands there twice, which Spark refuses, the first."""
    keys = f"{entries}.key"
    firsts = f"filter({entries}, (entry, i) -> array_position({keys}, entry.key) = i + 1)"
    is_plain = f"size(array_distinct({keys})) = size({keys})"
    return F.expr(f"map_from_entries(if({is_plain}, {entries}, {firsts}))")


def exact_body() -> Column:
    """Return the text of the Body as it stands in ``value``; null where it is not the line's last entry.

    The parser would give it with numbers and escapes written anew: 3.870 as 3.87.
    """
    keys = F.json_object_keys("value")
    is_last = F.array_position(keys, "Body") == F.array_size(keys)
    before = F.regexp_extract("value", BEFORE_BODY, 0)
    after = F.expr("rtrim(value)")
    text = after.substr(F.length(before) + 1, F.length(after) - F.length(before) - 1)
    return F.when(is_last & (before != ""), F.trim(text))
