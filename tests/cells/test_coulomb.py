import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from battery_lake.cells.coulomb import CounterParams, charge_std_ah, increments, is_offset, rest_offset

currents = hnp.arrays(np.float64, st.integers(1, 30), elements=st.floats(-300, 300, width=32))


def series(current_a, step_s=10.0):
    starts = np.arange(current_a.size) == 0
    return np.arange(current_a.size) * step_s, current_a, starts


def test_an_hour_of_constant_current_is_its_charge_whatever_the_sampling():
    seconds = np.array([0.0, 7.0, 8.5, 1000.0, 3600.0])
    result = increments(seconds, np.full(5, -12.0), np.arange(5) == 0, gap_s=3600.0)
    assert result.charge_ah.sum() == pytest.approx(-12.0)
    assert result.throughput_ah.sum() == pytest.approx(12.0)
    assert result.sampling_ah2.sum() == 0.0


def test_an_interval_longer_than_a_gap_counts_nothing_and_says_so():
    result = increments(np.array([0.0, 901.0]), np.array([50.0, 50.0]), np.array([True, False]), 900.0)
    assert (result.charge_ah[1], bool(result.is_gap[1]), result.dt_s[1]) == (0.0, True, 901.0)


def test_the_same_interval_is_the_same_number_in_any_decade():
    later = increments(np.array([0.0, 900.0]) + 1.7e9 + 0.1, np.ones(2), np.array([True, False]), 900.0)
    assert not later.is_gap.any()
    assert later.charge_ah[1] == 0.25


def test_no_interval_leads_into_the_first_sample_of_a_series():
    starts = np.array([True, False, True, False])
    result = increments(np.array([100.0, 110.0, 0.0, 36.0]), np.array([9.0, 9.0, 1.0, 1.0]), starts, 900.0)
    np.testing.assert_allclose(result.charge_ah, [0.0, 0.025, 0.0, 0.01])


def test_a_missing_current_is_bridged_from_the_end_that_is_known():
    result = increments(*series(np.array([36.0, np.nan, 36.0, np.nan, np.nan]), 100.0), 900.0)
    np.testing.assert_allclose(result.charge_ah, [0.0, 1.0, 1.0, 1.0, 0.0])
    assert result.is_gap.tolist() == [False, False, False, False, True]


@given(currents, st.floats(0.1, 10))
def test_charge_scales_with_current(current_a, factor):
    one = increments(*series(current_a), 900.0)
    scaled = increments(*series(current_a * factor), 900.0)
    np.testing.assert_allclose(scaled.charge_ah, one.charge_ah * factor, atol=1e-12)
    np.testing.assert_allclose(scaled.sampling_ah2, one.sampling_ah2 * factor**2, atol=1e-12)


@given(currents)
def test_throughput_is_never_less_than_the_charge(current_a):
    result = increments(*series(current_a), 900.0)
    assert (result.throughput_ah >= np.abs(result.charge_ah) - 1e-12).all()


def test_the_sampling_error_of_a_rough_current_is_as_large_as_promised():
    rng = np.random.default_rng(3)
    current = rng.normal(0, 40, (400, 60))
    early = rng.random((400, 59))  # share of each interval after which the current steps to its next value
    truth_ah = (current[:, :-1] * early + current[:, 1:] * (1 - early)).sum(axis=1) * 10.0 / 3600.0
    results = [increments(*series(row), 900.0) for row in current]
    error = np.array([r.charge_ah.sum() for r in results]) - truth_ah
    promised = np.sqrt(np.mean([r.sampling_ah2.sum() for r in results]))
    assert error.std() == pytest.approx(promised, rel=0.1)


@given(st.floats(0, 200), st.floats(0, 1e6), st.floats(1, 4))
def test_a_worse_sensor_widens_the_charge(charge_ah, duration_s, worse):
    bad = CounterParams(offset_c_rate=0.001 * worse, gain_frac=0.005 * worse)
    assert charge_std_ah(charge_ah, duration_s, 100.0, params=bad) >= charge_std_ah(
        charge_ah, duration_s, 100.0
    )


def test_the_offset_of_a_sensor_is_found_from_what_it_reads_at_rest():
    rng = np.random.default_rng(4)
    true_a = rng.normal(0.0, 0.1, 500)
    mean_a = true_a[:, None] + rng.normal(0.0, 0.05 / np.sqrt(8.0), (500, 2))
    offset_a, std_a = rest_offset(mean_a, np.full((500, 2), 8.0), np.full(500, 100.0))
    assert np.sqrt(np.mean((offset_a - true_a) ** 2)) < 0.02
    assert np.mean(np.abs(offset_a - true_a) < 1.645 * std_a) == pytest.approx(0.9, abs=0.05)


def test_a_load_at_rest_and_a_missing_rest_tell_no_offset():
    mean_a = np.array([[5.0, np.nan], [np.nan, np.nan], [0.2, 0.2]])
    offset_a, std_a = rest_offset(
        mean_a, np.array([[9.0, 9.0], [9.0, 9.0], [0.0, np.nan]]), np.full(3, 100.0)
    )
    assert offset_a.tolist() == [0.0, 0.0, 0.0]
    assert std_a == pytest.approx([0.1, 0.1, 0.1])
    assert is_offset(mean_a[0], np.array(100.0)).tolist() == [False, False]


def test_more_readings_leave_less_of_the_offset_open():
    few, many = (rest_offset(np.array([[0.1]]), np.array([[n]]), np.array([100.0])) for n in (2.0, 20.0))
    assert many[1][0] < few[1][0] < 0.1
    assert charge_std_ah(50.0, 36_000.0, 100.0, offset_std_a=many[1]) < charge_std_ah(50.0, 36_000.0, 100.0)
