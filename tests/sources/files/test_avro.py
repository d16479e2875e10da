"""Avro files of routing and Capture: every message comes through, and a broken file says so."""

from __future__ import annotations

import datetime as dt
import io

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.local.eventhub import Event, iot_annotations
from battery_lake.local.storage import captured, routed_avro
from battery_lake.sources.files.avro import BATCH_ROWS, UNREADABLE, in_batches, messages

AT = dt.datetime(2026, 1, 10, tzinfo=dt.UTC)
AT_MS = 1_768_003_200_250
CAPTURE = "cars/telemetry/3/2026/01/10/00/05/00.avro"


def events(count, *, pad=0):
    return [
        Event(
            b'{"n": %d, "v": 3.870, "pad": "%s"}' % (n, b"x" * pad),
            properties={"schema_version": "1", "level": n},
            annotations=iot_annotations(f"V{n % 3}", enqueued_ms=AT_MS + n),
            content_type="application/json",
            content_encoding="utf-8",
        )
        for n in range(count)
    ]


def read(content, name="routed/0001.avro"):
    return list(messages(name, AT, content))


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_a_routing_file_names_messages_by_file_and_place(codec):
    first, second = read(routed_avro(events(2), codec))
    assert (first["partition_id"], first["sequence_number"]) == ("routed/0001.avro", 0)
    assert second["sequence_number"] == 1
    assert second["body"] == events(2)[1].body
    assert (second["device_id"], second["enqueued_at"]) == ("V1", 1000 * (AT_MS + 1))
    assert dict(second["application_properties"]) == {"schema_version": "1", "level": "1"}


def test_a_capture_file_names_messages_by_partition_and_sequence_number():
    first, second = read(captured(events(2), 700, AT_MS + 999), CAPTURE)
    assert [(row["partition_id"], row["sequence_number"]) for row in (first, second)] == [
        ("3", 700),
        ("3", 701),
    ]
    assert first["enqueued_at"] == 1000 * AT_MS  # when IoT Hub took it, not the queue behind it
    assert dict(first["system_properties"]) == {
        "iothub-connection-device-id": "V0",
        "iothub-connection-auth-method": events(1)[0].annotations["iothub-connection-auth-method"],
        "iothub-connection-auth-generation-id": "638000000000000000",
        "iothub-enqueuedtime": str(AT_MS),
        "iothub-message-source": "Telemetry",
        "content-type": "application/json",
        "content-encoding": "utf-8",
    }


def test_a_capture_file_under_another_name_is_named_by_itself():
    (row,) = read(captured(events(1), 700, AT_MS), "some/where.avro")
    assert (row["partition_id"], row["sequence_number"]) == ("some/where.avro", 0)


@pytest.mark.parametrize(
    "instant",
    ["1/10/2026 12:00:01 AM", "1/10/2026 12:00:01 PM", "2026-01-10T00:00:01", "2026-01-10T01:00:01+01:00"],
)
def test_the_time_of_an_event_that_no_iot_hub_took_is_its_queues(instant):
    record = {"EnqueuedTimeUtc": instant, "Properties": {}, "SystemProperties": {}, "Body": b"{}"}
    schema = {
        "type": "record",
        "name": "r",
        "fields": [
            {"name": "EnqueuedTimeUtc", "type": "string"},
            {"name": "Properties", "type": {"type": "map", "values": "string"}},
            {"name": "SystemProperties", "type": {"type": "map", "values": "string"}},
            {"name": "Body", "type": ["null", "bytes"]},
        ],
    }
    file = io.BytesIO()
    fastavro.writer(file, schema, [record])
    (row,) = read(file.getvalue())
    hours = 12 if "PM" in instant else 0
    assert row["enqueued_at"] == 1_000_000 * int((AT + dt.timedelta(hours=hours, seconds=1)).timestamp())


def test_a_file_of_capture_without_events_holds_no_message():
    assert read(captured([], 0, AT_MS), CAPTURE) == []


@given(st.data())
def test_a_half_written_file_gives_what_it_holds_and_says_that_it_ends(data):
    content = captured(events(400, pad=150), 0, AT_MS)  # several blocks
    whole = read(content, CAPTURE)
    ends = {block.offset + block.size for block in fastavro.block_reader(io.BytesIO(content))}
    assert len(ends) > 3
    header = min(block.offset for block in fastavro.block_reader(io.BytesIO(content)))
    # Cut between two blocks it is a shorter file, and a good one.
    cut = data.draw(st.integers(0, len(content) - 1).filter(lambda at: at not in {header, *ends}))
    *found, last = read(content[:cut], CAPTURE)
    assert found == whole[: len(found)]
    assert (last["partition_id"], last["sequence_number"]) == (CAPTURE, UNREADABLE)
    assert last["body"].decode().startswith(f"{CAPTURE}: {len(found)} messages were read, then: ")


@given(st.data())
def test_a_corrupt_file_never_stops_anything(data):
    content = bytearray(routed_avro(events(40, pad=40), "null"))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    for batch in in_batches(iter(read(bytes(content))), "hub"):
        assert batch.num_rows


@pytest.mark.parametrize("content", [b"", b"Obj\x01", b"no Avro at all", b"\x00" * 100])
def test_what_is_no_avro_is_one_row_that_says_so(content):
    (row,) = read(content)
    assert row["sequence_number"] == UNREADABLE
    assert row["enqueued_at"] == AT


def test_a_file_of_another_schema_is_refused_with_what_it_lacks():
    file = io.BytesIO()
    fastavro.writer(
        file, {"type": "record", "name": "r", "fields": [{"name": "x", "type": "int"}]}, [{"x": 1}]
    )
    (row,) = read(file.getvalue())
    assert b"no Body" in row["body"]


def test_a_big_file_comes_in_several_batches():
    batches = list(in_batches(messages("f.avro", AT, routed_avro(events(BATCH_ROWS + 1))), "north"))
    assert [batch.num_rows for batch in batches] == [BATCH_ROWS, 1]
    assert set(batches[0].column("hub").to_pylist()) == {"north"}
