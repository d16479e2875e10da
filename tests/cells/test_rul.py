import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.cells.rul import RulParams, remaining_days
from battery_lake.cells.soh_filter import FilterParams, FilterState

PARAMS = RulParams()
EXACT = RulParams(
    filter_params=FilterParams(
        wander_pct2_per_pct=0.0, fade_change_per_pct=0.0, systematic_std_pct=0.0, fade_floor_pct_per_day=0.0
    )
)
EOL = np.array([80.0])


def known(soh=90.0, fade=0.01, soh_variance=0.0, covariance=0.0, fade_variance=0.0):
    return FilterState(*(np.array([x]) for x in (soh, fade, soh_variance, covariance, fade_variance, 1, 0.0)))


def test_a_line_without_uncertainty_crosses_where_it_crosses():
    p05, p50, p95, censored = remaining_days(known(), EOL, EXACT)
    np.testing.assert_allclose([p05[0], p50[0], p95[0]], 1000.0, rtol=1e-6)
    assert not censored[0]


def test_an_uncertain_fade_alone_gives_the_quantiles_of_the_closed_form():
    p05, p50, p95, _ = remaining_days(known(fade_variance=0.002**2), EOL, EXACT)
    expected = [10.0 / (0.01 + z * 0.002) for z in (1.6448536, 0.0, -1.6448536)]
    np.testing.assert_allclose([p05[0], p50[0], p95[0]], expected, rtol=1e-5)


def test_the_quantiles_are_those_of_many_simulated_lives():
    rng = np.random.default_rng(7)
    covariance = np.array([[0.5, 0.0006], [0.0006, 0.0015**2]])
    soh, fade = rng.multivariate_normal([88.0, 0.01], covariance, 40_000).T
    lives = (soh - 80.0) / fade
    state = known(88.0, 0.01, covariance[0, 0], covariance[0, 1], covariance[1, 1])
    predicted = np.array(remaining_days(state, EOL, EXACT)[:3])[:, 0]
    np.testing.assert_allclose(predicted, np.quantile(lives, [0.05, 0.5, 0.95]), rtol=0.02)


def test_a_cell_below_its_end_of_life_has_no_days_left():
    assert [float(x[0]) for x in remaining_days(known(soh=79.9), EOL, PARAMS)] == [0.0, 0.0, 0.0, False]


@pytest.mark.parametrize(
    "state",
    [known(fade=-0.001), known(fade=0.0), known(fade=0.0005), known(fade=0.01, fade_variance=0.02**2)],
)
def test_where_no_end_is_in_sight_the_days_are_lower_bounds_within_the_horizon(state):
    p05, p50, p95, censored = remaining_days(state, EOL, PARAMS)
    assert censored[0]
    assert 0.0 < p05[0] <= p50[0] <= p95[0] <= PARAMS.horizon_days


def test_an_empty_end_of_life_is_that_of_the_parameters():
    filled, given_ = (remaining_days(known(), np.array([eol]), PARAMS) for eol in (np.nan, 80.0))
    np.testing.assert_array_equal(filled, given_)


@given(
    st.floats(60, 105), st.floats(-0.05, 1.0), st.floats(0, 30), st.floats(-0.99, 0.99), st.floats(0, 0.1),
    st.floats(60, 90),
)  # fmt: skip
def test_the_quantiles_are_ordered_and_finite(soh, fade, soh_variance, correlation, fade_variance, eol):
    covariance = correlation * np.sqrt(soh_variance * fade_variance)
    state = known(soh, fade, soh_variance, covariance, fade_variance)
    p05, p50, p95, _ = remaining_days(state, np.array([eol]), PARAMS)
    assert 0.0 <= p05[0] <= p50[0] <= p95[0] <= PARAMS.horizon_days


@given(st.floats(82, 100), st.floats(0.001, 0.5), st.floats(0, 5), st.floats(1, 4))
def test_a_less_certain_health_never_narrows_the_outlook(soh, fade, soh_variance, more):
    narrow = remaining_days(known(soh, fade, soh_variance), EOL, PARAMS)
    wide = remaining_days(known(soh, fade, soh_variance * more), EOL, PARAMS)
    assert wide[0][0] <= narrow[0][0] + 1e-6
    assert wide[2][0] >= narrow[2][0] - 1e-6


def test_cells_are_looked_at_one_by_one():
    together = FilterState(
        *(np.array(x, dtype=float) for x in ([90, 79], [0.01, 0.01], [1, 1], [0, 0], [0, 0], [1, 1], [0, 0]))
    )
    p50 = remaining_days(together, np.array([80.0, 70.0]), PARAMS)[1]
    np.testing.assert_allclose(p50, [1000.0, 900.0], rtol=1e-6)


def test_no_cell_at_all_survives():
    none = FilterState(*(np.empty(0) for _ in range(7)))
    assert remaining_days(none, np.empty(0), PARAMS)[0].size == 0
