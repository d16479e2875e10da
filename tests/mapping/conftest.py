"""Mapping files made from text, and what they make of bodies."""

import datetime as dt

import pytest

from battery_lake.mapping import load
from battery_lake.mapping.compile import compile_mapping
from battery_lake.silver.decode import Reading, decode

TAKEN = dt.datetime(2026, 1, 10, 0, 0, 2)  # noqa: DTZ001 - Spark hands over UTC without a zone
NEEDED = {
    "pack_id": "  pack_id: {path: pack}\n",
    "measured_at": "  measured_at: {path: at}\n",
    "sequence": "  sequence: {path: n}\n",
}


@pytest.fixture
def mapping_file(tmp_path):
    """Write a mapping; signals that every mapping must have are added where they are missing."""

    def write(signals="", head="", name="made"):
        missing = "".join(line for key, line in NEEDED.items() if f"  {key}:" not in f"\n{signals}")
        path = tmp_path / f"{name}.yml"
        path.write_text(f"mapping: {name}\n{head}signals:\n{missing}{signals}", encoding="utf-8")
        return path

    return write


@pytest.fixture
def compiled_from(mapping_file):
    def build(signals="", head="", name="made", number=0):
        return compile_mapping(*load.read(mapping_file(signals, head, name)), number=number)

    return build


@pytest.fixture
def decoded(frame):
    """What mappings make of bodies; a body may come with columns of its row."""

    def run(mappings, bodies):
        rows = []
        for number, given in enumerate(bodies):
            body, columns = given if isinstance(given, tuple) else (given, {})
            row = {"hub": "h", "partition_id": "0", "device_id": "V1", "enqueued_at": TAKEN}
            rows.append({**row, "sequence_number": number, "body": body.encode(), **columns})
        found = decode(frame("bronze.telemetry", rows), Reading(tuple(mappings)))
        return found.orderBy("sequence_number", "message_index").collect()

    return run
