"""The settings' topic as a stream of Kafka's records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException

from battery_lake.errors import SetupError
from battery_lake.session import on_databricks
from battery_lake.sources.kafka.options import reader_options

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from battery_lake.settings import KafkaSettings


def stream(spark: SparkSession, settings: KafkaSettings) -> DataFrame:
    """Return the topic's records as a stream, as Spark's Kafka source gives them.

    Raises
    ------
    SettingsError
        It is not clear what to read, or how to be let in.
    SetupError
        The session was started without Kafka's jars.
    """
    options = reader_options(settings, shaded=on_databricks())
    try:
        return spark.readStream.format("kafka").options(**options).load()
    except AnalysisException as fault:
        if "Failed to find data source" not in str(fault):
            raise
        raise SetupError(
            "This Spark session cannot read Kafka.",
            why="it was started without Kafka's jars",
            remedy="set source.format=kafka before the session starts: battery-lake then brings them",
        ) from fault
