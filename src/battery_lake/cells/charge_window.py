"""What a constant-current charge tells while its voltage passes a window: charge by voltage, warmth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from battery_lake.cells.coulomb import increments

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats, Ints


@dataclass(frozen=True, slots=True)
class WindowParams:
    """Which window, and how its samples are read.

    Parameters
    ----------
    low_v, high_v
        The window. [V]
    parts
        Equal sub-windows in which charge is counted.
    min_c_rate
        Less current is no charge. [1/h]
    gap_s
        Longer intervals between samples are gaps: what passed in them is not known. [s]
    smoothing_s
        Length of the line that is fitted through the voltage around each sample. [s]
    min_samples
        Fewer samples in the window are not read.
    reach_v
        So far below its upper end the window may end. [V]
    """

    low_v: float = 3.85
    high_v: float = 4.15
    parts: int = 12
    min_c_rate: float = 0.05
    gap_s: float = 120.0
    smoothing_s: float = 50.0
    min_samples: int = 8
    reach_v: float = 0.02


@dataclass(frozen=True, slots=True)
class ChargeWindow:
    """One charge in its window.

    Parameters
    ----------
    part_frac
        Charge of each sub-window over rated capacity, from the lowest. 0 where the charge began above it:
        aged cells jump into the window. NaN where a gap hid it; all NaN where the window cannot be read: too
        few samples, begun above its middle, or never at its upper end.
        [1], shape ``(parts,)``
    c_rate
        Median current over rated capacity. [1/h]
    start_v
        Voltage of the first sample within. [V]
    duration_s
        Time from the first sample to the last. [s]
    start_c, rise_c
        Temperature at the start, and its rise: medians of up to 3 known samples; NaN: none known. [°C]
    """

    part_frac: Floats
    c_rate: float
    start_v: float
    duration_s: float
    start_c: float
    rise_c: float


def charge_window(
    seconds: Floats,
    voltage_v: Floats,
    current_a: Floats,
    rated_capacity_ah: float,
    temperature_c: Floats | None = None,
    params: WindowParams = WindowParams(),
) -> ChargeWindow:
    """Read one charge.

    Charge is counted against the voltage, smoothed by a line through its neighbours in time and made
    monotone. Where the first or last sample misses an end of the window, the charge up to that end is
    extrapolated, by one sample at most: else a sample every 30 s costs half a point of SOH.

    Parameters
    ----------
    seconds
        Times of the samples. [s], shape ``(samples,)``, as the arrays that follow
    voltage_v
        Voltage of the cell; NaN where missing. [V]
    current_a
        Current, charge positive; NaN where missing. [A]
    rated_capacity_ah
        Capacity of the new cell. [Ah]
    temperature_c
        Temperature of the cell; NaN where missing. [°C]
    params
        Which window.

    Returns
    -------
    ChargeWindow
        All NaN where there is nothing to read.

    References
    ----------
    Weng et al., J. Power Sources 235 (2013) 36, doi:10.1016/j.jpowsour.2013.02.012: SOH from the charge in
    windows of voltage.
    """
    time, volt = np.asarray(seconds, dtype=np.float64), np.asarray(voltage_v, dtype=np.float64)
    amp = np.asarray(current_a, dtype=np.float64)
    warm = (
        np.full(time.size, np.nan) if temperature_c is None else np.asarray(temperature_c, dtype=np.float64)
    )
    keep = np.isfinite(time) & np.isfinite(volt) & np.isfinite(amp)
    keep[keep] = _later(time[keep])
    time, volt, amp, warm = time[keep], volt[keep], amp[keep], warm[keep]
    usable = rated_capacity_ah > 0.0 and np.isfinite(rated_capacity_ah)
    charging = amp > params.min_c_rate * rated_capacity_ah
    inside = charging & (volt >= params.low_v) & (volt <= params.high_v)
    if not usable or inside.sum() < params.min_samples:
        return ChargeWindow(np.full(params.parts, np.nan), *[np.nan] * 5)
    step = increments(time, np.maximum(amp, 0.0), np.arange(time.size) == 0, params.gap_s)
    begin = np.flatnonzero(inside)[0]
    moved = np.where(np.arange(time.size) > begin, step.charge_ah, 0.0)
    gaps = np.cumsum(step.is_gap.astype(np.int64))[inside]
    part = _parts(time[inside], volt[inside], np.cumsum(moved)[inside], gaps, params)
    start_c, end_c = _typical(warm[inside]), _typical(warm[inside][::-1])
    return ChargeWindow(
        part_frac=part / rated_capacity_ah,
        c_rate=float(np.median(amp[inside])) / rated_capacity_ah,
        start_v=float(volt[inside][0]),
        duration_s=float(time[inside][-1] - time[inside][0]),
        start_c=start_c,
        rise_c=end_c - start_c,
    )


def _later(time: Floats) -> Bools:
    """Whether each sample is later than all before it: drops repetitions and steps back."""
    if time.size == 0:
        return np.zeros(0, dtype=np.bool_)
    return np.concatenate([[True], time[1:] > np.maximum.accumulate(time)[:-1]])


def _parts(time: Floats, volt: Floats, charge_ah: Floats, gaps: Ints, params: WindowParams) -> Floats:
    """Charge of each sub-window. [Ah]."""
    middle_v = 0.5 * (params.low_v + params.high_v)
    if volt[0] > middle_v or volt.max() < params.high_v - params.reach_v:
        return np.full(params.parts, np.nan)
    # The tiny slope makes equal voltages rise, so that each charge has one voltage.
    smooth = np.maximum.accumulate(_smoothed(time, volt, params.smoothing_s)) + 1e-9 * np.arange(time.size)
    edges_v = np.linspace(params.low_v, params.high_v, params.parts + 1)
    at_edge = np.interp(edges_v, smooth, charge_ah)
    near = min(4, time.size - 1)
    one_sample_ah = float(np.median(np.diff(charge_ah)))
    low, high = edges_v < smooth[0], edges_v > smooth[-1]
    at_edge[low] -= np.minimum(
        _slope(smooth[: near + 1], charge_ah) * (smooth[0] - edges_v[low]), one_sample_ah
    )
    slope = _slope(smooth[-near - 1 :], charge_ah[-near - 1 :])
    at_edge[high] += np.minimum(slope * (edges_v[high] - smooth[-1]), one_sample_ah)
    part = np.diff(at_edge)
    for late in np.flatnonzero(np.diff(gaps) > 0) + 1:
        part[(edges_v[:-1] < smooth[late]) & (edges_v[1:] > smooth[late - 1])] = np.nan
    return np.asarray(part, dtype=np.float64)


def _slope(volt: Floats, charge_ah: Floats) -> float:
    """Charge by voltage between first and last. [Ah/V]."""
    return float(max(charge_ah[volt.size - 1] - charge_ah[0], 0.0) / max(volt[-1] - volt[0], 1e-6))


def _smoothed(time: Floats, volt: Floats, span_s: float) -> Floats:
    """Voltage on a line through its neighbours, at least 2 on either side where there are. [V]."""
    reach = max(2, round(0.5 * span_s / float(np.median(np.diff(time)))))
    index = np.arange(time.size)
    first, last = np.maximum(index - reach, 0), np.minimum(index + reach + 1, time.size)
    count = (last - first).astype(np.float64)
    # Sums over each neighbourhood from running sums, about the overall mean to keep their digits.
    x, y = time - time.mean(), volt - volt.mean()
    sums = [np.concatenate([[0.0], np.cumsum(v)]) for v in (x, y, x * x, x * y)]
    sx, sy, sxx, sxy = (total[last] - total[first] for total in sums)
    spread = sxx - sx * sx / count
    slope = (sxy - sx * sy / count) / np.where(spread > 0.0, spread, np.inf)
    return np.asarray(volt.mean() + sy / count + slope * (x - sx / count), dtype=np.float64)


def _typical(values: Floats) -> float:
    """Median of the first 3 known values; NaN where there is none."""
    known = values[np.isfinite(values)][:3]
    return float(np.median(known)) if known.size else float("nan")
