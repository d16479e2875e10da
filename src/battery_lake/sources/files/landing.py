"""The landing folder as a stream: with Auto Loader on Databricks, with Spark's own file stream elsewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.session import on_databricks

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame, SparkSession

    from battery_lake.settings import Settings

_GLOBS = {"json": "*.json", "avro": "*.avro"}
_SCHEMAS = {
    "text": "value STRING",
    "binaryFile": "path STRING, modificationTime TIMESTAMP, length BIGINT, content BINARY",
}


def json_lines(spark: SparkSession, settings: Settings) -> DataFrame:
    """Return the lines of JSON files as a stream: value, file, block_start."""
    return _loaded(spark, settings, "text").select(
        "value", file_name(settings).alias("file"), F.col("_metadata.file_block_start").alias("block_start")
    )


def whole_files(spark: SparkSession, settings: Settings) -> DataFrame:
    """Return files as a stream: file, modified_at, content."""
    return _loaded(spark, settings, "binaryFile").select(
        file_name(settings).alias("file"), F.col("modificationTime").alias("modified_at"), "content"
    )


def address(settings: Settings) -> str:
    """Return where the landing folder is: a URI as it stands, a local folder made absolute."""
    named = settings.source.landing
    return named if "://" in named else str(settings.landing.absolute())


def file_name(settings: Settings) -> Column:
    """Return the file's path below the landing folder."""
    # The path comes as a URI: percent signs, but no plus for a space.
    path = F.url_decode(F.replace("_metadata.file_path", F.lit("+"), F.lit("%2B")))
    return F.regexp_replace(path, f"^.*{re.escape(address(settings).rstrip('/'))}/+", "")


def reader(settings: Settings, content: str, *, auto_loader: bool) -> tuple[str, dict[str, str]]:
    """Return the format and the options that read the landing folder.

    Parameters
    ----------
    settings
        The settings in force.
    content
        ``text`` or ``binaryFile``.
    auto_loader
        Whether Databricks' Auto Loader is there.

    References
    ----------
    Databricks, "Auto Loader options".
    """
    options = {"recursiveFileLookup": "true", "pathGlobFilter": _GLOBS[settings.source.file_format]}
    limit = str(settings.source.max_files_per_trigger)
    if not auto_loader:
        return content, {**options, "maxFilesPerTrigger": limit}
    return "cloudFiles", {**options, "cloudFiles.format": content, "cloudFiles.maxFilesPerTrigger": limit}


def _loaded(spark: SparkSession, settings: Settings, content: str) -> DataFrame:
    kind, options = reader(settings, content, auto_loader=on_databricks())
    stream = spark.readStream.format(kind).options(**options).schema(_SCHEMAS[content])
    folder = address(settings)
    return stream.load(re.sub(r"([\[\]{}*?\\])", r"\\\1", folder))  # a name, no pattern
