"""State of charge of every cell from its voltage at rest, with the uncertainty that the rest leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

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
    relaxation_v
        What is left to relax when the current stops. [V]
    relaxation_s
        Time in which it falls to 1/e. [s]
    hysteresis_v
        Difference that stays for good, by the direction the cell came from. [V]
    curve_std_frac
        Standard deviation of the curve itself: of the type, of ageing. [1]
    """

    voltage_std_v: float = 0.003
    relaxation_v: float = 0.008
    relaxation_s: float = 1800.0
    hysteresis_v: float = 0.0
    curve_std_frac: float = 0.005


def anchor_params(chemistry: str) -> AnchorParams:
    """Parameters of a chemistry: LFP keeps a hysteresis, the others lose theirs in noise.

    References
    ----------
    Dreyer et al., Nature Materials 9 (2010) 448: the hysteresis of LFP is there at zero current.
    """
    return AnchorParams(hysteresis_v=LFP_HYSTERESIS_V if chemistry.strip().upper() == "LFP" else 0.0)


def rest_anchor(
    voltage_v: Floats,
    rest_s: Floats,
    curve: OcvCurve,
    params: AnchorParams = AnchorParams(),
) -> tuple[Floats, Floats]:
    """State of charge of cells at rest, and its standard deviation.

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
    """
    voltage_v = np.asarray(voltage_v, dtype=np.float64)
    rest_s = np.asarray(rest_s, dtype=np.float64)
    left_v = params.relaxation_v * np.exp(-np.maximum(rest_s, 0.0) / params.relaxation_s)
    std_v = np.sqrt(params.voltage_std_v**2 + left_v**2 + params.hysteresis_v**2)
    soc_frac = np.where(np.isnan(rest_s), np.nan, curve.soc(voltage_v))
    std_frac = np.sqrt(curve.soc_std(voltage_v, std_v) ** 2 + params.curve_std_frac**2)
    return soc_frac, np.where(np.isnan(soc_frac), np.nan, std_frac)
