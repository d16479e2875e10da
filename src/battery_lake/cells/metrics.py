"""How good estimates are against a known truth: size of the error, and whether the intervals hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Floats

Z90: Final = 1.645
"""Half the width of the reported 90 % interval in standard deviations."""

MAD_TO_STD: Final = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""


def mae(estimate: Floats, truth: Floats) -> float:
    """Mean absolute error over the pairs in which both are known; NaN where there is none.

    Parameters
    ----------
    estimate, truth
        In the same unit, any shape.

    Examples
    --------
    >>> import numpy as np
    >>> mae(np.array([99.0, 97.0, np.nan]), np.array([100.0, 95.0, 90.0]))
    1.5
    """
    return _mean(np.abs(_error(estimate, truth)))


def rmse(estimate: Floats, truth: Floats) -> float:
    """Root of the mean squared error over the pairs in which both are known; NaN where there is none.

    Parameters
    ----------
    estimate, truth
        In the same unit, any shape.

    Examples
    --------
    >>> import numpy as np
    >>> rmse(np.array([97.0, 99.0]), np.array([100.0, 95.0])) == 12.5**0.5
    True
    """
    return float(np.sqrt(_mean(_error(estimate, truth) ** 2)))


def coverage90(estimate: Floats, std: Floats, truth: Floats) -> float:
    """Share of truths within the 90 % interval, where all three are known; NaN where there is none.

    Parameters
    ----------
    estimate, std, truth
        In the same unit, any shape.

    Examples
    --------
    >>> import numpy as np
    >>> coverage90(np.array([99.0, 90.0]), np.array([1.0, 1.0]), np.array([100.0, 95.0]))
    0.5
    """
    distance = np.abs(_error(estimate, truth)) / np.asarray(std, dtype=np.float64)
    return _mean(np.where(np.isnan(distance), np.nan, distance <= Z90))


def _error(estimate: Floats, truth: Floats) -> Floats:
    """Estimate less truth."""
    return np.asarray(estimate, dtype=np.float64) - np.asarray(truth, dtype=np.float64)


def _mean(values: Floats) -> float:
    """Mean of the known values, without a warning where there is none."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
