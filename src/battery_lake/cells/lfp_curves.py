"""Charge curves of lithium iron phosphate cells: the window that is read, and what it says of the loss.

A charge is read between two voltages on the flat curve, with the charge counted since it began empty. Against
the cell's own first charges the curve shrinks along the charge by the loss of capacity, and rises by the
overpotential. All that may change otherwise enters the covariance of the voltages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from battery_lake.cells.coulomb import increments

if TYPE_CHECKING:
    import numpy.typing as npt

    from battery_lake.cells.arrays import Bools, Floats

GRID_FRAC: Final = np.linspace(0.0, 1.0, 201)
"""Charge over rated capacity at which curves are kept. [1]"""

LOSS_FRAC: Final = np.linspace(-0.04, 0.5, 109)
"""Losses of capacity that are tried. [1]"""

POINTS: Final = 16
"""Points into which a window is condensed."""

MIN_SAMPLES: Final = 6
"""Fewer samples in a window say nothing."""

HUMP_FRAC: Final = (0.2, 0.04)
"""Where graphite's first stage ends, and how wide: it moves apart from the rest of the curve. [1]"""

BENDS: Final = 6.0
"""Variance of a second difference over that of one sample."""

KNEE_V: Final = 1.0
"""Slope of the rise before the flat curve, over rated capacity: its depth is the discharge's affair. [V]"""

KNEE_BELOW_FRAC: Final = 0.15
"""The rise before the flat curve ends below this. [1]"""

UNDER_MV, OVER_MV = 5000.0, 500.0
"""Deviation of the curve before that rise ends, and beyond what was seen, per unit of charge. [mV]"""


@dataclass(frozen=True, slots=True)
class WindowParams:
    """How windows are read.

    Parameters
    ----------
    low_v, high_v
        The window. [V]
    empty_v
        A charge that begins above this did not begin empty and is not used. [V]
    gap_s
        A longer pause ends what is counted of a charge. [s]
    """

    low_v: float = 3.34
    high_v: float = 3.42
    empty_v: float = 3.25
    gap_s: float = 300.0


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of a cell's charges, one a row; NaN where a charge shows none.

    Parameters
    ----------
    charge_frac
        Charge since the beginning over rated capacity, rising. [1], shape ``(charges, POINTS)``
    voltage_v
        Voltage at it. [V], shape ``(charges, POINTS)``
    curve_v
        Voltage over ``GRID_FRAC`` from the beginning up to the window's end. [V], shape ``(charges, grid)``
    c_rate
        Median current in the window over rated capacity. [1/h], shape ``(charges,)``
    temperature_c
        Median temperature in it. [°C], shape ``(charges,)``
    noise_v
        Noise and resolution of a sample, from what no smooth curve would do. [V], shape ``(charges,)``
    """

    charge_frac: Floats
    voltage_v: Floats
    curve_v: Floats
    c_rate: Floats
    temperature_c: Floats
    noise_v: Floats

    @property
    def usable(self) -> Bools:
        """True where a charge shows the window. Shape ``(charges,)``."""
        return np.isfinite(self.voltage_v[:, 0])


@dataclass(frozen=True, slots=True)
class Spread:
    """How much a curve may differ from what is expected; all but the first three are deviations.

    Parameters
    ----------
    shift_frac
        Deviation of the rise in proportion to the rise expected. [1]
    scale_frac
        Charge over which a change of shape is alike. [1]
    temper
        Weight of the likelihood: the covariance never tells the whole misfit. [1]
    shift_mv
        Of the rise of the whole curve. [mV]
    hump_mv
        Where graphite's first stage ends. [mV]
    shape_mv
        Of the rest of the shape. [mV]
    noise_mv
        Of a condensed point. [mV]
    """

    shift_frac: float
    scale_frac: float
    temper: float
    shift_mv: float
    hump_mv: float
    shape_mv: float
    noise_mv: float


def read_windows(
    starts: Bools,
    elapsed_s: Floats,
    voltage_v: Floats,
    current_a: Floats,
    temperature_c: Floats,
    rated_ah: float,
    params: WindowParams = WindowParams(),
) -> Windows:
    """Read the window of each charge of one cell.

    Of the samples before the window only the charge counted until it is used, and of a cell's first charges
    the curve; of those after it, nothing but the one that closes the interval in which it ends.

    Parameters
    ----------
    starts
        True at the first sample of each charge. Shape ``(samples,)``, as all others
    elapsed_s
        Times, rising within a charge. [s]
    voltage_v, current_a, temperature_c
        Of the cell, charge current positive; NaN where missing. [V, A, °C]
    rated_ah
        Rated capacity. [Ah]
    params
        The window.
    """
    first = np.flatnonzero(starts)
    windows = _no_windows(first.size)
    charge_ah = np.empty(0)
    if first.size:
        moved = increments(elapsed_s, current_a, starts, params.gap_s)
        charge_ah, broken = moved.charge_ah, moved.is_gap
    for row, begin in enumerate(first):
        past = first[row + 1] if row + 1 < first.size else starts.size
        part = np.arange(begin, past)
        charge = np.cumsum(charge_ah[part]) / rated_ah
        known = (np.cumsum(broken[part]) == 0) & np.isfinite(voltage_v[part])
        if known.sum() < MIN_SAMPLES or voltage_v[part[known][0]] > params.empty_v:
            continue
        rising_v = np.maximum.accumulate(voltage_v[part[known]])
        inside = (rising_v >= params.low_v) & (rising_v <= params.high_v)
        middle = part[known][inside]
        current = current_a[middle][np.isfinite(current_a[middle])]
        if inside.sum() < MIN_SAMPLES or not current.size or current.min() <= 0.0:
            continue
        if _condense(windows, row, charge[known], rising_v, params):
            bends = np.sort(np.diff(voltage_v[middle], 2) ** 2)
            # The sharpest bends are those of the curve itself.
            windows.noise_v[row] = np.sqrt(bends[: max(int(0.8 * bends.size), 1)].mean() / BENDS)
            windows.c_rate[row] = np.median(current) / rated_ah
            warm = temperature_c[middle][np.isfinite(temperature_c[middle])]
            windows.temperature_c[row] = np.median(warm) if warm.size else np.nan
    return windows


def own_curve(windows: Windows, rows: npt.NDArray[np.integer[Any]]) -> Floats:
    """Mean curve of some charges; NaN beyond the end of the shortest. [V], shape ``(grid,)``.

    Parameters
    ----------
    windows
        Of the cell.
    rows
        Which charges. Shape ``(rows,)``
    """
    return np.asarray(windows.curve_v[rows].mean(axis=0), dtype=np.float64)


def log_likelihood(
    charge_frac: Floats, voltage_v: Floats, own_v: Floats, change_mv: Floats, base_frac: float, spread: Spread
) -> Floats:
    """How likely a window is under each loss of ``LOSS_FRAC``; largest 0. [ln(1)], shape ``(losses,)``.

    The window is laid on the cell's own curve, stretched by the capacity that is left. What remains, less the
    change expected, is a multivariate normal of zero mean: shift, hump, shape, noise; no trust beyond what
    the own curve shows and before its rise ends.

    Parameters
    ----------
    charge_frac, voltage_v
        The window. [1, V], shape ``(points,)``
    own_v
        The cell's own curve over ``GRID_FRAC``. [V], shape ``(grid,)``
    change_mv
        Expected change of the curve over charge, by loss. [mV], shape ``(losses, grid)``
    base_frac
        Loss of the cell when its own curve was taken. [1]
    spread
        How much the curve may differ.

    References
    ----------
    Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), sections 2.2, 2.7.
    """
    at = charge_frac / ((1.0 - LOSS_FRAC) / (1.0 - base_frac))[:, None]
    expected_v, under, over = _laid_on(at, own_v)
    change = _interpolated(change_mv, at)
    rest = (voltage_v - expected_v) * 1e3 - change
    shift = spread.shift_mv**2 + (spread.shift_frac * change.mean(axis=1)) ** 2
    hump = spread.hump_mv * np.exp(-0.5 * ((at - HUMP_FRAC[0]) / HUMP_FRAC[1]) ** 2)
    apart = (at[:, :, None] - at[:, None, :]) / spread.scale_frac
    covariance = spread.shape_mv**2 * np.exp(-0.5 * apart * apart) + shift[:, None, None]
    for mode in (hump, UNDER_MV * under, OVER_MV * over):
        covariance += mode[:, :, None] * mode[:, None, :]
    covariance += spread.noise_mv**2 * np.eye(charge_frac.size)
    factor = np.linalg.cholesky(covariance)
    white = np.linalg.solve(factor, rest[:, :, None])[:, :, 0]
    found = -0.5 * (white * white).sum(axis=1) - np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(axis=1)
    return np.asarray(spread.temper * (found - found.max()), dtype=np.float64)


def _no_windows(charges: int) -> Windows:
    """Windows of charges that show none."""
    points = np.full((2, charges, POINTS), np.nan)
    single = np.full((3, charges), np.nan)
    return Windows(points[0], points[1], np.full((charges, GRID_FRAC.size), np.nan), *single)


def _condense(windows: Windows, row: int, charge: Floats, rising_v: Floats, params: WindowParams) -> bool:
    """Fill a row; False where the charge does not move within the window."""
    past = np.flatnonzero(rising_v > params.high_v)
    last = int(past[0]) if past.size else rising_v.size - 1
    charge, rising_v = charge[: last + 1], rising_v[: last + 1]
    begin = float(np.interp(params.low_v, rising_v, charge))
    end = float(np.interp(min(params.high_v, rising_v[-1]), rising_v, charge))
    if begin >= end or end < 3.0 * GRID_FRAC[1]:
        return False
    fine = np.linspace(begin, end, 4 * POINTS)
    windows.charge_frac[row] = fine.reshape(POINTS, 4).mean(axis=1)
    windows.voltage_v[row] = np.interp(fine, charge, rising_v).reshape(POINTS, 4).mean(axis=1)
    windows.curve_v[row] = np.where(end >= GRID_FRAC, np.interp(GRID_FRAC, charge, rising_v), np.nan)
    return True


def _laid_on(at: Floats, own_v: Floats) -> tuple[Floats, Floats, Floats]:
    """Own curve at a charge, and how far that lies before its rise ends and beyond its end."""
    end = int(np.flatnonzero(np.isfinite(own_v))[-1])
    step = GRID_FRAC[1]
    slope = np.gradient(own_v[: end + 1], step)
    rise = np.flatnonzero((slope > KNEE_V) & (GRID_FRAC[: end + 1] < KNEE_BELOW_FRAC))
    begin = GRID_FRAC[rise[-1]] + step if rise.size else 0.0
    back = max(end - 6, 0)
    last_slope = (own_v[end] - own_v[back]) / (step * max(end - back, 1))
    over = np.maximum(at - GRID_FRAC[end], 0.0)
    inside = np.interp(at, GRID_FRAC[: end + 1], own_v[: end + 1])
    return inside + over * last_slope, np.maximum(begin - at, 0.0), over


def _interpolated(rows: Floats, at: Floats) -> Floats:
    """Each row over ``GRID_FRAC``, at charges of its own."""
    place = np.clip(at / GRID_FRAC[1], 0.0, GRID_FRAC.size - 1.001)
    whole = place.astype(np.int64)
    part = place - whole
    below = np.take_along_axis(rows, whole, axis=1)
    above = np.take_along_axis(rows, whole + 1, axis=1)
    return np.asarray(below * (1.0 - part) + above * part, dtype=np.float64)
