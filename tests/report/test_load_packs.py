"""The list of packs: also those of which nothing is known, with the reason."""

import datetime as dt

import pytest

from battery_lake.report.load_packs import NEVER_SEEN, NO_WINDOW, pack_list

DAY = dt.date(2026, 3, 2)
SINCE = dt.datetime(2025, 1, 1)  # noqa: DTZ001 - Spark takes UTC without a zone


@pytest.fixture
def read(frame):
    """Five packs: two estimated, one driven only, one never seen, one of another model."""
    described = {"chemistry": "NMC", "cells_in_series": 2, "cells_per_module": 2, "rated_capacity_ah": 50.0}
    health = {"soh_median_pct": 95.0, "rul_days_p05": 900.0, "rul_days_p50": 2000.0, "rul_days_p95": 4000.0,
              "censored": False}  # fmt: skip
    soh = {"P1": ((1, 99.0), (2, 91.0)), "P2": ((1, 79.0),), "X": ((1, 90.0),)}
    tables = {
        "reference.packs": [
            {"pack_id": pack, "model": "X" if pack == "X" else "M", **described}
            for pack in ("P1", "P2", "P3", "P4", "X")
        ],
        "reference.pack_assignment": [
            {"pack_id": "P1", "vehicle_id": "old", "valid_from": SINCE, "valid_to": SINCE + dt.timedelta(9)},
            {"pack_id": "P1", "vehicle_id": "V1", "valid_from": SINCE + dt.timedelta(9)},
        ],
        "gold.pack_health": [
            {"pack_id": pack, "as_of_date": DAY + dt.timedelta(days), "soh_min_pct": value,
             "weakest_cell_id": f"{pack}/01/01", **health}
            for pack, points in soh.items() for days, value in points
        ],
        "gold.cell_current": [
            {"pack_id": pack, "cell_id": f"{pack}/01/01", "soh_std_pct": 1.5} for pack in soh
        ],
        "gold.alert": [
            {"pack_id": pack, "cell_id": pack, "code": "knee", "raised_at": SINCE, "cleared_at": cleared}
            for pack, cleared in (("P3", None), ("P2", SINCE))
        ],
        "gold.battery_passport": [
            {"pack_id": pack, "as_of_date": DAY} for pack in ("P1", "P2", "P3", "X")
        ],
    }  # fmt: skip
    return lambda name: frame(name, tables[name])


def test_the_weakest_come_first_and_those_without_an_estimate_last_with_the_reason(read):
    found = pack_list(read, 80.0)
    assert list(found["pack_id"]) == ["P2", "X", "P1", "P3", "P4"]
    assert list(found["verdict"]) == ["below end of life", "in order", "in order", NO_WINDOW, NEVER_SEEN]
    assert list(found["open_alerts"]) == [0, 0, 0, 1, 0]
    first, newest = found.iloc[0], found.iloc[2]
    assert (newest["soh_min_pct"], newest["as_of_date"], newest["vehicle_id"]) == (
        91.0, DAY + dt.timedelta(2), "V1",
    )  # fmt: skip
    assert first["soh_std_pct"] == 1.5


def test_packs_of_one_model_and_no_more_than_asked_for(read):
    assert list(pack_list(read, 80.0, model="X")["pack_id"]) == ["X"]
    assert list(pack_list(read, 80.0, limit=2)["pack_id"]) == ["P2", "X"]
    assert pack_list(read, 80.0, model="none").empty
