"""Cells of a string beside each other tell which has less capacity, however flat the curve."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.cells.ocv import shipped_curve
from battery_lake.cells.string_comparison import (
    StringParams,
    StringSums,
    added,
    no_sums,
    relative_capacity,
    side_by_side_soh,
    string_sums,
)

PARAMS = StringParams()
CELLS = 24
CAPACITY = 1.0 + 0.012 * np.sin(np.arange(CELLS) * 2.4)


def samples(
    curve_name="lfp_a123", capacity=CAPACITY, noise_v=0.001, count=800, seed=3, soc=None, bms_shift=0.02
):
    """Samples of slow charges over most of the SOC; cells differ in capacity, SOC and resistance."""
    rng = np.random.default_rng(seed)
    curve = shipped_curve(curve_name)
    true = rng.uniform(0.12, 0.85, count) if soc is None else np.full(count, soc)
    c_rate = rng.choice([0.0, 0.2, 0.8], count)
    offset, ohm_v_per_c = rng.normal(0.0, 0.005, len(capacity)), rng.normal(0.0, 0.003, len(capacity))
    own = 0.5 + offset + (true[:, None] - 0.5) * np.median(capacity) / capacity
    volts = np.interp(own, curve.soc_frac, curve.ocv_v) + c_rate[:, None] * ohm_v_per_c
    volts += 0.008 * np.sign(rng.normal(size=(count, 1))) + rng.normal(0.0, noise_v, volts.shape)
    return true + bms_shift, c_rate, volts, curve


def compared(**changes):
    soc, c_rate, volts, curve = samples(**changes)
    sums = string_sums(soc, c_rate, volts, np.zeros(len(soc), dtype=np.int64), 1)
    relative, std = relative_capacity(sums, curve, PARAMS)
    return relative[0], std[0]


@pytest.mark.parametrize("curve_name", ["lfp_a123", "nmc_lgm50"])
@pytest.mark.parametrize("bms_shift", [-0.05, 0.0, 0.05])
def test_differences_in_capacity_are_found_although_hysteresis_and_the_bms_are_wrong(curve_name, bms_shift):
    relative, std = compared(curve_name=curve_name, bms_shift=bms_shift)
    truth = CAPACITY / np.median(CAPACITY) - 1.0
    assert np.corrcoef(relative, truth)[0, 1] > 0.9
    assert np.argmin(relative) in np.argsort(truth)[:3]
    assert (np.abs(relative - truth) < 3.0 * std).all()


def test_permuting_cells_permutes_results():
    soc, c_rate, volts, curve = samples()
    order = np.random.default_rng(1).permutation(CELLS)
    group = np.zeros(len(soc), dtype=np.int64)
    plain = relative_capacity(string_sums(soc, c_rate, volts, group, 1), curve, PARAMS)
    moved = relative_capacity(string_sums(soc, c_rate, volts[:, order], group, 1), curve, PARAMS)
    for values, others in zip(plain, moved, strict=True):
        np.testing.assert_allclose(values[0, order], others[0], rtol=1e-9)


def test_sums_of_parts_add_up_to_the_sums_of_the_whole():
    soc, c_rate, volts, _ = samples()
    group = np.arange(len(soc)) % 3
    parts = string_sums(soc, c_rate, volts, group, 3)
    whole = string_sums(soc, c_rate, volts, np.zeros_like(group), 1)
    so_far = no_sums(1, CELLS)
    for row in range(3):
        one = StringSums(*(getattr(parts, f.name)[row : row + 1] for f in fields(StringSums)))
        so_far = added(so_far, one, 0.0, PARAMS)
    for f in fields(StringSums):
        np.testing.assert_allclose(getattr(so_far, f.name), getattr(whole, f.name), rtol=1e-9, atol=1e-12)


def test_intervals_widen_with_noise():
    widths = [np.median(compared(noise_v=noise_v)[1]) for noise_v in (0.001, 0.005, 0.02)]
    assert widths[0] < widths[1] < widths[2]


@pytest.mark.parametrize("soc", [0.3, 0.5])
def test_one_soc_alone_tells_no_capacity(soc):
    relative, std = compared(soc=soc)
    assert (std > 0.8 * PARAMS.spread_std_frac).all()
    assert (np.abs(relative) < 2.0 * PARAMS.spread_std_frac).all()


def test_a_cell_with_a_fault_is_not_compared_and_moves_no_other():
    soc, c_rate, volts, curve = samples()
    group = np.zeros(len(soc), dtype=np.int64)
    plain = relative_capacity(string_sums(soc, c_rate, volts, group, 1), curve, PARAMS)[0][0]
    volts[:, 5] += 0.3
    found = relative_capacity(string_sums(soc, c_rate, volts, group, 1), curve, PARAMS)[0][0]
    assert np.isnan(found[5])
    others = np.arange(CELLS) != 5
    np.testing.assert_allclose(found[others], plain[others], atol=2e-3)


def test_samples_that_lack_a_value_or_lie_at_the_ends_do_not_count_and_few_say_nothing():
    soc, c_rate, volts, curve = samples(count=40)
    volts[:15, 3] = np.nan
    soc[15:22], c_rate[22] = 0.97, np.nan
    sums = string_sums(soc, c_rate, volts, np.zeros(40, dtype=np.int64), 1)
    assert sums.count.sum() == 17
    assert np.isnan(relative_capacity(sums, curve, PARAMS)[0]).all()
    assert string_sums(soc[:0], c_rate[:0], volts[:0], np.zeros(0, dtype=np.int64), 2).count.shape == (2, 16)


def test_what_is_long_ago_counts_less():
    soc, c_rate, volts, _ = samples()
    sums = string_sums(soc, c_rate, volts, np.zeros(len(soc), dtype=np.int64), 1)
    later = added(sums, no_sums(1, CELLS), PARAMS.memory_days, PARAMS)
    np.testing.assert_allclose(later.count, sums.count / np.e)


soh = st.lists(st.floats(60.0, 105.0), min_size=4, max_size=12)


@given(soh, st.floats(0.05, 20.0), st.floats(0.001, 0.05), st.integers(0, 999))
def test_comparing_moves_cells_apart_or_together_and_never_their_mean(values, variance, std, seed):
    own = np.array([values])
    spread = np.full(own.shape, variance)
    relative = np.random.default_rng(seed).normal(0.0, 0.02, own.shape)
    told, left = side_by_side_soh(own, spread, relative, np.full(own.shape, std), PARAMS)
    # To second order in the differences.
    assert told.mean() == pytest.approx(own.mean(), abs=0.25)
    assert (left <= spread).all()
    assert (left >= (1.0 - PARAMS.own_share) * spread - 1e-12).all()


def test_the_surer_the_comparison_the_nearer_the_differences_come_to_it():
    own, variance = np.array([[90.0, 90.0, 93.0, 93.0]]), np.full((1, 4), 4.0)
    relative = np.array([[-0.02, 0.0, 0.0, 0.02]])
    sure = side_by_side_soh(own, variance, relative, np.full((1, 4), 1e-4), PARAMS)[0][0]
    assert sure / sure.mean() - 1.0 == pytest.approx(relative[0], abs=1e-3)
    vague = side_by_side_soh(own, variance, relative, np.full((1, 4), 1.0), PARAMS)[0][0]
    assert vague == pytest.approx(own[0], abs=0.01)


def test_cells_that_are_not_compared_stay_as_they_are():
    own, variance = np.array([[90.0, 91.0, 92.0], [80.0, 81.0, 82.0]]), np.full((2, 3), 4.0)
    relative = np.array([[0.01, np.nan, -0.01], [np.nan] * 3])
    told, left = side_by_side_soh(own, variance, relative, np.full((2, 3), 0.003), PARAMS)
    assert told[0, 1] == 91.0
    assert left[0, 1] == 4.0
    np.testing.assert_array_equal(told[1], own[1])
    np.testing.assert_array_equal(left[1], variance[1])


def test_no_prior_on_the_bms_means_the_same_where_samples_are_many():
    soc, c_rate, volts, curve = samples()
    sums = string_sums(soc, c_rate, volts, np.zeros(len(soc), dtype=np.int64), 1)
    free = replace(PARAMS, soc_shift_std_frac=10.0, soc_stretch_std=10.0)
    np.testing.assert_allclose(
        relative_capacity(sums, curve, PARAMS)[0], relative_capacity(sums, curve, free)[0], atol=2e-3
    )
