"""The electrical answer of a simulated pack."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.simulate.ageing import Ageing
from battery_lake.simulate.electrodes import NMC, aged_ocv
from battery_lake.simulate.pack import (
    cell_voltages_v,
    filtered_current_a,
    hysteresis_share,
    scan,
    steady_ohm,
    ten_second_ohm,
)
from battery_lake.simulate.timeline import Timeline

CELLS = 3


def line_of(at_s, current_a, depth_ah) -> Timeline:
    zeros = np.zeros(len(at_s), dtype=np.int64)
    return Timeline(
        np.asarray(at_s, float), zeros, zeros, np.asarray(current_a, float), np.asarray(depth_ah, float)
    )


def new_cells() -> Ageing:
    ones = np.ones((1, CELLS))
    return Ageing(150.0 * ones, ones, 0.0 * ones, np.array([[0.0, 1.5, 3.0]]))


@given(st.lists(st.tuples(st.floats(0.0, 1.0), st.floats(-10.0, 10.0)), min_size=1, max_size=40))
def test_the_scan_equals_the_recursion(steps):
    value, expected = 0.0, []
    for decay, gain in steps:
        value = decay * value + gain
        expected.append(value)
    decay, gain = np.array(steps).T
    assert scan(decay, gain) == pytest.approx(expected, abs=1e-9)


def test_a_lasting_current_fills_the_pair_and_rest_empties_it():
    line = line_of(
        [0.0, 1.0, 1201.0, 50000.0, 50001.0, 51201.0], [0.0, 10.0, 10.0, 10.0, 0.0, 0.0], np.zeros(6)
    )
    through = filtered_current_a(line, 1200.0)
    assert through[2] == pytest.approx(10.0 * (1.0 - np.exp(-1.0)), rel=1e-3)
    assert through[3] == pytest.approx(10.0)
    assert through[5] == pytest.approx(10.0 * np.exp(-1.0), rel=1e-3)


def test_splitting_an_interval_changes_nothing():
    coarse = line_of([0.0, 100.0, 400.0], [0.0, 20.0, 50.0], np.zeros(3))
    fine = line_of([0.0, 50.0, 100.0, 200.0, 400.0], [0.0, 10.0, 20.0, 30.0, 50.0], np.zeros(5))
    assert filtered_current_a(coarse, 60.0)[-1] == pytest.approx(filtered_current_a(fine, 60.0)[-1])


def test_a_rested_cell_shows_its_open_circuit_voltage():
    depth = np.linspace(0.0, 140.0, 50)
    line = line_of(np.arange(50) * 1000.0, np.zeros(50), depth)
    volts = cell_voltages_v(line, new_cells(), NMC, np.full(50, 10.0), 150.0)
    soc = 1.0 - (depth[:, None] + np.array([0.0, 1.5, 3.0])) / 150.0
    lag_v = NMC.hysteresis_v * hysteresis_share(line, 150.0)
    assert volts - lag_v[:, None] == pytest.approx(aged_ocv(NMC)(soc, np.zeros_like(soc)))


def test_the_hysteresis_follows_the_charge_moved_whatever_the_time():
    depth = np.array([100.0, 100.0, 40.0, 40.0, 100.0, 97.0])
    share, slower = (
        hysteresis_share(line_of(np.arange(6) * step_s, np.zeros(6), depth), 150.0) for step_s in (10.0, 1e5)
    )
    assert share == pytest.approx(slower)
    assert share[2] == share[3] == pytest.approx(1.0, abs=0.01)
    assert share[4] == pytest.approx(-1.0, abs=0.01)
    assert -0.7 < share[5] < 0.0


def test_under_current_a_cell_differs_by_its_resistance():
    line = line_of([0.0, 1.0, 40000.0], [0.0, 30.0, 30.0], [75.0, 75.0, 75.0])
    volts = cell_voltages_v(line, new_cells(), NMC, np.full(3, 25.0), 150.0)[2, 0]
    rested = aged_ocv(NMC)(np.array([0.5]), np.zeros(1))[0]
    assert volts - rested == pytest.approx(30.0 * steady_ohm(150.0), rel=0.01)
    assert 0.3e-3 < ten_second_ohm(150.0) < steady_ohm(150.0) < 2e-3


def test_cold_raises_the_resistance():
    line = line_of([0.0, 1.0, 60.0], [0.0, 100.0, 100.0], [75.0, 75.0, 75.0])
    cold, mild = (
        cell_voltages_v(line, new_cells(), NMC, np.full(3, celsius), 150.0)[2, 0] for celsius in (0.0, 25.0)
    )
    assert cold > mild + 0.02
