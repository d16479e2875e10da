"""A hub on this machine: messages sent into it reach bronze as those of landing files do."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

FLEET = ("simulate", "--vehicles", "2", "--days", "3")


@contextmanager
def hub_up(home: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """``battery-lake local up --json``; yields the process and what it told."""
    command = [sys.executable, "-m", "battery_lake", "--set", f"home={home}", "local", "up"]
    process = subprocess.Popen(
        [*command, "--port", "0", "--no-explorer", "--no-twins", "--json", *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    """The connection string of a hub that runs in a process of its own."""
    with hub_up(tmp_path / "hub") as (_, told):
        yield told["connection_string"]


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_hub_ends_quietly_on_a_signal_and_keeps_what_was_sent(tmp_path: Path, stop: signal.Signals) -> None:
    from azure.eventhub import EventData, EventHubProducerClient

    with hub_up(tmp_path) as (process, told):
        producer = EventHubProducerClient.from_connection_string(told["connection_string"])
        producer.send_batch([EventData("kept")], partition_id="0")
        process.send_signal(stop)
        assert process.wait(30) == 0
        producer.close()
        assert process.stdout is not None
        assert process.stderr is not None
        assert (process.stdout.read(), process.stderr.read()) == ("", "")
    with (
        hub_up(tmp_path) as (_, told),
        EventHubProducerClient.from_connection_string(told["connection_string"]) as again,
    ):
        assert again.get_partition_properties("0")["last_enqueued_sequence_number"] == 0


def test_a_hub_takes_key_retention_and_tls(tmp_path: Path) -> None:
    from azure.eventhub import EventData, EventHubProducerClient
    from azure.eventhub.exceptions import AuthenticationError

    with hub_up(tmp_path, "--key", "c2VjcmV0", "--retention-hours", "0", "--tls") as (_, told):
        producer = EventHubProducerClient.from_connection_string(
            told["secure_connection_string"],
            custom_endpoint_address=told["endpoint_address"],
            connection_verify=told["certificate"],
        )
        with producer:
            producer.send_batch([EventData("short-lived")], partition_id="0")
            while not producer.get_partition_properties("0")["is_empty"]:
                pass  # retention is applied once a second
        wrong = told["connection_string"].replace("c2VjcmV0", "d3Jvbmc=")
        refused = EventHubProducerClient.from_connection_string(wrong, retry_total=0)
        with refused, pytest.raises(AuthenticationError):
            refused.send_batch([EventData("no")])


def test_a_hub_without_json_tells_what_to_type_in_another_shell(tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "battery_lake", "--set", f"home={tmp_path}", "local", "up"]
    with subprocess.Popen(
        [*command, "--port", "0", "--no-explorer"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        process.terminate()
    assert lines[1] == "export BATTERY_LAKE_SOURCE__FORMAT=eventhubs\n"
    assert lines[2].startswith("export BATTERY_LAKE_EVENTHUBS__CONNECTION_STRING='Endpoint=sb://localhost:")
    assert "--to eventhub" in lines[3]


def test_a_fleet_sent_into_the_hub_gives_the_bronze_that_files_give(
    spark: SparkSession,
    hub: str,
    run: Callable[..., Any],
    rows: Callable[..., list[dict[str, Any]]],
    tmp_path: Path,
) -> None:
    del spark  # it only has to be there: the command takes the session that is active
    sent, filed = tmp_path / "sent", tmp_path / "filed"
    into = ("--set", f"home={sent}", "--set", f"eventhubs.connection_string={hub}")
    told = run(*into, *FLEET, "--to", "eventhub", "--json")
    assert told.code == 0, told.err
    count = told.json["messages"]
    taken = run(*into, "--set", "source.format=eventhubs", "ingest", "--json")
    assert taken.code == 0, taken.err
    assert taken.json[0]["counts"]["rows_in"] == count

    assert run("--set", f"home={filed}", *FLEET).code == 0
    assert run("--set", f"home={filed}", "ingest").code == 0

    def content(home: Path) -> list[tuple[Any, ...]]:
        wanted = ("device_id", "enqueued_at", "body", "content_type", "application_properties")
        return sorted(tuple(str(row[name]) for name in wanted) for row in rows(home, "bronze.telemetry"))

    assert content(sent) == content(filed)
    assert len(content(sent)) == count


def test_sending_without_a_hub_says_what_to_set(run: Callable[..., Any], tmp_path: Path) -> None:
    outcome = run("--set", f"home={tmp_path}", *FLEET, "--to", "eventhub")
    assert (outcome.code, outcome.out) == (2, "")
    assert "eventhubs.connection_string" in outcome.err


def test_a_hub_that_is_not_there_ends_with_where_it_should_be(
    spark: SparkSession, run: Callable[..., Any], tmp_path: Path
) -> None:
    del spark
    text = "Endpoint=sb://localhost:1;SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true;EntityPath=h"
    given = (f"home={tmp_path}", f"eventhubs.connection_string={text}", "source.format=eventhubs")
    flags = [flag for value in (*given, "eventhubs.receive_timeout_s=1") for flag in ("--set", value)]
    outcome = run(*flags, "ingest")
    assert outcome.code == 4
    assert "hub h at localhost:1" in outcome.err
    assert "Traceback" not in outcome.err
