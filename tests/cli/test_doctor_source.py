"""A stream that stands still: what the doctor says, and how it goes on after its place was rewritten."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from battery_lake.local.eventhub.events import Event, iot_annotations
from battery_lake.local.eventhub.standin import EventHubStandIn
from battery_lake.sources.eventhubs.offsets import Offsets, Place
from battery_lake.sources.eventhubs.options import parse_options
from battery_lake.sources.eventhubs.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import SparkSession


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[EventHubStandIn]:
    """A hub of two partitions and one consumer group besides the default."""
    with EventHubStandIn(
        tmp_path / "hub", partitions=2, key="topsecret", consumer_groups=("lake",)
    ) as standin:
        yield standin


@pytest.fixture
def command(hub: EventHubStandIn, tmp_path: Path, run: Callable[..., Any]) -> Callable[..., Any]:
    """Run a command on a home of its own, with the hub as its source; what it says never holds the key."""

    def ask(*words: str, **more: str) -> Any:
        given = {
            "home": tmp_path / "home",
            "source.format": "eventhubs",
            "eventhubs.connection_string": hub.connection_string,
            "eventhubs.receive_timeout_s": "20",
            **{name.replace("__", "."): value for name, value in more.items()},
        }
        outcome = run(
            *(flag for pair in given.items() for flag in ("--set", "=".join(map(str, pair)))), *words
        )
        assert "topsecret" not in outcome.out + outcome.err
        assert "Traceback" not in outcome.err
        return outcome

    return ask


def fill(hub: EventHubStandIn, count: int, first: int = 0, partition: int = 0) -> None:
    """Append messages; the link that a run keeps open is cut, or it would be given them before they go."""
    hub.faults.drop_connections()
    hub.append(
        partition,
        [
            Event(
                json.dumps({"number": first + place}).encode(),
                annotations=iot_annotations("V1", enqueued_ms=1),
            )
            for place in range(count)
        ],
    )


def plan(
    folder: Path, number: int, places: dict[str, int], *, committed: bool = True, hub: str = "telemetry"
) -> None:
    """Write a batch as Spark does."""
    (folder / "offsets").mkdir(parents=True, exist_ok=True)
    (folder / "commits").mkdir(exist_ok=True)
    end = Offsets(hub, {name: Place(place) for name, place in places.items()}).as_json()
    facts = {"batchWatermarkMs": 0, "batchTimestampMs": 1_767_268_800_000}
    (folder / "offsets" / str(number)).write_text(f"v1\n{json.dumps(facts)}\n{json.dumps(end)}", "utf-8")
    if committed:
        (folder / "commits" / str(number)).write_text('v1\n{"nextBatchWatermarkMs":0}', "utf-8")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    return tmp_path / "home" / "checkpoints" / "ingest-eventhubs"


def numbers(rows: Callable[..., Any], home: Path) -> list[int]:
    return sorted(row["sequence_number"] for row in rows(home, "bronze.telemetry"))


def batches(rows: Callable[..., Any], home: Path) -> list[tuple[int, int]]:
    return sorted((row["batch_id"], row["rows_in"]) for row in rows(home, "ops.batch"))


def gaps(rows: Callable[..., Any], home: Path) -> list[tuple[int, int]]:
    return sorted(
        (row["from_sequence_number"], row["to_sequence_number"]) for row in rows(home, "ops.data_gap")
    )


def finding(outcome: Any, name: str) -> dict[str, str]:
    (found,) = (finding for finding in outcome.json["findings"] if finding["name"] == name)
    return found


# --- the whole story, on Spark -----------------------------------------------------------------------


def test_a_stream_that_retention_has_overtaken_goes_on_from_a_new_place(
    spark: SparkSession,
    hub: EventHubStandIn,
    command: Callable[..., Any],
    rows: Callable[..., Any],
    checkpoint: Path,
) -> None:
    del spark  # it only has to be there: the command takes the session that is active
    home = checkpoint.parents[1]
    fill(hub, 20)
    assert command("ingest").code == 0
    fill(hub, 50, first=20)
    hub.faults.expire(0, keep=10)
    assert "events 20 to 59 are gone" in command("ingest").err

    told = command("doctor", "--source")
    assert told.code == 1
    assert "partition 0: 20 to 59 (40 events)" in told.out
    assert "fail_on_data_loss=false ingest" in told.out

    before = (checkpoint / "offsets" / "0").read_bytes()
    assert command("doctor", "--source", "--move-to", "earliest").code == 2  # no terminal to ask on
    assert not (checkpoint / "offsets" / "1").exists()
    moved = command("doctor", "--source", "--move-to", "earliest", "--yes", "--json")
    assert moved.code == 0, moved.err
    assert [(m["before"], m["after"], m["lost"], m["skipped"], m["again"]) for m in moved.json["moves"]] == [
        (20, 60, 40, 0, 0),
        (0, 0, 0, 0, 0),
    ]
    assert (Path(moved.json["kept"]) / "offsets" / "0").read_bytes() == before
    assert gaps(rows, home) == [(20, 60)]
    assert command("doctor", "--source").code == 0

    assert command("ingest").code == 0
    everything = [*range(20), *range(60, 70)]
    assert numbers(rows, home) == everything
    assert batches(rows, home) == [(0, 20), (2, 10)]

    again = command("doctor", "--source", "--move-to", '{"0": 65}', "--yes")
    assert "battery-lake doctor --source --move-to" in again.out
    fill(hub, 5, first=70)
    assert command("ingest").code == 0
    assert numbers(rows, home) == [*everything, *range(70, 75)]
    assert batches(rows, home) == [(0, 20), (2, 10), (4, 10)]


def test_a_batch_that_can_never_be_read_again_is_given_up_and_no_other(
    spark: SparkSession,
    hub: EventHubStandIn,
    command: Callable[..., Any],
    rows: Callable[..., Any],
    checkpoint: Path,
) -> None:
    del spark
    home = checkpoint.parents[1]
    for count, first in ((20, 0), (30, 20)):
        fill(hub, count, first)
        assert command("ingest").code == 0
    for name in ("1", ".1.crc"):  # as if the run had been killed between bronze and the commit
        (checkpoint / "commits" / name).unlink()
    fill(hub, 20, first=50)

    open_batch = finding(command("doctor", "--source", "--json"), "Open batch")
    assert (open_batch["verdict"], open_batch["remedy"]) == ("warn", "battery-lake ingest")
    refused = command("doctor", "--move-to", "latest", "--yes")
    assert refused.code == 1
    assert "batch 1 is planned and not committed" in refused.err

    hub.faults.expire(0, keep=10)
    assert "are gone" in command("ingest").err
    told = command("doctor", "--source", "--json")
    assert told.code == 1
    assert "partition 0: 20 to 49" in finding(told, "Open batch")["found"]
    moved = command("doctor", "--source", "--move-to", "earliest", "--yes")
    assert "batch 1, which cannot be read any more, is given up" in moved.out

    assert command("ingest").code == 0
    assert numbers(rows, home) == [*range(50), *range(60, 70)]
    assert batches(rows, home) == [(0, 20), (1, 30), (3, 10)]
    assert gaps(rows, home) == [(50, 60)]  # the batch had come as far as bronze


# --- what it finds, without Spark --------------------------------------------------------------------


def test_before_the_first_run_it_says_where_the_stream_will_begin(
    hub: EventHubStandIn, command: Callable[..., Any]
) -> None:
    fill(hub, 3)
    told = command("doctor", "--source", "--json", eventhubs__consumer_group="lake")
    assert told.code == 0
    assert "starting_position=earliest" in finding(told, "Last batch")["found"]
    assert "3 events in 1 partitions" in finding(told, "Waiting")["found"]
    assert [p["place"] for p in told.json["partitions"]] == [0, 0]
    assert command("doctor", "--move-to", "latest", "--yes").code == 2


def test_a_stream_that_is_up_to_date_and_one_that_nobody_sends_to(
    hub: EventHubStandIn, command: Callable[..., Any], checkpoint: Path
) -> None:
    silent = finding(command("doctor", "--source", "--json"), "Waiting")
    assert (silent["verdict"], silent["found"]) == ("warn", "nothing: the hub never took one")
    assert "route" in silent["remedy"]
    fill(hub, 3)
    plan(checkpoint, 0, {"0": 3, "1": 0})
    assert "up to date" in finding(command("doctor", "--source", "--json"), "Waiting")["found"]


def test_a_consumer_group_that_does_not_exist(command: Callable[..., Any]) -> None:
    told = command("doctor", "--source", "--json", eventhubs__consumer_group="laek")
    assert told.code == 1
    group = finding(told, "Consumer group")
    assert "laek: no such consumer group on every partition" in group["found"]
    assert "Built-in endpoints > Consumer groups" in group["remedy"]


def test_five_readers_that_are_there_already(hub: EventHubStandIn, command: Callable[..., Any]) -> None:
    fill(hub, 1, partition=1)
    options = parse_options({"connectionString": hub.connection_string})
    readers = [Receiver(options, "1", 0) for _ in range(5)]
    try:
        assert [len(reader.receive(1)) for reader in readers] == [1] * 5
        group = finding(command("doctor", "--source", "--json"), "Consumer group")
    finally:
        for reader in readers:
            reader.close()
    assert "too many readers on partition 1" in group["found"]
    assert "a group of its own" in group["remedy"]


def test_a_key_that_is_refused(hub: EventHubStandIn, command: Callable[..., Any]) -> None:
    hub.faults.refuse_tokens()
    told = command("doctor", "--source", "--json")
    assert told.code == 1
    assert "not let in" in finding(told, "Hub")["found"]
    assert "may listen" in finding(told, "Hub")["remedy"]


def test_nobody_at_the_address(command: Callable[..., Any], checkpoint: Path) -> None:
    plan(checkpoint, 0, {"0": 3, "1": 7}, hub="h")
    text = "Endpoint=sb://localhost:1;SharedAccessKeyName=a;SharedAccessKey=b;UseDevelopmentEmulator=true;EntityPath=h"
    told = command(
        "doctor", "--source", "--json",
        eventhubs__connection_string=text, eventhubs__receive_timeout_s="1",
    )  # fmt: skip
    assert told.code == 1
    assert "hub h at localhost:1" in finding(told, "Hub")["found"]
    assert "0: 3, 1: 7" in finding(told, "Last batch")["found"]


def test_a_connection_string_of_the_wrong_kind(command: Callable[..., Any]) -> None:
    text = "HostName=x.azure-devices.net;SharedAccessKeyName=a;SharedAccessKey=topsecret"
    told = command("doctor", "--source", eventhubs__connection_string=text)
    assert told.code == 1
    assert "Built-in endpoints" in told.out


def test_a_partition_that_is_new_and_one_that_is_no_more(
    hub: EventHubStandIn, command: Callable[..., Any], checkpoint: Path
) -> None:
    fill(hub, 3)
    plan(checkpoint, 0, {"0": 3, "7": 5})
    told = command("doctor", "--source")
    assert told.code == 0
    assert "partition 1 is new: it will be read from its oldest event, number 0" in told.out
    assert "no partition 7 any more" in told.out


def test_a_hub_that_was_created_anew_is_explained_and_its_place_is_not_rewritten(
    hub: EventHubStandIn, command: Callable[..., Any], checkpoint: Path
) -> None:
    fill(hub, 20)
    plan(checkpoint, 0, {"0": 20, "1": 0})
    hub.faults.recreate_hub()
    fill(hub, 5)
    told = command("doctor", "--source", "--json")
    assert told.code == 1
    assert "partition 0 will give number 5 next, the stream stands at 20" in finding(told, "Numbers")["found"]
    refused = command("doctor", "--move-to", "earliest", "--yes")
    assert refused.code == 1
    assert "another name" in refused.err
    assert [file.name for file in (checkpoint / "offsets").iterdir()] == ["0"]


@pytest.mark.parametrize("words", [("--source",), ("--move-to", "latest", "--yes")])
def test_a_checkpoint_of_another_hub(
    words: tuple[str, ...], command: Callable[..., Any], checkpoint: Path
) -> None:
    plan(checkpoint, 0, {"0": 0}, hub="other")
    told = command("doctor", *words)
    assert told.code == 1
    assert "it was written reading other, the settings name telemetry" in told.out + told.err


def test_a_checkpoint_of_files(command: Callable[..., Any], checkpoint: Path) -> None:
    plan(checkpoint, 0, {})
    plans = checkpoint / "offsets" / "0"
    plans.write_text(plans.read_text("utf-8").rpartition("\n")[0] + '\n{"logOffset":0}', "utf-8")
    assert "written reading files" in finding(command("doctor", "--source", "--json"), "Checkpoint")["found"]


def test_a_checkpoint_behind_an_address(command: Callable[..., Any]) -> None:
    told = command("doctor", "--source", lake__checkpoints="dbfs:/lake/checkpoints")
    assert told.code == 1
    assert "--set lake.checkpoints=/dbfs/lake/checkpoints" in told.out


@pytest.mark.parametrize(
    ("to", "why"),
    [("yesterday", "no position"), ('{"9": 1}', "no partition 9"), ('{"0": 99}', "from event 99 on")],
)
def test_a_place_that_does_not_exist(
    to: str, why: str, hub: EventHubStandIn, command: Callable[..., Any], checkpoint: Path
) -> None:
    fill(hub, 20)
    plan(checkpoint, 0, {"0": 20, "1": 0})
    told = command("doctor", "--move-to", to, "--yes")
    assert told.code == 2
    assert why in told.err


def test_a_place_that_is_the_present_one_is_not_rewritten(
    hub: EventHubStandIn, command: Callable[..., Any], checkpoint: Path
) -> None:
    fill(hub, 20)
    plan(checkpoint, 0, {"0": 20, "1": 0})
    told = command("doctor", "--source", "--move-to", "latest")
    assert (told.code, "stands there already" in told.out) == (0, True)
    assert not list(checkpoint.parent.glob("ingest-eventhubs.before-*"))


# --- files ---------------------------------------------------------------------------------------------


def test_landing_files_that_wait(run: Callable[..., Any], tmp_path: Path) -> None:
    asked = ("--set", f"home={tmp_path}", "doctor", "--source", "--json")
    assert finding(run(*asked), "Landing")["verdict"] == "warn"
    landing = tmp_path / "landing" / "2026"
    landing.mkdir(parents=True)
    (landing / "a.avro").touch()
    assert "source.file_format=avro" in finding(run(*asked), "Landing")["remedy"]
    (landing / "a.json").touch()
    (landing / "_b.json").touch()
    told = run(*asked)
    assert told.code == 0
    assert "1 *.json files" in finding(told, "Landing")["found"]
    assert "all of them wait" in finding(told, "Waiting")["found"]

    plan(tmp_path / "checkpoints" / "ingest-json", 0, {})
    os.utime(landing / "a.json", (1, 1))
    assert "no file is newer" in finding(run(*asked), "Waiting")["found"]
    (landing / "c.json").touch()
    os.utime(tmp_path / "checkpoints" / "ingest-json" / "commits" / "0", (2, 2))
    assert "1 files are newer" in finding(run(*asked), "Waiting")["found"]


def test_a_landing_folder_that_is_not_there(run: Callable[..., Any], tmp_path: Path) -> None:
    told = run(
        "--set", f"home={tmp_path}", "--set", f"source.landing={tmp_path / 'typo'}", "doctor", "--source"
    )
    assert told.code == 1
    assert "is it spelt right" in told.out
    assert run("--set", f"home={tmp_path}", "doctor", "--move-to", "latest").code == 2
