"""The step of the current from rest with which a session begins, and what every cell made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.resistance import StepParams, find_steps

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats, Ints

STEP_C_RATE: Final = 0.1
"""Smallest step that counts, over rated capacity: about 8 mV of a cell. [1/h]"""

VOLTAGE_STD_V: Final = 0.002
"""Noise of one reading of a vehicle's cell voltage, which resolves 1 to 5 mV. [V]"""

MAX_INTERVAL_S: Final = 20.0
"""Longest time between the two samples of a step. [s]"""

STEP: Final = StepParams(min_step_a=0.0, max_interval_s=MAX_INTERVAL_S, voltage_std_v=VOLTAGE_STD_V)
"""How well a step is measured; its size is asked for by rated capacity instead."""


PULSE_S: Final = 10.0
"""Length of the pulse that resistances are compared at. [s]"""

PULSE_GROWTH_FRAC: Final = 0.2
"""Growth of the resistance while a pulse gets ten times longer, over that at 10 s: median of 56 drives of a
60 Ah NMC pack at 1 Hz, 0.5 to 30 s (Steinstraeter et al., Battery and heating data in real driving cycles,
IEEE DataPort, 2020). [1]"""

SHORTEST_STEP_S: Final = 0.1
"""Shorter steps are carried over as if they took so long. [s]"""


@dataclass(frozen=True, slots=True, eq=False)
class FirstSteps:
    """The first step of each session; NaN where a session does not begin with one from rest.

    Parameters
    ----------
    before, after
        Samples on either side of it; 0 where there is none. Shape ``(sessions,)``
    step_a
        Change of the current, charge positive. [A], shape ``(sessions,)``
    step_s
        Time between the two samples. [s], shape ``(sessions,)``
    resistance_ohm, variance_ohm2
        What each cell shows, and its variance. [Ω, Ω²], shape ``(sessions, cells)``
    """

    before: Ints
    after: Ints
    step_a: Floats
    step_s: Floats
    resistance_ohm: Floats
    variance_ohm2: Floats


def first_steps(
    seconds: Floats,
    current_a: Floats,
    voltages_v: Floats,
    rated_ah: Floats,
    session_start: Bools,
    rest_c_rate: float,
) -> FirstSteps:
    """Find the step from rest that each session begins with.

    A session's first sample with more current than rest counts, if the sample before it is of the same
    session and its current is known. What comes later in a session is no step from rest: the cells are
    polarised by then.

    Parameters
    ----------
    seconds, current_a, voltages_v
        Samples of packs with equally many cells, sorted by pack, then time; NaN where missing.
        [s, A, V], shapes ``(samples,)``, ``(samples,)``, ``(samples, cells)``
    rated_ah
        Rated capacity of the pack. [Ah], shape ``(samples,)``
    session_start
        True at the first sample of each session. Shape ``(samples,)``
    rest_c_rate
        Below this current over rated capacity the pack rests. [1/h]
    """
    first = np.flatnonzero(session_start)
    place, count = np.arange(seconds.size), seconds.size
    stirred = np.where(np.abs(current_a) > rest_c_rate * rated_ah, place, count)
    after = np.minimum.reduceat(stirred, first) if first.size else first
    found = (after < count) & (after > first)
    after = np.where(found, after, 0)
    before = np.where(found, after - 1, 0)
    change_a = current_a[after] - current_a[before]
    found &= np.abs(change_a) >= STEP_C_RATE * rated_ah[after]
    pairs = np.stack([before[found], after[found]], axis=1).reshape(-1)
    opens = np.arange(pairs.size) % 2 == 0
    steps = find_steps(seconds[pairs], current_a[pairs], voltages_v[pairs], opens, STEP)
    session = np.flatnonzero(found)[steps.sample // 2]
    blank, cells = np.full(first.size, np.nan), np.full((first.size, voltages_v.shape[1]), np.nan)
    made = FirstSteps(np.zeros_like(before), np.zeros_like(after), blank, blank.copy(), cells, cells.copy())
    made.before[session], made.after[session] = before[session], after[session]
    made.step_a[session] = change_a[session]
    made.step_s[session] = seconds[after[session]] - seconds[before[session]]
    made.resistance_ohm[session], made.variance_ohm2[session] = steps.resistance_ohm, steps.variance_ohm2
    return made


def as_pulse(resistance_ohm: Floats, variance_ohm2: Floats, step_s: Floats) -> tuple[Floats, Floats]:
    """Carry resistances of steps between two samples to those after a pulse of 10 s.

    The step lies anywhere between the samples, so the second sees it at any age up to their distance; and
    resistance grows with the logarithm of that age.

    Parameters
    ----------
    resistance_ohm, variance_ohm2
        Resistances and their variances. [Ω, Ω²], shapes of all arrays broadcast
    step_s
        Time between the samples; NaN gives NaN. [s]

    Returns
    -------
    Floats
        Resistances after the pulse. [Ω]
    Floats
        Their variances. The growth's own error, which all steps share, is not in them. [Ω²]

    References
    ----------
    Barai et al., Scientific Reports 8 (2018) 21: resistance depends on the time it is measured over.
    """
    # Over all places of the step, the mean of ln(age) lies 1 below ln(distance).
    decades = (np.log(np.maximum(step_s, SHORTEST_STEP_S) / PULSE_S) - 1.0) / np.log(10.0)
    share = 1.0 + PULSE_GROWTH_FRAC * decades
    return np.asarray(resistance_ohm / share), np.asarray(variance_ohm2 / (share * share))
