"""Decoding: objects and arrays of messages, and no body that is lost or stops the rest."""

# ruff: noqa: DTZ001 - Spark hands over UTC without a zone

import datetime as dt
import json

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from battery_lake.silver.decode import decode
from battery_lake.silver.quarantine import refused
from battery_lake.silver.telemetry import valid

AT = dt.datetime(2026, 3, 1)


def test_an_array_body_is_as_many_messages_each_judged_alone(check, message, params):
    body = f" [{message(sequence=1)}, {message(sequence=2, pack_id='P9')}, null, {message(sequence=3)}]"
    messages = check([body])
    kept = {(row.message_index, row.sequence) for row in valid(messages, params).collect()}
    assert kept == {(0, 1), (3, 3)}
    rows = refused(messages, params, AT).collect()
    assert {(row.message_index, row.reasons[0].code) for row in rows} == {
        (1, "unknown_pack"),
        (2, "undecodable"),
    }
    assert {bytes(row.body) for row in rows} == {body.encode()}


def test_an_array_without_a_message_is_not_lost(check):
    assert check(["[]"]).where("refused").count() == 1


def test_fields_are_read_as_their_types(check, message, params):
    zoned = message(measured_at="2026-01-10T02:00:00.123456+02:00", current_a=5, unknown={"x": [1]})
    (row,) = decode(check([zoned]), params.reading).collect()
    assert row.measured_at == dt.datetime(2026, 1, 10, 0, 0, 0, 123456)
    assert (row.current_a, row.is_known_schema, row.sequence) == (5.0, True, 1)
    assert json.loads(row.text) == json.loads(zoned)


JUNK = st.one_of(
    st.binary(max_size=12),
    st.text(max_size=12),
    st.sampled_from([
        "[",
        "[1",
        "[null]",
        '"{}"',
        "{",
        "}",
        "[[]]",
        "NaN",
        "\ufeff{}",
        '["a"]',
        "[" * 1500,
        "1e999",
    ]),
)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.lists(st.one_of(st.none(), st.floats(), st.integers(), st.text(max_size=2)), max_size=4),
    st.dictionaries(st.text(max_size=2), st.integers(), max_size=2),
    st.sampled_from([
        "P1",
        "2026-01-10T00:00:00Z",
        "1582-10-10",
        "0000-00-00",
        "24:00",
        "2026-01-10T25:00:00Z",
    ]),
)
FIELDS = [
    "pack_id", "measured_at", "sequence", "state", "current_a", "pack_voltage_v", "soc_pct",
    "cell_voltages_v", "temperatures_c", "odometer_km", "latitude", "longitude", "more",
]  # fmt: skip
# A version that is missing or null has its own test in test_rules.
VERSION = st.one_of(st.just(1), VALUES.map(lambda value: 2 if value is None else value))


def messages():
    """Messages that are whole but for a few fields."""
    changes = st.dictionaries(st.sampled_from(FIELDS), st.one_of(st.just(...), VALUES), max_size=3)
    return st.builds(lambda version, changed: {"schema_version": version, **changed}, VERSION, changes)


def test_whatever_comes_is_either_valid_or_refused(check, message, params):
    whole = messages().map(lambda changes: message(**changes))
    arrays = st.lists(whole, min_size=1, max_size=3).map(lambda texts: f"[{','.join(texts)}]")

    @settings(
        max_examples=5,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.data_too_large, HealthCheck.too_slow],
    )
    @given(st.lists(st.one_of(JUNK, whole, whole, arrays), min_size=40, max_size=50))
    def holds(bodies):
        bodies = [body if isinstance(body, bytes) else body.encode("utf-8", "replace") for body in bodies]
        checked = check(bodies)
        places = ("sequence_number", "message_index")
        rows = [
            *valid(checked, params).selectExpr(*places, "flags AS said", "true AS kept").collect(),
            *refused(checked, params, AT)
            .selectExpr(*places, "reasons.code AS said", "false AS kept")
            .collect(),
        ]
        found = [(row.sequence_number, row.message_index) for row in rows]
        assert len(set(found)) == len(found)  # never both
        assert {place for place, _ in found} == set(range(len(bodies)))  # never neither
        assert checked.count() == len(found)
        assert all(row.said for row in rows if not row.kept)

    holds()
