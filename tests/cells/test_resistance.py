from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from battery_lake.cells.metrics import Z90, coverage90
from battery_lake.cells.resistance import (
    SOC_EFFECT,
    ResistanceParams,
    ResistanceState,
    StepParams,
    at_soc,
    at_temperature,
    find_steps,
    growth,
    initial_state,
    inverse_temperature,
    step,
)

DATA = Path(__file__).parents[3] / "shared" / "data" / "nasa_temperature"
PARAMS = ResistanceParams()
STEPS = StepParams(min_step_a=5.0)

lives = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.integers(1, 4)),
    elements=st.one_of(st.just(np.nan), st.floats(1e-4, 1e-1)),
)


def follow(ohm, celsius=25.0, std_frac=0.005, params=PARAMS):
    """State of the cells after one observation a day; rows are days."""
    ohm = np.atleast_2d(ohm)
    celsius = np.broadcast_to(celsius, ohm.shape)
    state = initial_state(ohm.shape[1], params)
    for day, (now_ohm, now_c) in enumerate(zip(ohm, celsius, strict=True)):
        state = step(state, day, now_ohm, (std_frac * now_ohm) ** 2, now_c, params)
    return state


def arrhenius(ohm_25c, activation_ev, celsius):
    return ohm_25c * np.exp(activation_ev * inverse_temperature(celsius))


def assert_same(one, other, cells=slice(None)):
    for name in ResistanceState.__slots__:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name)[cells])


def string(ohm=(0.001, 0.002), amps=(0.0, 0.0, -50.0, -50.0, 10.0), step_s=1.0):
    amps = np.array(amps)
    volts = 3.7 + amps[:, None] * np.array(ohm)[None, :]
    return np.arange(amps.size) * step_s, amps, volts, np.arange(amps.size) == 0


def test_every_step_shows_the_resistance_of_every_cell():
    steps = find_steps(*string(), STEPS)
    assert steps.sample.tolist() == [2, 4]
    np.testing.assert_allclose(steps.resistance_ohm, [[0.001, 0.002]] * 2)
    assert (steps.before_a.tolist(), steps.after_a.tolist()) == ([0.0, -50.0], [-50.0, 10.0])
    assert (steps.variance_ohm2 > 0.0).all()


def test_small_changes_gaps_and_other_series_are_no_steps():
    seconds, amps, volts, starts = string(amps=(0.0, -2.0, -52.0, -2.0, -52.0))
    seconds[2:] += 100.0  # a gap before the first large change
    starts[3] = True  # another series before the second
    assert find_steps(seconds, amps, volts, starts, STEPS).sample.tolist() == [4]


def test_missing_values_and_voltages_against_the_current_give_no_resistance():
    seconds, amps, volts, starts = string()
    volts[2, 0], volts[2, 1] = np.nan, 3.8
    assert np.isnan(find_steps(seconds, amps, volts, starts, STEPS).resistance_ohm[0]).all()
    amps[2:4] = np.nan
    assert find_steps(seconds, amps, volts, starts, STEPS).sample.size == 0


@pytest.mark.parametrize("samples", [0, 1])
def test_series_without_intervals_have_no_steps(samples):
    steps = find_steps(*(part[:samples] for part in string()), STEPS)
    assert steps.resistance_ohm.shape == (0, 2)


@given(st.permutations(range(3)))
def test_permuting_the_cells_of_a_string_permutes_their_resistances(order):
    seconds, amps, volts, starts = string(ohm=(0.001, 0.002, 0.003))
    order = list(order)
    permuted = find_steps(seconds, amps, volts[:, order], starts, STEPS)
    np.testing.assert_array_equal(
        permuted.resistance_ohm, find_steps(seconds, amps, volts, starts, STEPS).resistance_ohm[:, order]
    )


def test_the_variance_of_a_step_is_as_large_as_its_scatter():
    rng = np.random.default_rng(2)
    seconds, amps, volts, starts = string(ohm=(0.001,) * 4000)
    noisy = volts + rng.normal(0.0, STEPS.voltage_std_v, volts.shape)
    steps = find_steps(seconds, amps, noisy, starts, replace(STEPS, gain_std_frac=0.0))
    np.testing.assert_allclose(
        steps.resistance_ohm.std(axis=1), np.sqrt(steps.variance_ohm2.mean(axis=1)), rtol=0.05
    )


@given(st.floats(-40, 80), st.floats(-40, 80))
def test_cold_is_more_inverse_temperature(one, other):
    first, second = inverse_temperature(np.array([one, other]))
    assert (first > second) == (one < other) or one == pytest.approx(other)


@given(st.floats(0, 1), st.floats(0, 1))
def test_carrying_to_another_soc_and_back_changes_nothing_but_the_doubt(here, there):
    ohm, variance = at_soc(np.array(0.1), np.array(1e-6), np.array(here), np.array(there))
    back, wider = at_soc(ohm, variance, np.array(there), np.array(here))
    assert back == pytest.approx(0.1)
    assert wider >= 1e-6 * (1.0 - 1e-9)


def test_an_empty_cell_has_more_resistance():
    ohm, _ = at_soc(np.array(0.1), np.array(0.0), np.array(1.0), np.array(0.0))
    assert ohm == pytest.approx(0.1 * np.exp(SOC_EFFECT[0]))


def test_a_steady_cell_keeps_its_resistance_and_does_not_grow():
    state = follow(np.full((30, 1), 0.05))
    ohm, std = at_temperature(state, 25.0)
    assert ohm[0] == pytest.approx(0.05)
    assert 0.0 < std[0] < 0.001
    assert growth(state)[0][0] == pytest.approx(0.0, abs=1e-9)


def test_ageing_is_growth_also_while_the_seasons_change():
    days = np.arange(120)
    celsius = 20.0 + 12.0 * np.sin(days / 18.0)[:, None]
    ageing = np.exp(0.3 * days / 119.0)[:, None]
    state = follow(arrhenius(0.05 * ageing, 0.18, celsius), celsius)
    assert at_temperature(state, 25.0)[0][0] == pytest.approx(0.05 * np.exp(0.3), rel=0.03)
    assert growth(state)[0][0] == pytest.approx(np.exp(0.3) - 1.0, abs=0.05)


@pytest.mark.parametrize("activation_ev", [0.05, 0.25])
def test_how_much_a_cell_feels_temperature_is_learnt_from_large_differences(activation_ev):
    celsius = np.where(np.arange(20) < 10, 24.0, 45.0)[:, None]
    state = follow(arrhenius(0.05, activation_ev, celsius), celsius)
    assert state.activation_ev[0] == pytest.approx(activation_ev, abs=0.02)
    assert state.activation_variance_ev2[0] < 0.25 * PARAMS.activation_std_ev**2


def test_small_differences_of_temperature_teach_nothing():
    celsius = 5.0 + 0.5 * np.cos(np.arange(40))[:, None]
    state = follow(arrhenius(0.2, 0.4, celsius), celsius)
    assert state.activation_ev[0] == PARAMS.activation_ev


def test_a_resistance_far_from_the_temperatures_it_was_measured_at_is_less_certain():
    state = follow(np.full((30, 1), 0.05), celsius=5.0)
    assert at_temperature(state, 45.0)[1][0] > 3.0 * at_temperature(state, 5.0)[1][0]


def test_a_single_outlier_moves_little_and_a_lasting_change_wins():
    steady = np.full((20, 1), 0.05)
    outlier = np.vstack([steady, [[0.1]], steady[:1]])
    assert at_temperature(follow(outlier), 25.0)[0][0] == pytest.approx(0.05, rel=0.05)
    changed = np.vstack([steady, np.full((20, 1), 0.06)])
    assert at_temperature(follow(changed), 25.0)[0][0] == pytest.approx(0.06, rel=0.02)


def test_the_interval_holds_the_resistance_of_wandering_cells():
    rng = np.random.default_rng(4)
    days, cells = 60, 500
    wander = np.sqrt(PARAMS.wander_var_per_step + PARAMS.wander_var_per_day)
    truth = 0.05 * np.exp(np.cumsum(rng.normal(0.0, wander, (days, cells)), axis=0))
    activation_ev = rng.normal(PARAMS.activation_ev, PARAMS.activation_std_ev, cells)
    celsius = rng.uniform(5.0, 40.0, (days, 1)) + np.zeros((1, cells))
    inside_c = celsius + rng.normal(0.0, PARAMS.thermometer_std_k, (days, cells))
    seen = arrhenius(truth, activation_ev, inside_c) * np.exp(rng.normal(0.0, 0.005, (days, cells)))
    ohm, std = at_temperature(follow(seen, celsius), 25.0)
    assert 0.85 < coverage90(ohm, std, truth[-1]) < 0.95


@given(st.integers(1, 30), st.floats(1.5, 5))
def test_intervals_widen_with_noise(days, worse):
    calm, rough = (
        at_temperature(follow(np.full((days, 1), 0.05), std_frac=share), 25.0)[1]
        for share in (0.01, 0.01 * worse)
    )
    assert rough[0] > calm[0]


@given(lives, st.data())
def test_permuting_cells_permutes_results(ohm, data):
    order = data.draw(st.permutations(range(ohm.shape[1])))
    assert_same(follow(ohm[:, order]), follow(ohm), list(order))


@given(lives)
def test_a_cell_is_the_same_alone_and_among_others(ohm):
    assert_same(follow(ohm[:, :1]), follow(ohm), slice(0, 1))


@given(lives)
def test_days_without_an_observation_change_nothing(ohm):
    state = follow(ohm)
    blank = np.full(ohm.shape[1], np.nan)
    zero = np.zeros(ohm.shape[1])
    assert_same(step(state, 99.0, blank, zero, 25.0), state)
    assert_same(step(state, 99.0, zero, zero, 25.0), state)
    assert_same(step(state, 99.0, zero + 0.05, zero, blank), state)


@given(lives)
def test_variances_stay_positive(ohm):
    rng = np.random.default_rng(ohm.size)
    state = follow(ohm, rng.uniform(-20.0, 60.0, ohm.shape))
    seen = np.isfinite(state.log_ohm)
    assert (state.log_variance[seen] > 0.0).all()
    assert (state.activation_variance_ev2 > 0.0).all()
    determinant = state.log_variance * state.activation_variance_ev2 - state.covariance_ev**2
    assert (determinant[seen] > -1e-12).all()


def test_no_cells_and_cells_never_seen_survive():
    assert at_temperature(initial_state(0), 25.0)[0].size == 0
    ohm, std = at_temperature(initial_state(2), 25.0)
    assert np.isnan(ohm).all()
    assert np.isnan(std).all()
    assert np.isnan(growth(initial_state(2))[0]).all()


def first_steps(cell_id):
    """First step of each discharge of a NASA cell: day, resistance, its variance, temperature."""
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(DATA / f"{cell_id}.parquet").to_pydict()
    rows = np.array(table["step"]) == "discharge"
    elapsed_s, volts, amps, celsius, number = (
        np.array(table[name], dtype=np.float64)[rows]
        for name in ("elapsed_s", "voltage_v", "current_a", "temperature_c", "cycle_number")
    )
    begun_s = np.array(table["started_at"], dtype="datetime64[ms]").astype(np.int64)[rows] / 1000.0
    starts = np.diff(number, prepend=-1.0) != 0
    steps = find_steps(begun_s + elapsed_s, amps, volts[:, None], starts, StepParams(min_step_a=0.4))
    _, first = np.unique(number[steps.sample], return_index=True)
    at = steps.sample[first]
    ohm, variance_ohm2 = steps.resistance_ohm[first, 0], steps.variance_ohm2[first, 0]
    return (begun_s + elapsed_s)[at] / 86400.0, ohm, variance_ohm2, celsius[at]


@pytest.mark.skipif(not DATA.is_dir(), reason="the NASA cells are not beside this checkout")
def test_a_real_cell_taken_from_24_to_44_degrees_grows_by_ageing_alone():
    state = initial_state(1)
    levels, held = [], []
    for day, ohm, variance_ohm2, celsius in zip(*first_steps("B0039"), strict=True):
        expected, std = at_temperature(state, celsius)
        held.append(np.abs(ohm - expected[0]) <= Z90 * np.hypot(std[0], 0.012 * expected[0]))
        state = step(state, day, np.array([ohm]), np.array([variance_ohm2]), celsius)
        levels.append(at_temperature(state, 25.0)[0][0])
    assert state.activation_ev[0] < 0.1  # contacts, which feel no temperature, are much of this cell's
    assert np.mean(held[1:]) > 0.8
    assert 0.85 < levels[-1] / levels[4] < 1.25
