"""Remaining useful life: when the filtered line crosses the end of life, as quantiles of the crossing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np

from battery_lake.cells.arrays import Bools, Floats
from battery_lake.cells.soh_filter import FilterParams, FilterState, predicted_variance

Quantile: TypeAlias = Callable[[Floats, float], Floats]

Z90: Final = 1.6448536269514722
"""5 % of a normal distribution lie this many standard deviations beyond the mean, on either side."""

GRID: Final = 60
BISECTIONS: Final = 40


@dataclass(frozen=True, slots=True)
class RulParams:
    """How far ahead an end of life is looked for.

    Parameters
    ----------
    eol_soh_pct
        SOH at which life ends where the pack's reference data says nothing. [%]
    horizon_days
        Beyond this a crossing counts as not in sight. [d]
    min_fade_std
        A fade of fewer standard deviations cannot be told from none. [1]
    filter_params
        How cells change: the same as in the filter.
    """

    eol_soh_pct: float = 80.0
    horizon_days: float = 20 * 365.0
    min_fade_std: float = 1.0
    filter_params: FilterParams = field(default_factory=FilterParams)


def remaining_days(
    state: FilterState, eol_soh_pct: Floats, params: RulParams
) -> tuple[Floats, Floats, Floats, Bools]:
    """Days until SOH first falls to the end of life, along the fade of now.

    A quantile is the first time at which the predicted distribution of SOH has that share below the end of
    life: ``soh - fade t + z sd(t) = eol``, where ``sd`` grows with the filter's covariance and with the
    bending of fade.

    Parameters
    ----------
    state
        What the filter knows of each cell; the systematic error is added to it.
    eol_soh_pct
        SOH at which life ends; NaN: that of the parameters. [%], shape ``(cells,)``
    params
        How far to look.

    Returns
    -------
    Floats
        Pessimistic: 5 % chance of less. [d]
    Floats
        Median. [d]
    Floats
        Optimistic: 5 % chance of more. [d]
    Bools
        True where no end of life is in sight or fade cannot be told from none: the days are lower bounds
        then, none beyond the horizon.

    Examples
    --------
    >>> import numpy as np
    >>> from battery_lake.cells.soh_filter import initial_state
    >>> known = FilterParams(soh_pct=90.0, fade_pct_per_day=0.01, fade_std_pct_per_day=0.001)
    >>> p05, p50, p95, censored = remaining_days(initial_state(1, known), np.array([80.0]), RulParams())
    >>> float(p50[0].round(3)), bool(p05[0] < p50[0] < p95[0]), bool(censored[0])
    (1000.0, True, False)
    """
    margin = state.soh_pct - np.where(np.isnan(eol_soh_pct), params.eol_soh_pct, eol_soh_pct)
    how = params.filter_params

    def above(days: Floats, z: float) -> Floats:
        """How far a quantile of SOH is above the end of life after so many days."""
        variance = predicted_variance(days, state, how) + how.systematic_std_pct**2
        return np.asarray(margin - state.fade_pct_per_day * days + z * np.sqrt(np.maximum(variance, 0.0)))

    quantiles = [_first_crossing(above, z, margin, params.horizon_days) for z in (-Z90, 0.0, Z90)]
    p05, p50, p95 = np.maximum.accumulate(quantiles, axis=0)
    unclear = state.fade_pct_per_day < params.min_fade_std * np.sqrt(state.fade_variance)
    return p05, p50, p95, (margin > 0.0) & ((p50 >= params.horizon_days) | unclear)


def _first_crossing(above: Quantile, z: float, margin: Floats, horizon_days: float) -> Floats:
    """First day on which the quantile has come down to the end of life, else the horizon."""
    # A quantile need not fall all the way: find the first interval with a crossing, then halve it.
    grid = np.concatenate([[0.0], np.geomspace(0.01, horizon_days, GRID)])
    crossed = np.stack([above(np.full(margin.shape, day), z) <= 0.0 for day in grid])
    place = np.argmax(crossed, axis=0)
    low, high = grid[np.maximum(place - 1, 0)], grid[place]
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        is_above = above(middle, z) > 0.0
        low, high = np.where(is_above, middle, low), np.where(is_above, high, middle)
    days = np.where(crossed.any(axis=0), high, horizon_days)
    return np.where(np.isnan(margin), np.nan, np.where(margin <= 0.0, 0.0, days))
