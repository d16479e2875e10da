"""Gold transforms: an empty input gives the contract's form; what a row says follows from its inputs."""

# ruff: noqa: DTZ001 - Spark hands over UTC without a zone

import datetime as dt

import pytest
from pyspark.sql import functions as F

from battery_lake.cells.sessions import SessionParams
from battery_lake.gold.battery_passport import battery_passport
from battery_lake.gold.capacity_observation import CapacityParams, capacity_observation
from battery_lake.gold.cell_current import cell_current
from battery_lake.gold.cell_health import cell_health
from battery_lake.gold.cell_life import cell_life
from battery_lake.gold.cell_state import PACK_DAYS, HealthParams, cell_state, pack_days, pack_inputs
from battery_lake.gold.fleet_daily import fleet_daily
from battery_lake.gold.pack_health import PackHealthParams, pack_health
from battery_lake.gold.session import session
from battery_lake.gold.vehicle_status import vehicle_status
from battery_lake.lake.conform import schema_problems
from battery_lake.tables.registry import table

DAY = dt.date(2026, 3, 2)


def day(number):
    return DAY + dt.timedelta(days=number)


def at(number, hours=0):
    return dt.datetime(2026, 3, 2) + dt.timedelta(days=number, hours=hours)


def with_days(packs, first, last):
    """Packs, and from which to which day is to be told of all of them."""
    return packs.withColumns({"first_date": F.lit(first), "last_date": F.lit(last)})


@pytest.fixture(scope="module")
def made_from_nothing(frame):
    """Every gold table that is made here, made from empty inputs."""
    packs, sessions = frame("reference.packs", []), frame("gold.session", [])
    observations = frame("gold.capacity_observation", [])
    inputs = pack_inputs(sessions, observations, packs, frame("gold.cell_state", []))
    days = pack_days(inputs, HealthParams())
    health, life = frame("gold.cell_health", []), frame("gold.cell_life", [])
    told, passports = frame("gold.pack_health", []), frame("gold.battery_passport", [])
    return {
        "gold.session": session(frame("silver.telemetry", []), packs, SessionParams()),
        "gold.capacity_observation": capacity_observation(sessions, packs, CapacityParams()),
        "gold.cell_state": cell_state(days),
        "gold.cell_health": cell_health(days, packs),
        "gold.cell_life": cell_life(days, packs),
        "gold.cell_current": cell_current(health, life),
        "gold.pack_health": pack_health(health, life, sessions, passports, packs, PackHealthParams()),
        "gold.battery_passport": battery_passport(passports, sessions, told, packs),
        "gold.vehicle_status": vehicle_status(sessions, told),
        "gold.fleet_daily": fleet_daily(told, sessions, with_days(packs, day(0), day(30))),
    }


def test_empty_inputs_give_no_rows_in_the_form_of_the_contract(made_from_nothing):
    for name, made in made_from_nothing.items():
        assert schema_problems(made, table(name)) == [], name
        assert made.collect() == [], name


def test_cells_are_named_by_module_and_cells_that_a_day_did_not_tell_of_have_no_row(frame, spark):
    packs = [
        {"pack_id": "P", "chemistry": "NMC", "cells_in_series": 5, "cells_per_module": 2},
        {"pack_id": "Q", "chemistry": "NMC", "cells_in_series": 12},
    ]
    rows = [
        {"pack_id": "P", "as_of_date": DAY, "rated_capacity_ah": 50.0,
         "soh_pct": [91.0, None, 93.0, 94.0, 95.0], "soh_std_pct": [1.0, None, 1.0, 1.0, 1.0],
         "observations": [3, None, 3, 3, 3], "resistance_mohm": [None, 1.0, 1.1, None, 1.2],
         "soh_r_pct": [None] * 5},
        {"pack_id": "Q", "as_of_date": DAY, "rated_capacity_ah": 20.0, "soh_pct": [None] * 11 + [80.0],
         "soh_std_pct": [None] * 11 + [2.0], "observations": [None] * 11 + [1],
         "resistance_mohm": [None] * 12, "soh_r_pct": [None] * 12},
    ]  # fmt: skip
    names = [field.name for field in spark.createDataFrame([], PACK_DAYS).schema]
    days = spark.createDataFrame([dict.fromkeys(names) | row for row in rows], PACK_DAYS)
    found = {r.cell_id: r for r in cell_health(days, frame("reference.packs", packs)).collect()}
    assert {cell_id: row.series_index for cell_id, row in found.items()} == {
        "P/01/01": 0,
        "P/02/01": 2,
        "P/02/02": 3,
        "P/03/01": 4,
        "Q/01/12": 11,
    }
    assert found["P/03/01"].capacity_ah == pytest.approx(47.5)
    assert found["Q/01/12"].capacity_ah == pytest.approx(16.0)
    assert [found[cell].resistance_mohm for cell in ("P/01/01", "P/02/01", "P/03/01")] == [None, 1.1, 1.2]


def test_a_pack_is_told_by_its_weakest_cell_and_the_cell_that_ends_first(frame):
    packs = [{"pack_id": p, "chemistry": "NMC", "cells_in_series": 3, "rated_capacity_ah": 50.0,
              "eol_soh_pct": e}
             for p, e in (("P", None), ("Q", 70.0))]  # fmt: skip
    cells = [
        ("P/01/01", 79.0, 500.0),
        ("P/01/02", 90.0, 400.0),
        ("P/01/03", 92.0, None),
        ("Q/01/01", 79.0, None),
    ]
    health = [
        {"cell_id": c, "as_of_date": DAY, "pack_id": c[0], "soh_pct": s, "efc": 10.0, "soh_r_pct": s - 10.0}
        for c, s, _ in cells
    ]
    life = [{"cell_id": c, "as_of_date": DAY, "pack_id": c[0], "rul_days_p05": r, "rul_days_p50": r,
             "rul_days_p95": r, "censored": r is None} for c, _, r in cells]  # fmt: skip
    rests = [
        {"pack_id": "P", "started_at": at(0, 1), "kind": "rest", "end_cell_voltages_v": [3.7, 3.71, 3.9]},
        {"pack_id": "P", "started_at": at(0, 5), "kind": "rest", "end_cell_voltages_v": [3.7, 3.71, None]},
    ]
    made = pack_health(
        frame("gold.cell_health", health), frame("gold.cell_life", life), frame("gold.session", rests),
        frame("gold.battery_passport", [{"pack_id": "P", "as_of_date": DAY, "soce_pct": 77.0}]),
        frame("reference.packs", packs), PackHealthParams(),
    )  # fmt: skip
    p, q = sorted(made.collect(), key=lambda row: row.pack_id)
    assert (p.soh_min_pct, p.soh_median_pct, p.soh_max_pct, p.soh_spread_pct) == (79.0, 90.0, 92.0, 13.0)
    assert (p.weakest_cell_id, p.rul_days_p50, p.censored) == ("P/01/01", 400.0, False)
    assert p.imbalance_mv == pytest.approx(10.0)
    assert (p.efc, p.throughput_ah) == (10.0, 1000.0)
    assert (p.soce_pct, p.soh_r_median_pct, q.soce_pct) == (77.0, 80.0, None)
    assert (p.alerts, q.alerts) == (["end_of_life", "weak_cell"], [])
    assert (q.rul_days_p50, q.censored, q.imbalance_mv) == (None, True, None)


def test_a_pack_counts_for_the_fleet_for_thirty_days_on_days_with_news_of_its_model(frame):
    packs = [{"pack_id": p, "model": m, "chemistry": "NMC", "cells_in_series": 1, "rated_capacity_ah": 1.0}
             for p, m in (("A", "M"), ("B", "M"), ("C", None))]  # fmt: skip
    told = [("A", 0, 90.0, []), ("B", 30, 80.0, ["weak_cell"]), ("B", 31, 78.0, []), ("C", 5, 70.0, [])]
    health = [{"pack_id": p, "as_of_date": day(d), "soh_median_pct": s, "soh_min_pct": s - 1,
               "rul_days_p50": 10 * s, "alerts": a} for p, d, s, a in told]  # fmt: skip
    sessions = [
        {"pack_id": "A", "started_at": at(30, 1), "duration_s": 300.0, "gap_s": 100.0},
        {"pack_id": "B", "started_at": at(30, 2), "duration_s": 100.0, "gap_s": 0.0},
    ]
    made = fleet_daily(
        frame("gold.pack_health", health),
        frame("gold.session", sessions),
        with_days(frame("reference.packs", packs), day(0), day(31)),
    )
    rows = {((r.as_of_date - DAY).days, r.model): r for r in made.collect()}
    assert {key: (r.vehicles, r.soh_pct_p50, r.soh_min_pct, r.alerts) for key, r in rows.items()} == {
        (0, "M"): (1, 90.0, 89.0, 0),
        (5, "unknown"): (1, 70.0, 69.0, 0),
        (30, "M"): (2, 85.0, 79.0, 1),
        (31, "M"): (1, 78.0, 77.0, 0),
    }
    assert (rows[30, "M"].soh_pct_p10, rows[30, "M"].soh_pct_p90) == (81.0, 89.0)
    assert (rows[30, "M"].observed_pct, rows[31, "M"].observed_pct) == (75.0, None)


def test_a_vehicle_is_told_by_its_last_session_and_the_health_of_the_pack_it_then_had(frame):
    sessions = [
        {"pack_id": "A", "vehicle_id": "V", "kind": "charge", "started_at": at(0), "ended_at": at(1)},
        {
            "pack_id": "B",
            "vehicle_id": "V",
            "kind": "drive",
            "started_at": at(2),
            "ended_at": at(3),
            "soc_end_pct": 40.0,
        },
        {"pack_id": "A", "vehicle_id": None, "kind": "rest", "started_at": at(4), "ended_at": at(5)},
        {"pack_id": "A", "vehicle_id": "W", "kind": "rest", "started_at": at(4), "ended_at": at(5)},
    ]
    health = [
        {"pack_id": "B", "as_of_date": day(d), "soh_min_pct": s, "alerts": []}
        for d, s in ((0, 90.0), (1, 89.0))
    ]
    made = vehicle_status(frame("gold.session", sessions), frame("gold.pack_health", health)).collect()
    rows = {row.vehicle_id: row for row in made}
    assert set(rows) == {"V", "W"}
    v = rows["V"]
    assert (v.pack_id, v.state, v.soc_pct, v.soh_min_pct, v.last_seen_at) == (
        "B",
        "driving",
        40.0,
        89.0,
        at(3),
    )
    assert (rows["W"].state, rows["W"].soh_min_pct, rows["W"].alerts) == ("parked", None, None)


def test_a_cell_now_is_its_newest_day_with_that_day_s_outlook(frame):
    health = [
        {"cell_id": "P/01/01", "pack_id": "P", "as_of_date": day(d), "soh_pct": s}
        for d, s in ((0, 99.0), (3, 98.0))
    ]
    life = [
        {"cell_id": "P/01/01", "pack_id": "P", "as_of_date": day(d), "rul_days_p50": r}
        for d, r in ((0, 900.0), (3, 800.0))
    ]
    (row,) = cell_current(frame("gold.cell_health", health), frame("gold.cell_life", life)).collect()
    assert (row.as_of_date, row.soh_pct, row.rul_days_p50) == (day(3), 98.0, 800.0)
