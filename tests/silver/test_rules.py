"""Rules: every reason to refuse a message, every signal that is blanked, and nothing in between."""

# ruff: noqa: DTZ001 - Spark hands over UTC without a zone

import datetime as dt
import gzip

import pytest

from battery_lake.silver.quarantine import refused
from battery_lake.silver.telemetry import valid

FEBRUARY = dt.datetime(2026, 2, 1)
AT = dt.datetime(2026, 3, 1)


BOMB = (gzip.compress(b" " * 40_000_000, mtime=0), {"content_encoding": "gzip"})
SHOWN_BOMB = BOMB[0].decode("utf-8", "replace")[:80]


def hub_took_it(at):
    return {"enqueued_at": at + dt.timedelta(seconds=2)}


@pytest.fixture(scope="session")
def refused_cases(message):
    """Name: body with its row's columns, and the exact reasons."""
    text = message(sequence="one")
    return {
        "no device": ((message(), {"device_id": None}),
                      [("bad_envelope", "no device or no enqueued time"),
                       ("not_assigned", "no device for P1")]),
        "no time of the hub": ((message(), {"enqueued_at": None}),
                               [("bad_envelope", "no device or no enqueued time")]),
        "the rest of a corrupt file": (
            ("a.avro: 3 messages were read", {"device_id": None, "sequence_number": -1}),
            [("unreadable_file", "a.avro: 3 messages were read"),
             ("bad_envelope", "no device or no enqueued time"),
             ("undecodable", "a.avro: 3 messages were read")]),
        "another encoding": ((message(), {"content_encoding": "UTF-16"}),
                             [("unsupported_encoding", "UTF-16")]),
        "too large": (message(state="x" * 2_000_000)[:1_500_000],
                      [("oversize", "1500000"), ("undecodable", message(state="x" * 2_000_000)[:80])]),
        "a bomb": (BOMB, [("decompression_bomb", "it unzips to more than 16777216 bytes"),
                          ("undecodable", SHOWN_BOMB)]),
        "half a zip": ((b"\x1f\x8b\x08\x00", {"content_encoding": "gzip"}),
                       [("bad_compression", "the gzip is cut short"), ("undecodable", "\x1f\ufffd\x08\x00")]),
        "no JSON": ("hello", [("undecodable", "hello")]),
        "nothing": ("", [("undecodable", "")]),
        "a number": ("17", [("undecodable", "17")]),
        "an array cut short": ('[{"a": 1},', [("undecodable", '[{"a": 1},')]),
        "an array in an array": ("[[1]]", [("undecodable", "[1]")]),
        "JSON cut short": ('{"pack_id": "P1",', [("wrong_type", '{"pack_id": "P1",')]),
        "text for a number": (text, [("wrong_type", text[:80])]),
        "a number for an array": ('{"cell_voltages_v": 3.7}', [("wrong_type", '{"cell_voltages_v": 3.7}')]),
        "no such day": ('{"measured_at": "2026-13-01"}', [("wrong_type", '{"measured_at": "2026-13-01"}')]),
        "a counter without end": ('{"sequence": 99999999999999999999}',
                                  [("wrong_type", '{"sequence": 99999999999999999999}')]),
        "another version": (message(schema_version=2), [("unknown_schema", "2")]),
        "no pack": (message(pack_id=...), [("missing_key", "pack_id")]),
        "an empty pack": (message(pack_id=""), [("missing_key", "pack_id"), ("unknown_pack", "")]),
        "no time, no counter": (message(measured_at=..., sequence=None),
                                [("missing_key", "measured_at, sequence")]),
        "before 2000": (message(measured_at="1999-12-31T23:59:59Z"),
                        [("clock", "1999-12-31 23:59:59"), ("not_assigned", "V1 for P1")]),
        "ahead of the hub": (message(measured_at="2026-01-10T00:05:02.001Z"),
                             [("clock", "2026-01-10 00:05:02.001")]),
        "milliseconds for a time": (message(measured_at=1768003200000),
                                    [("clock", "+57995-10-17 00:00:00"), ("not_assigned", "V1 for P1")]),
        "an unknown pack": (message(pack_id="P9"), [("unknown_pack", "P9")]),
        "another's pack": ((message(), {"device_id": "V2"}), [("not_assigned", "V2 for P1")]),
        "the instant of the handover": (
            (message(measured_at="2026-02-01T00:00:00Z"), hub_took_it(FEBRUARY)),
            [("not_assigned", "V1 for P1")]),
        "a cell too few": (message(cell_voltages_v=[3.7, 3.7]), [("cell_count", "2 of 3")]),
        "everything at once": (
            (message(schema_version=7, pack_id="P1", measured_at="1990-01-01T00:00:00Z", sequence=...,
                     cell_voltages_v=[1.0] * 4), {"device_id": "V9", "content_encoding": "br"}),
            [("unsupported_encoding", "br"), ("unknown_schema", "7"), ("missing_key", "sequence"),
             ("clock", "1990-01-01 00:00:00"), ("not_assigned", "V9 for P1"), ("cell_count", "4 of 3")]),
    }  # fmt: skip


def test_every_refused_message_has_exactly_its_reasons_and_its_bytes(check, refused_cases, params):
    cases = [case if isinstance(case, tuple) else (case, {}) for case, _ in refused_cases.values()]
    messages = check(cases)
    by_number = {r.sequence_number: r for r in refused(messages, params, AT).collect()}
    rows = [by_number.get(columns.get("sequence_number", place)) for place, (_, columns) in enumerate(cases)]
    found = {
        name: row and [(reason.code, reason.detail) for reason in row.reasons]
        for name, row in zip(refused_cases, rows, strict=True)
    }
    assert found == {name: reasons for name, (_, reasons) in refused_cases.items()}
    sent = [body.encode() if isinstance(body, str) else body for body, _ in cases]
    assert [bytes(row.body) for row in rows if row] == sent
    assert {row.refused_at for row in rows if row} == {AT}
    assert valid(messages, params).isEmpty()


def test_every_rule_has_a_case(refused_cases, params):
    seen = {code for _, reasons in refused_cases.values() for code, _ in reasons}
    assert seen == {rule.code for rule in params.of("critical")}


def test_codes_are_told_apart_and_explained(params):
    rules = params.of("critical")
    assert len({rule.code for rule in rules}) == len(rules)
    assert all(rule.meaning.endswith(".") for rule in rules)


def test_a_message_without_a_schema_version_is_refused(check, message, params):
    messages = check([message(schema_version=...), "{}"])
    rows = refused(messages, params, AT).orderBy("sequence_number").collect()
    assert [(r.reasons[0].code, r.reasons[0].detail) for r in rows] == [("unknown_schema", "none")] * 2


def test_reasons_for_bytes_that_are_no_text_can_be_read_by_arrow(check, params):
    messages = check([(b"\x1f\x8b\x08\x00\xff", {"content_encoding": "gzip"})])
    (row,) = refused(messages, params, AT).select("reasons").toArrow().to_pylist()
    assert [reason["code"] for reason in row["reasons"]] == ["bad_compression", "undecodable"]


INF, NAN = float("inf"), float("nan")
NOTHING_OUT = {"flags": []}
BLANKED = {
    "all well": ({}, NOTHING_OUT),
    "limits are within": (
        {"cell_voltages_v": [0.5, 5.0, 3.7], "temperatures_c": [-39.5, 150.0], "current_a": -5000.0,
         "soc_pct": 0.0, "latitude": -90.0, "longitude": 180.0, "pack_voltage_v": 9.2},
        {"cell_voltages_v": [0.5, 5.0, 3.7], "temperatures_c": [-39.5, 150.0], "current_a": -5000.0,
         "soc_pct": 0.0, "latitude": -90.0, "longitude": 180.0, "flags": []}),
    "a broken sense wire": (
        {"cell_voltages_v": [3.7, 0.0, 6.5535]},
        {"cell_voltages_v": [3.7, None, None], "flags": ["cell_voltage_range"]}),
    "a cell that is null": (
        {"cell_voltages_v": [3.7, None, 3.7]}, {"cell_voltages_v": [3.7, None, 3.7], "flags": []}),
    "probes unplugged": (
        {"temperatures_c": [-40.0, 20.0, 215.0]},
        {"temperatures_c": [None, 20.0, None], "flags": ["temperature_range"]}),
    "no cells measured": ({"cell_voltages_v": ...}, {"cell_voltages_v": None, "flags": ["no_cell_voltages"]}),
    "cells empty": ({"cell_voltages_v": []}, {"cell_voltages_v": [], "flags": ["no_cell_voltages"]}),
    "no SOC": ({"soc_pct": ...}, {"soc_pct": None, "flags": ["no_soc"]}),
    "SOC of 102.3": ({"soc_pct": 102.3}, {"soc_pct": None, "flags": ["soc_range"]}),
    "odometer not there yet": ({"odometer_km": 0}, {"odometer_km": None, "flags": ["odometer_range"]}),
    "no pack voltage": ({"pack_voltage_v": -1}, {"pack_voltage_v": None, "flags": ["pack_voltage_range"]}),
    "insulation of less than nothing": (
        {"insulation_kohm": -1}, {"insulation_kohm": None, "flags": ["insulation_range"]}),
    "a short through the insulation": ({"insulation_kohm": 0}, {"insulation_kohm": 0.0, "flags": []}),
    "a monitor that is not there": (
        {"insulation_kohm": 4294967295}, {"insulation_kohm": None, "flags": ["insulation_range"]}),
    "nowhere on earth": (
        {"latitude": 91.0}, {"latitude": None, "longitude": None, "flags": ["position_range"]}),
    "NaN everywhere": (
        {"cell_voltages_v": [NAN, 3.7, 3.7], "temperatures_c": [NAN], "current_a": NAN, "soc_pct": NAN,
         "odometer_km": NAN, "pack_voltage_v": NAN, "latitude": NAN, "insulation_kohm": NAN},
        {"cell_voltages_v": [None, 3.7, 3.7], "temperatures_c": [None], "current_a": None, "soc_pct": None,
         "odometer_km": None, "pack_voltage_v": None, "latitude": None, "longitude": None,
         "insulation_kohm": None,
         "flags": ["cell_voltage_range", "temperature_range", "current_range", "soc_range", "odometer_range",
                   "pack_voltage_range", "insulation_range", "position_range", "non_finite"]}),
    "infinities": (
        {"cell_voltages_v": [INF, -INF, 3.7], "temperatures_c": [-INF, 20.0], "current_a": -INF,
         "soc_pct": INF, "longitude": INF},
        {"cell_voltages_v": [None, None, 3.7], "temperatures_c": [None, 20.0], "current_a": None,
         "soc_pct": None, "latitude": None, "longitude": None,
         "flags": ["cell_voltage_range", "temperature_range", "current_range", "soc_range",
                   "position_range", "non_finite"]}),
    "only what must be": (
        dict.fromkeys(("state", "current_a", "pack_voltage_v", "soc_pct", "cell_voltages_v",
                       "temperatures_c", "odometer_km", "latitude", "longitude"), ...),
        {"current_a": None, "flags": ["no_cell_voltages", "no_soc"]}),
}  # fmt: skip


def test_impossible_signals_are_blanked_and_flagged_and_the_rest_stays(check, message, params):
    rows = valid(check([message(**changes) for changes, _ in BLANKED.values()]), params).collect()
    by_place = {row.sequence_number: row.asDict() for row in rows}
    untouched = by_place[0]
    for place, (name, (changes, expected)) in enumerate(BLANKED.items()):
        found = by_place[place]
        assert {key: found[key] for key in expected} == expected, name
        others = set(untouched) - {*expected, *changes, "sequence_number"}
        assert {key: found[key] for key in others} == {key: untouched[key] for key in others}, name


def test_an_infinite_odometer_and_pack_voltage_are_blanked(check, message, params):
    (row,) = valid(check([message(odometer_km=INF, pack_voltage_v=INF)]), params).collect()
    assert (row.odometer_km, row.pack_voltage_v) == (None, None)
    assert row.flags == ["odometer_range", "pack_voltage_range", "non_finite"]


def test_an_assignment_holds_from_its_first_instant_until_just_before_its_end(check, message, params):
    cases = [
        ("V1", "2026-01-01T00:00:00Z"),
        ("V1", "2026-01-31T23:59:59.999999Z"),
        ("V2", "2026-02-01T00:00:00Z"),
        ("V2", "2199-01-01T00:00:00Z"),  # lasts
        ("V1", "2025-12-31T23:59:59.999999Z"),
        ("V1", "2026-02-01T00:00:00Z"),
        ("V2", "2026-01-31T23:59:59.999999Z"),
    ]
    late = {"enqueued_at": dt.datetime(2199, 1, 2)}
    rows = check([(message(measured_at=at), {"device_id": who, **late}) for who, at in cases])
    accepted = {row.sequence_number for row in valid(rows, params).collect()}
    assert [cases[place] for place in sorted(accepted)] == cases[:4]


def test_the_device_that_the_hub_knows_is_the_vehicle_whatever_the_body_says(check, message, params):
    (row,) = valid(check([message(vehicle_id="someone else")]), params).collect()
    assert row.vehicle_id == "V1"


def test_a_clock_may_run_ahead_by_exactly_the_skew_and_behind_by_years(check, message, params):
    ahead = message(measured_at="2026-01-10T00:05:02Z")
    behind = (message(measured_at="2026-01-02T00:00:00Z"), {"enqueued_at": dt.datetime(2035, 1, 1)})
    assert valid(check([ahead, behind]), params).count() == 2
