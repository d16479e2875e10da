"""How far each cell lies off its neighbours: on a day at rest, and in a single message.

Whole modules drift together in healthy packs, by temperature and by how they were balanced. So a cell is
compared with its neighbours to the left and with those to the right, and counts as off by what both say: a
cell at the edge of a module differs from one side only, and a cell in a high module from the pack only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from battery_lake.cells.metrics import MAD_TO_STD

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats


@dataclass(frozen=True, slots=True)
class DeviationParams:
    """How cells are compared with their pack.

    Parameters
    ----------
    quiet_a
        Cells are compared below this current in either direction: under load they differ by
        resistance, and are not sampled at once. [A]
    rows_min
        Fewer messages tell nothing of a day.
    neighbours, neighbours_min
        Cells on either side that a cell is compared with, and the least. A run of nearly as many cells that
        are all off hides itself: it shows in the width of the pack only.
    spread_floor_v
        No pack is matched better than this for long: balancing stops there. [V]
    small_pack_cells
        The spread of a pack of so many cells is doubled: few cells tell little of it.
    independent_frac
        Messages that count as independent, over all: those of one rest repeat each other. [1]
    resolution_v
        Step of the voltages. [V]
    band_v
        Pack medians between which the trend is read: there an NMC cell's voltage rises evenly with its
        charge, below it falls to less than half the slope. For LFP give a stretch off its plateau. [V]
    imbalance_share
        Share of the cells left out at either end when the width of the pack is told. [1]
    """

    quiet_a: float = 5.0
    rows_min: int = 10
    neighbours: int = 4
    neighbours_min: int = 3
    spread_floor_v: float = 0.0015
    small_pack_cells: float = 5.0
    independent_frac: float = 0.25
    resolution_v: float = 0.001
    band_v: tuple[float, float] = (3.72, 4.25)
    imbalance_share: float = 0.02


@dataclass(frozen=True, slots=True)
class DayDeviation:
    """How the cells of a pack lay on a day.

    Parameters
    ----------
    deviation_v
        What a cell differs from its neighbours on both sides; 0 where the two disagree in sign, NaN where
        the day does not tell. [V], shape ``(cells,)``
    std_v
        Its standard deviation by measurement. [V], shape ``(cells,)``
    spread_v
        Standard deviation between healthy neighbours of this pack. [V]
    band_deviation_v, band_std_v
        The same within the voltage band that trends are read in. [V], shape ``(cells,)``
    imbalance_v, imbalance_std_v
        Width of the pack within that band, without its outermost cells; its standard deviation. [V]
    rows
        Messages that told.
    """

    deviation_v: Floats
    std_v: Floats
    spread_v: float
    band_deviation_v: Floats
    band_std_v: Floats
    imbalance_v: float
    imbalance_std_v: float
    rows: int


def beside(pack_v: Floats, params: DeviationParams) -> tuple[Floats, Floats]:
    """Difference of each cell from the median of its neighbours to the left, and to the right.

    At the ends of the string, where a side has too few neighbours, the pack takes their place.

    Parameters
    ----------
    pack_v
        Differences from the median of the pack; NaN where none is known. [V], shape ``(..., cells)``
    params
        How many neighbours.

    Returns
    -------
    Floats
        Difference from the left. [V], same shape
    Floats
        Difference from the right. [V], same shape
    """
    count, cells = params.neighbours, pack_v.shape[-1]
    ends = np.full((*pack_v.shape[:-1], count), np.nan)
    padded = np.concatenate([ends, pack_v, ends], axis=-1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, count, axis=-1)
    sides = []
    for first in (0, count + 1):
        around = windows[..., first : first + cells, :]
        few = np.isfinite(around).sum(axis=-1) < params.neighbours_min
        sides.append(pack_v - np.where(few, 0.0, _median(around, axis=-1)))
    return sides[0], sides[1]


def both_ways(one_v: Floats, other_v: Floats) -> Floats:
    """Return what two differences agree on: the smaller one, 0 where their signs differ. [V], shape as given.

    Parameters
    ----------
    one_v, other_v
        Differences of a cell from two references; NaN gives NaN. [V], same shape

    Examples
    --------
    >>> import numpy as np
    >>> both_ways(np.array([-0.03, -0.03]), np.array([-0.01, 0.02])).tolist()
    [-0.01, 0.0]
    """
    smaller = np.sign(one_v) * np.minimum(np.abs(one_v), np.abs(other_v))
    return np.where(one_v * other_v < 0.0, 0.0, smaller)


def day_deviation(
    voltage_v: Floats, current_a: Floats, params: DeviationParams = DeviationParams()
) -> DayDeviation:
    """How each cell of a pack lay on a day, from its messages at rest.

    Parameters
    ----------
    voltage_v
        Cell voltages in order of the string; NaN where none is known. [V], shape ``(messages, cells)``
    current_a
        Current; NaN: not at rest. [A], shape ``(messages,)``
    params
        How cells are compared.

    References
    ----------
    Nie et al., Energy 323 (2025) 135754: median-based comparison of series cells on road vehicles;
    Rousseeuw and Croux, J. Am. Stat. Assoc. 88 (1993) 1273: the median absolute deviation.
    """
    voltage = np.atleast_2d(np.asarray(voltage_v, dtype=np.float64))
    quiet = np.abs(np.asarray(current_a, dtype=np.float64)) < params.quiet_a
    voltage = voltage[quiet & np.isfinite(voltage).any(axis=1)] if voltage.size else voltage[:0]
    middle_v = _median(voltage, axis=1)
    low_v, high_v = params.band_v
    inside = (middle_v >= low_v) & (middle_v <= high_v)
    off_v = voltage - middle_v[:, None]
    pack_v, std_v = _typical(off_v, params)
    deviation_v, spread_v = _compared(pack_v, params)
    band_pack_v, band_std_v = _typical(off_v[inside], params)
    band_v, _ = _compared(band_pack_v, params)
    width_v, width_std_v = _width(band_pack_v, band_std_v, params)
    return DayDeviation(
        deviation_v, std_v, spread_v, band_v, band_std_v, width_v, width_std_v, int(voltage.shape[0])
    )


def far_off(
    voltage_v: Floats, limit_v: float = 0.2, params: DeviationParams = DeviationParams()
) -> tuple[Bools, Floats]:
    """Cells that one message alone shows to be far off, whatever the current.

    Under load, and where cells are not sampled at once, whole stretches of the string differ from the rest
    by over 200 mV; so a cell must differ by the limit from the pack and from both sides.

    Parameters
    ----------
    voltage_v
        Cell voltages, NaN where none is known. [V], shape ``(messages, cells)``
    limit_v
        Far off. [V]
    params
        How cells are compared.

    Returns
    -------
    Bools
        True where a cell is far off. Shape ``(messages, cells)``
    Floats
        By how much; 0 where the message holds none that is far off from the pack. [V], same shape
    """
    voltage = np.atleast_2d(np.asarray(voltage_v, dtype=np.float64))
    pack_v = voltage - _median(voltage, axis=1)[:, None]
    deviation_v = np.zeros(voltage.shape)
    rows = np.flatnonzero((np.abs(pack_v) >= limit_v).any(axis=1))
    if rows.size and voltage.shape[1] > 1:
        agreed_v = both_ways(pack_v[rows], both_ways(*beside(pack_v[rows], params)))
        deviation_v[rows] = np.nan_to_num(agreed_v)
    return np.abs(deviation_v) >= limit_v, deviation_v


def _compared(pack_v: Floats, params: DeviationParams) -> tuple[Floats, float]:
    """Deviation from both sides, and the spread between neighbours."""
    cells = pack_v.size
    if cells < 2 or not np.isfinite(pack_v).any():  # noqa: PLR2004
        return np.full(cells, np.nan), float("nan")
    pack_v = pack_v - _median(pack_v, axis=0)
    left_v, right_v = beside(pack_v, params)
    local_v = np.abs(0.5 * (left_v + right_v))
    spread_v = MAD_TO_STD * float(_median(local_v, axis=0)) * (1.0 + params.small_pack_cells / cells)
    return both_ways(left_v, right_v), max(spread_v, params.spread_floor_v)


def _typical(off_v: Floats, params: DeviationParams) -> tuple[Floats, Floats]:
    """Mean over rows of each column, without outliers, and its standard deviation; NaN where rows are few."""
    count = np.isfinite(off_v).sum(axis=0)
    middle = _median(off_v, axis=0)
    # Voltages come in steps: where most are equal, the median deviation is 0.
    scale = np.maximum(MAD_TO_STD * _median(np.abs(off_v - middle), axis=0), 0.5 * params.resolution_v)
    near = np.abs(off_v - middle) <= 3.0 * np.maximum(scale, params.resolution_v)
    kept = np.maximum(near.sum(axis=0), 1)
    mean = np.where(near, off_v, 0.0).sum(axis=0) / kept
    # The median of the neighbours errs too: by sqrt(pi / 2n) of what one of them does.
    with_neighbours = np.sqrt(1.0 + 0.5 * np.pi / params.neighbours)
    std = with_neighbours * scale / np.sqrt(np.maximum(params.independent_frac * count, 1.0))
    told = count >= params.rows_min
    return np.where(told, mean, np.nan), np.where(told, std, np.nan)


def _width(pack_v: Floats, std_v: Floats, params: DeviationParams) -> tuple[float, float]:
    """Width of the pack without its outermost cells, and its standard deviation."""
    known = np.isfinite(pack_v)
    if known.sum() < 2:  # noqa: PLR2004
        return float("nan"), float("nan")
    ends = np.quantile(pack_v[known], (params.imbalance_share, 1.0 - params.imbalance_share))
    return float(ends[1] - ends[0]), float(np.sqrt(2.0) * np.median(std_v[known]))


def _median(values: Floats, axis: int) -> Floats:
    """Median without NaN; NaN where there is nothing."""
    if not np.isnan(values).any():
        if values.shape[axis] == 0:
            return np.full(np.delete(values.shape, axis), np.nan)
        return np.asarray(np.median(values, axis=axis), dtype=np.float64)
    ordered = np.sort(values, axis=axis)  # NaN last
    count = np.isfinite(values).sum(axis=axis, keepdims=True)
    below, above = np.maximum((count - 1) // 2, 0), np.minimum(count // 2, values.shape[axis] - 1)
    pair = [np.take_along_axis(ordered, place, axis=axis) for place in (below, above)]
    return np.asarray(0.5 * (pair[0] + pair[1]), dtype=np.float64).squeeze(axis=axis)
