import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.cells.ocv import (
    LIMITS_V,
    OcvCurve,
    chemistry_limits,
    default_curve,
    shipped_curve,
    shipped_names,
)
from battery_lake.errors import ReferenceDataError


@pytest.mark.parametrize("name", shipped_names())
@given(soc=st.floats(0.0, 1.0))
def test_a_shipped_curve_gives_back_the_soc_within_its_own_uncertainty(name, soc):
    curve = shipped_curve(name)
    voltage = np.interp([soc], curve.soc_frac, curve.ocv_v)
    assert np.abs(curve.soc(voltage) - soc) <= curve.soc_std(voltage, 0.001) + 1e-9


@pytest.mark.parametrize("chemistry", LIMITS_V)
def test_every_chemistry_has_limits_and_a_curve_that_spans_them(chemistry):
    low_v, high_v = chemistry_limits(chemistry)
    curve = shipped_curve(default_curve(chemistry))
    assert curve.ocv_v[0] == pytest.approx(low_v, abs=0.05)
    assert curve.ocv_v[-1] == pytest.approx(high_v, abs=0.05)
    assert curve.soc_frac[[0, -1]].tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("soc", "ocv", "fault"),
    [
        ([0.0, 1.0], [3.0, 3.5, 4.0], "2 points"),
        ([0.5], [3.5], "at least 2 points"),
        ([0.0, 0.5, 0.5], [3.0, 3.5, 4.0], "soc_frac does not rise at point 2"),
        ([0.0, 0.5, 1.0], [3.0, 3.6, 3.5], "ocv_v falls at point 2"),
        ([0.0, 50.0, 100.0], [3.0, 3.5, 4.0], "soc_frac leaves 0 to 1 at point 1"),
        ([0.0, 1.0], [3000.0, 4200.0], "ocv_v leaves"),
        ([0.0, 1.0], [3.6, 3.6], "the same everywhere"),
        ([0.0, float("nan")], [3.0, 4.0], "not finite at point 1"),
        ([[0.0, 1.0]], [[3.0, 4.0]], "flat lists"),
        ([0.0, "full"], [3.0, 4.0], "not a list of numbers"),
    ],
)
def test_a_curve_that_is_none_is_refused_with_what_is_wrong(soc, ocv, fault):
    with pytest.raises(ReferenceDataError) as refusal:
        OcvCurve(soc, ocv)
    assert fault in refusal.value.why


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(ReferenceDataError, match="nmc_lgm50"):
        shipped_curve("nmc_lgm5O")
    with pytest.raises(ReferenceDataError, match="LFP"):
        default_curve("NiMH")


def test_a_voltage_off_the_curve_is_unknown_but_its_ends_are_forgiving():
    curve = OcvCurve([0.0, 1.0], [3.0, 4.0])
    soc = curve.soc(np.array([[2.9, 2.99, 3.5], [4.01, 4.03, np.nan]]))
    np.testing.assert_allclose(soc, [[np.nan, 0.0, 0.5], [1.0, np.nan, np.nan]])


def test_on_a_level_stretch_the_uncertainty_covers_all_of_it():
    curve = OcvCurve([0.0, 0.2, 0.8, 1.0], [3.0, 3.3, 3.3, 3.6])
    assert curve.soc(np.array([3.3])) == pytest.approx(0.5)
    assert curve.soc_std(np.array([3.3]), 0.003) >= 0.3


def test_the_slope_is_that_of_the_curve():
    curve = OcvCurve([0.0, 0.1, 0.2, 0.5, 0.8, 1.0], [3.0, 3.15, 3.3, 3.3, 3.3, 3.6])
    np.testing.assert_allclose(curve.slope(np.array([-0.1, 0.1, 0.5])), [1.5, 1.5, 0.0], atol=1e-12)


@given(std=st.floats(1e-4, 0.05), wider=st.floats(1.0, 5.0), voltage=st.floats(2.6, 3.6))
def test_noise_never_narrows_a_state_of_charge(std, wider, voltage):
    curve = shipped_curve("lfp_a123")
    at = np.array([voltage])
    assert curve.soc_std(at, std * wider) >= curve.soc_std(at, std) - 1e-12


def test_a_curve_cannot_be_changed_by_its_users():
    with pytest.raises(ValueError, match="read-only"):
        shipped_curve("nmc_lgm50").ocv_v[0] = 0.0
