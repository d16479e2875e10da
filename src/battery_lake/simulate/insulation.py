"""Insulation of a pack against its chassis: damp from day to day, a coolant leak, and what a monitor reads.

The leak is a path beside the sound insulation whose conductance grows as coolant creeps along it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from battery_lake.simulate.driving import DAY_S
from battery_lake.simulate.pack import scan
from battery_lake.simulate.timeline import PARKED, STATES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SOUND_KOHM = 6_000.0
HIGHEST_KOHM = 10_000.0
READING_NOISE = 0.04
DISTURBED_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Leak:
    """A coolant leak.

    Parameters
    ----------
    half_day
        Day, from 0, on which the path has half of its last conductance. [d]
    creep_days
        How slowly it creeps. [d]
    last_ohm_per_v
        Resistance of the path in the end, over the pack's highest voltage. [Ω/V]
    """

    half_day: float
    creep_days: float
    last_ohm_per_v: float


def draw_leak(rng: np.random.Generator, half_day: float) -> Leak:
    """Draw a leak that ends well below what a bus joined to AC must have.

    Parameters
    ----------
    rng
        The leak's own generator.
    half_day
        See :class:`Leak`. [d]
    """
    return Leak(half_day, float(rng.uniform(1.0, 6.0)), float(rng.uniform(20.0, 250.0)))


def true_kohm(at_s: Floats, damp: Floats, working_voltage_v: float, leak: Leak | None) -> Floats:
    """Insulation resistance as it is. [kΩ], shape of ``at_s``.

    Parameters
    ----------
    at_s
        Instants since the simulation's midnight. [s]
    damp
        Conductance of each day over the usual one, shape (days,). [1]
    working_voltage_v
        Highest voltage of the pack. [V]
    leak
        None: there is none.
    """
    day = np.minimum((at_s // DAY_S).astype(np.int64), damp.size - 1)
    conductance = damp[day] / SOUND_KOHM
    if leak is not None:
        crept = 1.0 / (1.0 + np.exp(-(at_s / DAY_S - leak.half_day) / leak.creep_days))
        conductance = conductance + 1000.0 * crept / (leak.last_ohm_per_v * working_voltage_v)
    return np.asarray(1.0 / conductance)


def draw_damp(rng: np.random.Generator, days: int) -> Floats:
    """Draw how damp the days are: weather that stays for days. [1], shape (days,)."""
    return np.exp(scan(np.full(days, 0.8), rng.normal(0.0, 0.25, days)))


def monitored_kohm(rng: np.random.Generator, resistance_kohm: Floats, state: NDArray[np.object_]) -> Floats:
    """What the insulation monitor reads: noisy, up to its highest value, disturbed when contactors close.

    Parameters
    ----------
    rng
        The monitor's own generator.
    resistance_kohm
        What is true. [kΩ], shape (n,)
    state
        What the vehicle does: a drive or a charge begins with contactors that close. Shape (n,)
    """
    count = resistance_kohm.size
    reading = resistance_kohm * np.exp(rng.normal(0.0, READING_NOISE, count))
    closes = (state != STATES[PARKED]) & np.append(True, state[1:] != state[:-1])
    disturbed = closes & (rng.random(count) < DISTURBED_SHARE)
    reading *= np.where(disturbed, rng.uniform(0.005, 0.2, count), 1.0)
    return np.rint(np.minimum(reading, HIGHEST_KOHM))
