"""Charge by counting current over irregular samples with gaps, and how far the count can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats

SECONDS_PER_HOUR: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Increments:
    """What each interval between two samples moved; an interval belongs to its later sample.

    Parameters
    ----------
    charge_ah
        Net charge, into the battery positive; 0 where unknown. [Ah], shape ``(samples,)``
    throughput_ah
        Charge in either direction. [Ah], shape ``(samples,)``
    sampling_ah2
        Variance of the charge because the current between two samples is not known. [Ah²],
        shape ``(samples,)``
    is_gap
        True where the interval was too long, or no current was known at either end. Shape ``(samples,)``
    dt_s
        Length of the interval; 0 at the start of a series. [s], shape ``(samples,)``
    """

    charge_ah: Floats
    throughput_ah: Floats
    sampling_ah2: Floats
    is_gap: Bools
    dt_s: Floats


@dataclass(frozen=True, slots=True)
class CounterParams:
    """Errors of a current sensor.

    Parameters
    ----------
    offset_c_rate
        Standard deviation of the offset over rated capacity: 0.001 is 0.1 A at 100 Ah. [1/h]
    gain_frac
        Standard deviation of the gain. [1]
    reading_c_rate
        Standard deviation of a single reading, noise and resolution together, over rated capacity. [1/h]
    most_offset_std
        A mean current at rest beyond so many standard deviations of the offset is no offset, but a load. [1]
    """

    offset_c_rate: float = 0.001
    gain_frac: float = 0.005
    reading_c_rate: float = 0.0005
    most_offset_std: float = 3.0


def increments(seconds: Floats, current_a: Floats, starts: Bools, gap_s: float) -> Increments:
    """Charge of every interval by the trapezoidal rule.

    Where the current is known at one end only, that end stands for the whole interval.

    Parameters
    ----------
    seconds
        Times of the samples of one or many series, one series after the other, rising within each. [s],
        shape ``(samples,)``
    current_a
        Current, charge positive; NaN where missing. [A], shape ``(samples,)``
    starts
        True at the first sample of each series: no interval leads to it. Shape ``(samples,)``
    gap_s
        Longer intervals are gaps and count no charge. [s]

    Examples
    --------
    >>> import numpy as np
    >>> t = np.array([0.0, 1800.0, 3600.0])
    >>> increments(t, np.array([0.0, 2.0, 2.0]), np.array([True, False, False]), 3600.0).charge_ah.tolist()
    [0.0, 0.5, 1.0]
    """
    seconds = np.asarray(seconds, dtype=np.float64)
    current = np.asarray(current_a, dtype=np.float64)
    # Whole microseconds: the same interval is the same number in any decade.
    dt_s = np.where(starts, 0.0, np.round(np.diff(seconds, prepend=seconds[:1]), 6))
    before = np.concatenate([current[:1], current[:-1]])
    earlier = np.where(np.isnan(before), current, before)
    later = np.where(np.isnan(current), before, current)
    unknown = np.isnan(later) & ~starts
    is_gap = (dt_s > gap_s) | unknown
    hours = np.where(is_gap | starts, 0.0, dt_s / SECONDS_PER_HOUR)
    earlier, later = np.where(hours > 0.0, earlier, 0.0), np.where(hours > 0.0, later, 0.0)
    step_ah = (later - earlier) * hours
    return Increments(
        charge_ah=0.5 * (earlier + later) * hours,
        throughput_ah=0.5 * (np.abs(earlier) + np.abs(later)) * hours,
        # The current may have stepped at any instant of the interval: a uniform error of step x interval.
        sampling_ah2=step_ah * step_ah / 12.0,
        is_gap=is_gap,
        dt_s=dt_s,
    )


def charge_std_ah(
    charge_ah: Floats,
    duration_s: Floats,
    rated_capacity_ah: Floats,
    sampling_ah2: Floats | float = 0.0,
    params: CounterParams = CounterParams(),
    offset_std_a: Floats | None = None,
) -> Floats:
    """Return the standard deviation of a counted charge: offset, gain, sampling, independent. [Ah].

    Parameters
    ----------
    charge_ah
        Net charge counted. [Ah], shapes of all arrays broadcast
    duration_s
        Time over which it was counted: the offset drifts along with it. [s]
    rated_capacity_ah
        Capacity of the new battery: sensors are chosen to its size. [Ah]
    sampling_ah2
        Variance from sampling, the sum of :class:`Increments`' own. [Ah²]
    params
        Errors of the sensor.
    offset_std_a
        Standard deviation of the offset that is left, as :func:`rest_offset` gave it; None: none was taken
        off. [A]

    References
    ----------
    Movassagh et al., Energies 14 (2021) 4074: sources of error in coulomb counting.

    Examples
    --------
    >>> float(charge_std_ah(0.0, 3600.0, 100.0))
    0.1
    """
    offset_a = params.offset_c_rate * np.asarray(rated_capacity_ah) if offset_std_a is None else offset_std_a
    offset_ah = offset_a * np.asarray(duration_s) / SECONDS_PER_HOUR
    gain_ah = params.gain_frac * np.asarray(charge_ah)
    return np.asarray(np.sqrt(offset_ah**2 + gain_ah**2 + sampling_ah2), dtype=np.float64)


def is_offset(mean_a: Floats, rated_capacity_ah: Floats, params: CounterParams = CounterParams()) -> Bools:
    """Return whether a mean current at rest can be the sensor's offset; NaN is none.

    Parameters
    ----------
    mean_a, rated_capacity_ah
        Mean current, and capacity of the new battery. [A, Ah], shapes that broadcast
    params
        Errors of the sensor.
    """
    most_a = params.most_offset_std * params.offset_c_rate * np.asarray(rated_capacity_ah)
    return np.asarray(np.abs(mean_a) <= most_a)


def rest_offset(
    mean_a: Floats, readings: Floats, rated_capacity_ah: Floats, params: CounterParams = CounterParams()
) -> tuple[Floats, Floats]:
    """Offset of a current sensor from what it reads at rest, and the standard deviation that is left.

    The mean of each rest is weighed against the expectation that there is no offset. A mean that is too large
    for an offset is a load that really flows, and tells nothing.

    Parameters
    ----------
    mean_a
        Mean current of rests near the time in question; NaN: none. [A], shape ``(windows, rests)``
    readings
        Readings behind each mean; NaN counts as none. Shape ``(windows, rests)``
    rated_capacity_ah
        Capacity of the new battery. [Ah], shape ``(windows,)``
    params
        Errors of the sensor.

    Returns
    -------
    Floats
        Offset; 0 where no rest tells. [A], shape ``(windows,)``
    Floats
        Its standard deviation. [A], shape ``(windows,)``

    Examples
    --------
    >>> import numpy as np
    >>> offset_a, std_a = rest_offset(np.array([[0.1, 0.1]]), np.array([[8.0, 8.0]]), np.array([100.0]))
    >>> round(float(offset_a[0]), 2), bool(std_a[0] < 0.02)
    (0.1, True)
    """
    rated = np.asarray(rated_capacity_ah, dtype=np.float64)
    expected_a = params.offset_c_rate * rated
    count = np.nan_to_num(np.asarray(readings, dtype=np.float64))
    tells = is_offset(mean_a, rated[:, None], params) & (count > 0.0)
    weight = np.where(tells, count, 0.0) / (params.reading_c_rate * rated[:, None]) ** 2
    precision = weight.sum(axis=1) + 1.0 / expected_a**2
    offset_a = (weight * np.where(tells, mean_a, 0.0)).sum(axis=1) / precision
    return offset_a, 1.0 / np.sqrt(precision)
