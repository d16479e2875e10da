import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lake.cells.fade_curves import shipped_curves
from battery_lake.cells.life_outlook import LifeHistory, OutlookParams, outlook_days
from battery_lake.cells.life_templates import (
    CURVES,
    LOG_RATIOS,
    POWERS,
    curve_shapes,
    templates_from,
    templates_of,
)

PARAMS = OutlookParams()
EOL = 80.0
NMC = templates_of("NMC", EOL)


def seen(age_days, soh_pct, std_pct=1.0):
    """A history of one pack: SOH of shape (points, cells) at some ages, now at the last of them."""
    soh = np.asarray(soh_pct, dtype=np.float64).reshape(len(age_days), -1)
    variance = np.full(soh.shape, std_pct**2)
    return LifeHistory(
        np.array([age_days], dtype=np.float64), soh[None], variance[None], np.array([age_days[-1]])
    )


def answer(history, now=None, templates=NMC, eol=EOL):
    soh = history.soh_pct[:, -1] if now is None else np.atleast_2d(now)
    p05, p50, p95, censored = outlook_days(templates, history, soh, eol, PARAMS)
    return p05[0], p50[0], p95[0], censored[0]


def fading(power, life_days, age_days, points=10):
    """A life whose fade goes with a power of age."""
    age = np.linspace(0.3 * age_days, age_days, points)
    return age, 100.0 - 20.0 * (age / life_days) ** power


@given(
    st.lists(st.floats(60.0, 108.0), min_size=1, max_size=12),
    st.floats(1.0, 8_000.0),
    st.floats(0.3, 5.0),
    st.sampled_from([70.0, 80.0, 85.0]),
)
@settings(deadline=None)
def test_quantiles_are_ordered_and_within_the_horizon_and_zero_after_the_end(soh, age, std, eol):
    ages = np.linspace(age / len(soh), age, len(soh))
    p05, p50, p95, censored = answer(seen(ages, soh, std), templates=templates_of("LFP", eol), eol=eol)
    assert 0.0 <= p05[0] <= p50[0] <= p95[0] <= PARAMS.horizon_days
    assert (p95[0] == 0.0) == (soh[-1] <= eol)
    assert censored[0] == (p50[0] >= PARAMS.horizon_days)


@pytest.mark.parametrize(("power", "within"), [(0.7, 0.3), (1.0, 0.25), (1.4, 0.3)])
def test_a_life_that_follows_a_power_is_told_when_most_of_it_is_over(power, within):
    age, soh = fading(power, 4000.0, 3000.0)
    p05, p50, p95, _ = answer(seen(age, soh, 0.3))
    assert p50[0] == pytest.approx(1000.0, rel=within)
    assert p05[0] < 1000.0 < p95[0]


def test_where_nothing_but_the_age_is_known_the_answer_is_wide():
    none = LifeHistory(
        np.full((1, 3), np.nan), np.full((1, 3, 1), np.nan), np.full((1, 3, 1), np.nan), np.array([365.0])
    )
    p05, _, p95, _ = answer(none, now=98.0)
    assert p95[0] > 5.0 * p05[0]
    late, soh = fading(1.0, 2000.0, 1800.0)
    told = answer(seen(late, soh, 0.3))
    assert told[2][0] - told[0][0] < 0.3 * (p95[0] - p05[0])


def test_intervals_widen_with_noise_and_narrow_with_more_of_the_life_seen():
    age, soh = fading(1.0, 3000.0, 2000.0)
    widths = [(a[2] - a[0])[0] for a in (answer(seen(age, soh, std)) for std in (0.3, 2.0, 6.0))]
    assert widths == sorted(widths)
    early, less = fading(1.0, 3000.0, 300.0)
    p05, _, p95, _ = answer(seen(early, less))
    assert p95[0] - p05[0] > widths[0]


@pytest.mark.parametrize("age_days", [1.0, 7.0, 30.0])
def test_a_cell_that_is_hardly_used_has_years_left(age_days):
    p05, p50, p95, _ = answer(seen(np.array([age_days]), np.array([99.95]), 1.5), now=99.9)
    assert p05[0] > 365.0
    assert 5.0 * 365.0 < p50[0] < p95[0]


@pytest.mark.parametrize("eol", [20.0, 99.0, 100.0])
def test_odd_ends_of_life_have_an_answer(eol):
    age, soh = fading(1.0, 3000.0, 1000.0)
    p05, p50, p95, _ = answer(seen(age, soh), now=101.0, templates=templates_of("NMC", eol), eol=eol)
    assert 0.0 < p05[0] <= p50[0] <= p95[0] <= PARAMS.horizon_days


def test_a_faster_fade_ends_sooner():
    lives = [fading(1.0, life, 1000.0) for life in (6000.0, 3000.0, 1500.0)]
    p50 = [answer(seen(age, soh))[1][0] for age, soh in lives]
    assert p50 == sorted(p50, reverse=True)


def test_a_cell_of_no_known_health_gets_no_answer():
    age, soh = fading(1.0, 3000.0, 1000.0)
    p05, p50, p95, censored = answer(seen(age, soh), now=np.nan)
    assert np.isnan([p05[0], p50[0], p95[0]]).all()
    assert not censored[0]


def test_cells_and_packs_in_any_order_and_company_get_the_same_bits():
    rng = np.random.default_rng(0)
    rows, points, cells = 7, 5, 50
    age = np.sort(rng.uniform(100.0, 2000.0, (rows, points)), axis=1)
    age[2, 3:] = np.nan
    soh = rng.normal(91.0, 3.0, (rows, points, cells))
    soh[rng.random(soh.shape) < 0.1] = np.nan
    history = LifeHistory(age, soh, rng.uniform(0.2, 4.0, soh.shape), np.full(rows, 2000.0))
    now = rng.normal(90.0, 3.0, (rows, cells))
    together = outlook_days(NMC, history, now, EOL, PARAMS)
    order = rng.permutation(cells)
    turned = LifeHistory(age, soh[:, :, order], history.variance_pct2[:, :, order], history.now_days)
    for one, other in zip(together, outlook_days(NMC, turned, now[:, order], EOL, PARAMS), strict=True):
        np.testing.assert_array_equal(one[:, order], other)
    for row in range(rows):
        own = slice(row, row + 1)
        alone = LifeHistory(
            age[own], soh[own, :, :1], history.variance_pct2[own, :, :1], history.now_days[own]
        )
        for one, other in zip(together, outlook_days(NMC, alone, now[own, :1], EOL, PARAMS), strict=True):
            np.testing.assert_array_equal(one[own, :1], other)


@pytest.mark.parametrize("chemistry", ["LFP", "NMC", "NCA", "LMO"])
def test_templates_fall_from_new_to_their_place_and_weigh_one_together(chemistry):
    templates = templates_of(chemistry, EOL)
    curves = templates.log_weight.size
    assert curves <= CURVES + len(POWERS)
    assert np.exp(templates.log_weight).sum() == pytest.approx(1.0)
    level = templates.soh_pct.reshape(-1, LOG_RATIOS.size, curves)
    np.testing.assert_allclose(level[0], 100.0, atol=1e-3)
    # The first places have little of life left, the last ones nearly all.
    assert level[-1, 0].max() < 84.0
    assert level[-1, -1].min() > 94.0


def test_without_measured_curves_powers_of_age_are_left():
    none = shipped_curves("NMC")
    short = type(none)(none.span_efc[:0], none.level_frac[:0], none.dip_frac[:0], none.noise_frac[:0], ())
    assert curve_shapes(short, EOL).shape[0] == 0
    assert templates_from(short, EOL).log_weight.size == len(POWERS)
