"""Drafts of mapping files: what they guess, and that they are mappings."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.errors import SampleError
from battery_lake.mapping import load
from battery_lake.mapping.compile import compile_mapping
from battery_lake.mapping.draft import draft
from battery_lake.mapping.samples import read_bodies


def drafted(tmp_path, messages):
    path = tmp_path / "mine.yml"
    path.write_text(draft("mine", messages), encoding="utf-8")
    mapping, source = load.read(path)
    compile_mapping(mapping, source)
    return mapping.signals


def test_a_flat_log_with_numbered_cells_is_recognised(tmp_path):
    rows = [
        {
            "tboxTime": "2021-05-05 09:10:00", "BMSBatteryVoltage": 352.0, "BMSBatteryCurrent": 0.75,
            "vehBMSPackSOC": 42.3, "BMSCellVoltageMax": 3.7, "BMSCellVoltageMin": 3.6, "vehOdo": 11,
            "V_1": 3657, "V_2": 3658, "V_3": 3659, "T_1": 29, "T_2": 28, "T_3": 28, "nothing": "x",
        }
    ]  # fmt: skip
    found = drafted(tmp_path, rows)
    assert found["measured_at"].format == "yyyy-MM-dd HH:mm:ss"
    assert (found["cell_voltages_v"].fields, found["cell_voltages_v"].count) == ("V_{n}", 3)
    assert found["cell_voltages_v"].unit == "mV"
    assert found["temperatures_c"].fields == "T_{n}"
    assert (found["soc_pct"].path, found["odometer_km"].path) == ("vehBMSPackSOC", "vehOdo")
    assert (found["pack_id"].constant, found["sequence"].constant) == ("{device}", 0)
    assert '#   "nothing": ' in (tmp_path / "mine.yml").read_text()


def test_a_nested_message_is_recognised(tmp_path):
    message = {
        "hdr": {"packId": "P1", "ts": 1768003200000, "seq": 5},
        "bms": {"current": -4.5, "packVoltage": 371.0, "soc": 0.555, "cells": {"voltages": [3.6, 3.7]}},
        "pos": {"lat": 1.0, "lon": 2.0},
    }
    found = drafted(tmp_path, [message])
    assert (found["pack_id"].path, found["sequence"].path) == ("hdr.packId", "hdr.seq")
    assert (found["measured_at"].path, found["measured_at"].format) == ("hdr.ts", "epoch_ms")
    assert (found["soc_pct"].path, found["soc_pct"].unit) == ("bms.soc", "1")
    assert found["cell_voltages_v"].path == "bms.cells.voltages"
    assert (found["latitude"].path, found["longitude"].path) == ("pos.lat", "pos.lon")


def test_names_with_dots_become_lists(tmp_path):
    found = drafted(tmp_path, [{"timestamp": "2026-01-01T00:00:00Z", "Vehicle.Battery.Soc": 5}])
    assert found["soc_pct"].path == ["Vehicle.Battery.Soc"]


NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Z"]), min_size=1, max_size=12)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=10,
)


@given(st.lists(st.dictionaries(NAMES, VALUES, max_size=6), max_size=3))
def test_a_draft_is_always_yaml_that_says_what_is_missing(messages):
    import yaml

    tree = yaml.safe_load(draft("mine", messages))
    assert {"pack_id", "measured_at", "sequence"} <= set(tree["signals"])


FILES = {
    "rows.csv": ("a,b\n1,x\n,\n2.5,\n", [{"a": 1, "b": "x"}, {}, {"a": 2.5}]),
    "lines.jsonl": ('{"a": 1}\n\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
    "lines.json": ('{"a": 1}\n{"a": 2}\n', [{"a": 1}, {"a": 2}]),
    "one.json": ('{\n "a": 1\n}\n', [{"a": 1}]),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("zipped", [False, True])
def test_samples_are_read_in_every_form(name, zipped, tmp_path):
    import gzip

    text, expected = FILES[name]
    path = tmp_path / (name + ".gz" * zipped)
    path.write_bytes(gzip.compress(text.encode()) if zipped else text.encode())
    assert [json.loads(body) for body in read_bodies(path, 10)] == expected


@pytest.mark.parametrize(
    ("name", "content"), [("a.csv", b"a,b\n"), ("a.json", b""), ("a.json.gz", b"no gzip")]
)
def test_a_file_without_a_message_is_told(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SampleError):
        read_bodies(tmp_path / name, 10)
