"""How a charge runs: constant current, then a taper, within what the cells' upper voltage limit allows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TAIL_CURRENT_FRAC = 0.06
MARGIN_V = 0.01


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge at constant current that tapers linearly with SOC from a knee on.

    Parameters
    ----------
    current_a
        Current until the knee. [A]
    knee_frac
        SOC at which the taper begins. [1]
    usable_ah
        Charge between empty and full. [Ah]
    """

    current_a: float
    knee_frac: float
    usable_ah: float

    @property
    def slope(self) -> float:
        """Loss of current per SOC beyond the knee, of the full current. [1]."""
        return (1.0 - TAIL_CURRENT_FRAC) / (1.0 - self.knee_frac)

    def duration_s(self, start_frac: float, end_frac: float) -> float:
        """Return how long a charge between two SOCs lasts. [s]."""
        hours = max(min(self.knee_frac, end_frac) - start_frac, 0.0)
        above = max(start_frac, self.knee_frac)
        if end_frac > above:
            left = (1.0 - self.slope * (end_frac - self.knee_frac)) / (
                1.0 - self.slope * (above - self.knee_frac)
            )
            hours -= math.log(left) / self.slope
        return 3600.0 * hours * self.usable_ah / self.current_a


@dataclass(frozen=True, slots=True)
class VoltageLimit:
    """What the upper voltage limit of a pack's cells lets a charger do on each day.

    Parameters
    ----------
    soc_frac, ocv_v
        OCV of the new cell, rising, shape (points,). [1], [V]
    high_v
        The upper limit. [V]
    ohm
        Resistance of the most resistive cell under lasting current, shape (days,). [Ω]
    stretch
        Capacity of the largest cell over the pack's usable charge, shape (days,). [1]
    """

    soc_frac: Floats
    ocv_v: Floats
    high_v: float
    ohm: Floats
    stretch: Floats

    def knee_frac(self, current_a: float, day: int) -> float:
        """Return the pack's SOC at which a current first lifts a cell to the limit. [1]."""
        cell = np.interp(self.high_v - MARGIN_V - current_a * self.ohm[day], self.ocv_v, self.soc_frac)
        return float(np.clip(1.0 - (1.0 - cell) * self.stretch[day], 0.1, 0.99))

    def current_a(self, soc_frac: float, day: int) -> float:
        """Return the current that lifts a cell to the limit at a SOC of the pack. [A]."""
        cell = 1.0 - (1.0 - soc_frac) / float(self.stretch[day])
        room_v = self.high_v - MARGIN_V - float(np.interp(cell, self.soc_frac, self.ocv_v))
        return room_v / float(self.ohm[day])
