import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.cells.anchors import AnchorParams, Before, anchor_params, rest_anchor
from battery_lake.cells.ocv import shipped_curve

NMC = shipped_curve("nmc_lgm50")


def voltages(curve, soc):
    return np.interp(np.asarray(soc, dtype=float), curve.soc_frac, curve.ocv_v)


def test_a_long_rest_gives_each_cell_its_own_soc():
    soc, std = rest_anchor(voltages(NMC, [[0.2, 0.5], [0.8, 0.9]]), np.array([[7200.0], [7200.0]]), NMC)
    np.testing.assert_allclose(soc, [[0.2, 0.5], [0.8, 0.9]], atol=1e-6)
    assert (std < 0.02).all()


def test_the_level_middle_of_an_lfp_curve_says_little():
    curve = shipped_curve("lfp_a123")
    _, std = rest_anchor(voltages(curve, [[0.05, 0.6]]), np.array([[7200.0]]), curve, anchor_params("LFP"))
    assert std[0, 0] < 0.02
    assert std[0, 1] > 0.1


def test_lfp_is_less_certain_than_its_curve_because_of_hysteresis():
    assert anchor_params("lfp").hysteresis_v > anchor_params("NMC").hysteresis_v == 0.0


def test_without_a_voltage_or_a_known_rest_there_is_no_anchor():
    soc, std = rest_anchor(np.array([[3.7, np.nan], [3.7, 9.0]]), np.array([[np.nan], [3600.0]]), NMC)
    assert np.isnan(soc).tolist() == [[True, True], [False, True]]
    assert np.isnan(std).tolist() == np.isnan(soc).tolist()


@given(st.floats(0.02, 0.98), st.floats(0, 20000), st.floats(0, 20000))
def test_a_longer_rest_is_never_less_certain(soc, one_s, other_s):
    stds = [
        rest_anchor(voltages(NMC, [[soc]]), np.array([[s]]), NMC)[1][0, 0] for s in sorted([one_s, other_s])
    ]
    assert stds[1] <= stds[0] + 1e-12


@given(st.floats(0.02, 0.98), st.floats(0.001, 0.02), st.floats(1, 3))
def test_a_noisier_voltage_is_never_more_certain(soc, noise_v, worse):
    quiet, loud = (AnchorParams(voltage_std_v=v) for v in (noise_v, noise_v * worse))
    at, rest = voltages(NMC, [[soc]]), np.array([[3600.0]])
    assert rest_anchor(at, rest, NMC, loud)[1] >= rest_anchor(at, rest, NMC, quiet)[1] - 1e-12


@given(moved=st.floats(0.05, 0.9), c_rate=st.floats(0.05, 2.0), seconds=st.floats(1200.0, 40_000.0))
def test_after_a_charge_a_cell_counts_as_emptier_than_its_voltage_says_after_a_discharge_as_fuller(
    moved: float, c_rate: float, seconds: float
) -> None:
    volts, rest, lfp = voltages(NMC, [[0.5]]), np.array([[seconds]]), anchor_params("LFP")
    soc = {
        sign: rest_anchor(
            volts, rest, NMC, lfp, Before(np.array([[sign * c_rate]]), np.array([[sign * moved]]))
        )[0][0, 0]
        for sign in (-1.0, 1.0)
    }
    assert soc[1.0] < rest_anchor(volts, rest, NMC, lfp)[0][0, 0] < soc[-1.0]


def test_a_known_direction_tells_more_than_an_unknown_one() -> None:
    volts, rest, lfp = voltages(NMC, [[0.5]]), np.array([[7200.0]]), anchor_params("LFP")
    charged = Before(np.array([[0.2]]), np.array([[0.5]]))
    unknown = Before(np.array([[np.nan]]), np.array([[np.nan]]))
    known_std, unknown_std = (rest_anchor(volts, rest, NMC, lfp, b)[1][0, 0] for b in (charged, unknown))
    assert known_std < unknown_std == rest_anchor(volts, rest, NMC, lfp)[1][0, 0]
