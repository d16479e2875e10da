"""What a day alone says: combined as for the filter, tests before windows, resistance carried to 25 °C."""

import datetime as dt

import numpy as np
import pytest

from battery_lake.cells.resistance import ResistanceParams, inverse_temperature
from battery_lake.cells.soh_filter import combine_day
from battery_lake.gold.day_estimate import METHOD, day_estimate

PACKS = [
    {"pack_id": "P", "cells_in_series": 2, "rated_capacity_ah": 50.0},
    {"pack_id": "Q", "cells_in_series": 3, "rated_capacity_ah": 100.0},
]


def at(day, hour=0):
    return dt.datetime(2026, 3, 2 + day, hour)  # noqa: DTZ001 - Spark takes UTC without a zone


def observed(day, capacity_ah, celsius=20.0, method="rest_to_rest", pack_id="P", hour=0):
    return {"pack_id": pack_id, "started_at": at(day, hour), "method": method, "capacity_ah": capacity_ah,
            "variance_ah2": [None if c is None else 0.25 for c in capacity_ah],
            "temperature_mean_c": celsius}  # fmt: skip


def stepped(day, mohm, celsius, pack_id="P"):
    return {"pack_id": pack_id, "started_at": at(day), "step_s": 10.0, "step_soc_pct": 50.0,
            "step_temperature_c": celsius, "step_resistance_mohm": mohm,
            "step_variance_mohm2": [1e-4] * len(mohm)}  # fmt: skip


@pytest.fixture(scope="module")
def told(frame):
    observations = [
        observed(0, [45.0, 44.0], 10.0),
        observed(0, [46.0, None], 20.0, hour=5),
        observed(1, [45.0, 44.0]),
        observed(1, [40.0, None], method="full_discharge", hour=5),
        observed(2, [45.0, None]),
        observed(0, [90.0, 91.0, 92.0], pack_id="Q"),
    ]
    sessions = [
        stepped(0, [1.5, 1.6], 25.0),
        stepped(3, [2.0, 2.2], 5.0),
        stepped(4, [2.0, 2.2], None),
        stepped(1, [1.0, 1.0, 1.0], 25.0, pack_id="UNKNOWN"),
    ]
    made = day_estimate(
        frame("gold.session", sessions),
        frame("gold.capacity_observation", observations),
        frame("reference.packs", PACKS),
    )
    return {(row.pack_id, (row.as_of_date - at(0).date()).days): row for row in made.collect()}


def test_there_is_a_row_for_every_day_that_tells_of_a_cell(told):
    # a step without a temperature cannot be carried to 25 °C; a pack without reference data has no row
    assert set(told) == {("P", 0), ("P", 1), ("P", 2), ("P", 3), ("Q", 0)}
    assert {row.method_version for row in told.values()} == {METHOD}


def test_observations_of_a_day_are_combined_as_for_the_filter(told):
    row = told["P", 0]
    capacity = np.array([[45.0, 44.0], [46.0, np.nan]])
    mean, variance, _ = combine_day(capacity, np.where(np.isfinite(capacity), 0.25, np.nan))
    assert row.day_soh_pct == pytest.approx((2.0 * mean).tolist())
    assert row.day_soh_std_pct == pytest.approx((2.0 * np.sqrt(variance)).tolist())
    assert row.day_capacity_temperature_c == pytest.approx(15.0)


def test_a_full_discharge_overrules_the_windows_of_its_cells(told):
    assert told["P", 1].day_soh_pct == pytest.approx([80.0, 88.0])


def test_what_a_day_does_not_tell_is_null(told):
    assert told["P", 2].day_soh_pct[1] is None
    assert (told["P", 2].day_resistance_mohm, told["P", 2].day_resistance_temperature_c) == (None, None)
    assert told["P", 3].day_soh_pct is None
    assert told["Q", 0].day_soh_pct == pytest.approx([90.0, 91.0, 92.0])


def test_resistance_is_carried_to_25_c(told):
    params = ResistanceParams()
    factor = float(np.exp(-params.activation_ev * inverse_temperature(np.array(5.0))))
    warm, cold = np.array(told["P", 0].day_resistance_mohm), np.array(told["P", 3].day_resistance_mohm)
    assert cold / warm == pytest.approx(factor * np.array([2.0 / 1.5, 2.2 / 1.6]))
    assert told["P", 3].day_resistance_temperature_c == pytest.approx(5.0)
