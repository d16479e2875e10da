import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.cells.life_points import (
    FIRST_WIDTH_DAYS,
    MOST_POINTS,
    LifePoints,
    add_day,
    joined,
    means,
    no_points,
)

FIELDS = LifePoints.__dataclass_fields__
FIRST_DAY = 20_000


def observed(seed, days, packs=1, cells=3):
    """Observed SOH and variances on so many days; a fifth of them is missing."""
    rng = np.random.default_rng(seed)
    soh = rng.normal(92.0, 3.0, (days, packs, cells))
    soh[rng.random(soh.shape) < 0.2] = np.nan
    return soh, rng.uniform(0.1, 9.0, soh.shape)


def fill(points, day, soh, variance):
    for today, value, spread in zip(day, soh, variance, strict=True):
        add_day(points, np.asarray(today, dtype=np.float64), value, spread, np.full(value.shape, 92.0))
    return points


def same(one, other):
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@given(st.lists(st.integers(0, 9_000), min_size=1, max_size=60, unique=True).map(sorted), st.integers(0, 9))
def test_a_history_of_any_length_is_bounded_and_keeps_all_that_was_told(days, seed):
    soh, variance = observed(seed, len(days))
    points = fill(no_points(1, 3), np.array(days)[:, None] + FIRST_DAY, soh, variance)
    count = int((points.days > 0).sum())
    assert 1 <= count <= MOST_POINTS
    assert points.days.sum() == len(days)
    assert points.day_sum_days.sum() == sum(days) + FIRST_DAY * len(days)
    assert (points.weight[0, :count].sum(axis=0) > 0).tolist() == np.isfinite(soh[:, 0]).any(axis=0).tolist()
    # Never coarser than it must be.
    width = int(points.width_days[0])
    assert width == FIRST_WIDTH_DAYS or len({(d + FIRST_DAY) // (width // 2) for d in days}) > MOST_POINTS


@given(st.lists(st.integers(0, 4_000), min_size=2, max_size=50, unique=True).map(sorted), st.data())
def test_going_on_from_any_day_gives_the_bits_of_one_run(days, data):
    cut = data.draw(st.integers(0, len(days)))
    soh, variance = observed(3, len(days))
    day = np.array(days)[:, None] + FIRST_DAY
    whole = fill(no_points(1, 3), day, soh, variance)
    begun = fill(no_points(1, 3), day[:cut], soh[:cut], variance[:cut])
    same(whole, fill(joined([begun]), day[cut:], soh[cut:], variance[cut:]))


def test_packs_with_days_of_their_own_do_not_touch_each_other():
    rng = np.random.default_rng(4)
    soh, variance = observed(4, 80, packs=3)
    day = np.cumsum(rng.integers(1, 40, (80, 3)), axis=0) + float(FIRST_DAY)
    day[rng.random(day.shape) < 0.3] = np.nan
    together = fill(no_points(3, 3), day, soh, variance)
    for pack in range(3):
        own = slice(pack, pack + 1)
        alone = fill(no_points(1, 3), day[:, own], soh[:, own], variance[:, own])
        same(together[np.array([pack])], alone)


def test_a_point_is_the_mean_by_inverse_variance_at_its_mean_day():
    day = np.array([[FIRST_DAY], [FIRST_DAY + 2]])
    points = fill(no_points(1, 1), day, np.array([[[90.0]], [[96.0]]]), np.array([[[1.0]], [[2.0]]]))
    mean_day, soh, variance = means(points)
    assert mean_day[0, 0] == FIRST_DAY + 1
    assert soh[0, 0, 0] == pytest.approx(92.0, abs=0.01)
    assert variance[0, 0, 0] == pytest.approx(2.0 / 3.0, rel=1e-3)
    assert np.isnan(mean_day[0, 1:]).all()


def test_an_outlier_weighs_less():
    day = np.array([[FIRST_DAY], [FIRST_DAY + 1]])
    points = fill(no_points(1, 1), day, np.array([[[92.0]], [[62.0]]]), np.ones((2, 1, 1)))
    assert means(points)[1][0, 0, 0] == pytest.approx(92.0 - 30.0 / 11.0, abs=0.05)


def test_what_is_no_number_tells_nothing():
    points = no_points(1, 3)
    soh, variance = np.array([[90.0, np.nan, 90.0]]), np.array([[-1.0, 1.0, np.inf]])
    add_day(points, np.array([float(FIRST_DAY)]), soh, variance, soh)
    assert (points.weight == 0).all()
    assert np.isnan(means(points)[1]).all()
