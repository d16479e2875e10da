import math

import numpy as np
import pytest

from battery_lake.cells.metrics import coverage90, mae, rmse


def test_missing_values_on_either_side_are_left_out():
    estimate, truth = np.array([1.0, np.nan, 5.0]), np.array([2.0, 2.0, np.nan])
    assert (mae(estimate, truth), rmse(estimate, truth)) == (1.0, 1.0)
    assert coverage90(estimate, np.ones(3), truth) == 1.0


def test_without_a_single_pair_there_is_no_figure():
    nothing = np.array([np.nan])
    assert all(
        math.isnan(x) for x in (mae(nothing, nothing), rmse([], []), coverage90(nothing, nothing, nothing))
    )


def test_honest_intervals_cover_nine_tenths():
    error = np.random.default_rng(1).normal(0, 2, 20_000)
    assert coverage90(error, np.full(20_000, 2.0), np.zeros(20_000)) == pytest.approx(0.9, abs=0.01)
