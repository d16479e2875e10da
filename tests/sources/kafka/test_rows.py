"""From records to the envelope."""

import datetime as dt

from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lake.local.amqp.codec import Typed, encode
from battery_lake.sources.envelope import OF_THE_MESSAGE, PLACES, properties, text
from battery_lake.sources.kafka.rows import SET_BY_SERVICE, envelope

AT = dt.datetime.fromisoformat("2026-01-10")  # as Spark hands it over: UTC, without saying so
RECORD = (
    "key binary, value binary, topic string, partition int, offset bigint, timestamp timestamp,"
    " headers array<struct<key: string, value: binary>>"
)


def read(spark, *records):
    """Envelopes of records, each ``headers`` or ``(key, headers)``."""
    rows = []
    for offset, each in enumerate(records):
        key, headers = each if isinstance(each, tuple) else (None, each)
        rows.append((key, b"body", "cars", 3, offset, AT, headers))
    found = envelope(spark.createDataFrame(rows, RECORD)).orderBy("sequence_number").collect()
    return [row.asDict() for row in found]


def test_a_record_without_headers_is_a_message_all_the_same(spark):
    for row in read(spark, None, []):
        assert row["hub"] == "cars"
        assert row["partition_id"] == "3"
        assert row["body"] == b"body"
        assert row["enqueued_at"] == AT
        assert row["device_id"] is None
        assert (row["system_properties"], row["application_properties"]) == ({}, {})


def test_a_records_key_is_its_partition_key(spark):
    own = [("x-opt-partition-key", encode("given"))]
    plain, again, empty = read(spark, (b"V1", None), (b"V1", own), (b"", []))
    assert plain["system_properties"] == {"x-opt-partition-key": "V1"}
    assert again["system_properties"] == {"x-opt-partition-key": "given"}
    assert empty["system_properties"] == {"x-opt-partition-key": ""}


def test_texts_of_a_kafka_producer_may_name_the_device_and_the_time(spark):
    device = ("iothub-connection-device-id", b"V1")
    times = [b"2026-01-09T01:02:03.500Z", b"1767920523500", b"2026-01-09 01:02:03.5", b"yesterday", b"9" * 18]
    rows = read(spark, *([device, ("iothub-enqueuedtime", at), ("country", b"US")] for at in times))
    taken = dt.datetime.fromisoformat("2026-01-09T01:02:03.500")
    assert [row["enqueued_at"] for row in rows] == [taken, taken, taken, AT, AT]
    assert [row["system_properties"]["iothub-enqueuedtime"] for row in rows] == [
        *["1767920523500"] * 3,
        "yesterday",
        "9" * 18,
    ]
    assert {row["device_id"] for row in rows} == {"V1"}
    assert [row["application_properties"] for row in rows] == [{"country": "US"}] * 5


NAMES = st.one_of(
    st.sampled_from([
        *OF_THE_MESSAGE, *PLACES, "iothub-connection-device-id", "iothub-creation-time-utc", "dt-subject",
        "x-opt-partition-key", "schema_version", "Content-Type",
    ]),
    st.text(min_size=1),
)  # fmt: skip
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.text(),
    st.binary(),
    st.integers(-(2**63), 2**63 - 1),
    st.integers(-(2**63), 2**63 - 1).map(lambda number: Typed("timestamp", number)),
    st.uuids(),
)
TAKEN = ("iothub-enqueuedtime", Typed("timestamp", 1_768_003_200_250))


def test_properties_are_split_and_spelt_as_every_source_does(spark):
    drawn = []

    @settings(max_examples=500)
    @given(st.lists(st.tuples(NAMES, VALUES), max_size=12), st.sampled_from([[TAKEN], []]))
    def collect(pairs, taken):
        drawn.append([("iothub-message-source", "Telemetry"), *pairs, *taken])

    collect()
    rows = read(spark, *([(name, encode(value)) for name, value in pairs] for pairs in drawn))
    for row, pairs in zip(rows, drawn, strict=True):
        plain = [(name, value.value if isinstance(value, Typed) else value) for name, value in pairs]
        is_system = [name in OF_THE_MESSAGE or name.startswith(SET_BY_SERVICE) for name, _ in plain]
        own = {}
        for (name, value), system in zip(plain, is_system, strict=True):
            if not system:
                own.setdefault(name, text(value))
        known = properties(pair for pair, system in zip(plain, is_system, strict=True) if system)
        assert row["system_properties"] == known
        assert row["application_properties"] == own
        assert row["device_id"] == known.get("iothub-connection-device-id")
        assert row["content_type"] == known.get("content-type")
        if TAKEN in pairs:
            assert row["enqueued_at"] == AT + dt.timedelta(milliseconds=250)
