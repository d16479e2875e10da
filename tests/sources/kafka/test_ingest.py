"""A topic through the pipeline that fills bronze, from a real broker."""

import json
import re
import subprocess
import sys
import uuid

import pytest

from battery_lake.errors import DataLossError, RemoteError
from battery_lake.lake.access import Lake
from battery_lake.local.eventhub import Event, EventHubStandIn, iot_annotations
from battery_lake.pipelines.ingest import ENVELOPE, INGEST
from battery_lake.settings import load


def numbered(count, first=0):
    return [
        Event(
            json.dumps({"number": number}).encode(),
            annotations=iot_annotations(f"V{number % 3}", enqueued_ms=1_767_225_600_000 + number),
            content_type="application/json",
            content_encoding="utf-8",
            properties={"schema": "v1", "try": number},
        )
        for number in range(first, first + count)
    ]


def in_bronze(lake):
    rows = lake.read("bronze.telemetry").collect()
    return sorted((row.partition_id, row.sequence_number, json.loads(row.body)["number"]) for row in rows)


def expected(first, second):
    return [*(("0", n, n) for n in range(first)), *(("1", n, n) for n in range(second))]


def every_kind():
    """Events with every kind of property and body."""
    at = {"device_id": "V1", "enqueued_ms": 1_767_225_600_123}
    own = {"text": "ü€", "whole": -70_000, "broken": 0.1, "big": 1e22, "yes": True, "raw": b"\xff\x00",
           "id": uuid.UUID(int=5), "small": 5}  # fmt: skip
    return [
        Event(b'{"v": 3.870}', own, iot_annotations(**at), "application/json", "utf-8"),
        Event(b"\x00\xff", {}, iot_annotations(**at, module_id="bms", model_id="dtmi:x;1", component="c")),
        Event(b"", {"schema": "v1"}, iot_annotations(**at), message_id="m-1", correlation_id="c-1"),
        Event(b"{}", {}, iot_annotations(**at), partition_key="V1"),
        Event(b"{}", {"US": "US", "A": True}, {**iot_annotations(**at), "x-opt-via": "route", "big": 2**40}),
    ]


def test_kafka_and_amqp_give_the_same_bronze(spark, tmp_path, lake_on, send, topic):
    with EventHubStandIn(tmp_path / "hub", hub=topic, partitions=2) as hub:
        for partition, events in ((0, [*every_kind(), *numbered(40)]), (1, numbered(30))):
            hub.append(partition, events)
            send(partition, events)
        given = [f"home={tmp_path / 'amqp'}", "source.format=eventhubs"]
        given.append(f"eventhubs.connection_string={hub.connection_string}")
        amqp = Lake(spark, load(given, environment={})[0])
        INGEST.run(amqp)
    kafka = lake_on()
    INGEST.run(kafka)

    def content(lake):
        rows = lake.read("bronze.telemetry").select(*ENVELOPE)
        return [row.asDict() for row in rows.orderBy("hub", "partition_id", "sequence_number").collect()]

    found, wanted = content(kafka), content(amqp)
    # Annotations without a name of their kind cannot be told from the device's properties in Kafka.
    assert wanted[4]["system_properties"].pop("big") == found[4]["application_properties"].pop("big")
    assert found == wanted
    assert len(found) == 75


def test_everything_that_was_there_arrives_once_however_small_the_batches(lake_on, send):
    lake = lake_on(**{"kafka.max_events_per_trigger": 300})
    send(0, numbered(700))
    send(1, numbered(200))
    result = INGEST.run(lake)
    assert result.batches >= 3
    assert (result.counts.rows_in, result.counts.rows_kept) == (900, 900)
    assert in_bronze(lake) == expected(700, 200)
    assert lake.read("ops.batch").agg({"rows_in": "max"}).first()[0] <= 300
    assert INGEST.run(lake).counts.rows_in == 0

    send(1, numbered(50, first=200))
    assert INGEST.run(lake).counts.rows_in == 50
    assert in_bronze(lake) == expected(700, 250)


def test_records_read_again_after_a_lost_checkpoint_are_in_bronze_once(lake_on, send):
    lake = lake_on()
    send(0, numbered(20))
    INGEST.run(lake)
    (lake.settings.home / "checkpoints").rename(lake.settings.home / "lost")
    send(0, numbered(5, first=20))
    INGEST.run(lake)
    assert in_bronze(lake) == expected(25, 0)


@pytest.fixture
def behind(lake_on, send, delete_before):
    """A lake that has read 20 records of a topic that then lost unread ones: 20 to 59 are gone."""

    def build(**more):
        lake = lake_on(**more)
        send(0, numbered(20))
        INGEST.run(lake)
        send(0, numbered(50, first=20))
        delete_before(0, 60)
        return lake

    return build


def test_records_that_retention_removed_stop_the_stream(behind):
    lake = behind()
    with pytest.raises(DataLossError, match="removed from Kafka before they were read") as caught:
        INGEST.run(lake)
    assert "[20, 70) for topic partition" in caught.value.why
    assert "kafka.fail_on_data_loss=false" in caught.value.remedy
    assert in_bronze(lake) == expected(20, 0)


def test_where_loss_is_allowed_the_rest_comes_through(behind):
    lake = behind(**{"kafka.fail_on_data_loss": False})
    assert INGEST.run(lake).counts.rows_in == 10
    assert in_bronze(lake) == [*expected(20, 0), *(("0", n, n) for n in range(60, 70))]


def test_latest_begins_with_what_comes_next(lake_on, send):
    lake = lake_on(**{"kafka.starting_position": "latest"})
    send(0, numbered(5))
    INGEST.run(lake)
    send(0, numbered(3, first=5))
    INGEST.run(lake)
    assert in_bronze(lake) == [("0", n, n) for n in (5, 6, 7)]


def command_line(home, *given):
    flags = [flag for value in (f"home={home}", *given) for flag in ("--set", value)]
    command = [sys.executable, "-m", "battery_lake", *flags, "ingest", "--json"]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=home.parent)


def written(folder):
    return [f.read_text("utf-8", errors="replace") for f in folder.rglob("*") if f.is_file()]


def test_the_command_line_reads_with_the_connection_string_and_writes_it_nowhere(
    spark, tmp_path, broker, send, topic
):
    send(0, numbered(30))
    given = ["source.format=kafka", f"kafka.connection_string={broker.connection_string}"]
    given += [f"kafka.topic={topic}"]
    home = tmp_path / "home"
    done = command_line(home, *given)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["counts"]["rows_in"] == 30
    assert in_bronze(Lake(spark, load([f"home={home}", *given], environment={})[0])) == expected(30, 0)
    key = re.search("SharedAccessKey=(.+?);", broker.connection_string)[1]
    texts = written(home)
    assert any(topic in text for text in texts)
    assert not any(key in text for text in [*texts, done.stdout, done.stderr])


def test_a_wrong_connection_string_ends_with_what_the_broker_says(tmp_path, broker, topic):
    given = ["source.format=kafka", f"kafka.connection_string={broker.connection_string};X=s3cr3t"]
    home = tmp_path / "home"
    done = command_line(home, *given, f"kafka.topic={topic}")
    assert done.returncode == RemoteError.exit_code
    assert "Kafka refuses the login\nwhy: Authentication failed" in done.stderr
    assert not any("s3cr3t" in text for text in [*written(home), done.stdout, done.stderr])


def test_a_topic_that_nobody_serves_ends_in_words(tmp_path):
    quick = 'kafka.options={"default.api.timeout.ms": 2000, "request.timeout.ms": 1500}'
    done = command_line(
        tmp_path / "home",
        "source.format=kafka",
        "kafka.bootstrap_servers=127.0.0.1:1",
        "kafka.topic=t",
        quick,
    )
    assert done.returncode == RemoteError.exit_code
    assert "Kafka does not answer" in done.stderr
    assert "(127.0.0.1:1)" in done.stderr


def test_a_session_without_kafkas_jars_says_what_to_set(tmp_path):
    script = """
import sys
from battery_lake.session import spark_session
from battery_lake.settings import load
from battery_lake.sources.kafka import stream

settings, _ = load(["home=" + sys.argv[1], "kafka.bootstrap_servers=a:1", "kafka.topic=t"], environment={})
stream(spark_session(settings), settings.kafka)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=False
    )
    assert "This Spark session cannot read Kafka." in done.stderr
    assert "set source.format=kafka before the session starts" in done.stderr
