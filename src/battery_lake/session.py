"""The way to a Spark session: the one that Databricks gives, or a local one with Delta.

With `java` and `jars` this is the only code that knows of Java.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from battery_lake.errors import SetupError
from battery_lake.jars import delta_jars, kafka_jars
from battery_lake.java import find_java

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyspark.sql import SparkSession

    from battery_lake.settings import Settings

_LOG_CONFIG = Path(__file__).with_name("spark_log4j2.properties")
_LOOPBACK = "127.0.0.1"


def spark_session(settings: Settings) -> SparkSession:
    """Return the Spark session: Databricks' own on its clusters, else a local one with Delta.

    The local session keeps everything it writes under `settings.home`, listens on the loopback
    address only, prints nothing and works in UTC. It sets the time zone of this process to UTC as
    well, since `collect()` hands timestamps over in the process's zone.

    Parameters
    ----------
    settings
        The settings in force; only `home`, `spark` and `source.format` are read.

    Returns
    -------
    SparkSession
        The running session; the same one on a second call in the same process.

    Raises
    ------
    SetupError
        If pyspark, Java or a jar is missing, or Java does not start.
    """
    if importlib.util.find_spec("pyspark") is None:
        raise SetupError(
            "Spark is not installed.",
            why="the base package brings no pyspark, since on Databricks the runtime's own is the right one",
            remedy="pip install 'battery-lake[local]'",
        )
    from pyspark.sql import SparkSession  # noqa: PLC0415 - may be missing until here

    if on_databricks():
        return SparkSession.builder.getOrCreate()
    return SparkSession.getActiveSession() or _start(settings)


def on_databricks() -> bool:
    """Return whether this process runs on Databricks, which brings its own Spark, Java and Delta."""
    return "DATABRICKS_RUNTIME_VERSION" in os.environ


def local_conf(settings: Settings, jars: Sequence[Path]) -> dict[str, str]:
    """Return the Spark configuration of a local session.

    Parameters
    ----------
    settings
        The settings in force; only `home` and `spark` are read.
    jars
        Delta's, and Kafka's where it is to be read.

    Returns
    -------
    dict of str to str
        Spark configuration keys and values.
    """
    scratch = settings.home.absolute() / "tmp"
    return {
        "spark.app.name": "battery-lake",
        "spark.master": settings.spark.master,
        "spark.jars": ",".join(str(jar) for jar in jars),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.local.dir": str(scratch),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),
        "spark.driver.host": _LOOPBACK,
        "spark.driver.bindAddress": _LOOPBACK,
        "spark.driver.memory": settings.spark.driver_memory,
        "spark.driver.extraJavaOptions": " ".join([
            *_java_options(scratch),
            settings.spark.java_options,
        ]).strip(),
        "spark.ui.enabled": "false",
        # What the page would show is collected all the same.
        "spark.sql.ui.retainedExecutions": "10",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        # Inferring filters from the conditions of long plans takes longer than such filters save.
        "spark.sql.constraintPropagation.enabled": "false",
        "spark.sql.adaptive.enabled": "true",
        "spark.sql.shuffle.partitions": str(settings.spark.shuffle_partitions),
        # Delta's default of 50 tasks a table snapshot is made for clusters.
        "spark.databricks.delta.snapshotPartitions": "2",
        # VACUUM lists a table's folder in so many tasks; the default of 10,000 takes half a minute.
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "4",
        "spark.sql.parquet.compression.codec": "zstd",
        "spark.sql.execution.arrow.pyspark.enabled": "true",
        # Rows with one array entry a cell are wide: the bytes decide, not the count.
        "spark.sql.execution.arrow.maxRecordsPerBatch": "10000",
        "spark.sql.execution.arrow.maxBytesPerBatch": str(16 * 1024 * 1024),
    }


def _java_options(scratch: Path) -> list[str]:
    """Options of the one Java process: collector, stacks, UTC, and the log to a file."""
    return [
        "-XX:+UseParallelGC",
        "-XX:-UsePerfData",
        # A stream that stops searches the message of what went wrong by recursion, a frame a character.
        "-Xss8m",
        "-Duser.timezone=UTC",
        f"-Dlog4j2.configurationFile={_LOG_CONFIG.as_uri()}",
        f'"-Dbattery_lake.spark_log={scratch / "spark.log"}"',
    ]


def _start(settings: Settings) -> SparkSession:
    """Start the local session."""
    from pyspark.errors import PySparkRuntimeError  # noqa: PLC0415
    from pyspark.sql import SparkSession  # noqa: PLC0415

    scratch = settings.home.absolute() / "tmp"
    try:
        scratch.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = "set `home` to a folder that you may write to"
        raise SetupError("The lake's folder cannot be written.", why=str(error), remedy=remedy) from error
    java = find_java()
    jars = (*delta_jars(), *(kafka_jars() if settings.source.format == "kafka" else ()))
    builder = SparkSession.builder
    for key, value in local_conf(settings, jars).items():
        builder = builder.config(key, value)
    os.environ["TZ"] = "UTC"
    if hasattr(time, "tzset"):
        time.tzset()
    try:
        with _environment(java.home), _own_interrupt(), _own_output():
            return builder.getOrCreate()
    except PySparkRuntimeError as error:
        if error.getCondition() != "JAVA_GATEWAY_EXITED":
            raise
        raise SetupError(
            "Spark's Java process ended while starting.",
            why=f"Java {java.version} of {java.source}, heap {settings.spark.driver_memory}",
            remedy="battery-lake doctor",
        ) from error


@contextlib.contextmanager
def _own_interrupt() -> Iterator[None]:
    """Keep what the process does on Ctrl-C: Spark's own handler calls Java from within a call to Java."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _own_output() -> Iterator[None]:
    """Let Java speak to stderr: what Delta prints is no result of ours."""
    sys.stdout.flush()
    own = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
    finally:
        os.dup2(own, 1)
        os.close(own)


@contextlib.contextmanager
def _environment(java_home: Path) -> Iterator[None]:
    """Set what Spark reads from the environment while it starts, whatever the user's shell says."""
    spark = importlib.util.find_spec("pyspark")
    values = {
        "JAVA_HOME": str(java_home),
        "PYSPARK_DRIVER_PYTHON": sys.executable,
        "PYSPARK_PYTHON": sys.executable,
        "PYSPARK_SUBMIT_ARGS": "pyspark-shell",
        "SPARK_HOME": str(Path(spark.origin).parent) if spark and spark.origin else "",
        "SPARK_LOCAL_IP": _LOOPBACK,
    }
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
