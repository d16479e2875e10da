"""Odd cells: what the days say together of how each cell lies beside its pack.

Evidence is summed over days by a sequential test, and the level and rate of every cell's deviation followed
by a filter. All state is a few arrays, one entry a cell; cells of many packs may stand side by side in them.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class SequentialParams:
    """The sequential test: what a healthy cell may do, and when a cell is named.

    The defaults lie midway between the furthest healthy cells of road cars, 5 spreads, and their odd ones.

    Parameters
    ----------
    healthy_z
        A healthy cell lies no further off than this, in spreads of its pack. [1]
    odd_z
        An odd cell lies at least so far off. [1]
    noise_z
        Scale of a day's deviation about the cell's own. [1]
    tail
        Degrees of freedom of its t distribution: single days may err far.
    threshold
        Log likelihood ratio at which a cell is named.
    highest
        The sum goes no higher, so that a mended cell is forgiven within days.
    """

    healthy_z: float = 4.5
    odd_z: float = 8.0
    noise_z: float = 1.0
    tail: float = 4.0
    threshold: float = 5.0
    highest: float = 20.0


@dataclass(frozen=True, slots=True)
class TrendParams:
    """How a deviation moves from day to day.

    The defaults are set so that nine in ten next-day readings of road cars fall into their interval.

    Parameters
    ----------
    level_std_v, rate_std_v_per_day
        Of a cell of which nothing is known. [V, V/d]
    day_std_v
        Error of a day that its messages share: what state of charge it was read at. [V]
    day_std_frac
        The same in proportion to the deviation: the slope of the voltage curve differs within the band. [1]
    wander_v_per_sqrt_day
        Random walk of the deviation: balancing, temperature. [V/√d]
    wander_frac_per_sqrt_day
        The same in proportion to the deviation: what ails a cell comes and goes. [1/√d]
    bend_v_per_day15
        Random walk of its rate. [V/d/√d]
    outlier_std
        Innovations beyond so many standard deviations are weighted down. [1]
    """

    level_std_v: float = 0.02
    rate_std_v_per_day: float = 0.0005
    day_std_v: float = 0.0002
    day_std_frac: float = 0.05
    wander_v_per_sqrt_day: float = 0.0001
    wander_frac_per_sqrt_day: float = 0.02
    bend_v_per_day15: float = 0.00002
    outlier_std: float = 3.0


WIDTH: Final = TrendParams(day_std_v=0.001, day_std_frac=0.1)
"""How the width of a pack moves: all its cells take part, so the state of charge shows more than in one."""


@dataclass(frozen=True, slots=True)
class Trend:
    """Level and rate of a deviation after its last day.

    Parameters
    ----------
    level_v, rate_v_per_day
        Where it is, and how fast it moves. [V, V/d], shape ``(cells,)``, as all others
    level_variance, covariance, rate_variance
        Their covariance. [V², V²/d, V²/d²]
    first_v
        Level on the first day. [V]
    first_days, updated_days
        First and last day with evidence; NaN before. [d]
    days
        How many told.
    """

    level_v: Floats
    rate_v_per_day: Floats
    level_variance: Floats
    covariance: Floats
    rate_variance: Floats
    first_v: Floats
    first_days: Floats
    updated_days: Floats
    days: Ints


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the sequential test has summed.

    Parameters
    ----------
    low
        Log likelihood ratio that the cell lies low, from 0. [1], shape ``(cells,)``
    named
        True from the day the sum reached the threshold until it is back at 0. Shape ``(cells,)``
    z
        The last day's deviation in spreads; NaN before the first. [1], shape ``(cells,)``
    days
        How many told. Shape ``(cells,)``
    """

    low: Floats
    named: Bools
    z: Floats
    days: Ints


def initial_evidence(cells: int) -> Evidence:
    """Cells of which nothing is known.

    Parameters
    ----------
    cells
        How many.
    """
    return Evidence(
        np.zeros(cells),
        np.zeros(cells, dtype=np.bool_),
        np.full(cells, np.nan),
        np.zeros(cells, dtype=np.int64),
    )


def z_score(deviation_v: Floats, std_v: Floats, spread_v: Floats | float) -> Floats:
    """Deviation in units of what healthy cells of the pack and the measurement differ by. [1].

    Parameters
    ----------
    deviation_v, std_v
        Of a day. [V], shape ``(cells,)``
    spread_v
        Of the pack. [V], shape that broadcasts
    """
    spread = np.asarray(spread_v, dtype=np.float64)
    return np.asarray(deviation_v / np.sqrt(spread * spread + std_v * std_v), dtype=np.float64)


def log_likelihood_ratio(z_low: Floats, params: SequentialParams = SequentialParams()) -> Floats:
    """What one day says for a cell lying at least ``odd_z`` off, against at most ``healthy_z``. [1].

    Both hypotheses are ranges, so each is judged at its point nearest to the day. With t-distributed noise a
    single day, however far off, adds only the logarithm of its distance.

    Parameters
    ----------
    z_low
        How far a cell lies low, in spreads; NaN gives NaN. [1], any shape
    params
        The test.

    References
    ----------
    Wald, Ann. Math. Statist. 16 (1945) 117: the sequential ratio; Lange et al., J. Am. Stat. Assoc. 84 (1989)
    881: t-distributed errors against outliers.
    """
    scale = params.tail * params.noise_z**2
    beyond = np.maximum(z_low - params.healthy_z, 0.0)
    short = np.maximum(params.odd_z - z_low, 0.0)
    ratio = np.log1p(beyond * beyond / scale) - np.log1p(short * short / scale)
    return np.asarray(0.5 * (params.tail + 1.0) * ratio, dtype=np.float64)


def evidence_step(known: Evidence, z: Floats, params: SequentialParams = SequentialParams()) -> Evidence:
    """Take a day into the sums; a cell whose day is NaN keeps its own.

    Parameters
    ----------
    known
        What was summed before.
    z
        The day's deviation in spreads, low is negative. [1], shape ``(cells,)``
    params
        The test.

    References
    ----------
    Page, Biometrika 41 (1954) 100: cumulative sums that restart at zero.
    """
    seen = np.isfinite(z)
    ratio = log_likelihood_ratio(np.where(seen, -z, 0.0), params)
    low = np.where(seen, np.clip(known.low + ratio, 0.0, params.highest), known.low)
    named = (low >= params.threshold) | (known.named & (low > 0.0))
    return Evidence(low, named, np.where(seen, z, known.z), known.days + seen)


def initial_trend(cells: int, params: TrendParams = TrendParams()) -> Trend:
    """Deviations of which nothing is known.

    Parameters
    ----------
    cells
        How many.
    params
        What is known of all.
    """
    unknown = np.full(cells, np.nan)
    return Trend(
        level_v=np.zeros(cells),
        rate_v_per_day=np.zeros(cells),
        level_variance=np.full(cells, params.level_std_v**2),
        covariance=np.zeros(cells),
        rate_variance=np.full(cells, params.rate_std_v_per_day**2),
        first_v=unknown,
        first_days=unknown,
        updated_days=unknown,
        days=np.zeros(cells, dtype=np.int64),
    )


def predicted(known: Trend, day: Floats, params: TrendParams = TrendParams()) -> tuple[Floats, Floats]:
    """Deviation on a later day and its variance, without that day's own error. [V, V²], shape ``(cells,)``.

    Parameters
    ----------
    known
        What is known.
    day
        The day. [d], shape ``(cells,)`` or a number
    params
        How deviations move.
    """
    days = np.where(np.isfinite(known.updated_days), np.maximum(day - known.updated_days, 0.0), 0.0)
    level = known.level_v + days * known.rate_v_per_day
    wander = params.wander_frac_per_sqrt_day * known.level_v
    variance = (
        known.level_variance
        + 2.0 * days * known.covariance
        + days * days * known.rate_variance
        + (params.wander_v_per_sqrt_day**2 + wander * wander) * days
        + params.bend_v_per_day15**2 * days * days * days / 3.0
    )
    return level, np.asarray(variance, dtype=np.float64)


def day_variance(level_v: Floats, std_v: Floats, params: TrendParams = TrendParams()) -> Floats:
    """Variance of a day's deviation about the true one: measurement, and the state of charge it was read at.

    Parameters
    ----------
    level_v
        The deviation. [V], shape ``(cells,)``
    std_v
        Standard deviation by measurement. [V], shape ``(cells,)``
    params
        How deviations move.
    """
    in_proportion = params.day_std_frac * level_v
    return np.asarray(std_v * std_v + params.day_std_v**2 + in_proportion * in_proportion, dtype=np.float64)


def trend_step(
    known: Trend, day: Floats, value_v: Floats, std_v: Floats, params: TrendParams = TrendParams()
) -> Trend:
    """Take a day's deviations into the trend; a cell whose day is NaN keeps its own.

    A day that is further from the prediction than ``outlier_std`` expected deviations counts in inverse
    proportion to its distance.

    Parameters
    ----------
    known
        What was known.
    day
        The day, not before the last. [d], shape ``(cells,)`` or a number
    value_v, std_v
        Deviation and its standard deviation by measurement. [V], shape ``(cells,)``
    params
        How deviations move.

    References
    ----------
    Kalman, J. Basic Eng. 82 (1960) 35; Huber, Ann. Math. Statist. 35 (1964) 73.
    """
    seen = np.isfinite(value_v) & np.isfinite(std_v)
    is_first = seen & (known.days == 0)
    days = np.where(np.isfinite(known.updated_days), np.maximum(day - known.updated_days, 0.0), 0.0)
    level, variance = predicted(known, day, params)
    covariance = (
        known.covariance + days * known.rate_variance + 0.5 * params.bend_v_per_day15**2 * days * days
    )
    rate_variance = known.rate_variance + params.bend_v_per_day15**2 * days
    innovation = np.where(seen, value_v - level, 0.0)
    about = np.where(is_first & seen, np.where(seen, value_v, 0.0), level)
    noise = day_variance(about, np.where(seen, std_v, 0.0), params)
    distance = np.abs(innovation) / np.sqrt(variance + noise)
    expected = variance + noise * np.maximum(distance / params.outlier_std, 1.0)
    gain, rate_gain = variance / expected, covariance / expected
    after = Trend(
        level_v=level + gain * innovation,
        rate_v_per_day=known.rate_v_per_day + rate_gain * innovation,
        level_variance=(1.0 - gain) * variance,
        covariance=(1.0 - gain) * covariance,
        rate_variance=rate_variance - rate_gain * covariance,
        first_v=np.where(is_first, value_v, known.first_v),
        first_days=np.where(is_first, day, known.first_days),
        updated_days=np.where(seen, day, known.updated_days),
        days=known.days + 1,
    )
    return Trend(*(np.where(seen, getattr(after, f.name), getattr(known, f.name)) for f in fields(Trend)))
