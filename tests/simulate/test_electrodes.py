"""The OCV of simulated cells."""

import json
from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.simulate.electrodes import LFP, LOSS_LEVELS, LOSS_STEP_FRAC, NMC, aged_ocv

DESIGNS = pytest.mark.parametrize("design", [NMC, LFP], ids=["nmc", "lfp"])


@DESIGNS
def test_a_new_cell_has_the_shipped_curve(design):
    file = resources.files("battery_lake.cells") / "ocv_curves" / f"{design.ocv_curve}.json"
    curve = json.loads(file.read_text("utf-8"))
    soc = np.array(curve["soc_frac"])
    assert aged_ocv(design)(soc, np.zeros_like(soc)) == pytest.approx(np.array(curve["ocv_v"]), abs=2e-4)


@DESIGNS
@given(soc=st.floats(0.0, 0.99), loss=st.floats(0.0, 0.4))
def test_voltage_rises_with_soc_between_the_limits_at_any_age(design, soc, loss):
    low, high = aged_ocv(design)(np.array([soc, soc + 0.01]), np.array([loss, loss]))
    assert design.low_v - 1e-3 <= low < high <= design.high_v + 1e-3


@DESIGNS
def test_loss_of_lithium_moves_the_curve_but_not_its_ends(design):
    ocv = aged_ocv(design)
    lost = np.full(3, 0.1)
    new, old = ocv(np.array([0.0, 0.4, 1.0]), np.zeros(3)), ocv(np.array([0.0, 0.4, 1.0]), lost)
    assert old[[0, 2]] == pytest.approx(new[[0, 2]], abs=2e-3)
    assert abs(old[1] - new[1]) > 3e-3


def test_the_interpolation_meets_the_table_at_its_nodes():
    ocv = aged_ocv(NMC)
    loss = LOSS_STEP_FRAC * np.arange(LOSS_LEVELS)
    assert ocv(np.full(LOSS_LEVELS, 0.5), loss) == pytest.approx(ocv.ocv_v[:, 1000], abs=1e-9)
