"""State of health and fade of every cell, filtered over its life: one recursive step a day with evidence.

All arithmetic is element by element in the basic operations, so that a cell's numbers depend neither on its
neighbours in the batch nor on where a run was interrupted.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class FilterParams:
    """What is known of cells before any is measured, and how they change.

    Parameters
    ----------
    soh_pct, soh_std_pct
        SOH of a cell at its first observation, and standard deviation. [%]
    fade_pct_per_day, fade_std_pct_per_day
        Loss of SOH, and standard deviation: wide enough for a car and a cell on a test bench. [%/d]
    new_std_pct
        Standard deviation of a new cell's SOH, for cells whose age is known. [%]
    aged_share
        Standard deviation of what an age has taken, over its mean. [1]
    field_fade_std_pct_per_day
        Standard deviation of the fade of cells whose age is known: they are in a vehicle. [%/d]
    wander_pct2_per_pct
        Variance that SOH gains, apart from fade, while a point is lost: regeneration after rests. [%]
    fade_change_per_pct
        Variance of the relative change of fade while a point is lost. Like the wandering it knows no unit of
        time, so that a car and a cell on a test bench follow the same law. [1/%]
    fade_floor_pct_per_day
        A slower fade wanders and bends as this one. [%/d]
    outlier_std
        Innovations beyond so many standard deviations are weighted down. [1]
    systematic_std_pct
        Error that all observations of a cell share and no averaging removes. [%]
    """

    soh_pct: float = 100.0
    soh_std_pct: float = 6.0
    fade_pct_per_day: float = 0.006
    fade_std_pct_per_day: float = 0.1
    new_std_pct: float = 2.0
    aged_share: float = 0.5
    field_fade_std_pct_per_day: float = 0.01
    wander_pct2_per_pct: float = 0.2
    fade_change_per_pct: float = 0.02
    fade_floor_pct_per_day: float = 0.003
    outlier_std: float = 3.0
    systematic_std_pct: float = 0.8


@dataclass(frozen=True, slots=True)
class FilterState:
    """What is known of each cell after its last observation.

    Parameters
    ----------
    soh_pct
        SOH. [%], shape ``(cells,)``, as all others
    fade_pct_per_day
        Loss of SOH a day. [%/d]
    soh_variance, soh_fade_covariance, fade_variance
        Their covariance. [%², %²/d, %²/d²]
    observations
        Observations taken.
    updated_days
        Day of the last one; NaN before the first. [d]
    """

    soh_pct: Floats
    fade_pct_per_day: Floats
    soh_variance: Floats
    soh_fade_covariance: Floats
    fade_variance: Floats
    observations: Ints
    updated_days: Floats


def initial_state(
    cells: int, params: FilterParams = FilterParams(), age_days: float = float("nan")
) -> FilterState:
    """Cells of which nothing is known but their kind, and perhaps their age.

    Parameters
    ----------
    cells
        How many.
    params
        What is known of their kind.
    age_days
        Time since they were new; NaN: not known, so they may be on a test bench. [d]

    References
    ----------
    The default fade of 0.006 % a day, 2.2 % a year, is that of Geotab's study of 6,300 electric vehicles
    (2020: 2.3 % a year; 2024: 1.8 %).

    Examples
    --------
    >>> state = initial_state(1, age_days=730.0)
    >>> float(state.soh_pct[0].round(1)), float((state.soh_variance[0] ** 0.5).round(1))
    (95.6, 3.0)
    """
    lost_pct = params.fade_pct_per_day * max(age_days, 0.0)
    variance = params.new_std_pct**2 + (params.aged_share * lost_pct) ** 2
    fade_std = params.field_fade_std_pct_per_day
    if np.isnan(age_days):
        lost_pct, variance, fade_std = 0.0, params.soh_std_pct**2, params.fade_std_pct_per_day
    return FilterState(
        soh_pct=np.full(cells, params.soh_pct - lost_pct),
        fade_pct_per_day=np.full(cells, params.fade_pct_per_day),
        soh_variance=np.full(cells, variance),
        soh_fade_covariance=np.zeros(cells),
        fade_variance=np.full(cells, fade_std**2),
        observations=np.zeros(cells, dtype=np.int64),
        updated_days=np.full(cells, np.nan),
    )


def step(
    state: FilterState,
    day: Floats,
    soh_pct: Floats,
    variance_pct2: Floats,
    params: FilterParams,
    count: Ints | int = 1,
) -> FilterState:
    """Take one day's observations into the state.

    Each cell is predicted to its day along its fade, then corrected. Where the observation is further from
    the prediction than ``outlier_std`` expected deviations, its weight falls in inverse proportion to the
    distance: a single outlier moves little, a lasting change wins. A cell whose observation is NaN keeps its
    state.

    Parameters
    ----------
    state
        What was known.
    day
        Day of the observation, not before the last one. [d], shape ``(cells,)``
    soh_pct, variance_pct2
        Observed SOH and its variance; NaN: none. [%, %²], shape ``(cells,)``
    params
        How cells change.
    count
        Capacity observations that were combined. Shape ``(cells,)``

    References
    ----------
    Kalman, J. Basic Eng. 82 (1960) 35; Huber, Ann. Math. Statist. 35 (1964) 73 (the weight).
    """
    seen = np.isfinite(soh_pct) & np.isfinite(variance_pct2) & (variance_pct2 > 0.0)
    days = np.where(seen & np.isfinite(state.updated_days), day - state.updated_days, 0.0)
    now = _predict(state, np.maximum(days, 0.0), params)

    innovation = np.where(seen, soh_pct - now.soh_pct, 0.0)
    noise = np.where(seen, variance_pct2, 1.0)
    distance = np.abs(innovation) / np.sqrt(now.soh_variance + noise)
    expected = now.soh_variance + noise * np.maximum(distance / params.outlier_std, 1.0)
    soh_gain = now.soh_variance / expected
    fade_gain = now.soh_fade_covariance / expected

    return FilterState(
        soh_pct=np.where(seen, now.soh_pct + soh_gain * innovation, state.soh_pct),
        fade_pct_per_day=np.where(
            seen, now.fade_pct_per_day + fade_gain * innovation, state.fade_pct_per_day
        ),
        soh_variance=np.where(seen, (1.0 - soh_gain) * now.soh_variance, state.soh_variance),
        soh_fade_covariance=np.where(
            seen, (1.0 - soh_gain) * now.soh_fade_covariance, state.soh_fade_covariance
        ),
        fade_variance=np.where(
            seen, now.fade_variance - fade_gain * now.soh_fade_covariance, state.fade_variance
        ),
        observations=state.observations + np.where(seen, count, 0),
        updated_days=np.where(seen, day, state.updated_days),
    )


def reported_std(state: FilterState, params: FilterParams) -> Floats:
    """Return the standard deviation to report with the SOH: the filter's and the systematic one. [%].

    Parameters
    ----------
    state
        What is known.
    params
        Holds the systematic error.
    """
    return np.sqrt(state.soh_variance + params.systematic_std_pct**2)


def combine_day(
    capacity_ah: Floats, variance_ah2: Floats, shared_std_frac: float = 0.003
) -> tuple[Floats, Floats, Ints]:
    """Make one observation of each cell from all those of a day, weighted by inverse variance.

    The variance grows where the observations contradict each other more than theirs allow, and never falls
    below what they share.

    Parameters
    ----------
    capacity_ah, variance_ah2
        Capacities and variances; NaN: none. [Ah, Ah²], shape ``(observations, cells)``
    shared_std_frac
        Standard deviation of the error that all observations of a day share, over capacity. [1]

    Returns
    -------
    Floats
        Capacity; NaN where there is none. [Ah], shape ``(cells,)``
    Floats
        Its variance. [Ah²], shape ``(cells,)``
    Ints
        How many were combined. Shape ``(cells,)``

    References
    ----------
    Birge, Phys. Rev. 40 (1932) 207: scaling by the ratio of external to internal consistency.
    """
    good = np.isfinite(capacity_ah) & np.isfinite(variance_ah2) & (variance_ah2 > 0.0)
    weight = np.where(good, 1.0 / np.where(good, variance_ah2, 1.0), 0.0)
    value = np.where(good, capacity_ah, 0.0)
    count = good.sum(axis=0)
    total = np.where(count > 0, weight.sum(axis=0), np.nan)
    mean = (weight * value).sum(axis=0) / total
    scatter = (weight * (value - mean) * (value - mean)).sum(axis=0)
    contradiction = np.maximum(scatter / np.maximum(count - 1, 1), 1.0)
    return mean, contradiction / total + (shared_std_frac * mean) * (shared_std_frac * mean), count


def predicted_variance(days: Floats, state: FilterState, params: FilterParams) -> Floats:
    """Variance of the SOH some days after the last observation. [%²], shape ``(cells,)``.

    Parameters
    ----------
    days
        How many. [d], shape ``(cells,)``
    state
        What is known.
    params
        How cells change.
    """
    return np.asarray(
        state.soh_variance
        - 2.0 * days * state.soh_fade_covariance
        + days * days * state.fade_variance
        + _bend(state, params) * days * days * days / 3.0
        + params.wander_pct2_per_pct * _pace(state, params) * days,
        dtype=np.float64,
    )


def _predict(state: FilterState, days: Floats, params: FilterParams) -> FilterState:
    """Carry every cell along its fade."""
    bend = _bend(state, params)
    return replace(
        state,
        soh_pct=state.soh_pct - days * state.fade_pct_per_day,
        soh_variance=predicted_variance(days, state, params),
        soh_fade_covariance=state.soh_fade_covariance - days * state.fade_variance - bend * days * days / 2.0,
        fade_variance=state.fade_variance + bend * days,
    )


def _pace(state: FilterState, params: FilterParams) -> Floats:
    """Points of SOH that are lost a day, at least the floor. [%/d]."""
    return np.maximum(np.abs(state.fade_pct_per_day), params.fade_floor_pct_per_day)


def _bend(state: FilterState, params: FilterParams) -> Floats:
    """Variance that the fade gains a day. [%²/d³]."""
    pace = _pace(state, params)
    # Products, not powers: the same bits in a batch of any size.
    return params.fade_change_per_pct * pace * pace * pace
