"""IoT Hub messages as its storage routing writes them: folders of JSON lines.

A line holds EnqueuedTimeUtc, Properties, SystemProperties and Body. Such files carry no offset, so a
message is named by its file and its line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from battery_lake.settings import Settings

ENVELOPE = (
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


def stream(spark: SparkSession, settings: Settings) -> DataFrame:
    """Return the landing folder's lines as a stream: value, file, block_start."""
    folder = landing_address(settings)
    # The path comes as a URI: percent signs, but no plus for a space.
    path = F.url_decode(F.replace("_metadata.file_path", F.lit("+"), F.lit("%2B")))
    return (
        spark.readStream
        .format("text")
        .option("recursiveFileLookup", "true")
        .option("pathGlobFilter", "*.json")
        .option("maxFilesPerTrigger", str(settings.source.max_files_per_trigger))
        .load(re.sub(r"([\[\]{}*?\\])", r"\\\1", folder))  # a name, no pattern
        .select(
            "value",
            F.regexp_replace(path, f"^.*{re.escape(folder.rstrip('/'))}/+", "").alias("file"),
            F.col("_metadata.file_block_start").alias("block_start"),
        )
    )


def landing_address(settings: Settings) -> str:
    """Return where the landing folder is: a URI as it stands, a local folder made absolute."""
    named = settings.source.landing
    return named if "://" in named else str(settings.landing.absolute())


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
    parsed = lines.where(F.trim("value") != "").withColumn("e", F.from_json("value", ENVELOPE))
    body = F.col("e.Body")
    is_json = F.substring(body, 1, 1).isin("{", "[")
    decoded = F.expr("try_to_binary(e.Body, 'base64')")
    system = F.col("e.SystemProperties")
    return parsed.select(
        F.lit(hub).alias("hub"),
        F.col("file").alias("partition_id"),
        F.col("line").alias("sequence_number"),
        F.expr("try_cast(e.EnqueuedTimeUtc AS timestamp)").alias("enqueued_at"),
        system["connectionDeviceId"].alias("device_id"),
        F
        .when(body.isNull(), F.col("value").cast("binary"))
        .when(is_json, F.coalesce(exact_body(), body).cast("binary"))
        .otherwise(F.coalesce(decoded, body.cast("binary")))
        .alias("body"),
        system["contentType"].alias("content_type"),
        system["contentEncoding"].alias("content_encoding"),
        system.alias("system_properties"),
        F.col("e.Properties").alias("application_properties"),
    )


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
