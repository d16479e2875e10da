"""Life of a young cell from the lives of a few like it, with its own early fade as a weak hint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.fade_history import history_of
from battery_lake.cells.life_quantiles import LEVELS, NORMAL_QUANTILES

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats

MAX_SLOPE_RATIO: Final = 4.0
"""Slopes further than this from the fleet's are noise, or a cell that recovers at first."""


@dataclass(frozen=True, slots=True)
class FleetPrior:
    """What is known before any life of the kind has ended.

    Measured within the conditions of three laboratories (XJTU, TJU, HUST; sources in
    ``fade_library.json``): the logarithm of life differs by 0.02 to 0.40 from cell to cell. Where capacity
    falls from the start, life goes with early slope to the power of -0.29 on average, +0.2 to -1.2 by
    condition; where it rises at first, there is no such power.

    Parameters
    ----------
    exponent, exponent_std
        Of life over early slope. [1]
    spread
        Standard deviation of the logarithm of life, given the slope. [1]
    freedom
        So many cells the spread is worth.
    """

    exponent: float = -0.2
    exponent_std: float = 0.3
    spread: float = 0.2
    freedom: float = 4.0


def early_slope(age_efc: Floats, soh_frac: Floats) -> Floats:
    """Return the fade over the history given, positive where health falls. [1/cycle], shape ``(cells,)``.

    Parameters
    ----------
    age_efc, soh_frac
        See :func:`battery_lake.cells.fade_history.history_of`.
    """
    history = history_of(age_efc, soh_frac)
    first, last = history.level_frac[:, :10].mean(axis=1), history.level_frac[:, -10:].mean(axis=1)
    return np.asarray((first - last) / (0.75 * history.now_efc))


def life_of_young(
    lives_efc: Floats,
    slopes: Floats,
    own_slope: Floats,
    now_efc: Floats,
    prior: FleetPrior = FleetPrior(),
) -> Floats:
    """Return quantiles of the life of cells of which only the beginning is known.

    The logarithm of life is a straight line in that of the early slope, with a prior on its tilt and on the
    spread about it; the mean is free. What is predicted follows a Student distribution.

    Parameters
    ----------
    lives_efc, slopes
        Lives that have ended, and early slopes over the same ages. [cycles, 1/cycle], shape ``(others,)``
    own_slope
        Early slopes of the cells asked for; NaN: not known. [1/cycle], shape ``(cells,)``
    now_efc
        Ages: no life is over before. Where no other life has ended, now is taken for any moment of a life,
        all equally likely. [cycles], shape ``(cells,)``
    prior
        What is known before.

    Returns
    -------
    Floats
        At the levels of :data:`battery_lake.cells.life_quantiles.LEVELS`. [cycles], shape ``(cells, levels)``

    References
    ----------
    Gelman et al., Bayesian Data Analysis, 3rd ed. (2013), chapter 14 (conjugate linear regression).

    Examples
    --------
    >>> import numpy as np
    >>> known, slopes = np.array([100.0, 100.0]), np.array([1e-3, 1e-3])
    >>> found = life_of_young(known, slopes, np.array([1e-3, 4e-3]), np.full(2, 10.0))
    >>> found[:, 9].round().tolist()
    [100.0, 76.0]
    """
    good = np.isfinite(lives_efc) & (lives_efc > 0.0)
    count = int(good.sum())
    if not count:
        return np.asarray(now_efc[:, None] / (1.0 - LEVELS))
    y = np.log(lives_efc[good])
    x, own = _log_slopes(slopes[good], own_slope)
    centre = x.mean()
    x, own = x - centre, own - centre
    error = y - y.mean() - prior.exponent * x
    # The prior on the tilt, in units of the spread, is worth this sum of squares.
    worth = (prior.spread / prior.exponent_std) ** 2
    shift = float(x @ error) / (float(x @ x) + worth)
    residual = error - shift * x
    freedom = prior.freedom + count - 1
    square = (prior.freedom * prior.spread**2 + float(residual @ residual) + worth * shift * shift) / freedom
    scale = np.sqrt(square * (1.0 + 1.0 / count + own * own / (float(x @ x) + worth)))
    middle = y.mean() + (prior.exponent + shift) * own
    life = np.exp(middle[:, None] + scale[:, None] * _student(freedom))
    return np.asarray(np.maximum(life, now_efc[:, None]))


def _log_slopes(slopes: Floats, own: Floats) -> tuple[Floats, Floats]:
    """Logarithms of slopes over the fleet's, none far away; 0 where not known."""
    positive: Bools = np.isfinite(slopes) & (slopes > 0.0)
    if not positive.any():
        return np.zeros(slopes.size), np.zeros(own.size)
    typical = float(np.median(slopes[positive]))
    limits = (1.0 / MAX_SLOPE_RATIO, MAX_SLOPE_RATIO)
    known, asked = (
        np.log(np.clip(np.where(np.isfinite(values), values / typical, 1.0), *limits))
        for values in (slopes, own)
    )
    return np.where(np.isfinite(slopes), known, 0.0), asked


def _student(freedom: float) -> Floats:
    """Quantiles of the Student distribution (Abramowitz and Stegun, 26.7.5; 0.2 % off at 4 degrees)."""
    z = NORMAL_QUANTILES
    return np.asarray(
        z
        + (z**3 + z) / (4.0 * freedom)
        + (5.0 * z**5 + 16.0 * z**3 + 3.0 * z) / (96.0 * freedom**2)
        + (3.0 * z**7 + 19.0 * z**5 + 17.0 * z**3 - 15.0 * z) / (384.0 * freedom**3)
    )
