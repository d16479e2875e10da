"""Lying sensors: a planted one is named, a real but ill cell is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lake.cells.alerts import CRITICAL, NONE, WARNING
from battery_lake.cells.sensor_alerts import (
    Follow,
    follow,
    lying_cell,
    lying_pack_voltage,
    lying_probe,
    probe_apart,
    string_gap,
)

CELLS, RATED_AH = 12, 100.0
SECONDS = np.arange(0.0, 14_400.0, 30.0)


def driven(seed=0, slope_v=0.8, resistance=None):
    """Current and voltages of a string over a drive of four hours; a cell's resistance may be its own."""
    chance = np.random.default_rng(seed)
    current = np.repeat(chance.normal(-30.0, 50.0, SECONDS.size // 8), 8)
    charge = np.cumsum(current) * 30.0 / 3600.0 / RATED_AH
    ohm = np.full(CELLS, 0.001) if resistance is None else np.array(resistance)
    volts = 3.8 + slope_v * charge[:, None] + ohm * current[:, None]
    return current, volts + chance.normal(0.0, 0.001, volts.shape)


def judged(current, volts):
    return lying_cell(follow(SECONDS, current, volts, RATED_AH)).severity


@pytest.mark.parametrize(("share", "severity"), [(0.0, CRITICAL), (0.3, WARNING), (0.8, NONE)])
def test_a_reading_that_moves_too_little_lies(share, severity):
    current, volts = driven()
    volts[:, 5] = volts[0, 5] + share * (volts[:, 5] - volts[0, 5])
    found = judged(current, volts)
    assert found[5] == severity
    assert (np.delete(found, 5) == NONE).all()


def test_ill_cells_do_not_lie():
    resistance = np.full(CELLS, 0.001)
    resistance[3], resistance[8] = 0.003, 0.0006
    current, volts = driven(1, resistance=resistance)
    volts[:, 6] -= 0.08  # discharged
    volts[:, 7] -= np.linspace(0.0, 0.05, SECONDS.size)  # leaking
    assert (judged(current, volts) == NONE).all()


def test_a_cell_that_stays_on_the_plateau_answers_the_current_and_does_not_lie():
    current, volts = driven(2, slope_v=0.0)
    rise = np.linspace(0.0, 0.25, SECONDS.size)[:, None] ** 2
    volts[:, :11] += 4.0 * rise  # the others run up the end of the curve
    found = follow(SECONDS, current, volts, RATED_AH)
    assert found.level_frac[11] < 0.5
    assert found.step_frac[11] > 0.7
    assert lying_cell(found).severity[11] == NONE


def test_a_day_without_movement_or_current_steps_tells_nothing():
    current, volts = driven()
    assert np.isnan(follow(SECONDS[:19], current[:19], volts[:19], RATED_AH).level_frac).all()
    still = 3.8 + 0.001 * np.random.default_rng(0).standard_normal(volts.shape)
    assert np.isnan(follow(SECONDS, 0.0 * current, still, RATED_AH).level_frac).all()
    # All moved by charge alone, but one: that could be the end of a plateau.
    charged = 3.5 + np.linspace(0.0, 0.5, SECONDS.size)[:, None] + 0.0 * volts
    charged[:, 4] = 3.5
    found = follow(SECONDS, np.full(SECONDS.size, 20.0), charged, RATED_AH)
    assert found.level_frac[4] == pytest.approx(0.0)
    assert np.isnan(found.step_frac[4])
    assert (lying_cell(found).severity == NONE).all()


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(CELLS)), st.floats(-1.0, 1.0))
def test_order_and_level_of_the_cells_do_not_matter(order, offset_v):
    current, volts = driven(3)
    volts[:, 2] = 3.7
    turned = follow(SECONDS, current, volts[:, order] + offset_v, RATED_AH)
    plain = follow(SECONDS, current, volts, RATED_AH)
    assert turned.level_frac == pytest.approx(plain.level_frac[order])
    assert lying_cell(turned).severity.tolist() == lying_cell(plain).severity[order].tolist()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 30), st.integers(0, 4), st.data())
def test_any_readings_survive(rows, cells, data):
    value = st.one_of(st.just(np.nan), st.floats(-1e3, 1e3))
    drawn = data.draw(st.lists(value, min_size=rows * cells, max_size=rows * cells))
    volts = np.array(drawn, dtype=float).reshape(rows, cells)
    at, current = 60.0 * np.arange(rows), np.where(np.arange(rows) % 2, 90.0, np.nan)
    assert lying_cell(follow(at, current, volts, 100.0)).severity.shape == (cells,)
    probe = probe_apart(600.0 * np.arange(rows), current, volts, 5.0)
    assert probe.place < cells or (probe.place == -1 and np.isnan(probe.apart_c))
    assert isinstance(string_gap(current, volts, current, 5.0), float)


def parked(hours, apart_k, probes=6, flows=lambda at: 0.0 * at):
    at = np.arange(0.0, 3600.0 * hours, 600.0)
    reading = 20.0 + np.zeros((at.size, probes))
    reading[:, 2] += apart_k
    return probe_apart(at, flows(at), reading, 5.0)


@pytest.mark.parametrize(
    ("apart_k", "severity"), [(-11.0, CRITICAL), (-7.0, WARNING), (5.0, NONE), (7.0, WARNING)]
)
def test_a_probe_that_differs_after_hours_of_rest_lies(apart_k, severity):
    probe = parked(8, apart_k)
    assert (probe.place, probe.apart_c) == (2, apart_k)
    assert lying_probe(np.array([probe.apart_c])).severity.tolist() == [severity]


def test_probes_may_differ_before_the_heat_is_even():
    assert parked(4, 9.0).place == -1
    assert parked(8, 9.0, flows=lambda at: np.where(at % 10_800.0 == 0.0, 80.0, 0.0)).place == -1
    assert parked(8, 9.0, flows=lambda at: np.where(at % 10_800.0 == 0.0, np.nan, 0.0)).place == -1
    assert parked(8, 9.0, probes=3).place == 2


def test_of_two_probes_nobody_knows_which_lies():
    at = np.arange(0.0, 8 * 3600.0, 600.0)
    assert probe_apart(at, 0.0 * at, np.full((at.size, 2), [20.0, 30.0]), 5.0).place == -1


@pytest.mark.parametrize(
    ("pack_v", "gap_pct"),
    [(44.4, 0.0), (45.6, 100 * 1.2 / 45.6), (40.0, -11.0), (5.0, np.nan), (np.nan, np.nan)],
)
def test_the_sum_of_the_cells_is_compared_with_the_pack_at_rest(pack_v, gap_pct):
    volts, still = np.full((20, CELLS), 3.7), np.zeros(20)
    gap = string_gap(still, volts, np.full(20, pack_v), 5.0)
    assert gap == pytest.approx(gap_pct, nan_ok=True)
    expected = WARNING if abs(gap_pct) >= 2.0 else NONE
    assert lying_pack_voltage(np.array([gap])).severity.tolist() == [expected]
    assert np.isnan(string_gap(still + 30.0, volts, np.full(20, pack_v), 5.0))


def test_nothing_known_is_nothing_found():
    nothing = np.full((2, 3), np.nan)
    assert (lying_cell(Follow(nothing, nothing)).severity == NONE).all()
    assert (lying_probe(nothing[:, 0]).severity == NONE).all()
    assert (lying_pack_voltage(nothing[:, 0]).severity == NONE).all()
