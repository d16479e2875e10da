import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.cells.recent_use import RECENT_DAYS, daily_rate, decayed_sums

DAYS = st.lists(st.tuples(st.integers(0, 3000), st.floats(0.0, 500.0)), min_size=1, max_size=40)


@given(DAYS, st.data())
def test_going_on_from_any_day_gives_the_bits_of_one_run(rows, data):
    daily = dict(rows)
    day = np.array(sorted(daily))
    amount = np.array([daily[d] for d in day.tolist()])
    whole = decayed_sums(day, amount)
    cut = data.draw(st.integers(1, day.size))
    rest = decayed_sums(day[cut:], amount[cut:], float(whole[cut - 1]), float(day[cut - 1]))
    np.testing.assert_array_equal(rest, whole[cut:])


def test_even_use_has_its_rate_from_the_first_days_on():
    day = np.arange(900)
    rate = daily_rate(decayed_sums(day, np.full(900, 40.0)), day + 1.0)
    np.testing.assert_allclose(rate, 40.0, rtol=0.004)


def test_a_new_habit_counts_within_months():
    day = np.arange(1460)
    amount = np.where(day < 1095, 20.0, 80.0)
    rate = daily_rate(decayed_sums(day, amount), day + 1.0)[-1]
    expected = 80.0 - 60.0 * np.exp(-365.0 / RECENT_DAYS)
    assert rate == pytest.approx(expected, rel=0.01)
