"""Messages a second of the eventhubs source against the SDK's own receiving loop, from the same partition."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from azure.eventhub import EventHubConsumerClient
from support.hub import served
from support.output import Line, Result, arguments, publish
from support.runs import interleaved, require
from support.spark import temporary_spark

from battery_lake.sources.eventhubs import EventHubsSource

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from azure.eventhub import EventData, PartitionContext
    from pyspark.sql import SparkSession

AIM = 0.9
PARTITIONS = 4


def bare_loop(connection_string: str, count: int) -> int:
    """Receive so many messages of partition 0 with the SDK alone; nothing is done with them."""
    client = EventHubConsumerClient.from_connection_string(connection_string, consumer_group="$Default")
    got = 0

    def take(context: PartitionContext, events: list[EventData]) -> None:
        nonlocal got
        del context
        got += len(events)
        if got >= count:
            threading.Thread(target=client.close).start()

    client.receive_batch(take, partition_id="0", starting_position="-1", prefetch=1000, max_batch_size=1000)
    return got


def source(spark: SparkSession, connection_string: str) -> None:
    """Read a hub from end to end through Spark."""
    frame = spark.read.format("eventhubs").option("connectionString", connection_string).load()
    frame.write.format("noop").mode("overwrite").save()


def measured(spark: SparkSession, folder: Path, messages: int, rounds: int, *, cold: bool) -> Result:
    """Run all rounds."""
    spark.dataSource.register(EventHubsSource)
    each = messages // PARTITIONS
    with served(folder / "one", [messages]) as one, served(folder / "four", [each] * PARTITIONS) as four:
        if not cold:
            source(spark, one)
            source(spark, four)
        received: list[int] = []
        sides: dict[str, Callable[[], Callable[[], None]]] = {
            "bare": lambda: lambda: received.append(bare_loop(one, messages)),
            "one": lambda: lambda: source(spark, one),
            "four": lambda: lambda: source(spark, four),
        }
        timed = interleaved(sides, rounds)
        seen = spark.read.format("eventhubs").option("connectionString", one).load().count()
    require(seen == messages, f"the source read {seen} of {messages}")
    require(min(received) >= messages, f"the loop read {min(received)} of {messages}")
    return Result(
        "hub_source",
        "the source through Spark, every column, against the SDK's receive_batch with an empty callback",
        "messages",
        (
            Line.of("source, one partition", messages, timed["one"], timed["bare"]),
            Line.of(f"source, {PARTITIONS} partitions", messages, timed["four"], timed["bare"]),
            Line.of("SDK loop, one partition", messages, timed["bare"], timed["bare"]),
        ),
        AIM,
        f"{seen:,} messages read on either side",
        (
            (
                f"{rounds} rounds, interleaved, medians; connecting counts, and asking for the partitions;"
                " the hub runs on the same machine, in a process of its own"
            ),
        ),
    )


def main() -> None:
    """Measure and print."""
    given = arguments(__doc__ or "", messages=(200_000, "messages in a hub"), rounds=(3, "repetitions"))
    with temporary_spark() as (spark, folder):
        publish(measured(spark, folder, given.messages, given.rounds, cold=given.cold), given.json)


if __name__ == "__main__":
    main()
