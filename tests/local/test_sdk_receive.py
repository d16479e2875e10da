"""The SDK reads: properties, positions, annotations, large messages."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from azure.eventhub.exceptions import ConnectError

from battery_lake.local.eventhub import Event, EventHubStandIn, Retention, iot_annotations

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Consume = Callable[..., Any]

START_MS = 1_760_000_000_000


def numbered(count: int, start: int = 0) -> list[Event]:
    return [Event(f"event {at}".encode()) for at in range(start, start + count)]


def test_properties_of_hub_and_partitions(standin: EventHubStandIn, administer: Any) -> None:
    standin.append(0, numbered(3), START_MS)
    hub = administer.get_eventhub_properties()
    assert hub["eventhub_name"] == "telemetry"
    assert hub["partition_ids"] == ["0", "1"]
    filled = administer.get_partition_properties("0")
    assert filled["beginning_sequence_number"] == 0
    assert filled["last_enqueued_sequence_number"] == 2
    assert int(filled["last_enqueued_offset"]) > 0
    assert filled["last_enqueued_time_utc"].timestamp() * 1_000 == START_MS
    assert not filled["is_empty"]
    empty = administer.get_partition_properties("1")
    assert (empty["last_enqueued_sequence_number"], empty["last_enqueued_offset"]) == (-1, "-1")
    assert empty["is_empty"]
    assert empty["last_enqueued_time_utc"].year == 1
    with pytest.raises(ConnectError, match="404"):
        administer.get_partition_properties("7")


def test_every_way_to_name_a_position(standin: EventHubStandIn, consume: Consume) -> None:
    for at in range(20):
        standin.append(0, numbered(1, at), START_MS + 1_000 * at)
    log = standin._hub.logs[0]
    offset = {at: str(log.offset_of(at)) for at in range(20)}
    time = dt.datetime.fromtimestamp(START_MS / 1_000 + 12, dt.UTC)
    cases: list[tuple[Any, bool, int]] = [
        ("-1", False, 0),
        (-1, False, 0),
        (0, False, 1),
        (0, True, 0),
        (11, False, 12),
        (11, True, 11),
        (offset[5], False, 6),
        (offset[5], True, 5),
        (time, False, 13),
        (time, True, 12),
        (time - dt.timedelta(milliseconds=1), False, 12),
    ]

    def first(case: tuple[int, tuple[Any, bool, int]]) -> list[int]:
        number, (position, inclusive, expected) = case
        consumer = consume(
            standin.connection_string,
            f"group-{number}",
            starting_position=position,
            starting_position_inclusive=inclusive,
        )
        return consumer.wait_for(20 - expected).sequence_numbers

    with ThreadPoolExecutor(len(cases)) as pool:
        found = list(pool.map(first, enumerate(cases)))
    assert found == [list(range(expected, 20)) for _, _, expected in cases]


def test_latest_gives_only_what_arrives_afterwards(standin: EventHubStandIn, consume: Consume) -> None:
    standin.append(0, numbered(5))
    consumer = consume(standin.connection_string, starting_position="@latest")
    # The SDK hands events on after a pause or when its prefetch is full: leave it the pause.
    for at in range(5, 100):
        standin.append(0, numbered(1, at))
        consumer._thread.join(0.5)
        if consumer.received.events:
            break
    received = consumer.wait_for(1)
    assert received.sequence_numbers[0] >= 5
    assert received.bodies[0] == f"event {received.sequence_numbers[0]}".encode()


def test_an_idle_receiver_gets_an_event_that_arrives_later(
    standin: EventHubStandIn, consume: Consume
) -> None:
    consumer = consume(standin.connection_string)
    consumer._thread.join(1.0)
    assert consumer.received.events == []
    standin.append(0, numbered(1))
    assert consumer.wait_for(1).bodies == [b"event 0"]


def test_annotations_and_properties_come_out_as_from_iot_hub(
    standin: EventHubStandIn, consume: Consume
) -> None:
    event = Event(
        b'{"v":[3.7]}',
        properties={"schema": "bms/v1", "attempt": 2},
        annotations=iot_annotations(
            "dev-2",
            enqueued_ms=START_MS,
            module_id="bms",
            model_id="dtmi:example:pack;1",
            component="pack",
            generation_id="42",
        ),
        content_type="application/json",
        content_encoding="utf-8",
        message_id="m-1",
        correlation_id="c-1",
        partition_key="dev-2",
    )
    standin.append(0, [event], START_MS + 5)
    (received,) = consume(standin.connection_string).wait_for(1).events
    system = received.system_properties
    assert system[b"iothub-connection-auth-method"].startswith(b"{")
    del system[b"iothub-connection-auth-method"]
    assert system == {
        b"content-type": b"application/json",
        b"content-encoding": b"utf-8",
        b"message-id": b"m-1",
        b"correlation-id": b"c-1",
        b"x-opt-sequence-number": 0,
        b"x-opt-offset": b"0",
        b"x-opt-enqueued-time": START_MS + 5,
        b"x-opt-partition-key": b"dev-2",
        b"iothub-connection-device-id": b"dev-2",
        b"iothub-connection-module-id": b"bms",
        b"iothub-connection-auth-generation-id": b"42",
        b"iothub-enqueuedtime": START_MS,
        b"iothub-message-source": b"Telemetry",
        b"dt-dataschema": b"dtmi:example:pack;1",
        b"dt-subject": b"pack",
    }
    assert received.properties == {b"schema": b"bms/v1", b"attempt": 2}
    assert received.body_as_json() == {"v": [3.7]}
    assert (received.partition_key, received.content_type) == (b"dev-2", "application/json")


def test_large_events_arrive_whole(standin: EventHubStandIn, consume: Consume) -> None:
    sizes = [200_000, 1_000_000, 65_536, 65_400, 0, 1]
    standin.append(0, [Event(bytes([65 + at]) * size) for at, size in enumerate(sizes)])
    received = consume(standin.connection_string).wait_for(len(sizes))
    assert received.bodies == [bytes([65 + at]) * size for at, size in enumerate(sizes)]


def test_more_events_than_a_session_window_arrive_in_order(
    standin: EventHubStandIn, consume: Consume
) -> None:
    count = 70_000
    standin.append(0, [Event(b"x")] * count)
    received = consume(standin.connection_string, prefetch=3_000).wait_for(count)
    assert received.sequence_numbers == list(range(count))


def test_a_receiver_of_all_partitions_gets_every_event(tmp_path: Path, consume: Consume) -> None:
    with EventHubStandIn(tmp_path, partitions=5) as standin:
        for partition in range(5):
            standin.append(partition, numbered(10))
        consumer = consume(standin.connection_string, partition_id=None)
        assert sorted(consumer.wait_for(50).sequence_numbers) == sorted(list(range(10)) * 5)


def test_the_last_enqueued_event_is_told_where_asked_for(standin: EventHubStandIn, consume: Consume) -> None:
    standin.append(0, numbered(4), START_MS)
    consumer = consume(standin.connection_string, track_last_enqueued_event_properties=True)
    event = consumer.wait_for(4).events[0]
    from azure.eventhub._utils import get_last_enqueued_event_properties

    told = get_last_enqueued_event_properties(event)
    assert told is not None
    assert told["sequence_number"] == 3
    assert told["enqueued_time"].timestamp() * 1_000 == START_MS


def test_events_outlive_the_stand_in_and_partitions_can_be_added(tmp_path: Path, consume: Consume) -> None:
    with EventHubStandIn(tmp_path, partitions=1) as standin:
        standin.append(0, numbered(5))
    with EventHubStandIn(tmp_path, partitions=2) as standin:
        standin.append(0, numbered(2, 5))
        standin.append(1, numbered(1))
        first = consume(standin.connection_string)
        second = consume(standin.connection_string, partition_id="1")
        assert first.wait_for(7).bodies == [f"event {at}".encode() for at in range(7)]
        assert second.wait_for(1).sequence_numbers == [0]


def test_what_a_killed_process_had_accepted_is_still_there(tmp_path: Path, consume: Consume) -> None:
    from azure.eventhub import EventData, EventHubProducerClient

    command = [sys.executable, "-m", "battery_lake", "--set", f"home={tmp_path}", "local", "up"]
    command += ["--partitions", "1", "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        connection_string = json.loads(process.stdout.readline())["connection_string"]
        with EventHubProducerClient.from_connection_string(connection_string) as producer:
            producer.send_batch([EventData(f"event {at}") for at in range(50)], partition_id="0")
        process.kill()
    with EventHubStandIn(tmp_path / "local" / "telemetry", partitions=1) as standin:
        consumer = consume(standin.connection_string)
        assert consumer.wait_for(50).bodies == [f"event {at}".encode() for at in range(50)]


def test_retention_by_size_and_age_moves_the_beginning(tmp_path: Path, consume: Consume) -> None:
    keep = Retention(age_s=3_600, partition_bytes=5_000)
    with EventHubStandIn(tmp_path, partitions=2, retention=keep, segment_bytes=2_000) as standin:
        standin.append(0, [Event(b"x" * 100) for _ in range(200)])
        standin.append(1, numbered(3), START_MS)
        standin.append(1, numbered(2, 3))
        standin.faults._run(standin._hub.retain)
        old, aged = standin._hub.logs
        assert 150 < old.begin < 200
        assert aged.begin == 3
        first = consume(standin.connection_string)
        second = consume(standin.connection_string, partition_id="1", starting_position=0)
        assert first.wait_for(200 - old.begin).sequence_numbers == list(range(old.begin, 200))
        assert second.wait_for(2).sequence_numbers == [3, 4]


async def _receive_async(connection_string: str, count: int) -> list[int]:
    from azure.eventhub.aio import EventHubConsumerClient

    client = EventHubConsumerClient.from_connection_string(connection_string, consumer_group="$Default")
    numbers: list[int] = []
    enough = asyncio.Event()

    async def on_event(_context: Any, event: Any) -> None:
        numbers.append(event.sequence_number)
        if len(numbers) >= count:
            enough.set()

    async with client:
        assert (await client.get_partition_properties("0"))["last_enqueued_sequence_number"] == count - 1
        task = asyncio.create_task(client.receive(on_event, partition_id="0", starting_position="-1"))
        await asyncio.wait_for(enough.wait(), 30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return numbers


def test_the_asynchronous_client_receives(standin: EventHubStandIn) -> None:
    standin.append(0, numbered(500))
    assert asyncio.run(_receive_async(standin.connection_string, 500)) == list(range(500))
