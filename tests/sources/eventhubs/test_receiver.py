"""Reading a range: exactly these events, whatever happens to the connection."""

import datetime as dt
import threading

import pytest

from battery_lake.errors import DataLossError, RemoteError
from battery_lake.local.eventhub.standin import EventHubStandIn
from battery_lake.sources.eventhubs.client import partition_states
from battery_lake.sources.eventhubs.options import parse_options
from battery_lake.sources.eventhubs.planning import PartitionState
from battery_lake.sources.eventhubs.positions import first_places
from battery_lake.sources.eventhubs.receiver import Receiver, number_of, received
from battery_lake.sources.eventhubs.rows import record_batch


def numbers(chunks):
    return [number_of(event) for chunk in chunks for event in chunk.events]


def test_the_states_of_all_partitions(hub, options, made_events):
    hub.append(0, made_events(10))
    states = partition_states(options())
    assert {name: (s.first_number, s.next_number) for name, s in states.items()} == {
        "0": (0, 10),
        "1": (0, 0),
    }


def test_ranges_one_after_the_other_and_one_again(hub, options, made_events):
    hub.append(0, made_events(500))
    for start, end in ((0, 200), (200, 201), (201, 500), (100, 300)):
        assert numbers(received(options(), "0", start, end)) == list(range(start, end))


def test_an_event_becomes_a_row_with_everything_that_the_hub_said(hub, options, made_events):
    hub.append(1, made_events(3, device="V7"), enqueued_ms=1_767_225_601_500)
    (chunk,) = received(options(), "1", 1, 2)
    (row,) = record_batch("telemetry", "1", chunk).to_pylist()
    system = dict(row.pop("system_properties"))
    assert system.pop("iothub-connection-auth-method").startswith("{")
    assert row.pop("offset").isdecimal()
    assert row == {
        "hub": "telemetry", "partition_id": "1", "sequence_number": 1, "device_id": "V7",
        "enqueued_at": dt.datetime(2026, 1, 1, 0, 0, 0, 1000, tzinfo=dt.UTC),
        "body": b'{"number": 1}', "content_type": "application/json", "content_encoding": "utf-8",
        "application_properties": [("schema", "v1"), ("try", "2")], "missing_before": None,
    }  # fmt: skip
    assert system == {
        "iothub-connection-device-id": "V7",
        "iothub-connection-auth-generation-id": "638000000000000000",
        "iothub-enqueuedtime": "1767225600001",
        "iothub-message-source": "Telemetry",
        "content-type": "application/json",
        "content-encoding": "utf-8",
    }


def test_dropped_connections_detached_links_and_a_busy_service_cost_no_event(hub, options, made_events):
    hub.append(0, made_events(3000))
    got = []
    hub.faults.refuse_links(2)
    hub.faults.drop_after(700)
    for chunk in received(options(prefetch="100"), "0", 0, 3000):
        got += [number_of(event) for event in chunk.events]
        if 1500 <= len(got) < 2500:
            hub.faults.detach_links()
    assert got == list(range(3000))


def test_what_the_service_gives_twice_is_taken_once(hub, options, made_events):
    hub.append(0, made_events(100))
    reading = received(options(prefetch="20"), "0", 0, 160)
    got = [number_of(event) for event in next(reading).events]
    hub.faults.redeliver(30)
    hub.append(0, made_events(60, first=100))
    got += numbers(reading)
    assert got == list(range(160))


@pytest.mark.parametrize("fails", ["true", "false"])
def test_what_comes_out_of_order_or_not_at_all_is_asked_for_anew(
    hub, options, made_events, monkeypatch, fails
):
    hub.append(0, made_events(400))
    whole, calls = Receiver.receive, []

    def garbled(receiver, most):
        events = whole(receiver, most)
        calls.append(len(events))
        if len(calls) == 1:
            events[10], events[11] = events[11], events[10]
        if len(calls) == 2:
            del events[20]
        return events

    monkeypatch.setattr(Receiver, "receive", garbled)
    chunks = list(received(options(failOnDataLoss=fails), "0", 0, 400))
    assert numbers(chunks) == list(range(400))
    assert not any(chunk.missing for chunk in chunks)
    assert len(calls) > 2


def test_one_thread_alone_reads_from_a_connection(hub, options, made_events):
    hub.append(0, made_events(20))
    before = set(threading.enumerate())
    receiver = Receiver(options(), "0", 0)
    assert len(receiver.receive(20)) == 20
    assert set(threading.enumerate()) == before
    receiver.close()


def test_an_event_that_is_not_there_yet_is_waited_for(hub, options, made_events):
    hub.append(0, made_events(5))
    later = threading.Timer(1.5, lambda: hub.append(0, made_events(1, first=5)))
    later.start()
    assert numbers(received(options(), "0", 0, 6)) == list(range(6))
    later.join()


def test_events_that_are_gone_are_an_error_or_counted(hub, options, made_events):
    hub.append(0, made_events(50))
    hub.faults.expire(0, keep=10)
    with pytest.raises(DataLossError, match="events 20 to 39 are gone"):
        list(received(options(), "0", 20, 50))
    (chunk,) = received(options(failOnDataLoss="false"), "0", 20, 50)
    assert numbers([chunk]) == list(range(40, 50))
    assert chunk.missing == {40: 20}
    assert list(received(options(failOnDataLoss="false"), "0", 5, 30)) == []


def test_a_range_that_never_fills_ends_with_an_error(hub, options, made_events):
    hub.append(0, made_events(5))
    with pytest.raises(DataLossError, match="created anew"):
        list(received(options(receiveTimeout="2"), "0", 0, 9))


def test_a_token_that_is_refused_is_an_error_at_once_and_holds_no_key(hub, options, made_events):
    hub.append(0, made_events(5))
    hub.faults.refuse_tokens()
    with pytest.raises(RemoteError, match="not let in") as fault:
        list(received(options(), "0", 0, 5))
    assert "SharedAccessKey=" not in str(fault.value)


def test_nobody_there_is_an_error_that_says_where(hub, options, made_events):
    hub.append(0, made_events(5))
    chosen = options(receiveTimeout="1")
    hub.close()
    with pytest.raises(RemoteError, match="hub telemetry at localhost"):
        list(received(chosen, "0", 0, 5))


def test_starting_positions(hub, options, made_events):
    for second in range(5):
        hub.append(0, made_events(10), enqueued_ms=1_767_225_600_000 + 1000 * second)
    states = partition_states(options())

    def begins(position):
        return {name: place.next_number for name, place in first_places(options(), position, states).items()}

    new_year = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert begins("earliest") == {"0": 0, "1": 0}
    assert begins("latest") == {"0": 50, "1": 0}
    assert begins({"0": 7}) == {"0": 7, "1": 0}
    assert begins(new_year + dt.timedelta(seconds=2)) == {"0": 20, "1": 0}
    assert begins(new_year + dt.timedelta(seconds=1.5)) == {"0": 20, "1": 0}
    assert begins(new_year + dt.timedelta(days=1)) == {"0": 50, "1": 0}
    assert isinstance(states["0"], PartitionState)


def test_a_consumer_group_that_is_not_there_is_named(tmp_path, made_events):
    with EventHubStandIn(tmp_path / "named", partitions=1, consumer_groups={"lake"}) as standin:
        standin.append(0, made_events(3))
        given = {
            "connectionString": standin.connection_string,
            "consumerGroup": "lak",
            "receiveTimeout": "20",
        }
        with pytest.raises(RemoteError, match="consumer group lak: not there") as caught:
            numbers(received(parse_options(given), "0", 0, 3))
    assert "that the consumer group exists" in caught.value.remedy


def test_five_other_readers_are_told_as_such(hub, options, made_events):
    hub.append(0, made_events(3))
    given = options(receiveTimeout="2")
    others = [Receiver(given, "0", 0) for _ in range(5)]
    try:
        for other in others:
            assert other.receive(1)
        with pytest.raises(RemoteError, match="too many readers"):
            numbers(received(given, "0", 0, 3))
    finally:
        for other in others:
            other.close()
