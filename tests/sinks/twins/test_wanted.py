"""The graph that gold asks for: kinds, places, values, and nothing that the service would refuse."""

import datetime as dt
import json

import pytest

from battery_lake.sinks.twins.wanted import Layout, Tables, wanted

DAY = dt.date(2026, 3, 2)
SEEN = dt.datetime(2026, 3, 2, 6, 0, 0, 500_000)  # noqa: DTZ001 - Spark takes UTC without a zone


@pytest.fixture(scope="module")
def tables(frame):
    cells = [
        {
            "cell_id": f"P1/{module:02}/{place:02}", "pack_id": "P1", "series_index": 2 * module + place - 3,
            "as_of_date": DAY, "soh_pct": 90.0 + module + place / 10,
            "soh_std_pct": float("nan") if module == 2 else 0.4,
            "rul_days_p50": 900.0, "method_version": "m1", "model_version": "champion 3",
            "eol_date_p50": dt.date(2030, 1, 1),
        }
        for module in (1, 2)
        for place in (1, 2)
    ]  # fmt: skip
    health = [
        {
            "pack_id": "P1",
            "as_of_date": day,
            "soh_min_pct": soh,
            "weakest_cell_id": "P1/01/01",
            "alerts": ["knee"],
            "method_version": "m1",
        }
        for day, soh in ((DAY, 91.1), (dt.date(2026, 3, 1), 92.0))
    ]
    packs = [
        {"pack_id": name, "chemistry": "NMC", "cells_in_series": 4, "rated_capacity_ah": 50.0}
        for name in ("P1", "P2")
    ]
    vehicles = [
        {"vehicle_id": "V1", "pack_id": "P1", "soc_pct": 55.5, "last_seen_at": SEEN, "alerts": []},
        {"vehicle_id": "V0", "pack_id": "P1", "soc_pct": 5.0, "last_seen_at": SEEN - dt.timedelta(days=9)},
    ]
    places = [{"vehicle_id": "V1", "latitude": 37.5, "longitude": 127.0, "cell_size_km": 5.0}]
    return Tables(
        frame("reference.packs", packs),
        frame("gold.pack_health", health),
        frame("gold.cell_current", cells),
        frame("gold.vehicle_status", vehicles),
        frame("gold.vehicle_position", places),
        7,
        9,
    )


def rows(tables, **layout):
    found = wanted(tables, Layout(**layout)).collect()
    return {f"{row.kind} {row.key}": (row, json.loads(row.properties)) for row in found}


def test_a_small_layout_has_packs_and_vehicles_with_the_weakest_cells(tables):
    found = rows(tables, weakest_cells=3)
    assert sorted(found) == ["pack P1", "pack P2", "vehicle V0", "vehicle V1"]
    row, pack = found["pack P1"]
    assert [(p.kind, p.key) for p in row.parents] == [("vehicle", "V1")]
    assert list(row.order) == ["as_of_date", "health_version"]
    assert (pack["as_of_date"], pack["soh_min_pct"], pack["health_version"]) == ("2026-03-02", 91.1, 7)
    assert pack["alerts"] == ["knee"]
    assert sorted(pack["weakest_cells"]) == ["m01_c01", "m01_c02", "m02_c01"]
    assert pack["weakest_cells"]["m01_c01"] == {
        "soh_pct": 91.1,
        "soh_std_pct": 0.4,
        "resistance_mohm": None,
        "rul_days_p05": None,
        "rul_days_p50": 900.0,
        "rul_days_p95": None,
    }
    assert pack["soh_min_std_pct"] == 0.4
    assert pack["model_version"] == "champion 3"
    bare, properties = found["pack P2"]
    assert bare.parents == []
    assert properties["as_of_date"] is None
    assert properties["weakest_cells"] is None
    row, vehicle = found["vehicle V1"]
    assert list(row.order) == ["status_version"]
    assert (vehicle["last_seen_at"], vehicle["latitude"]) == ("2026-03-02T06:00:00.500000Z", 37.5)
    assert (vehicle["soh_min_std_pct"], vehicle["method_version"], vehicle["model_version"]) == (
        0.4, "m1", "champion 3",
    )  # fmt: skip


def test_a_large_layout_has_the_whole_structure(tables):
    found = rows(tables, has_cells=True)
    kinds = {
        name: sum(key.split()[0] == name for key in found) for name in ("module", "cell", "bms", "thermal")
    }
    assert kinds == {"module": 2, "cell": 4, "bms": 2, "thermal": 2}
    row, cell = found["cell P1/02/01"]
    assert [(p.kind, p.key) for p in row.parents] == [("module", "P1/02")]
    assert (cell["soh_std_pct"], cell["eol_date_p50"], cell["series_index"]) == (None, "2030-01-01", 2)
    assert [(p.kind, p.key) for p in found["pack P1"][0].parents] == [("propulsion", "V1")]
    assert [(p.kind, p.key) for p in found["control_unit V1"][0].parents] == [("propulsion", "V1")]
    levels = {row.kind: row.level for row, _ in found.values()}
    for row, _ in found.values():
        assert all(levels[parent.kind] < row.level for parent in row.parents)
