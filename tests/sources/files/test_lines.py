"""Landing files: every line gets its own number for ever, and its body comes through."""

# ruff: noqa: DTZ001 - Spark hands over UTC without a zone

import base64
import datetime as dt
import gzip
import json

import pytest

from battery_lake.settings import load
from battery_lake.sources.files import landing as folder_of
from battery_lake.sources.files.lines import envelope, numbered

AT = "2026-01-10T00:00:02.5000000Z"
SYSTEM = {"connectionDeviceId": "V1", "contentType": "application/json", "contentEncoding": "utf-8"}


def line(body, **more):
    """A routing line around the JSON text of a body."""
    head = json.dumps({"EnqueuedTimeUtc": AT, "Properties": {}, "SystemProperties": SYSTEM, **more})
    return f'{head[:-1]}, "Body": {body}}}'


@pytest.fixture(scope="session")
def opened(spark):
    """The envelopes of lines, in order."""

    def run(*lines):
        rows = [("f.json", number, text) for number, text in enumerate(lines)]
        frame = spark.createDataFrame(rows, "file string, line bigint, value string")
        return envelope(frame, "hub").orderBy("sequence_number").collect()

    return run


@pytest.fixture
def take(spark, tmp_path):
    """Run a landing folder through the stream: what each batch's lines are, numbered, and their blocks."""

    def run(landing, *, block_bytes=None):
        settings, _ = load([f"home={tmp_path}", f"source.landing={landing}"], environment={})
        rows, blocks, named = [], set(), []

        def look(batch, _batch_id):
            found = numbered(batch)
            named.extend(found.files)
            rows.extend(found.lines.collect())
            blocks.update((r.file, r.block_start) for r in batch.select("file", "block_start").collect())

        if block_bytes:
            spark.conf.set("spark.sql.files.maxPartitionBytes", str(block_bytes))
        try:
            query = (
                folder_of
                .json_lines(spark, settings)
                .writeStream.foreachBatch(look)
                .option("checkpointLocation", str(tmp_path / "checkpoint"))
                .trigger(availableNow=True)
                .start()
            )
            query.awaitTermination()
        finally:
            spark.conf.unset("spark.sql.files.maxPartitionBytes")
        return {(r.file, r.line): r.value for r in rows}, blocks, named

    return run


def test_lines_are_numbered_within_their_file_however_spark_cuts_it(take, tmp_path):
    landing = tmp_path / "landing"
    contents = {
        "a.json": [f'{{"n": {n}, "pad": "{"x" * (n * 37 % 190)}"}}' for n in range(60)],
        "2026/01/10/b.json": ["one", "", "  ", "two", "", "é" * 200, "three"],
        "2026/01/10/a.json": ["only"],
    }
    for name, lines in contents.items():
        file = landing / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    (landing / ".c.json.partial").write_text("not yet", encoding="utf-8")
    (landing / "notes.txt").write_text("no message", encoding="utf-8")

    found, blocks, named = take(landing, block_bytes=256)
    assert found == {(name, n): text for name, lines in contents.items() for n, text in enumerate(lines)}
    assert sorted(named) == sorted(contents)
    assert len({start for name, start in blocks if name == "a.json"}) > 5


@pytest.mark.parametrize(
    "folder",
    [
        "my data (é)",
        "copy [1]",
    ],
)
def test_a_file_is_named_below_its_folder_whatever_the_folder_is_called(take, tmp_path, folder):
    landing = tmp_path / folder
    (landing / "sub dir").mkdir(parents=True)
    (landing / "sub dir" / "x %1.json").write_text("last line without an end", encoding="utf-8")
    found, _, _ = take(landing)
    assert found == {("sub dir/x %1.json", 0): "last line without an end"}


def test_the_envelope_is_taken_apart(opened):
    (row,) = opened(line("{}", Properties={"schema_version": "1", "level": 2}))
    assert row.asDict() == {
        "hub": "hub",
        "partition_id": "f.json",
        "sequence_number": 0,
        "enqueued_at": dt.datetime(2026, 1, 10, 0, 0, 2, 500000),
        "device_id": "V1",
        "body": bytearray(b"{}"),
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "system_properties": {
            "iothub-connection-device-id": "V1",
            "content-type": "application/json",
            "content-encoding": "utf-8",
        },
        "application_properties": {"schema_version": "1", "level": "2"},
    }


def test_blank_lines_are_no_messages_and_keep_their_numbers(opened):
    assert [row.sequence_number for row in opened(line("{}"), "", "   ", line("{}"))] == [0, 3]


BROKEN = [
    "no JSON at all {",
    '{"EnqueuedTimeUtc": "2026-01-10T00:00:02Z", "Body": {"cut":',
    '{"EnqueuedTimeUtc": "2026-01-10T00:00:02Z", "SystemProperties": {"connectionDeviceId": "V1"}}',
    '[{"Body": {"a": 1}}, {"Body": {"b": 2}}]',
    "17",
]


def test_a_line_that_is_no_envelope_is_kept_whole(opened):
    rows = opened(*BROKEN)
    assert [bytes(row.body).decode() for row in rows] == BROKEN
    assert [row.device_id for row in rows] == [None, None, "V1", None, None]


def test_an_envelope_without_device_or_with_an_impossible_time_is_kept_with_nulls(opened):
    no_device, no_time, absurd = opened(
        line("{}", SystemProperties={"other": "x"}),
        line("{}", EnqueuedTimeUtc="yesterday"),
        line("{}", SystemProperties={**SYSTEM, "iothub-enqueuedtime": str(2**62)}),
    )
    assert absurd.enqueued_at == dt.datetime(2026, 1, 10, 0, 0, 2, 500000)
    assert (no_device.device_id, no_device.system_properties) == (None, {"other": "x"})
    assert (no_time.enqueued_at, no_time.device_id) == (None, "V1")


def test_a_body_that_is_no_json_comes_as_the_bytes_behind_its_base64(opened):
    packed = gzip.compress(b'{"pack_id": "P1"}', mtime=0)
    canonical = b'{"z": 3.870, "a": 1e5}\n'
    rows = opened(
        line(json.dumps(base64.b64encode(packed).decode())),
        line(json.dumps(base64.b64encode(canonical).decode())),
        line('"not base64!"'),
        line('""'),
    )
    assert [bytes(row.body) for row in rows] == [packed, canonical, b"not base64!", b""]


OBJECTS = [
    '{"z":3.87,"a":1,"m":null,"b":[true,2.5],"e":"\u00e9 \u00f8"}',
    "[1,2.5]",
    '{"deep":{"er":[{"x":1}]}}',
]
EXACT = ['{"v":3.870}', '{"v":1e5}', '{"v":1.0E+2}', '{"z":1, "a":2}', '{"u":"\\u00e9\\/"}', "[1.50,2]"]


def test_an_object_keeps_its_keys_their_order_and_its_values(opened):
    assert [bytes(row.body).decode() for row in opened(*map(line, OBJECTS))] == OBJECTS


def test_an_object_keeps_its_exact_text(opened):
    assert [bytes(row.body).decode() for row in opened(*map(line, EXACT))] == EXACT


BEFORE = '"EnqueuedTimeUtc":"2026-01-10T00:00:02Z"'
LINES = {
    '{"Body":{"v":3.870},' + BEFORE + "}": '{"v":3.87}',  # not last: written anew
    "{" + BEFORE + ',"Body":{"v":1.0},"Body":{"v":3.870}}': '{"v":3.87}',  # twice: the parser decides
    "{" + BEFORE + ',"Other":{"x":[1]},"Body":{"v":3.870}}': '{"v":3.87}',  # an unknown entry before
    '{"Properties":{"Body":"{","a":"\\\\\\"}"},' + BEFORE + ',"Body":{"v":3.870}}': '{"v":3.870}',
    " { " + BEFORE + ' , "SystemProperties" : {} ,"Body" : [ 3.870 ] }  ': "[ 3.870 ]",
    "{"
    + BEFORE
    + ',"Body":{"Body":{"v":3.870},"EnqueuedTimeUtc":1}}': '{"Body":{"v":3.870},"EnqueuedTimeUtc":1}',
}


def test_the_text_is_exact_wherever_the_body_stands_last(opened):
    assert [bytes(row.body).decode() for row in opened(*LINES)] == list(LINES.values())


def test_a_property_under_both_of_its_names_counts_once(opened):
    text = json.dumps({"a": 1})
    both = {**SYSTEM, "iothub-connection-device-id": "V9", "enqueuedTime": "2026-01-10T00:00:01.25Z"}
    (row,) = opened(line(text, SystemProperties=both))
    assert (row.device_id, row.enqueued_at) == ("V1", dt.datetime(2026, 1, 10, 0, 0, 1, 250000))
    assert row.system_properties["iothub-enqueuedtime"] == "1768003201250"
