"""How the cells of a string differ in capacity, from their voltages side by side.

All cells of a string carry one current, so what sets them apart at the same instant is theirs alone:
hysteresis, temperature, and what age has made of the curve, are common and cancel. A cell of less capacity
runs through its open-circuit voltage faster; where the curve rises, voltages tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats, Ints
    from battery_lake.cells.ocv import OcvCurve

BINS: Final = 16
LOW_SOC_FRAC: Final = 0.1
HIGH_SOC_FRAC: Final = 0.9
BIN_FRAC: Final = (HIGH_SOC_FRAC - LOW_SOC_FRAC) / BINS
MIDDLE_FRAC: Final = 0.5
FEWEST_CELLS: Final = 3
"""In a shorter string there is no median to compare with."""

SHIFTS_FRAC: Final = tuple(round(0.02 * n, 2) for n in range(-4, 5))
STRETCHES: Final = tuple(round(0.86 + 0.04 * n, 2) for n in range(7))
"""Ways in which the BMS's SOC may be off: about half full by so much, and over its range by such a factor."""


@dataclass(frozen=True, slots=True)
class StringParams:
    """What is assumed of a string.

    Parameters
    ----------
    memory_days
        Age at which samples count a third. [d]
    fewest_samples
        With fewer nothing is said.
    noise_v
        Error of a cell's voltage beside the median's, at least. [V]
    broken_v
        A cell that lies further off than this, root mean square, has a fault and is not compared. [V]
    shift_std_frac, spread_std_frac, ohm_std_v_per_c
        How much cells of a string differ before anything is seen of them, one standard deviation: in SOC, in
        capacity, in resistance as volts at a current of one rated capacity an hour. [1], [1], [V h]
    soc_shift_std_frac, soc_stretch_std, soc_stretch
        How far the BMS's SOC is off, and by which factor it is stretched about half full. [1]
    model_std_frac, relative_std
        What the curve's shape leaves uncertain: a share of capacity, and a share of the difference. [1]
    own_share
        Share of a filtered SOH's variance that is the cell's own, not its string's. [1]
    """

    memory_days: float = 60.0
    fewest_samples: float = 20.0
    noise_v: float = 0.001
    broken_v: float = 0.04
    shift_std_frac: float = 0.03
    spread_std_frac: float = 0.03
    ohm_std_v_per_c: float = 0.02
    soc_shift_std_frac: float = 0.04
    soc_stretch_std: float = 0.06
    soc_stretch: float = 0.96
    model_std_frac: float = 0.003
    relative_std: float = 0.15
    own_share: float = 0.5


@dataclass(frozen=True, slots=True)
class StringSums:
    """Sums over samples at rest and on charge, by bin of the BMS's SOC; they add up.

    Parameters
    ----------
    count
        Samples. Shape ``(n, BINS)``
    c_rate, c_rate2
        Sum of the current over rated capacity, by bin, and of its square. [1/h, 1/h²], shapes ``(n, BINS)``
        and ``(n,)``
    volts
        Sum of each cell's voltage less the string's median. [V], shape ``(n, BINS, cells)``
    c_rate_volts, volts2
        Sum of these times the current, and of their squares. [V/h], [V²], shape ``(n, cells)``
    """

    count: Floats
    c_rate: Floats
    c_rate2: Floats
    volts: Floats
    c_rate_volts: Floats
    volts2: Floats

    def part(self, rows: slice | int) -> StringSums:
        """Return some of the rows; of one, given as a number, without the first axis."""
        return StringSums(*(getattr(self, name)[rows] for name in self.__slots__))


def string_sums(soc_frac: Floats, c_rate: Floats, cell_v: Floats, group: Ints, groups: int) -> StringSums:
    """Sum samples by group and by SOC. A sample that lacks a value, or lies outside the bins, does not count.

    Parameters
    ----------
    soc_frac, c_rate
        SOC as the BMS reports it, current over rated capacity. [1], [1/h], shape ``(samples,)``
    cell_v
        Cell voltages. [V], shape ``(samples, cells)``
    group, groups
        Which of how many groups each sample belongs to. Shape ``(samples,)``
    """
    cells = cell_v.shape[1]
    usable = np.isfinite(soc_frac) & np.isfinite(c_rate) & np.isfinite(cell_v).all(axis=1)
    usable &= (soc_frac >= LOW_SOC_FRAC) & (soc_frac < HIGH_SOC_FRAC) & (cells >= FEWEST_CELLS)
    soc, rate, volts, place = soc_frac[usable], c_rate[usable], cell_v[usable], group[usable]
    apart = volts - (np.median(volts, axis=1) if len(volts) else np.empty(0))[:, None]
    bins = np.minimum(((soc - LOW_SOC_FRAC) / BIN_FRAC).astype(np.int64), BINS - 1)
    slot = place * BINS + bins
    by_bin, by_group = np.zeros((groups * BINS, cells)), np.zeros((2, groups, cells))
    np.add.at(by_bin, slot, apart)
    np.add.at(by_group[0], place, rate[:, None] * apart)
    np.add.at(by_group[1], place, apart * apart)
    return StringSums(
        count=_counted(slot, np.ones(len(slot)), groups * BINS).reshape(groups, BINS),
        c_rate=_counted(slot, rate, groups * BINS).reshape(groups, BINS),
        c_rate2=_counted(place, rate * rate, groups),
        volts=by_bin.reshape(groups, BINS, cells),
        c_rate_volts=by_group[0],
        volts2=by_group[1],
    )


def _counted(place: Ints, values: Floats, places: int) -> Floats:
    return np.bincount(place, values, minlength=places).astype(np.float64)


def relative_capacity(sums: StringSums, curve: OcvCurve, params: StringParams) -> tuple[Floats, Floats]:
    """Capacity of each cell over that of the string's median cell, less one, and its standard deviation.

    A cell's voltage beside the median's is, to first order,

        D = U'(s) (a + k (s - 1/2)) + r I

    with U' the slope of the curve at the median's SOC s, a the cell's SOC at half full beside the median's, k
    the median's capacity over the cell's less one, r its resistance beside the median's. s is the BMS's SOC,
    shifted and stretched as explains most of what all cells show. Least squares with the usual spread of
    cells as prior.

    Parameters
    ----------
    sums
        Of one string a row. Shape ``(strings, ...)``
    curve
        Of the new cell.
    params
        What is assumed.

    Returns
    -------
    Floats
        NaN: too few samples, or the cell is broken. [1], shape ``(strings, cells)``
    Floats
        Standard deviation. [1], shape ``(strings, cells)``

    References
    ----------
    Zheng et al., J. Power Sources 226 (2013) 33: cells of an LFP string have one charging curve, shifted and
    stretched by SOC and capacity. Here linearised about the median, so that sums over samples suffice.
    """
    shape = sums.volts.shape[0], sums.volts.shape[2]
    relative, std = np.full(shape, np.nan), np.full(shape, np.nan)
    total = sums.count.sum(axis=1)
    for row in np.flatnonzero(total >= params.fewest_samples):
        whole = np.sqrt(sums.volts2[row] / total[row]) <= params.broken_v
        if whole.any():
            relative[row, whole], std[row, whole] = _of_string(sums.part(int(row)), whole, curve, params)
    return relative, std


def _of_string(
    sums: StringSums, whole: Bools, curve: OcvCurve, params: StringParams
) -> tuple[Floats, Floats]:
    """Least squares of every cell for each way in which the SOC may be off; the likeliest way counts."""
    slopes, arms, penalty = _regressors(curve, params)
    normal = _normal(sums, slopes, arms) + np.diag(_ridge(params))
    by_current = np.broadcast_to(sums.c_rate_volts[whole], (len(slopes), int(whole.sum())))
    seen = np.stack([slopes @ sums.volts[:, whole], arms @ sums.volts[:, whole], by_current], axis=1)
    solved = np.linalg.solve(normal, seen)
    explained = (solved * seen).sum(axis=1)
    total, count = sums.volts2[whole], sums.count.sum()
    noise = np.maximum((total - explained).sum(axis=1) / (count * len(total)), params.noise_v**2)
    best = int(np.argmax(-0.5 * count * len(total) * np.log(noise) - penalty))
    left = np.maximum((total - explained[best]) / count, params.noise_v**2)
    relative = 1.0 / (1.0 + solved[best, 1]) - 1.0
    variance = np.linalg.inv(normal[best])[1, 1] * left
    variance += params.model_std_frac**2 + (params.relative_std * relative) ** 2
    return relative, np.sqrt(variance)


def _ridge(params: StringParams) -> Floats:
    prior = np.array([params.shift_std_frac, params.spread_std_frac, params.ohm_std_v_per_c])
    return (params.noise_v / prior) ** 2


def _normal(sums: StringSums, slopes: Floats, arms: Floats) -> Floats:
    """Normal matrix for each shift and stretch. Shape ``(ways, 3, 3)``."""
    made = np.empty((len(slopes), 3, 3))
    made[:, 0, 0] = (slopes * slopes) @ sums.count
    made[:, 0, 1] = made[:, 1, 0] = (slopes * arms) @ sums.count
    made[:, 1, 1] = (arms * arms) @ sums.count
    made[:, 0, 2] = made[:, 2, 0] = slopes @ sums.c_rate
    made[:, 1, 2] = made[:, 2, 1] = arms @ sums.c_rate
    made[:, 2, 2] = sums.c_rate2
    return made


@cache
def _regressors(curve: OcvCurve, params: StringParams) -> tuple[Floats, Floats, Floats]:
    """Slope, slope times distance from half full, and penalty, for each shift and stretch of the SOC."""
    shift, stretch = np.array(list(product(SHIFTS_FRAC, STRETCHES))).T
    middle = LOW_SOC_FRAC + BIN_FRAC * (np.arange(BINS) + 0.5)
    soc = MIDDLE_FRAC + shift[:, None] + stretch[:, None] * (middle - MIDDLE_FRAC)
    half = 0.5 * BIN_FRAC * stretch[:, None]

    def voltage(at: Floats) -> Floats:
        return np.asarray(np.interp(at, curve.soc_frac, curve.ocv_v), dtype=np.float64)

    slope = (voltage(soc + half) - voltage(soc - half)) / (2.0 * half)
    off = (stretch - params.soc_stretch) / params.soc_stretch_std
    penalty = 0.5 * ((shift / params.soc_shift_std_frac) ** 2 + off**2)
    return slope, slope * (soc - MIDDLE_FRAC), penalty


def side_by_side_soh(
    soh_pct: Floats, variance_pct2: Floats, relative: Floats, std: Floats, params: StringParams
) -> tuple[Floats, Floats]:
    """SOH of the cells of a string, their differences weighed against what comparing them says.

    What the cells have in common stays: only each cell's distance from the string's mean moves, as far as its
    own share of the variance is larger than the comparison's.

    Parameters
    ----------
    soh_pct, variance_pct2
        Filtered. [%], [%²], shape ``(strings, cells)``
    relative, std
        From :func:`relative_capacity`; NaN: not compared. [1], shape ``(strings, cells)``
    params
        Holds the cells' own share of the variance.
    """
    known = np.isfinite(relative) & np.isfinite(std) & np.isfinite(soh_pct)
    weight = np.where(known, 1.0 / np.where(variance_pct2 > 0.0, variance_pct2, np.inf), 0.0)
    total = weight.sum(axis=1, keepdims=True)
    total = np.where(total > 0.0, total, np.nan)
    apart = np.where(known, relative, 0.0)
    mean = (weight * np.where(known, soh_pct, 0.0)).sum(axis=1, keepdims=True) / total
    centre = (weight * apart).sum(axis=1, keepdims=True) / total
    wanted = mean * (1.0 + apart) / (1.0 + centre)
    own = params.own_share * variance_pct2
    compared = (mean * np.where(known, std, 1.0)) ** 2
    gain = np.where(known & np.isfinite(wanted), own / (own + compared), 0.0)
    moved = gain * (np.where(np.isfinite(wanted), wanted, 0.0) - soh_pct)
    return soh_pct + np.where(gain > 0.0, moved, 0.0), variance_pct2 - gain * own


def added(earlier: StringSums, later: StringSums, days: float, params: StringParams) -> StringSums:
    """Sums of two times, the earlier ones faded by the days between.

    Parameters
    ----------
    earlier, later
        Of the same strings.
    days
        From the one to the other. [d]
    params
        Holds the memory.
    """
    kept = float(np.exp(-days / params.memory_days))
    return StringSums(
        *(kept * getattr(earlier, name) + getattr(later, name) for name in StringSums.__slots__)
    )


def no_sums(strings: int, cells: int) -> StringSums:
    """Sums over nothing.

    Parameters
    ----------
    strings, cells
        How many strings, of how many cells.
    """
    return StringSums(
        np.zeros((strings, BINS)), np.zeros((strings, BINS)), np.zeros(strings),
        np.zeros((strings, BINS, cells)), np.zeros((strings, cells)), np.zeros((strings, cells)),
    )  # fmt: skip
