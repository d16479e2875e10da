"""A Spark session for a benchmark in a folder that goes when the benchmark ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from battery_lake.lake.access import Lake
from battery_lake.log import configure
from battery_lake.session import spark_session
from battery_lake.settings import Settings, SourceSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession


@contextlib.contextmanager
def temporary_spark(*, kafka: bool = False) -> Iterator[tuple[SparkSession, Path]]:
    """Start the product's own local session; stop it and remove its folder in the end.

    Parameters
    ----------
    kafka
        Whether it is to read Kafka.

    Yields
    ------
    tuple[SparkSession, Path]
        The session, and the folder for everything that the benchmark writes.
    """
    configure()
    folder = Path(tempfile.mkdtemp(prefix="battery-lake-bench-"))
    try:
        settings = settings_at(folder / "session")
        if kafka:
            settings = settings.model_copy(update={"source": SourceSettings(format="kafka")})
        spark = spark_session(settings)
        try:
            yield spark, folder
        finally:
            spark.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def settings_at(home: Path) -> Settings:
    """Return the default settings with another home; the reader's own settings play no part."""
    return Settings(home=home)


def fork(lake: Lake, home: Path, layers: tuple[str, ...]) -> Lake:
    """Return a lake of its own that starts with another's layers; nothing is copied, files are linked.

    Parameters
    ----------
    lake
        The lake to start from.
    home
        Where the new one is made.
    layers
        Which of its layers to take: ``bronze``, ``reference``.
    """
    for layer in layers:
        origin = Path(lake.settings.home) / "lake" / layer
        shutil.copytree(origin, home / "lake" / layer, copy_function=os.link)
    return Lake(lake.spark, settings_at(home))
