import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.cells.capacity import WindowParams, full_discharge, plausible, rest_to_rest, window_params

fractions = st.floats(0.0, 1.0)


def column(*values):
    return np.array(values, dtype=float)[:, None]


def windows(charge_ah, start, end, std=0.01, charge_std_ah=0.1):
    start, end = np.atleast_2d(start).astype(float), np.atleast_2d(end).astype(float)
    stds = np.full_like(start, std)
    return rest_to_rest(column(charge_ah), column(charge_std_ah), start, stds, end, stds)


def test_each_cell_has_the_capacity_that_its_own_soc_change_says():
    capacity, variance = windows(-30.0, [0.9, 0.9], [0.3, 0.4])
    np.testing.assert_allclose(capacity, [[50.0, 60.0]])
    assert variance[0, 1] > variance[0, 0]


def test_the_variance_is_what_many_noisy_windows_show():
    rng = np.random.default_rng(5)
    n = 20_000
    noisy = [0.2 + rng.normal(0, 0.008, (n, 1)), 0.7 + rng.normal(0, 0.008, (n, 1))]
    charge = 25.0 + rng.normal(0, 0.2, (n, 1))
    std = np.full((n, 1), 0.008)
    capacity, variance = rest_to_rest(charge, np.full((n, 1), 0.2), noisy[0], std, noisy[1], std)
    assert capacity.std() == pytest.approx(np.sqrt(np.median(variance)), rel=0.05)


@pytest.mark.parametrize(
    ("charge", "start", "end", "std"),
    [
        (10.0, 0.5, 0.5, 0.01),  # nothing changed
        (10.0, 0.5, 0.6, 0.01),  # too little changed
        (10.0, 0.8, 0.3, 0.01),  # against the charge
        (0.0, 0.2, 0.8, 0.01),  # no charge
        (10.0, 0.2, 0.5, 0.2),  # changed, but by how much is not known
        (np.nan, 0.2, 0.8, 0.01),
        (10.0, np.nan, 0.8, 0.01),
        (10.0, 0.2, 0.8, np.nan),
    ],
)
def test_a_window_that_does_not_tell_gives_nothing_rather_than_infinity(charge, start, end, std):
    capacity, variance = windows(charge, start, end, std)
    assert np.isnan(capacity).all()
    assert np.isnan(variance).all()


@given(st.floats(0.1, 200), fractions, fractions, st.floats(0.1, 10))
def test_scaling_the_charge_scales_the_capacity(charge, start, end, factor):
    one, _ = windows(charge, start, end)
    scaled, _ = windows(charge * factor, start, end)
    np.testing.assert_allclose(scaled, one * factor)


@given(st.floats(1, 200), fractions, fractions, st.floats(0.001, 0.02), st.floats(1, 3))
def test_noise_never_narrows_a_capacity(charge, start, end, std, worse):
    _, narrow = windows(charge, start, end, std)
    _, wide = windows(charge, start, end, std * worse, 0.1 * worse)
    assert not (wide < narrow - 1e-12).any()


@given(st.permutations(range(4)), st.floats(5, 50))
def test_permuting_the_cells_permutes_the_capacities(order, charge):
    start, end = np.array([[0.1, 0.2, 0.3, 0.4]]), np.array([[0.9, 0.8, 0.7, 0.45]])
    plain, mixed = windows(charge, start, end), windows(charge, start[:, order], end[:, order])
    for a, b in zip(plain, mixed, strict=True):
        np.testing.assert_array_equal(a[:, order], b)


def test_only_cells_that_went_from_full_to_empty_get_a_value():
    capacity, variance = full_discharge(
        np.array([40.0, 40.0, np.nan]),
        np.array([[2.99, 3.2, 2.9], [2.9, 2.9, 2.9], [2.9, 2.9, 2.9]]),
        np.array([3.0, 2.8, 3.0]),
        np.array([[0.98, 0.99, 0.9], [1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]),
    )
    np.testing.assert_allclose(capacity, [[40.0 / 0.98, np.nan, np.nan], [np.nan] * 3, [np.nan] * 3])
    assert np.sqrt(variance[0, 0]) == pytest.approx(0.004 * 40.0 / 0.98)


def test_capacities_that_no_working_cell_has_are_blanked():
    values = np.array([[5.0, 20.0, 50.0, 66.0, np.nan]])
    capacity, variance = plausible(values, np.ones_like(values), column(50.0))
    np.testing.assert_array_equal(capacity, [[np.nan, 20.0, 50.0, np.nan, np.nan]])
    np.testing.assert_array_equal(np.isnan(variance), np.isnan(capacity))


def lithium_windows(capacity_ah, new_ah, low, share=1.0):
    """Charges to full of LFP cells whose lost capacity left a step of the curve at its charge from empty."""
    at_step_ah = low * (capacity_ah + share * (new_ah - capacity_ah))
    one = np.ones((1, 1))
    return rest_to_rest(
        (capacity_ah - at_step_ah) * one, 0.01 * one, low * one, 0.005 * one, one, 0.005 * one, new_ah * one,
        WindowParams(lithium_share=share, lithium_share_std=0.2),
    )  # fmt: skip


@given(st.floats(0.6, 1.0), st.floats(0.1, 0.4), st.floats(0.0, 1.0))
def test_lost_lithium_that_leaves_the_steps_of_the_curve_does_not_look_like_more_loss(left, low, share):
    capacity, variance = lithium_windows(100.0 * left, 100.0, low, share)
    np.testing.assert_allclose(capacity, [[100.0 * left]])
    assert variance[0, 0] >= lithium_windows(100.0, 100.0, low, share)[1][0, 0] * left**2 * 0.99


def test_between_two_places_that_stay_a_charge_says_nothing_of_the_capacity():
    one = np.ones((1, 1))
    capacity, _ = rest_to_rest(
        25.0 * one, 0.01 * one, 0.1 * one, 0.005 * one, 0.35 * one, 0.005 * one, 100.0 * one,
        WindowParams(lithium_share=1.0),
    )  # fmt: skip
    assert np.isnan(capacity).all()


def test_only_the_steps_of_lfp_stay():
    assert window_params("NMC") == WindowParams()
    assert window_params(" lfp ").lithium_share > 0.0
