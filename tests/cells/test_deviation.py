"""How far cells lie off their neighbours, on a day and in a single message."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lake.cells.deviation import DeviationParams, beside, both_ways, day_deviation, far_off
from battery_lake.cells.odd_cells import z_score

PARAMS = DeviationParams()
reading = st.one_of(st.just(np.nan), st.floats(-1.0, 70.0))


def quiet(voltage, messages=20):
    """A day of equal messages at rest."""
    return day_deviation(np.tile(voltage, (messages, 1)), np.zeros(messages))


# How a cell lies on a day


def test_a_low_cell_is_told_by_how_much():
    voltage = np.full(24, 3.9)
    voltage[10] = 3.87
    day = quiet(voltage)
    assert day.deviation_v[10] == pytest.approx(-0.03)
    assert np.abs(np.delete(day.deviation_v, 10)).max() < 1e-12
    assert day.rows == 20


def test_the_edge_of_a_high_module_is_not_off():
    voltage = np.full(32, 3.9)
    voltage[16:] += 0.05
    assert np.abs(quiet(voltage).deviation_v).max() < 1e-12


def test_a_low_cell_in_a_high_module_is_found_though_it_lies_with_the_pack():
    voltage = np.full(32, 3.9)
    voltage[20:] += 0.04
    voltage[26] -= 0.04
    assert quiet(voltage).deviation_v[26] == pytest.approx(-0.04)


def test_the_first_and_the_last_cell_are_compared_with_the_pack():
    voltage = np.full(16, 3.9)
    voltage[[0, 15]] -= 0.03
    assert quiet(voltage).deviation_v[[0, 15]] == pytest.approx([-0.03, -0.03])


def test_cells_are_compared_at_rest_only():
    voltage = np.full((40, 12), 3.9)
    voltage[20:, 3] -= 0.1  # under load
    current = np.repeat([0.0, 80.0], 20)
    assert np.abs(day_deviation(voltage, current).deviation_v).max() < 1e-12


def test_a_day_with_few_messages_tells_nothing():
    day = quiet(np.full(12, 3.9), messages=PARAMS.rows_min - 1)
    assert np.isnan(day.deviation_v).all()
    assert np.isnan(day.band_deviation_v).all()


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (0, 0), (1, 5), (30, 1), (30, 2), (30, 3)])
def test_small_and_empty_days_survive(shape):
    day = day_deviation(np.full(shape, 3.9), np.zeros(shape[0]))
    assert day.deviation_v.shape == day.band_deviation_v.shape == (shape[1],)
    far_off(np.full(shape, 3.9))


@settings(max_examples=30, deadline=None)
@given(st.data(), st.integers(1, 14), st.integers(0, 15))
def test_any_readings_survive(data, cells, messages):
    flat = data.draw(st.lists(reading, min_size=cells * messages, max_size=cells * messages))
    voltage = np.array(flat, dtype=float).reshape(messages, cells)
    current = np.array(data.draw(st.lists(reading, min_size=messages, max_size=messages)), dtype=float)
    day = day_deviation(voltage, current)
    known = np.isfinite(day.deviation_v)
    assert np.isfinite(day.std_v[known]).all()
    assert np.isfinite(z_score(day.deviation_v, day.std_v, day.spread_v)[known]).all()
    assert far_off(voltage)[0].shape == voltage.shape


@given(st.floats(-0.3, 0.1), st.integers(0, 2**32 - 1))
def test_only_differences_count_and_a_string_may_be_read_from_either_end(shift, seed):
    chance = np.random.default_rng(seed)
    voltage = 3.9 + 0.005 * chance.standard_normal((15, 20))
    params = replace(PARAMS, band_v=(0.0, 5.0))
    current = np.zeros(15)
    day = day_deviation(voltage, current, params)
    for other in (
        day_deviation(voltage + shift, current, params),
        day_deviation(voltage[::-1], current, params),
    ):
        assert other.deviation_v == pytest.approx(day.deviation_v, abs=1e-9)
    turned = day_deviation(voltage[:, ::-1], current, params)
    assert turned.deviation_v[::-1] == pytest.approx(day.deviation_v, abs=1e-9)


def test_impossible_readings_move_nothing():
    chance = np.random.default_rng(0)
    voltage = 3.9 + 0.003 * chance.standard_normal((60, 32))
    spoilt = voltage.copy()
    spoilt[chance.random(voltage.shape) < 0.05] = 66.5
    spoilt[chance.random(voltage.shape) < 0.05] = 0.0
    spoilt[chance.random(voltage.shape) < 0.05] = np.nan
    one, other = (day_deviation(v, np.zeros(60)) for v in (voltage, spoilt))
    assert np.abs(one.deviation_v - other.deviation_v).max() < 0.001


def test_both_ways_takes_the_smaller_of_two_that_agree():
    one, other = np.array([-3.0, -3.0, 2.0, np.nan]), np.array([-1.0, 1.0, 5.0, 1.0])
    assert both_ways(one, other)[:3].tolist() == [-1.0, 0.0, 2.0]
    assert np.isnan(both_ways(one, other)[3])


def test_sides_leave_the_cell_itself_out():
    left, right = beside(np.array([0.0, 0.0, 0.0, 0.0, -5.0, 1.0, 1.0, 1.0, 1.0]), PARAMS)
    assert (left[4], right[4]) == (-5.0, -6.0)


def test_two_odd_cells_side_by_side_are_both_told():
    voltage = np.full(24, 3.9)
    voltage[10:12] -= 0.04
    assert quiet(voltage).deviation_v[10:12] == pytest.approx([-0.04, -0.04])


# One message


@pytest.mark.parametrize("shift_v", [-0.3, 0.3])
@pytest.mark.parametrize("cell", [0, 1, 40, 95])
def test_a_cell_300_mv_off_alarms_on_its_first_message(cell, shift_v):
    voltage = 3.8 + 0.02 * np.random.default_rng(cell).standard_normal((1, 96))
    voltage[0, cell] = 3.8 + shift_v
    assert np.argwhere(far_off(voltage)[0]).tolist() == [[0, cell]]


def test_a_stretch_of_cells_sampled_later_is_not_far_off():
    voltage = np.full((1, 96), 3.8)
    voltage[0, 30:50] -= 0.25
    assert not far_off(voltage)[0].any()


# What days add up to
