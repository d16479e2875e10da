"""The hub as a Spark source, through the pipeline that fills bronze."""

import json

import pyspark
import pytest
from pyspark.errors import StreamingQueryException

from battery_lake.errors import BatteryLakeError
from battery_lake.lake.access import Lake
from battery_lake.pipelines.ingest import INGEST
from battery_lake.settings import load
from battery_lake.sources.eventhubs import EventHubsSource


@pytest.fixture
def lake_on(spark, tmp_path, hub):
    """Build a lake that reads the hub."""

    def build(**more):
        given = {
            "home": tmp_path / "home",
            "source.format": "eventhubs",
            "eventhubs.connection_string": hub.connection_string,
            "eventhubs.receive_timeout_s": 20,
            **more,
        }
        settings, _ = load([f"{key}={value}" for key, value in given.items()], environment={})
        return Lake(spark, settings)

    return build


def in_bronze(lake):
    rows = lake.read("bronze.telemetry").collect()
    return sorted((row.partition_id, row.sequence_number, json.loads(row.body)["number"]) for row in rows)


def expected(first, second):
    return [*(("0", n, n) for n in range(first)), *(("1", n, n) for n in range(second))]


def test_everything_that_was_there_arrives_once_however_small_the_batches(hub, lake_on, made_events):
    lake = lake_on(**{"eventhubs.max_events_per_trigger": 300})
    hub.append(0, made_events(700))
    hub.append(1, made_events(200))
    result = INGEST.run(lake)
    assert result.batches >= 3
    assert (result.counts.rows_in, result.counts.rows_kept) == (900, 900)
    assert in_bronze(lake) == expected(700, 200)
    assert INGEST.run(lake).counts.rows_in == 0

    hub.append(1, made_events(50, first=200))
    assert INGEST.run(lake).counts.rows_in == 50
    assert in_bronze(lake) == expected(700, 250)

    row = lake.read("bronze.telemetry").where("partition_id = '1'").first()
    assert (row.hub, row.device_id, row.content_type) == ("telemetry", "V1", "application/json")
    assert row.system_properties["iothub-message-source"] == "Telemetry"
    stored = [
        f.read_text("utf-8", errors="replace")
        for f in (lake.settings.home / "checkpoints").rglob("*")
        if f.is_file()
    ]
    assert stored
    assert not any("SharedAccessKey" in text for text in stored)


@pytest.fixture
def behind(hub, lake_on, made_events):
    """A lake that has read 20 events, and a hub that then lost unread ones: 20 to 59 are gone."""

    def build(**more):
        lake = lake_on(**more)
        hub.append(0, made_events(20))
        INGEST.run(lake)
        hub.faults.drop_connections()  # the link that a worker keeps open would be given them before they go
        hub.append(0, made_events(50, first=20))
        hub.faults.expire(0, keep=10)
        return lake

    return build


def test_events_that_retention_removed_unread_stop_the_stream_and_are_named(behind):
    lake = behind()
    with pytest.raises(BatteryLakeError, match="events 20 to 59 are gone"):
        INGEST.run(lake)
    assert len(in_bronze(lake)) == 20


def test_or_it_goes_on_and_the_gap_is_written_down(behind):
    lake = behind(**{"eventhubs.fail_on_data_loss": "false"})
    INGEST.run(lake)
    assert [number for _, number, _ in in_bronze(lake)] == [*range(20), *range(60, 70)]
    (gap,) = lake.read("ops.data_gap").collect()
    assert (gap.hub, gap.partition_id, gap.from_sequence_number, gap.to_sequence_number) == (
        "telemetry",
        "0",
        20,
        60,
    )


def test_a_hub_that_was_created_anew_stops_the_stream_with_the_remedy(hub, lake_on, made_events):
    lake = lake_on(**{"eventhubs.fail_on_data_loss": "false"})
    hub.append(0, made_events(20))
    INGEST.run(lake)
    hub.faults.recreate_hub()
    hub.append(0, made_events(5))
    with pytest.raises(BatteryLakeError, match="new checkpoint"):
        INGEST.run(lake)
    anew = lake_on(**{"source.hub": "telemetry-2", "lake.checkpoints": lake.settings.home / "anew"})
    assert INGEST.run(anew).counts.rows_in == 5
    assert anew.read("bronze.telemetry").groupBy("hub").count().orderBy("hub").collect() == [
        ("telemetry", 20),
        ("telemetry-2", 5),
    ]


@pytest.mark.parametrize("trigger", [{"availableNow": True}, {"processingTime": "0 seconds"}])
@pytest.mark.parametrize("cap", [{}, {"maxEventsPerTrigger": "30"}], ids=["uncapped", "capped"])
def test_a_first_batch_that_failed_is_read_again_as_it_was_planned(
    spark, hub, made_events, tmp_path, trigger, cap
):
    hub.append(0, made_events(40))
    spark.dataSource.register(EventHubsSource)
    read, plans = [], tmp_path / "checkpoint" / "offsets" / "0"

    def handle(frame, batch_id):
        read.append((batch_id, [row.sequence_number for row in frame.collect()]))
        if len(read) == 1:
            raise OSError("the disk is full")

    options = {"connectionString": hub.connection_string, "startingPosition": '{"0": 5}', **cap}
    frame = spark.readStream.format("eventhubs").options(**options).load()
    writer = frame.writeStream.foreachBatch(handle).option("checkpointLocation", str(tmp_path / "checkpoint"))
    with pytest.raises(StreamingQueryException):
        writer.trigger(**trigger).start().awaitTermination()
    planned = plans.read_text()
    hub.append(0, made_events(10, first=40))
    query = writer.trigger(**trigger).start()
    try:
        query.awaitTermination() if "availableNow" in trigger else query.processAllAvailable()
    finally:
        query.stop()
    assert plans.read_text() == planned
    assert read[0] == read[1] == (0, [*range(5, 35 if cap else 40)])
    again = [number for _, numbers in read[1:] for number in numbers]
    assert again == [*range(5, 5 + len(again))]
    if "processingTime" in trigger:
        assert again == [*range(5, 50)]


def test_a_batch_query_reads_what_is_there(spark, hub, made_events):
    hub.append(0, made_events(40))
    hub.append(1, made_events(2))
    spark.dataSource.register(EventHubsSource)
    frame = spark.read.format("eventhubs").option("connectionString", hub.connection_string).load()
    assert frame.groupBy("partition_id").count().orderBy("partition_id").collect() == [("0", 40), ("1", 2)]


@pytest.mark.skipif(pyspark.__version__ < "4.2", reason="Spark 4.1 ends a capped run after one batch")
def test_a_capped_run_to_the_end_leaves_nothing_behind(spark, hub, made_events, tmp_path):
    hub.append(0, made_events(700))
    hub.append(1, made_events(200))
    spark.dataSource.register(EventHubsSource)
    options = {
        "connectionString": hub.connection_string,
        "startingPosition": "earliest",
        "maxEventsPerTrigger": "300",
    }
    query = (
        spark.readStream
        .format("eventhubs")
        .options(**options)
        .load()
        .writeStream.format("parquet")
        .option("path", str(tmp_path / "out"))
        .option("checkpointLocation", str(tmp_path / "checkpoint"))
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    read = [progress.numInputRows for progress in query.recentProgress if progress.numInputRows]
    assert sum(read) == 900
    assert max(read) <= 302  # a waiting partition gets an event at least
    rows = spark.read.parquet(str(tmp_path / "out"))
    assert (rows.count(), rows.select("partition_id", "sequence_number").distinct().count()) == (900, 900)
