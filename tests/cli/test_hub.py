"""A hub on this machine: messages sent into it reach bronze as those of landing files do."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pyspark.sql import SparkSession

FLEET = ("simulate", "--vehicles", "2", "--days", "3")


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[str]:
    """``battery-lake local up``; yields the connection string that it prints."""
    command = [sys.executable, "-u", "-m", "battery_lake", "--set", f"home={tmp_path / 'hub'}", "local", "up"]
    process = subprocess.Popen([*command, "--port", "0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield next(
            found[1] for line in process.stdout if (found := re.search(r"CONNECTION_STRING='(.+)'", line))
        )
    finally:
        process.terminate()
        process.communicate(timeout=30)


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
