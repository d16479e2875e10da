"""What a mapping makes of a body, through Spark."""

import datetime as dt
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lake.mapping import load
from battery_lake.mapping.compile import compile_mapping
from battery_lake.silver.decode import CORRUPT

AT = dt.datetime(2026, 1, 10, 0, 0, 0)  # noqa: DTZ001 - Spark hands over UTC without a zone
BASE = {"pack": "P1", "at": "2026-01-10T00:00:00Z", "n": 7}


def body(**fields):
    return json.dumps({**BASE, **fields})


CASES = """\
  state:
    cases:
      - {path: c, equals: true, gives: charging}
      - {path: v, above: 0, below: 9, gives: driving}
    otherwise: parked"""
# ruff: noqa: E501 - a case a line
SIGNALS = {
    "a scale and an offset": (
        "  current_a: {path: i, scale: 0.1, offset: -1000}", {"i": 10482}, "current_a", 48.2),
    "a unit": ("  pack_voltage_v: {path: u, unit: 0.1 V}", {"u": 3719}, "pack_voltage_v", 371.9),
    "a unit from zero": ("  temperatures_c: {path: t, unit: degF}", {"t": [32, 212]}, "temperatures_c", [0.0, 100.0]),
    "a fraction": ("  soc_pct: {path: s, unit: '1'}", {"s": 0.625}, "soc_pct", 62.5),
    "the other sign": ("  current_a: {path: i, sign: discharge_positive}", {"i": 12.5}, "current_a", -12.5),
    "the other sign of zero": ("  current_a: {path: i, sign: discharge_positive}", {"i": 0}, "current_a", 0.0),
    "an invalid marker": ("  soc_pct: {path: s, invalid: [255]}", {"s": 255}, "soc_pct", None),
    "one of several markers": ("  soc_pct: {path: s, invalid: [-999, 255]}", {"s": -999.0}, "soc_pct", None),
    "a null": ("  soc_pct: {path: s}", {"s": None}, "soc_pct", None),
    "nothing there": ("  soc_pct: {path: a.b.s}", {"a": {}}, "soc_pct", None),
    "nested": ("  soc_pct: {path: a.b.s}", {"a": {"b": {"s": 5}}}, "soc_pct", 5.0),
    "a dot in a name": ("  soc_pct: {path: [Vehicle.Soc]}", {"Vehicle.Soc": 5}, "soc_pct", 5.0),
    "an item of a list": ("  soc_pct: {path: 'a[1].s'}", {"a": [{"s": 1}, {"s": 2}]}, "soc_pct", 2.0),
    "an item that is not there": ("  soc_pct: {path: 'a[5].s'}", {"a": [{"s": 1}]}, "soc_pct", None),
    "the last item": ("  soc_pct: {path: 'a[-1]'}", {"a": [1, 2, 3]}, "soc_pct", 3.0),
    "millivolts": ("  cell_voltages_v: {path: c, unit: mV, invalid: [65535]}", {"c": [3671, 65535, 3600]},
                   "cell_voltages_v", [3.671, None, 3.6]),
    "a list of objects": ("  cell_voltages_v: {path: 'c[*].v'}", {"c": [{"v": 3.6}, {"v": 3.7}]},
                          "cell_voltages_v", [3.6, 3.7]),
    "numbered fields": ("  cell_voltages_v: {fields: 'CELL_{n:03}', count: 3, unit: mV}",
                        {"CELL_001": 3600, "CELL_002": 3700}, "cell_voltages_v", [3.6, 3.7, None]),
    "numbered probes": ("  temperatures_c: {fields: 'T{n}', count: 4, offset: -40, invalid: [255]}",
                        {"T1": 60, "T2": 255, "T3": 61}, "temperatures_c", [20.0, None, 21.0]),
    "numbered from zero": ("  temperatures_c: {fields: 'T{n}', first: 0, count: 2}", {"T0": 5, "T1": 6},
                           "temperatures_c", [5.0, 6.0]),
    "no probe": ("  temperatures_c: {fields: 'T{n}', count: 4}", {}, "temperatures_c", []),
    "named fields": ("  temperatures_c: {fields: [front, rear]}", {"rear": 6}, "temperatures_c", [None, 6.0]),
    "least and most": ("  cell_voltage_min_v: {path: lo, unit: mV}", {"lo": 3500}, "cell_voltage_min_v", 3.5),
    "a number as text": ("  soc_pct: {path: s, as_text: true}", {"s": " 55.5 "}, "soc_pct", 55.5),
    "an empty text": ("  soc_pct: {path: s, as_text: true}", {"s": ""}, "soc_pct", None),
    "an enum of numbers": ("  state: {path: m, enum: {1: charging, 3: driving}}", {"m": 3.0}, "state", "driving"),
    "an enum of words": ("  state: {path: m, enum: {on: driving}}", {"m": "on"}, "state", "driving"),
    "a word that is not listed": ("  state: {path: m, enum: {on: driving}}", {"m": "off"}, "state", None),
    "the first case": (CASES, {"c": True, "v": 5}, "state", "charging"),
    "a later case": (CASES, {"v": 5}, "state", "driving"),
    "no case": ("  state: {cases: [{path: c, equals: x, gives: charging}], otherwise: parked}", {}, "state", "parked"),
    "a time in seconds": ("  measured_at: {path: at, format: epoch_s}", {"at": 1768003200}, "measured_at", AT),
    "a time in milliseconds": ("  measured_at: {path: at, format: epoch_ms}", {"at": 1768003200000},
                               "measured_at", AT),
    "a time in microseconds": ("  measured_at: {path: at, format: epoch_us}", {"at": 1768003200000000},
                               "measured_at", AT),
    "a time in a zone": ("  measured_at: {path: at, format: yyyy-MM-dd HH:mm:ss, zone: Asia/Shanghai}",
                         {"at": "2026-01-10 08:00:00"}, "measured_at", AT),
    "no time": ("  measured_at: {path: at, format: epoch_ms}", {"at": None}, "measured_at", None),
    "a time beyond time": ("  measured_at: {path: at, format: epoch_us}", {"at": 9e18}, "measured_at",
                           dt.datetime(9999, 12, 31, 23, 59, 59)),  # noqa: DTZ001
    "a constant": ("  sequence: {constant: 3}", {}, "sequence", 3),
    "the device": ("  pack_id: {constant: 'PACK-{device}'}", {}, "pack_id", "PACK-V1"),
    "a number as a name": ("", {"pack": 17}, "pack_id", "17"),
    "a name with a quote": ("  soc_pct: {path: \"o'c\"}", {"o'c": 5}, "soc_pct", 5.0),
}  # fmt: skip


@pytest.fixture
def cases(compiled_from, decoded):
    """Read every case's body by the case's own mapping, all in one frame: the device chooses."""

    def run(named):
        mappings = [
            compiled_from(signals + "\n", f"applies: {{device: 'V{number}|X'}}\n", f"m{number}", number)
            for number, (signals, *_) in enumerate(named)
        ]
        rows = [(body(**fields), {"device_id": f"V{number}"}) for number, (_, fields, *_) in enumerate(named)]
        return decoded(mappings, rows)

    return run


def test_every_way_of_saying_a_signal_gives_its_value(cases):
    rows = cases(list(SIGNALS.values()))
    found = {name: row[case[2]] for (name, case), row in zip(SIGNALS.items(), rows, strict=True)}
    expected = {name: case[3] for name, case in SIGNALS.items()}
    place = list(SIGNALS).index("the device")
    expected["the device"] = f"PACK-V{place}"
    assert found == expected
    assert [repr(row.current_a) for row in rows if row.current_a == 0] == ["0.0"]
    assert {(row[CORRUPT], tuple(row.unreadable or ())) for row in rows} == {(None, ())}
    assert [row.mapping for row in rows] == [f"m{number}" for number in range(len(rows))]


def test_what_cannot_be_read_is_told_by_the_signals_name(cases):
    rows = cases([
        ("  soc_pct: {path: s, as_text: true}", {"s": "half"}),
        ("  measured_at: {path: at, format: yyyy-MM-dd}", {"at": "yesterday"}),
        ("  sequence: {property: number}", {}),
        ("  soc_pct: {path: s}", {"s": "half"}),
    ])
    assert [row.unreadable for row in rows] == [["soc_pct"], ["measured_at"], [], None]
    assert [row[CORRUPT] is not None for row in rows] == [False, False, False, True]


def test_messages_in_an_envelope_share_what_stands_beside_them(compiled_from, decoded):
    mapping = compiled_from(
        "  pack_id: {envelope: head.pack}\n  measured_at: {path: at}\n", "body: {messages: data.records}\n"
    )
    text = json.dumps({"head": {"pack": "P5"}, "data": {"records": [{"at": BASE["at"], "n": 1}, {"n": 2}]}})
    rows = decoded([mapping], [text, '{"head": {"pack": "P6"}}', '{"data": {"records": []}}', "junk"])
    assert [(r.sequence_number, r.message_index, r.pack_id, r.sequence, r.is_object) for r in rows] == [
        (0, 0, "P5", 1, True),
        (0, 1, "P5", 2, True),
        (1, 0, "P6", None, False),
        (2, 0, None, None, False),
        (3, 0, None, None, False),
    ]


def test_the_first_mapping_that_is_for_a_body_reads_it(compiled_from, decoded):
    mappings = [
        compiled_from("  soc_pct: {constant: 1}\n", "applies: {device: 'A.*'}\n", "by_device", 0),
        compiled_from("  soc_pct: {constant: 2}\n", "applies: {properties: {kind: x}}\n", "by_property", 1),
        compiled_from("  soc_pct: {constant: 3}\n", "applies: {field: {path: v, value: 2}}\n", "by_field", 2),
        compiled_from(
            "  soc_pct: {constant: 4}\n", "applies: {field: {path: v, value: three}}\n", "by_word", 3
        ),
    ]
    kind = {"application_properties": {"kind": "x"}}
    rows = decoded(
        mappings,
        [
            (body(v=2), {"device_id": "A1"}),
            (body(v=2), {"device_id": "B1", **kind}),
            body(v=2),
            f"[{body(v=2)}]",
            body(v="three"),
            body(v=9),
            "no JSON",
            (body(), {"device_id": None}),
        ],
    )
    assert [(r.mapping, r.is_known_schema, r.schema_found) for r in rows] == [
        ("by_device", True, None),
        ("by_property", True, None),
        ("by_field", True, "2"),
        ("by_field", True, "2"),
        ("by_word", True, "three"),
        ("by_word", False, "9"),
        ("by_word", False, "none"),
        ("by_word", False, "none"),
    ]


def test_a_body_that_no_mapping_is_for_is_told(compiled_from, decoded):
    mappings = [compiled_from("", "applies: {device: 'A.*'}\n", "one", 0)]
    (row,) = decoded(mappings, [body()])
    assert (row.mapping, row.pack_id, row.is_object) == (None, None, True)


def test_a_value_of_the_application_properties_is_a_signal(compiled_from, decoded):
    mapping = compiled_from("  pack_id: {property: pack}\n  sequence: {property: n}\n")
    sent = {"application_properties": {"pack": "P9", "n": "12"}}
    (row,) = decoded([mapping], [(body(), sent)])
    assert (row.pack_id, row.sequence) == ("P9", 12)


@given(st.integers(0, 65534), st.sampled_from([1, 10, 100, 1000, 256]), st.integers(-1000, 1000))
@settings(max_examples=200)
def test_a_step_and_an_offset_give_the_nearest_double_or_the_next(raw, per_unit, offset):
    """The SQL of a line, worked out by Python, against exact arithmetic."""
    from fractions import Fraction

    from battery_lake.mapping.convert import along
    from battery_lake.mapping.units import Affine

    sql = along("x", Affine(Fraction(1, per_unit), Fraction(offset)))
    value = eval(sql.replace("D", ""), {"x": float(raw)})
    assert value == pytest.approx(float(Fraction(raw, per_unit) + offset), rel=1e-15, abs=1e-12)


GBT = {"packCode": "P1", "records": [{
    "time": "2026-01-10 08:00:00", "serial": 5,
    "vehicle": {"chargeState": 1, "speed": 0, "mileage": 112340, "voltage": 3719, "current": 9518, "soc": 55},
    "cells": {"voltages": [3871, 65535]}, "probes": {"temperatures": [64, 255]},
    "position": {"longitude": 126978000, "latitude": 37566500},
}]}  # fmt: skip
BATTERY = "Vehicle.Powertrain.TractionBattery"
VSS = {
    "timestamp": "2026-01-10T00:00:00Z", f"{BATTERY}.Id": "P1", f"{BATTERY}.Charging.IsCharging": True,
    f"{BATTERY}.CurrentCurrent": 48.2, f"{BATTERY}.CurrentVoltage": 371.9, f"{BATTERY}.StateOfCharge.Current": 55.0,
    f"{BATTERY}.CellVoltage.CellVoltages": [3.871, None], f"{BATTERY}.Temperature.CellTemperature": [24.0, None],
    "Vehicle.TraveledDistance": 11234.0, "Vehicle.CurrentLocation.Latitude": 37.5665,
    "Vehicle.CurrentLocation.Longitude": 126.978, "Vehicle.Speed": 0.0,
}  # fmt: skip
CANONICAL = {
    "schema_version": 1, "pack_id": "P1", "measured_at": "2026-01-10T00:00:00Z", "sequence": 0, "state": "charging",
    "current_a": 48.2, "pack_voltage_v": 371.9, "soc_pct": 55.0, "cell_voltages_v": [3.871, None],
    "temperatures_c": [24.0, None], "odometer_km": 11234.0, "latitude": 37.5665, "longitude": 126.978,
}  # fmt: skip


def test_the_same_moment_in_three_makers_words_is_one_canonical_message(decoded):
    names = ("gbt32960", "vss", "canonical_v1")
    mappings = [compile_mapping(*load.read(load.find(name)), number=k) for k, name in enumerate(names)]
    rows = decoded(
        mappings,
        [
            (json.dumps(sent), {"application_properties": {"schema": schema}})
            for sent, schema in ((GBT, "gbt32960"), (VSS, "vss"), (CANONICAL, "canonical"))
        ],
    )
    signals = [
        {name: row[name] for name in CANONICAL if name not in {"schema_version", "sequence"}} for row in rows
    ]
    assert signals[0] == signals[1] == signals[2]
    assert [row.mapping for row in rows] == list(names)
    assert signals[0]["measured_at"] == AT
    assert (signals[0]["current_a"], signals[0]["cell_voltages_v"]) == (48.2, [3.871, None])
