"""How a simulated charge runs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import trapezoid

from battery_lake.simulate.charging import TAIL_CURRENT_FRAC, Charge, VoltageLimit
from battery_lake.simulate.electrodes import NMC, SOC_POINTS, aged_ocv


def test_a_charge_below_its_knee_takes_charge_over_current():
    assert Charge(30.0, 0.9, 120.0).duration_s(0.25, 0.5) == pytest.approx(3600.0)


@given(
    start=st.floats(0.05, 0.9),
    more=st.floats(0.02, 0.9),
    knee=st.floats(0.1, 0.99),
    current=st.floats(5, 250),
)
def test_the_duration_is_the_integral_of_one_over_the_current(start, more, knee, current):
    end = min(start + more, 0.999)
    soc = np.linspace(start, end, 20001)
    drawn_a = current * (1.0 - (1.0 - TAIL_CURRENT_FRAC) * np.maximum(soc - knee, 0.0) / (1.0 - knee))
    expected_s = 3600.0 * 150.0 * trapezoid(1.0 / drawn_a, soc)
    assert Charge(current, knee, 150.0).duration_s(start, end) == pytest.approx(expected_s, rel=1e-3)


@given(current=st.floats(1.0, 200.0))
def test_the_knee_is_where_the_current_meets_the_limit(current):
    soc = np.linspace(0.0, 1.0, SOC_POINTS)
    limit = VoltageLimit(soc, aged_ocv(NMC).ocv_v[0], 4.2, np.array([1.2e-3]), np.array([1.05]))
    knee = limit.knee_frac(current, 0)
    if 0.1 < knee < 0.99:
        assert limit.current_a(knee, 0) == pytest.approx(current, rel=1e-3)
