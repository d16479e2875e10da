"""State of charge of every cell from its voltage at rest, with the uncertainty that the rest leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.ocv import is_lfp

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Floats
    from battery_lake.cells.ocv import OcvCurve

LFP_HYSTERESIS_V: Final = 0.008
"""How far a rested LFP cell stays from the mean of its charge and discharge curves. [V]"""


@dataclass(frozen=True, slots=True)
class AnchorParams:
    """What makes a rested voltage differ from the curve.

    Parameters
    ----------
    voltage_std_v
        Standard deviation of noise and quantisation together. [V]
    relaxation_v_per_c
        What is left to relax when a current of 1C stops. [V]
    relaxation_s
        Time in which it falls to 1/e. [s]
    usual_c_rate
        Current before the rest where it is not known. [1/h]
    hysteresis_v
        Difference that stays for good, by the direction the cell came from. [V]
    hysteresis_span_frac
        Charge over rated capacity that brings the hysteresis 63 % of the way to its other side. [1]
    known_share
        Part of relaxation and hysteresis by which their size is uncertain where the direction is known. [1]
    curve_std_frac
        Standard deviation of the curve itself: of the type, of ageing. [1]
    """

    voltage_std_v: float = 0.003
    relaxation_v_per_c: float = 0.04
    relaxation_s: float = 1800.0
    usual_c_rate: float = 0.2
    hysteresis_v: float = 0.0
    hysteresis_span_frac: float = 0.05
    known_share: float = 0.5
    curve_std_frac: float = 0.005


@dataclass(frozen=True, slots=True)
class Before:
    """What went through the cells before a rest; NaN where it is not known.

    Parameters
    ----------
    c_rate
        Mean current over rated capacity, charge positive. [1/h], shape ``(rests, 1)``
    moved_frac
        Charge over rated capacity, charge positive. [1], shape ``(rests, 1)``
    """

    c_rate: Floats
    moved_frac: Floats


def anchor_params(chemistry: str) -> AnchorParams:
    """Parameters of a chemistry: LFP keeps a hysteresis, the others lose theirs in noise.

    References
    ----------
    Dreyer et al., Nature Materials 9 (2010) 448: the hysteresis of LFP is there at zero current.
    """
    return AnchorParams(hysteresis_v=LFP_HYSTERESIS_V if is_lfp(chemistry) else 0.0)


def rest_anchor(
    voltage_v: Floats,
    rest_s: Floats,
    curve: OcvCurve,
    params: AnchorParams = AnchorParams(),
    before: Before | None = None,
) -> tuple[Floats, Floats]:
    """State of charge of cells at rest, and its standard deviation.

    A cell rests above its curve after a charge and below it after a discharge. Where the direction is known
    that much is taken off, and only a part of it stays uncertain.

    Parameters
    ----------
    voltage_v
        Cell voltages at the end of the rest; NaN where missing. [V], shape ``(rests, cells)``
    rest_s
        How long the pack has rested; NaN: not known to rest, no anchor. [s], shape ``(rests, 1)``
    curve
        Open-circuit voltage of the new cell.
    params
        What makes a rested voltage differ from the curve.
    before
        What went before; None: not known.

    Returns
    -------
    Floats
        State of charge; NaN where there is no voltage, no rest, or the voltage is off the curve. [1],
        shape ``(rests, cells)``
    Floats
        Its standard deviation; wide where the curve is level. [1], same shape

    References
    ----------
    Plett, Battery Management Systems, vol. 2 (2015), ch. 3: SOC from voltage; a level curve defeats it.
    Plett, J. Power Sources 134 (2004) 262: hysteresis that follows the charge moved.

    Examples
    --------
    >>> import numpy as np
    >>> from battery_lake.cells.ocv import OcvCurve
    >>> line, hour = OcvCurve([0.0, 1.0], [3.0, 4.0]), np.array([[3600.0]])
    >>> charged = Before(c_rate=np.array([[0.5]]), moved_frac=np.array([[0.6]]))
    >>> soc, std = rest_anchor(np.array([[3.5]]), hour, line, before=charged)
    >>> bool(soc[0, 0] < 0.5), bool(std[0, 0] < 0.01)
    (True, True)
    """
    voltage_v = np.asarray(voltage_v, dtype=np.float64)
    rest_s = np.asarray(rest_s, dtype=np.float64)
    above_v, std_v = _above_curve(rest_s, params, before)
    equilibrium_v = voltage_v - above_v
    soc_frac = np.where(np.isnan(rest_s), np.nan, curve.soc(equilibrium_v))
    std_frac = np.sqrt(curve.soc_std(equilibrium_v, std_v) ** 2 + params.curve_std_frac**2)
    return soc_frac, np.where(np.isnan(soc_frac), np.nan, std_frac)


def _above_curve(rest_s: Floats, params: AnchorParams, before: Before | None) -> tuple[Floats, Floats]:
    """How far cells are expected above their curve, and the standard deviation of their voltage. [V]."""
    unknown = np.full(rest_s.shape, np.nan)
    c_rate, moved = (before.c_rate, before.moved_frac) if before else (unknown, unknown)
    left = np.exp(-np.maximum(rest_s, 0.0) / params.relaxation_s)
    built_up = np.sign(moved) * (1.0 - np.exp(-np.abs(moved) / params.hysteresis_span_frac))
    is_known = np.isfinite(c_rate) & np.isfinite(moved)
    relaxing_v = params.relaxation_v_per_c * left * np.where(is_known, c_rate, params.usual_c_rate)
    lasting_v = params.hysteresis_v * np.where(is_known, built_up, 1.0)
    above_v = np.where(is_known, relaxing_v + lasting_v, 0.0)
    share = np.where(is_known, params.known_share, 1.0)
    # After little charge nobody knows on which side of the hysteresis the cell was.
    open_v = params.hysteresis_v * np.where(is_known, 1.0 - np.abs(built_up), 0.0)
    variance = (share * relaxing_v) ** 2 + (share * lasting_v) ** 2 + open_v**2
    return above_v, np.sqrt(params.voltage_std_v**2 + variance)
