import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lake.cells.metrics import coverage90, mae
from battery_lake.cells.soh_filter import (
    FilterParams,
    FilterState,
    combine_day,
    initial_state,
    predicted_variance,
    reported_std,
    step,
)

PARAMS = FilterParams()
FIELDS = [f.name for f in dataclasses.fields(FilterState)]
observation = st.one_of(st.just(np.nan), st.floats(40, 110))


def follow(state, days, soh_pct, variance_pct2, params=PARAMS):
    """Take a row of observations a day; return the last state and the SOH and its std after each."""
    cells = state.soh_pct.size
    soh, std = [], []
    for day, row in zip(days, soh_pct, strict=True):
        state = step(state, np.full(cells, day), row, np.full(cells, variance_pct2), params)
        soh.append(state.soh_pct)
        std.append(reported_std(state, params))
    return state, np.array(soh), np.array(std)


def rows(draw_lists):
    return np.array(draw_lists, dtype=float)


def test_a_car_and_a_cell_on_a_test_bench_are_both_followed():
    rng = np.random.default_rng(2)
    for fade, days, noise in ((2.0 / 365, np.arange(0, 1500, 3.0), 2.0), (0.75, np.arange(0, 40.0), 0.4)):
        truth = 99.0 - fade * days[:, None] + np.zeros((1, 50))
        state, soh, std = follow(initial_state(50), days, truth + rng.normal(0, noise, truth.shape), noise**2)
        assert mae(soh[5:], truth[5:]) < 0.7
        assert coverage90(soh[5:], std[5:], truth[5:]) > 0.85
        assert np.abs(state.fade_pct_per_day - fade).mean() < 0.15 * fade


def test_a_single_outlier_moves_little_and_a_lasting_change_wins():
    days = np.arange(0.0, 300.0)
    truth = np.full((300, 1), 95.0)
    spoilt, changed = truth.copy(), truth.copy()
    spoilt[200], changed[200:] = 70.0, 88.0
    _, plain, _ = follow(initial_state(1), days, truth, 1.0)
    _, after_outlier, _ = follow(initial_state(1), days, spoilt, 1.0)
    _, after_change, _ = follow(initial_state(1), days, changed, 1.0)
    assert np.abs(after_outlier - plain).max() < 0.6
    assert after_change[-1] == pytest.approx(88.0, abs=1.0)


def test_without_an_observation_a_cell_keeps_its_state_to_the_last_bit():
    known = step(initial_state(2), np.full(2, 10.0), np.array([98.0, 97.0]), np.ones(2), PARAMS)
    later = step(known, np.full(2, 20.0), np.array([np.nan, 96.0]), np.ones(2), PARAMS)
    for name in FIELDS:
        assert getattr(later, name)[0] == getattr(known, name)[0], name
    assert later.updated_days.tolist() == [10.0, 20.0]
    assert later.observations.tolist() == [1, 2]


def test_the_first_observation_does_not_age_the_cell():
    state = step(initial_state(1), np.array([20_000.0]), np.array([100.0]), np.array([1.0]), PARAMS)
    assert state.soh_pct[0] == 100.0
    assert state.fade_pct_per_day[0] == PARAMS.fade_pct_per_day


def test_observations_that_were_combined_are_all_counted():
    count = np.array([3, 0])
    state = step(initial_state(2), np.zeros(2), np.array([99.0, np.nan]), np.ones(2), PARAMS, count)
    assert state.observations.tolist() == [3, 0]


def test_the_reported_uncertainty_never_falls_below_what_all_observations_share():
    _, _, std = follow(initial_state(1), np.arange(100.0), np.full((100, 1), 95.0), 0.01)
    assert std[-1] > PARAMS.systematic_std_pct


def test_uncertainty_grows_with_the_time_since_the_last_observation():
    state, _, _ = follow(initial_state(1), np.arange(0, 400, 7.0), np.full((58, 1), 95.0), 1.0)
    variances = [predicted_variance(np.array([d]), state, PARAMS)[0] for d in (0.0, 30.0, 365.0, 3650.0)]
    assert variances == sorted(variances)


@settings(max_examples=50)
@given(st.lists(st.lists(observation, min_size=3, max_size=3), min_size=2, max_size=20), st.data())
def test_continuing_from_a_stored_state_equals_one_run_to_the_last_bit(observed, data):
    observed = rows(observed)
    days = np.cumsum(
        data.draw(st.lists(st.sampled_from([0.5, 1.0, 30.0]), min_size=len(observed), max_size=len(observed)))
    )
    at = data.draw(st.integers(0, len(observed)))
    whole, _, _ = follow(initial_state(3), days, observed, 2.0)
    half, _, _ = follow(initial_state(3), days[:at], observed[:at], 2.0)
    stored = FilterState(**{
        n: np.array(getattr(half, n).tolist(), dtype=getattr(half, n).dtype) for n in FIELDS
    })
    resumed, _, _ = follow(stored, days[at:], observed[at:], 2.0)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(resumed, name), getattr(whole, name), err_msg=name)


@settings(max_examples=50)
@given(
    st.lists(st.lists(observation, min_size=19, max_size=19), min_size=1, max_size=6),
    st.permutations(range(19)),
)
def test_a_cell_does_not_notice_its_neighbours_to_the_last_bit(observed, order):
    observed = rows(observed)
    days = np.arange(len(observed)) * 7.0
    together, _, _ = follow(initial_state(19), days, observed, 2.0)
    mixed, _, _ = follow(initial_state(19), days, observed[:, order], 2.0)
    alone, _, _ = follow(initial_state(1), days, observed[:, :1], 2.0)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(mixed, name), getattr(together, name)[order], err_msg=name)
        np.testing.assert_array_equal(getattr(alone, name), getattr(together, name)[:1], err_msg=name)


@settings(max_examples=50)
@given(st.lists(observation, min_size=1, max_size=40), st.sampled_from([0.1, 1.0, 60.0]), st.floats(0.05, 30))
def test_the_covariance_stays_one(observed, gap_days, variance):
    state, _, _ = follow(
        initial_state(1), np.arange(len(observed)) * gap_days, rows(observed)[:, None], variance
    )
    assert state.soh_variance[0] > 0.0
    assert state.fade_variance[0] > 0.0
    assert state.soh_fade_covariance[0] ** 2 <= state.soh_variance[0] * state.fade_variance[0] * (1 + 1e-9)


@given(st.floats(80, 100), st.floats(0.1, 10), st.floats(1, 5))
def test_a_noisier_observation_leaves_more_uncertainty(soh, variance, noisier):
    stds = [
        reported_std(step(initial_state(1), np.zeros(1), np.array([soh]), np.array([v]), PARAMS), PARAMS)[0]
        for v in (variance, variance * noisier)
    ]
    assert stds[1] >= stds[0]


def test_a_day_is_combined_by_inverse_variance():
    capacity, variance, count = combine_day(np.array([[50.0], [51.0]]), np.array([[1.0], [3.0]]), 0.0)
    assert capacity[0] == pytest.approx(50.25)
    assert variance[0] == pytest.approx(0.75)
    assert count.tolist() == [2]


def test_many_observations_of_a_day_do_not_make_it_certain():
    _, variance, _ = combine_day(np.full((1000, 1), 50.0), np.ones((1000, 1)))
    assert np.sqrt(variance[0]) > 0.003 * 50.0


def test_observations_that_contradict_each_other_widen_the_day():
    _, agreeing, _ = combine_day(np.array([[50.0], [50.1]]), np.ones((2, 1)))
    _, contradicting, _ = combine_day(np.array([[45.0], [55.0]]), np.ones((2, 1)))
    assert contradicting[0] > 20 * agreeing[0]


def test_a_day_without_observations_of_a_cell_has_none():
    capacity, variance, count = combine_day(np.array([[np.nan, 50.0]]), np.array([[np.nan, 1.0]]))
    assert np.isnan([capacity[0], variance[0]]).all()
    assert count.tolist() == [0, 1]
    assert np.isnan(combine_day(np.empty((0, 2)), np.empty((0, 2)))[0]).all()


def test_the_older_a_pack_the_lower_and_the_less_certain_its_first_guess():
    new, middle, old = (initial_state(2, age_days=age) for age in (0.0, 1000.0, 3000.0))
    assert new.soh_pct[0] > middle.soh_pct[0] > old.soh_pct[0]
    assert new.soh_variance[0] < middle.soh_variance[0] < old.soh_variance[0]


def test_of_a_pack_of_unknown_age_anything_between_a_car_and_a_test_bench_is_expected():
    known, unknown = initial_state(1, age_days=500.0), initial_state(1)
    assert unknown.soh_pct[0] == 100.0
    assert unknown.soh_variance[0] > known.soh_variance[0]
    assert unknown.fade_variance[0] > known.fade_variance[0]


def test_a_pack_that_is_said_to_be_new_tomorrow_is_new():
    assert initial_state(1, age_days=-30.0).soh_pct[0] == initial_state(1, age_days=0.0).soh_pct[0]
