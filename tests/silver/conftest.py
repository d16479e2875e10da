"""Messages as bronze holds them, beside one pack that two vehicles carry in turn."""

# ruff: noqa: DTZ001 - Spark hands over UTC without a zone

import datetime as dt
import json

import pytest

from battery_lake.quality.row_rules import rule_params
from battery_lake.settings import Settings
from battery_lake.silver.telemetry import checked

ENQUEUED = dt.datetime(2026, 1, 10, 0, 0, 2)
HANDED_OVER = dt.datetime(2026, 2, 1)
GOOD = {
    "schema_version": 1,
    "pack_id": "P1",
    "measured_at": "2026-01-10T00:00:00Z",
    "sequence": 1,
    "state": "driving",
    "current_a": -12.5,
    "pack_voltage_v": 11.1,
    "soc_pct": 55.0,
    "cell_voltages_v": [3.7, 3.71, 3.69],
    "temperatures_c": [20.0, 21.5],
    "odometer_km": 1234.5,
    "latitude": 59.3,
    "longitude": 18.1,
}


@pytest.fixture(scope="session")
def message():
    """A canonical message as JSON text; ``...`` leaves a field out."""

    def build(**changes):
        fields = {name: value for name, value in {**GOOD, **changes}.items() if value is not ...}
        return json.dumps(fields)

    return build


@pytest.fixture(scope="session")
def reference(frame):
    """One pack of three cells: vehicle V1 carries it until it is handed over to V2."""
    packs = frame("reference.packs", [{"pack_id": "P1", "chemistry": "NMC", "cells_in_series": 3}])
    start = dt.datetime(2026, 1, 1)
    assignments = [
        {"pack_id": "P1", "vehicle_id": "V1", "valid_from": start, "valid_to": HANDED_OVER},
        {"pack_id": "P1", "vehicle_id": "V2", "valid_from": HANDED_OVER, "valid_to": None},
    ]
    return packs, frame("reference.pack_assignment", assignments)


@pytest.fixture(scope="session")
def params():
    """The rules as they come."""
    return rule_params(Settings())


@pytest.fixture(scope="session")
def check(frame, reference, params):
    """Check bodies, one bronze row each; a body may come with columns of its row."""

    def run(bodies):
        rows = []
        for place, given in enumerate(bodies):
            body, columns = given if isinstance(given, tuple) else (given, {})
            row = {"hub": "hub", "partition_id": "file", "device_id": "V1", "enqueued_at": ENQUEUED}
            as_bytes = body.encode() if isinstance(body, str) else body
            rows.append({**row, "sequence_number": place, "body": as_bytes, **columns})
        bronze = frame("bronze.telemetry", rows)
        return checked(bronze, *reference, params)

    return run
