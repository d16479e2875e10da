import json
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lake.cells.lfp_curves import GRID_FRAC, LOSS_FRAC, POINTS, Spread, WindowParams, log_likelihood
from battery_lake.cells.lfp_window import (
    Learning,
    LfpModel,
    LfpParams,
    Windows,
    fit,
    from_dict,
    predict,
    read_windows,
    to_dict,
    whole_charges,
)
from battery_lake.cells.metrics import coverage90, rmse

DATA = Path(__file__).parents[3] / "shared" / "data" / "lfp_essl1"
RATED_AH = 100.0
AGES = np.arange(2.0, 302.0, 4.0)


def curve_v(charged_frac):
    """Charge of a made-up cell over what capacity it has left: rise, graphite's two stages, end."""
    u = np.asarray(charged_frac)
    stages = 0.035 / (1 + np.exp(-(u - 0.2) / 0.02)) + 0.02 / (1 + np.exp(-(u - 0.6) / 0.02))
    return 3.27 - 0.5 * np.exp(-u / 0.015) + stages + 0.03 * u + 0.2 * np.exp((u - 1.0) / 0.02)


def made_up(
    ages=AGES, fade=8e-4, rise_v=0.15, rate=0.5, temperature_c=40.0, over_v=0.06, noise_v=0.0, seed=1
):
    """Windows, ages, capacities of a cell that loses ``fade`` a cycle while its curve rises."""
    rng = np.random.default_rng(seed)
    capacity_ah = RATED_AH * (1.0 - fade * ages)
    rows = []
    for charge, capacity in enumerate(capacity_ah):
        seconds = np.arange(0.0, capacity / (rate * RATED_AH) * 3600.0, 30.0)
        u = rate * RATED_AH * seconds / 3600.0 / capacity
        voltage = curve_v(u) + over_v + rise_v * (1.0 - capacity / RATED_AH)
        rows.append((np.full(seconds.size, charge), seconds, voltage + rng.normal(0.0, noise_v, u.size)))
    charge, seconds, voltage = (np.concatenate(part) for part in zip(*rows, strict=True))
    starts = np.diff(charge, prepend=-1) != 0
    current, warm = np.full(charge.size, rate * RATED_AH), np.full(charge.size, temperature_c)
    return Learning(read_windows(starts, seconds, voltage, current, warm, RATED_AH), ages, capacity_ah)


def taken(windows, rows):
    return Windows(*(getattr(windows, part.name)[rows] for part in fields(Windows)))


def estimates(model, cell):
    return predict(model, cell.windows, cell.age_cycles)


@pytest.fixture(scope="module")
def cell():
    return made_up()


@pytest.fixture(scope="module")
def other_conditions():
    return made_up(rate=0.25, temperature_c=55.0, rise_v=0.0, over_v=0.03, fade=7e-4)


def test_a_window_is_read_between_its_voltages_with_the_charge_since_the_beginning(cell):
    params, windows = WindowParams(), cell.windows
    assert windows.usable.all()
    assert windows.voltage_v.min() >= params.low_v - 1e-9
    assert windows.voltage_v.max() <= params.high_v + 1e-9
    assert (np.diff(windows.charge_frac, axis=1) > 0).all()
    first_v = curve_v(windows.charge_frac[0] / (1.0 - 8e-4 * AGES[0])) + 0.06
    np.testing.assert_allclose(windows.voltage_v[0], first_v, atol=0.0015)
    np.testing.assert_allclose(windows.c_rate, 0.5)


@pytest.mark.parametrize("broken", ["begins half full", "no voltage", "a long pause before", "no current"])
def test_a_charge_that_cannot_be_counted_from_empty_shows_no_window(broken):
    seconds = np.arange(0.0, 7000.0, 30.0)
    voltage, current = curve_v(seconds / 7200.0) + 0.06, np.full(seconds.size, 50.0)
    starts = np.arange(seconds.size) == 0
    if broken == "begins half full":
        seconds, voltage, current, starts = seconds[:180], voltage[50:230], current[:180], starts[:180]
    elif broken == "no voltage":
        voltage[:] = np.nan
    elif broken == "a long pause before":
        seconds[20:] += 1000.0
    else:
        current[:] = np.nan
    windows = read_windows(starts, seconds, voltage, current, np.full(seconds.size, 25.0), RATED_AH)
    assert not windows.usable.any()


@pytest.mark.parametrize("size", [0, 1])
def test_none_or_one_sample_is_survived(size):
    nothing = np.full(size, 3.0)
    windows = read_windows(np.arange(size) == 0, nothing, nothing, nothing, nothing, RATED_AH)
    estimate = predict(LfpModel(RATED_AH), windows, np.full(size, 10.0))
    assert estimate.capacity_ah.shape == (size,)
    assert np.isfinite(estimate.std_ah).all()


def blinded(cell):
    return replace(
        cell, windows=replace(cell.windows, voltage_v=np.full_like(cell.windows.voltage_v, np.nan))
    )


def test_a_shrinking_and_rising_curve_tells_the_capacity_though_no_cell_was_learnt(cell):
    estimate, by_age = (estimates(LfpModel(RATED_AH), one) for one in (cell, blinded(cell)))
    assert rmse(estimate.capacity_ah, cell.capacity_ah) < 0.4 * rmse(by_age.capacity_ah, cell.capacity_ah)
    assert coverage90(estimate.capacity_ah, estimate.std_ah, cell.capacity_ah) > 0.85
    assert (estimate.near_frac == 0.0).all()


def test_the_window_corrects_a_fade_unlike_the_one_learnt(cell, other_conditions):
    model = fit([other_conditions], RATED_AH)
    slow = replace(cell, age_cycles=2.0 * cell.age_cycles)
    by_age = estimates(model, blinded(slow))
    assert rmse(estimates(model, slow).capacity_ah, cell.capacity_ah) < 0.5 * rmse(
        by_age.capacity_ah, cell.capacity_ah
    )


def test_like_conditions_are_seen_and_make_the_interval_narrow(cell, other_conditions):
    sibling = made_up(fade=7.5e-4, rise_v=0.16, seed=2)
    near = estimates(fit([sibling, other_conditions], RATED_AH), cell)
    far = estimates(fit([other_conditions], RATED_AH), cell)
    assert near.near_frac.min() > 0.9
    assert far.near_frac.max() < 0.1
    assert near.std_ah[20:].mean() < 0.8 * far.std_ah[20:].mean()
    assert rmse(near.capacity_ah, cell.capacity_ah) < 1.5


def test_more_noise_makes_the_interval_wider(cell, other_conditions):
    model = fit([other_conditions], RATED_AH)
    noisy = made_up(noise_v=0.004)
    assert estimates(model, noisy).std_ah[20:].mean() > 1.1 * estimates(model, cell).std_ah[20:].mean()


def test_without_windows_the_estimate_rests_on_the_age_and_is_wide(cell, other_conditions):
    model = fit([other_conditions], RATED_AH)
    estimate = estimates(model, blinded(cell))
    assert (np.diff(estimate.capacity_ah) < 0).all()
    assert (estimate.std_ah[20:] > estimates(model, cell).std_ah[20:]).all()


def test_an_estimate_knows_nothing_of_later_charges(cell, other_conditions):
    model = fit([other_conditions], RATED_AH)
    whole = estimates(model, cell)
    part = predict(model, taken(cell.windows, np.arange(30)), cell.age_cycles[:30])
    np.testing.assert_array_equal(part.capacity_ah, whole.capacity_ah[:30])
    np.testing.assert_array_equal(part.std_ah, whole.std_ah[:30])


def test_the_order_of_charges_and_of_learnt_cells_does_not_matter(cell, other_conditions):
    mixed = np.random.default_rng(5).permutation(AGES.size)
    straight = estimates(fit([cell, other_conditions], RATED_AH), cell)
    shuffled = Learning(taken(cell.windows, mixed), AGES[mixed], cell.capacity_ah[mixed])
    other = fit([other_conditions, shuffled], RATED_AH)
    turned = predict(other, taken(cell.windows, mixed), AGES[mixed])
    np.testing.assert_allclose(turned.capacity_ah, straight.capacity_ah[mixed], rtol=1e-9)
    np.testing.assert_allclose(turned.std_ah, straight.std_ah[mixed], rtol=1e-9)


def test_cells_that_fade_alike_narrow_the_deviation_and_unlike_ones_widen_it(cell):
    prior = LfpParams().law_near_std
    alike = fit([cell, made_up(fade=8.1e-4)], RATED_AH).params.law_near_std
    unlike = fit([cell, made_up(fade=5e-4)], RATED_AH).params.law_near_std
    assert alike < prior < unlike


def test_a_model_survives_json(cell, other_conditions):
    model = fit([cell, other_conditions], RATED_AH)
    again = from_dict(json.loads(json.dumps(to_dict(model))))
    assert again.params == model.params
    np.testing.assert_array_equal(estimates(again, cell).capacity_ah, estimates(model, cell).capacity_ah)


def test_a_cell_with_a_handful_of_charges_is_not_learnt():
    assert fit([made_up(ages=AGES[:5])], RATED_AH).cells == ()


def test_charges_cut_short_are_told_from_whole_ones():
    capacity = np.linspace(100.0, 90.0, 20)
    capacity[[7, 19]] = 60.0, 95.0
    assert np.flatnonzero(~whole_charges(capacity)).tolist() == [7, 19]
    assert whole_charges(np.zeros(0)).size == 0


def test_the_likelihood_is_largest_where_the_stretch_is_the_true_one():
    own, charge = curve_v(GRID_FRAC), np.linspace(0.2, 0.75, POINTS)
    spread = Spread(0.0, 0.04, 1.0, 60.0, 2.0, 0.3, 0.3)
    found = log_likelihood(
        charge, curve_v(charge / 0.85) + 0.02, own, np.zeros((LOSS_FRAC.size, GRID_FRAC.size)), 0.0, spread
    )
    assert found.max() == 0.0
    assert LOSS_FRAC[found.argmax()] == pytest.approx(0.15, abs=0.01)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(0, 2000), min_size=1, max_size=12),
    st.integers(0, 2**12 - 1),
    st.integers(0, 2**12 - 1),
)
def test_missing_windows_temperatures_and_ages_leave_numbers_or_nan_never_an_error(ages, gone, cold):
    rows = np.arange(len(ages))
    windows = taken(MADE.windows, rows)
    windows.voltage_v[gone >> rows & 1 == 1] = np.nan
    windows.temperature_c[cold >> rows & 1 == 1] = np.nan
    age = np.array(ages)
    age[0] = np.nan
    estimate = predict(MODEL, windows, age)
    assert np.isnan(estimate.capacity_ah[0])
    assert np.isfinite(estimate.capacity_ah[1:]).all()
    assert (estimate.std_ah[1:] > 0).all()
    assert ((estimate.near_frac[1:] >= 0) & (estimate.near_frac[1:] <= 1)).all()


MADE = made_up(ages=AGES[:14])
MODEL = fit([MADE], RATED_AH)


@pytest.mark.skipif(not DATA.is_dir(), reason="the iron phosphate cells are not beside this checkout")
@pytest.mark.parametrize(("judged", "learnt"), [("ESSL1_1", "ESSL1_4"), ("ESSL1_4", "ESSL1_1")])
def test_a_measured_cell_is_followed_though_only_one_of_other_conditions_was_learnt(judged, learnt):
    cells = {name: measured(name) for name in (judged, learnt)}
    estimate = estimates(fit([cells[learnt]], 102.0), cells[judged])
    whole = whole_charges(cells[judged].capacity_ah)
    truth = np.where(whole, cells[judged].capacity_ah, np.nan)
    assert rmse(estimate.capacity_ah, truth) < 3.0
    assert coverage90(estimate.capacity_ah, estimate.std_ah, truth) > 0.85
    assert estimate.near_frac.max() < 0.1


def measured(name):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(DATA / f"{name}.parquet")
    names = ("cycle_number", "elapsed_s", "voltage_v", "current_a", "temperature_c", "measured_capacity_ah")
    cycle, seconds, voltage, current, warm, capacity = (table[c].to_numpy().astype(np.float64) for c in names)
    order = np.lexsort([seconds, cycle])
    starts = np.diff(cycle[order], prepend=-1.0) != 0
    windows = read_windows(starts, seconds[order], voltage[order], current[order], warm[order], 102.0)
    return Learning(windows, cycle[order][starts], capacity[order][starts])
