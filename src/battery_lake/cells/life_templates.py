"""Fade curves in short: a few of each chemistry and powers of age, cut at many places of their lives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.fade_curves import REACH, carried, shipped_curves

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Floats, Ints, Singles
    from battery_lake.cells.fade_curves import FadeCurves

CURVES: Final = 16
"""So many measured curves stand for all of a chemistry."""

POWERS: Final = (0.5, 0.7, 1.0, 1.4, 2.0, 3.0)
"""Exponents of age: from the root of time, as films grow, to a knee. [1]"""

USUAL_POWER: Final = 0.8
POWER_STD: Final = 0.5
"""Exponents are log-normal about the usual one. [1]"""

POWER_SHARE: Final = 0.65
"""Weight of the powers together; the measured curves have the rest. [1]"""

LOG_RATIOS: Final[Floats] = np.linspace(-3.9, 8.88, 28)
"""Places in a life: logarithms of what is left over age; a cell of one day may have years. [1]"""

AGES: Final = 65
"""A template is kept at so many relative ages from 0, new, to 1, now."""

_FINE: Final[Floats] = np.linspace(0.0, 1.0, 257)


@dataclass(frozen=True, slots=True, eq=False)
class Templates:
    """Histories of SOH up to now, of every curve at every place of its life; a place's curves together.

    Parameters
    ----------
    soh_pct
        Over relative age. [%], shape ``(ages, places x curves)``
    log_weight
        Logarithm of the weight of each curve before anything is known. [1], shape ``(curves,)``
    """

    soh_pct: Singles
    log_weight: Floats


@lru_cache(maxsize=64)
def templates_of(chemistry: str, eol_soh_pct: float) -> Templates:
    """Return the templates of a chemistry from the curves that come with the product.

    Parameters
    ----------
    chemistry
        ``LFP``, ``NMC``, ``NCA``; for others all curves.
    eol_soh_pct
        SOH at which life ends, below 100. [%]
    """
    return templates_from(shipped_curves(chemistry), eol_soh_pct)


def templates_from(measured: FadeCurves, eol_soh_pct: float) -> Templates:
    """Cut measured curves and powers of age at all places.

    Measured curves count from 100 % when new. Some of them stand for the rest, each with the weight of those
    that it is nearest to: the next one taken is always the one that is furthest from all that were.

    Parameters
    ----------
    measured
        Curves; those that do not come to the end of life are left out.
    eol_soh_pct
        SOH at which life ends, below 100. [%]

    References
    ----------
    Gonzalez, Theor. Comput. Sci. 38 (1985) 293 (furthest first); Schmalstieg et al., J. Power Sources 257
    (2014) 325, and Attia et al., J. Electrochem. Soc. 169 (2022) 060517 (powers of age).
    """
    shapes = curve_shapes(measured, eol_soh_pct)
    chosen, share = _representatives(shapes)
    power = np.exp(-0.5 * (np.log(np.array(POWERS) / USUAL_POWER) / POWER_STD) ** 2)
    powers = np.array([100.0 - (100.0 - eol_soh_pct) * _FINE**exponent for exponent in POWERS])
    measured_share = 1.0 - POWER_SHARE if len(chosen) else 0.0
    curves = np.concatenate([shapes[chosen], powers])
    weight = np.concatenate([measured_share * share, (1.0 - measured_share) * power / power.sum()])
    at = np.linspace(0.0, 1.0, AGES)[:, None] / (1.0 + np.exp(LOG_RATIOS))
    level = np.stack([np.interp(at, _FINE, curve) for curve in curves], axis=2)
    return Templates(level.reshape(AGES, -1).astype(np.float32), np.log(weight))


def curve_shapes(curves: FadeCurves, eol_soh_pct: float) -> Floats:
    """Return curves over the share of life, 100 % when new; those that come to the end of life.

    Parameters
    ----------
    curves
        Measured curves.
    eol_soh_pct
        SOH at which life ends, below 100. [%]

    Returns
    -------
    Floats
        Even from new to the end. [%], shape ``(curves, points)``
    """
    reach = np.linspace(0.0, REACH, 2401)
    found = []
    for k, span in enumerate(curves.span_efc):
        level = carried(curves, k, reach * span) - curves.dip_frac[k]
        level = 100.0 * level / level[0]
        below = level <= eol_soh_pct
        if below.any() and not below[0]:
            found.append(np.interp(_FINE, reach / reach[np.argmax(below)], level))
    return np.array(found).reshape(-1, _FINE.size)


def _representatives(shapes: Floats) -> tuple[Ints, Floats]:
    """Numbers of the curves that stand for all, and their shares."""
    if not len(shapes):
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    apart = np.sqrt(((shapes[:, None] - shapes) ** 2).mean(axis=2))
    chosen = [int(apart.sum(axis=1).argmin())]
    while len(chosen) < min(CURVES, len(shapes)):
        chosen.append(int(apart[:, chosen].min(axis=1).argmax()))
    nearest = apart[:, chosen].argmin(axis=1)
    kept, count = np.unique(nearest, return_counts=True)
    return np.array(chosen, dtype=np.int64)[kept], count / len(shapes)
