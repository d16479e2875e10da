"""The kafka source's rows against Spark's own Kafka source, headers left as they are, on one topic."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import functions as F
from support.output import Line, Result, arguments, publish
from support.runs import interleaved, require
from support.spark import temporary_spark

from battery_lake.errors import SetupError
from battery_lake.jars import kafka_jars
from battery_lake.local.eventhub import Event, iot_annotations
from battery_lake.local.kafka import KafkaBroker, broker_jars, record
from battery_lake.settings import load
from battery_lake.sources.kafka.options import reader_options
from battery_lake.sources.kafka.rows import envelope

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

AIM = 0.9
TOPIC = "telemetry"
PARTITIONS = 4
RECORD = "key binary, value binary, headers array<struct<key: string, value: binary>>"


def sample(number: int) -> Event:
    """Return a message of 96 cells with what IoT Hub adds to it."""
    cells = [round(3.6 + (number * 7 + cell) % 500 / 1000, 3) for cell in range(96)]
    body = {
        "schema_version": 1,
        "sequence": number,
        "cell_voltages_v": cells,
        "current_a": number % 300 - 150,
    }
    return Event(
        json.dumps(body).encode(),
        properties={"schema_version": "1"},
        annotations=iot_annotations(f"V{number % 1000}", enqueued_ms=1_767_225_600_000 + number),
        content_type="application/json",
        content_encoding="utf-8",
    )


def fill(spark: SparkSession, broker: KafkaBroker, messages: int) -> None:
    """Send the messages: a thousand different ones, again and again."""
    kinds = [(number, *record(sample(number))) for number in range(1000)]
    known = spark.createDataFrame(kinds, f"kind long, {RECORD}")
    rows = (
        spark
        .range(messages)
        .withColumn("kind", F.col("id") % 1000)
        .join(F.broadcast(known), on="kind")
        .select("key", "value", "headers", (F.col("id") % PARTITIONS).cast("int").alias("partition"))
    )
    options = {"kafka.bootstrap.servers": broker.servers, "topic": TOPIC, "includeHeaders": "true"}
    rows.write.format("kafka").options(**options).save()


def records(spark: SparkSession, broker: KafkaBroker, *, headers: bool) -> DataFrame:
    """Return the whole topic, read as a batch."""
    settings, _ = load([f"kafka.bootstrap_servers={broker.servers}", f"kafka.topic={TOPIC}"], environment={})
    options = {**reader_options(settings.kafka), "includeHeaders": str(headers).lower()}
    options.pop("maxOffsetsPerTrigger")  # of streams only
    return spark.read.format("kafka").options(**options).load()


def written(frame: DataFrame) -> Callable[[], None]:
    """Return what reads a frame to its end and keeps nothing."""

    def run() -> None:
        frame.write.format("noop").mode("overwrite").save()

    return run


def agreement(frame: DataFrame, messages: int) -> str:
    """Check that the rows hold every message, with device and time."""
    row = frame.agg(
        F.count(F.lit(1)).alias("rows"),
        F.countDistinct("partition_id", "sequence_number").alias("places"),
        F.countDistinct("device_id").alias("devices"),
        F.sum((F.element_at("application_properties", "schema_version") == "1").cast("int")).alias("own"),
        F.min(F.size("system_properties")).alias("properties"),
    ).collect()[0]
    require(row.rows == row.places == row.own == messages, f"{row} of {messages} messages")
    require(row.devices == min(messages, 1000), f"{row.devices} devices")
    require(row.properties == len(sample(0).annotations) + 2, f"{row.properties} system properties")
    return f"{messages:,} messages, each once, with device, time and every property"


def measured(spark: SparkSession, broker: KafkaBroker, messages: int, rounds: int) -> Result:
    """Run both ways so many times."""
    fill(spark, broker, messages)
    bodies = records(spark, broker, headers=False).select("value")
    carried = records(spark, broker, headers=True).select("value", "headers")
    rows = envelope(records(spark, broker, headers=True))
    ways = {"bronze's rows": rows, "values and raw headers": carried, "values alone": bodies}
    timed = interleaved({name: partial(written, frame) for name, frame in ways.items()}, rounds)
    baseline = timed["values and raw headers"]
    lines = tuple(Line.of(name, messages, known, baseline) for name, known in timed.items())
    size = len(sample(999).body)
    return Result(
        "kafka_source",
        "the kafka source's rows against Spark's Kafka source, headers undecoded; one topic, no sink",
        "messages", lines, AIM, agreement(rows, messages),
        (f"{messages:,} messages of {size:,} bytes in {PARTITIONS} partitions; {rounds} rounds, medians",),
    )  # fmt: skip


def main() -> None:
    """Measure and print."""
    chosen = arguments(
        "The kafka source against Spark's own.",
        messages=(300_000, "messages in the topic"),
        rounds=(3, "repetitions"),
    )
    try:
        kafka_jars()
        broker_jars()
    except SetupError as fault:
        print(f"kafka_source: skipped. {fault}")
        return
    with temporary_spark(kafka=True) as (spark, folder):
        if not chosen.cold:
            warm_up(spark, folder)
        with KafkaBroker(folder / "broker", partitions=PARTITIONS) as broker:
            result = measured(spark, broker, chosen.messages, chosen.rounds)
    publish(result, chosen.json)


def warm_up(spark: SparkSession, folder: Path) -> None:
    """Run everything once on a small topic, untimed."""
    with KafkaBroker(folder / "warm", partitions=PARTITIONS) as broker:
        measured(spark, broker, 5_000, 2)


if __name__ == "__main__":
    main()
