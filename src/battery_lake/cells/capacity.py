"""Capacity of every cell from one stretch of use: two rests with charge between, or a full discharge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.ocv import is_lfp

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Floats

MAX_RELATIVE_STD: Final = 0.085
"""A SOC change known worse than this tells nothing: dividing by it is not near linear any more. [1]"""

PLAUSIBLE_FRAC: Final = (0.2, 1.3)
"""Capacity over rated capacity of a cell that still works. [1]"""

FULL_SOC_FRAC: Final = 0.97
"""From here on a cell counts as full. [1]"""

STEPS_SOC_FRAC: Final = 0.4
"""Up to here graphite alone makes the voltage of an LFP cell; a full one shows both electrodes. [1]"""

LFP_LITHIUM_SHARE: Final = 0.6
LFP_LITHIUM_SHARE_STD: Final = 0.3

FULL_DISCHARGE_STD_FRAC: Final = 0.004
"""Standard deviation of a capacity from a full discharge: sensor gain, where sampling met the limit. [1]"""


@dataclass(frozen=True, slots=True)
class WindowParams:
    """What a window between two rests must be like, and what a cell's loss does to its curve.

    Parameters
    ----------
    min_change
        A smaller change of SOC tells nothing. [1]
    lithium_share, lithium_share_std
        Share of lost capacity that leaves the steps of the negative electrode where they were, counted in
        charge from empty, and its standard deviation: nothing where the curve keeps its place in SOC. [1]
    """

    min_change: float = 0.15
    lithium_share: float = 0.0
    lithium_share_std: float = 0.0


def window_params(chemistry: str, min_change: float = 0.15) -> WindowParams:
    """Parameters of a chemistry: the steps of an LFP cell's curve are those of its graphite.

    Parameters
    ----------
    chemistry
        Of the cells.
    min_change
        A smaller change of SOC tells nothing. [1]

    References
    ----------
    Dubarry, Truchot, Liaw, J. Power Sources 219 (2012) 204: what loss of lithium and of active material make
    of an LFP cell's curve.
    """
    if not is_lfp(chemistry):
        return WindowParams(min_change)
    return WindowParams(min_change, LFP_LITHIUM_SHARE, LFP_LITHIUM_SHARE_STD)


def rest_to_rest(
    charge_ah: Floats,
    charge_std_ah: Floats,
    soc_start: Floats,
    soc_start_std: Floats,
    soc_end: Floats,
    soc_end_std: Floats,
    new_ah: Floats | float = 0.0,
    params: WindowParams = WindowParams(),
) -> tuple[Floats, Floats]:
    """Capacity of every cell of a string from the charge between two rests.

    Parameters
    ----------
    charge_ah, charge_std_ah
        Charge through the string between the rests, into it positive, and its standard deviation. [Ah],
        shape ``(windows, 1)``
    soc_start, soc_start_std, soc_end, soc_end_std
        State of charge of each cell at the two rests by the curve of the new cell, and standard deviations.
        [1], shape ``(windows, cells)``
    new_ah
        Capacity of the new cell; plays a part where the curve's steps stay. [Ah], shape ``(windows, 1)``
    params
        Which windows count, and what loss does to the curve.

    Returns
    -------
    Floats
        Capacities; NaN where SOC changed too little, too uncertainly, or against the charge. [Ah],
        shape ``(windows, cells)``
    Floats
        Their variances, to first order. [Ah²], same shape

    References
    ----------
    Plett, J. Power Sources 196 (2011) 2319: capacity from charge over SOC change, errors in both.

    Examples
    --------
    >>> import numpy as np
    >>> one, std = np.array([[1.0]]), np.array([[0.01]])
    >>> capacity_ah, _ = rest_to_rest(30.0 * one, std, 0.2 * one, std, 0.8 * one, std)
    >>> capacity_ah.round(6).tolist()
    [[50.0]]
    """
    seen = np.asarray(soc_end - soc_start, dtype=np.float64)
    start_share, end_share = (params.lithium_share * _by_steps(soc) for soc in (soc_start, soc_end))
    # Charge above empty is a part of the capacity now, and a part of what it was.
    change = soc_end * (1.0 - end_share) - soc_start * (1.0 - start_share)
    moved = charge_ah - new_ah * (soc_end * end_share - soc_start * start_share)
    change = np.where((np.abs(seen) >= params.min_change) & (change * moved > 0.0), change, np.nan)
    capacity_ah = moved / change
    start_std_ah = soc_start_std * (start_share * new_ah + (1.0 - start_share) * capacity_ah)
    end_std_ah = soc_end_std * (end_share * new_ah + (1.0 - end_share) * capacity_ah)
    apart_ah = np.hypot(start_std_ah, end_std_ah)
    tells = (seen * charge_ah > 0.0) & (apart_ah <= MAX_RELATIVE_STD * np.abs(moved))
    lost_ah = (new_ah - capacity_ah) * (_by_steps(soc_end) * soc_end - _by_steps(soc_start) * soc_start)
    spread_ah2 = charge_std_ah**2 + apart_ah**2 + (params.lithium_share_std * lost_ah) ** 2
    return np.where(tells, capacity_ah, np.nan), np.where(tells, spread_ah2 / change**2, np.nan)


def _by_steps(soc: Floats) -> Floats:
    """How far the negative electrode makes the voltage: 1 of the lowest step, 0 of a full cell."""
    return np.clip((FULL_SOC_FRAC - soc) / (FULL_SOC_FRAC - STEPS_SOC_FRAC), 0.0, 1.0)


def full_discharge(
    low_limit_charge_ah: Floats,
    min_cell_voltages_v: Floats,
    low_v: Floats,
    soc_start: Floats,
) -> tuple[Floats, Floats]:
    """Capacity of the cells that a discharge took from full to their low limit.

    Parameters
    ----------
    low_limit_charge_ah
        Charge taken out until the first cell met its limit; NaN: none did. [Ah], shape ``(drives,)``
    min_cell_voltages_v
        Lowest voltage of each cell: those that stayed above the limit get no value. [V],
        shape ``(drives, cells)``
    low_v
        The limit. [V], shape ``(drives,)``
    soc_start
        State of charge of each cell at the start; below 97 % the cell was not full and gets no value. [1],
        shape ``(drives, cells)``

    Returns
    -------
    Floats
        Capacities. [Ah], shape ``(drives, cells)``
    Floats
        Their variances. [Ah²], same shape

    References
    ----------
    IEC 62660-1, capacity test: discharge from full to the lower voltage limit.
    """
    taken_ah = np.where(np.asarray(low_limit_charge_ah) > 0.0, low_limit_charge_ah, np.nan)[:, None]
    tells = (min_cell_voltages_v <= np.asarray(low_v)[:, None]) & (soc_start >= FULL_SOC_FRAC)
    capacity_ah = taken_ah / np.where(tells, soc_start, np.nan)
    return capacity_ah, (FULL_DISCHARGE_STD_FRAC * capacity_ah) ** 2


def plausible(capacity_ah: Floats, variance_ah2: Floats, rated_capacity_ah: Floats) -> tuple[Floats, Floats]:
    """Blank capacities that no working cell has: below 0.2 or above 1.3 of rated.

    Parameters
    ----------
    capacity_ah, variance_ah2
        Capacities and their variances. [Ah, Ah²], shape ``(sessions, cells)``
    rated_capacity_ah
        Capacity of the new cell. [Ah], shape ``(sessions, 1)``

    Returns
    -------
    Floats
        The capacities, NaN where not plausible. [Ah], shape ``(sessions, cells)``
    Floats
        The variances, NaN at the same places. [Ah²], same shape
    """
    low, high = PLAUSIBLE_FRAC
    good = (capacity_ah >= low * rated_capacity_ah) & (capacity_ah <= high * rated_capacity_ah)
    return np.where(good, capacity_ah, np.nan), np.where(good, variance_ah2, np.nan)
