"""Steps to resistances: one level a cell at 25 °C and 50 % SOC, the same in one run and in parts."""

# ruff: noqa: DTZ001 - Spark hands over UTC without a zone

import datetime as dt
import math

import numpy as np
import pytest

from battery_lake.cells.first_step import PULSE_GROWTH_FRAC
from battery_lake.cells.resistance import ResistanceParams
from battery_lake.gold.cell_health import cell_health
from battery_lake.gold.cell_state import STATE, HealthParams, cell_state, pack_days, pack_inputs
from battery_lake.gold.resistance_state import StepSeries, follow, relative_pct, stored

PARAMS = ResistanceParams()
SEEN = 1.0 - PULSE_GROWTH_FRAC / math.log(10.0)
"""What a step between samples of 10 s shows of the resistance over 10 s."""


def steps(rng, days, width, missing=0.2):
    """Steps of a pack on given days; some cells, temperatures and whole steps are missing."""
    shape = (len(days), width)
    ohm = 2e-3 * np.exp(rng.normal(0.0, 0.05, shape))
    ohm[rng.random(shape) < missing] = np.nan
    celsius = np.where(rng.random(len(days)) < missing, np.nan, rng.uniform(0.0, 40.0, len(days)))
    return StepSeries(np.asarray(days), ohm, np.full(shape, 1e-9), celsius)


def at(number, hours=0):
    return dt.datetime(2026, 3, 2) + dt.timedelta(days=number, hours=hours)


def session(number, hours, mohm, **values):
    known = {"step_s": 10.0, "step_temperature_c": 25.0, "step_soc_pct": 50.0}
    known |= {"step_resistance_mohm": mohm, "step_variance_mohm2": mohm and [1e-4] * len(mohm)}
    return {"pack_id": "P", "started_at": at(number, hours), "throughput_ah": 10.0, **known, **values}


def observation(number, pack_id="P"):
    row = {"pack_id": pack_id, "started_at": at(number, 3), "method": "rest_to_rest"}
    return row | {"capacity_ah": [45.0, 44.0], "variance_ah2": [0.1, 0.1]}


PACK = {"pack_id": "P", "chemistry": "NMC", "cells_in_series": 2, "rated_capacity_ah": 50.0}


def days_of(frame, sessions, observations, states=(), **pack):
    packs = frame("reference.packs", [PACK | pack])
    inputs = pack_inputs(
        frame("gold.session", sessions), frame("gold.capacity_observation", observations), packs,
        frame("gold.cell_state", list(states)),
    )  # fmt: skip
    return pack_days(inputs, HealthParams()), packs


@pytest.mark.parametrize("seed", range(8))
def test_packs_together_and_in_parts_give_the_bits_of_each_alone(seed):
    rng = np.random.default_rng(seed)
    width = int(rng.integers(1, 7))
    packs = [steps(rng, np.sort(rng.integers(0, 9, rng.integers(0, 25))), width) for _ in range(5)]
    days = [np.unique(rng.integers(0, 9, rng.integers(1, 9))) for _ in packs]
    together = follow(packs, days, [None] * 5, width, PARAMS)
    for pack, own, found in zip(packs, days, together, strict=True):
        (alone,) = follow([pack], [own], [None], width, PARAMS)
        np.testing.assert_array_equal(found.mohm, alone.mohm)
        np.testing.assert_array_equal(found.settled_mohm, alone.settled_mohm)
        for cut in range(len(own)):
            (before,) = follow([pack], [own[: cut + 1]], [None], width, PARAMS)
            rest = pack.part(slice(np.searchsorted(pack.day, own[cut]), None))
            (after,) = follow([rest], [own[cut:]], [stored(before.before_last)], width, PARAMS)
            np.testing.assert_array_equal(after.mohm, alone.mohm[cut:])
            np.testing.assert_equal(stored(after.before_last), stored(alone.before_last))


def test_a_day_holds_the_newest_that_was_known_at_its_end(frame):
    sessions = [
        session(0, 1, [2.0 * SEEN, None]),
        session(0, 8, None, step_s=None, step_temperature_c=None, step_soc_pct=None),
        session(2, 1, [2.0 * SEEN, 3.0 * SEEN]),
        session(3, 1, [9.0, 9.0]),
    ]
    made, packs = days_of(frame, sessions, [observation(0), observation(1), observation(2)])
    rows = {(r.as_of_date.day, r.series_index): r for r in cell_health(made, packs).collect()}
    assert set(rows) == {(day, cell) for day in (2, 3, 4) for cell in (0, 1)}
    assert [rows[day, 0].resistance_mohm for day in (2, 3, 4)] == [pytest.approx(2.0, rel=1e-3)] * 3
    assert [rows[day, 1].resistance_mohm for day in (2, 3)] == [None, None]
    assert rows[4, 1].resistance_mohm == pytest.approx(3.0, rel=1e-3)
    assert {row.soh_r_pct for row in rows.values()} == {None}
    (state,) = cell_state(made).collect()
    assert (state.resistance_observations, state.resistance_log_ohm[1]) == ([1, 0], None)


def test_temperature_and_soc_are_taken_out(frame):
    inverse_per_ev = (1.0 / 278.15 - 1.0 / 298.15) / 8.617333e-5
    cold = 2.0 * SEEN * math.exp(0.15 * inverse_per_ev)
    made, _ = days_of(frame, [session(0, 1, [cold, cold], step_temperature_c=5.0)], [observation(0)])
    assert made.collect()[0].resistance_mohm == [pytest.approx(2.0)] * 2
    emptier, _ = days_of(frame, [session(0, 1, [2.0 * SEEN] * 2, step_soc_pct=5.0)], [observation(0)])
    assert emptier.collect()[0].resistance_mohm == [pytest.approx(2.0 * math.exp(0.053 - 0.244))] * 2


@pytest.mark.parametrize("gone", ["step_temperature_c", "step_soc_pct", "step_s", "step_variance_mohm2"])
def test_a_step_under_unknown_conditions_tells_nothing(frame, gone):
    made, _ = days_of(frame, [session(0, 1, [2.0, 2.0], **{gone: None})], [observation(0)])
    (row,) = made.collect()
    assert (row.resistance_mohm, row.soh_r_pct) == ([None, None], [None, None])
    assert None not in row.soh_pct


def test_a_stored_state_goes_on_and_one_without_resistance_starts_anew(frame):
    early, late = [session(0, 1, [2.0, 3.0]), session(1, 1, [2.1, 3.3])], [session(2, 1, [2.2, 3.2])]
    whole, _ = days_of(frame, early + late, [observation(1), observation(2)])
    begun, _ = days_of(frame, early, [observation(1)])
    state = cell_state(begun).collect()[0].asDict(recursive=True)
    assert state["method_version"] == STATE
    resumed, _ = days_of(frame, [early[1], *late], [observation(1), observation(2)], [state])
    one, other = (
        [r.resistance_mohm for r in made.orderBy("as_of_date").collect()] for made in (whole, resumed)
    )
    assert one == other
    older = state | {name: None for name in state if name.startswith("resistance_")}
    anew, _ = days_of(frame, late, [observation(1), observation(2)], [older])
    rows = anew.orderBy("as_of_date").collect()
    assert rows[0].resistance_mohm == [None, None]
    assert rows[1].resistance_mohm == [pytest.approx(2.2 / SEEN), pytest.approx(3.2 / SEEN)]


def test_new_is_what_the_reference_says_or_the_first_steps_of_a_pack_that_was_new_then():
    pack = StepSeries(np.arange(40), np.full((40, 1), 2e-3) * (1.0 + 0.01 * np.arange(40))[:, None],
                 np.full((40, 1), 1e-12), np.full(40, 25.0))  # fmt: skip
    (found,) = follow([pack], [np.array([0, 39])], [None], 1, PARAMS)
    now = found.mohm[1, 0]
    assert now == pytest.approx(2.78, rel=0.01)
    assert relative_pct(found, 1.39, 1e4)[1, 0] == pytest.approx(100 * 1.39 / now)
    assert relative_pct(found, np.nan, 30.0)[:, 0] == pytest.approx([100.0, 100 * 2.04 / now], rel=0.01)
    for age in (61.0, np.nan):
        assert np.isnan(relative_pct(found, np.nan, age)).all()
