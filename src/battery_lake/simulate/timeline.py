"""When a vehicle reports, and what its pack carries then: from planned events to a series of samples.

Between two samples the pack's current runs linearly, so that the charge between them is exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from battery_lake.simulate.charging import TAIL_CURRENT_FRAC
from battery_lake.simulate.driving import AC_CHARGE, DC_CHARGE, DRIVE, Events

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

RAMP_S = 10.0
RECUPERATES_BELOW = -1.6
AFTER_EVENT_S = (60.0, 600.0, 2400.0)
PARKED = 3
STATES = np.array(["driving", "charging", "charging", "parked"], dtype=object)
START, RUN, END, AFTER, HEARTBEAT = range(5)


@dataclass(frozen=True, slots=True)
class Reporting:
    """How often vehicles report.

    Parameters
    ----------
    drive_interval_s, ac_interval_s, dc_interval_s
        Between messages while driving and charging. [s]
    heartbeat_s
        Between messages of a car that sleeps. [s]
    """

    drive_interval_s: float = 540.0
    ac_interval_s: float = 900.0
    dc_interval_s: float = 120.0
    heartbeat_s: float = 8.0 * 3600.0


@dataclass(frozen=True, slots=True)
class Timeline:
    """A pack's samples in order of time, each of shape (samples,).

    Parameters
    ----------
    at_s
        Since the simulation's midnight. [s]
    event
        Index of the drive or charge that the sample belongs to or follows.
    state
        Index into STATES.
    current_a
        True current, charge positive; linear between samples. [A]
    depth_ah
        Charge below full. [Ah]
    """

    at_s: Floats
    event: Ints
    state: Ints
    current_a: Floats
    depth_ah: Floats


def timeline(events: Events, reporting: Reporting, span_s: float, rng: np.random.Generator) -> Timeline:
    """Place the samples of all events and of the rests between them.

    Parameters
    ----------
    events
        Planned drives and charges, in order.
    reporting
        How often the vehicle reports.
    span_s
        Length of the simulation; later samples are cut off. [s]
    rng
        Draws the unevenness of driving.

    Returns
    -------
    Timeline
        A sample at rest opens each event, one closes it, then the pack relaxes and the car sleeps.
    """
    at, event, role = _instants(events, reporting, span_s)
    order = np.lexsort((role, at))
    at, event, role = at[order], event[order], role[order]
    kind = events.kind[event]
    current = np.where(kind == DRIVE, _drive_shape(role, rng), _charge_current(events, event, at))
    current[(role == START) | (role >= AFTER) | ((role == END) & (kind == DRIVE))] = 0.0
    state = np.where((role >= AFTER) | ((role == START) & (kind != DRIVE)), PARKED, kind)
    charge = np.zeros(len(at))
    # The interval before a sample; those before an event's first sample carry nothing.
    charge[1:] = 0.5 * (current[1:] + current[:-1]) * np.diff(at) / 3600.0
    moved = np.bincount(event, charge, len(events.start_s))
    planned = events.start_depth_ah - events.end_depth_ah
    scale = np.divide(planned, moved, out=np.zeros_like(planned), where=moved != 0.0)
    depth = events.start_depth_ah[0] - np.cumsum(charge * scale[event])
    keep = at < span_s
    return Timeline(at[keep], event[keep], state[keep], (current * scale[event])[keep], depth[keep])


def _instants(events: Events, reporting: Reporting, span_s: float) -> tuple[Floats, Ints, Ints]:
    """Instants of all samples with their event and role, unordered."""
    index = np.arange(len(events.start_s))
    charging = events.kind != DRIVE
    lead = np.where(charging, RAMP_S, 0.0)
    interval = np.array([0.0, 0.0, 0.0])
    interval[[DRIVE, AC_CHARGE, DC_CHARGE]] = (
        reporting.drive_interval_s,
        reporting.ac_interval_s,
        reporting.dc_interval_s,
    )
    length = events.end_s - events.start_s - lead
    parts = np.maximum(np.rint(length / interval[events.kind]).astype(np.int64), 2)
    run, step = _repeat(index, parts - 1)
    run_at = events.start_s[run] + lead[run] + (step + 1.0) * (length / parts)[run]
    off = events.end_s + lead
    rest_s = np.append(events.start_s[1:], span_s) - off
    beat, count = _repeat(index, np.maximum(rest_s // reporting.heartbeat_s, 0.0).astype(np.int64))
    groups: list[tuple[Floats, Ints, int]] = [
        (events.start_s, index, START),
        ((events.start_s + RAMP_S)[charging], index[charging], RUN),
        (run_at, run, RUN),
        (events.end_s, index, END),
        (off[charging], index[charging], AFTER),
        (off[beat] + (count + 1.0) * reporting.heartbeat_s, beat, HEARTBEAT),
    ]
    for after_s in AFTER_EVENT_S:
        fits = index[rest_s > after_s + RAMP_S]
        groups.append((off[fits] + after_s, fits, AFTER))
    groups[5] = _apart(groups[5], off, rest_s)
    at = np.concatenate([group[0] for group in groups])
    event = np.concatenate([group[1] for group in groups])
    role = np.concatenate([np.full(len(group[1]), group[2]) for group in groups])
    return at, event, role


def _apart(beats: tuple[Floats, Ints, int], off: Floats, rest_s: Floats) -> tuple[Floats, Ints, int]:
    """Heartbeats that do not meet the next event's first sample."""
    at, event, role = beats
    keep = at - off[event] < rest_s[event] - RAMP_S
    return at[keep], event[keep], role


def _repeat(index: Ints, count: Ints) -> tuple[Ints, Ints]:
    """Each index count times, with its running number from 0."""
    repeated = np.repeat(index, count)
    first = np.cumsum(count) - count
    return repeated, np.arange(len(repeated)) - np.repeat(first, count)


def _drive_shape(role: Ints, rng: np.random.Generator) -> Floats:
    """Uneven discharge with some recuperation; only the shape, the planned charge sets the size."""
    draw = rng.normal(0.0, 1.0, len(role))
    shape = -np.clip(1.0 + 0.45 * draw, 0.4, 3.0)
    # Two recuperating samples are never neighbours, so that no drive charges the pack.
    regen = draw < RECUPERATES_BELOW
    regen[1:] &= (role[1:] == RUN) & (role[:-1] == RUN) & ~regen[:-1]
    regen[:-1] &= role[1:] == RUN
    return np.where(regen, 0.3, shape)


def _charge_current(events: Events, event: Ints, at: Floats) -> Floats:
    """Current of a charge: constant until the knee, then falling exponentially, which is linear in SOC."""
    usable, knee, full = events.usable_ah[event], events.knee_frac[event], events.current_a[event]
    start = 1.0 - events.start_depth_ah[event] / usable
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = np.where(knee < 1.0, (1.0 - TAIL_CURRENT_FRAC) / (1.0 - knee), 0.0)
        hours = (at - events.start_s[event]) / 3600.0
        reach = np.where(full > 0.0, np.maximum(knee - start, 0.0) * usable / full, 0.0)
        first = 1.0 - slope * np.maximum(start - knee, 0.0)
        decay = np.exp(-np.maximum(hours - reach, 0.0) * slope * full / usable)
    return np.where(hours < reach, full, full * first * decay)
