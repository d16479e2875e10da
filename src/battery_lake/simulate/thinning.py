"""Which samples of a dense recording a device would send: on change, and not more often than it may."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SendOnChange:
    """When a sample is sent.

    Parameters
    ----------
    voltage_v, current_a
        Change since the last sample sent that calls for a new one. [V], [A]
    interval_s
        A sample is sent at the latest after this time. [s]
    below_v
        Every sample under this voltage is sent: where a discharge ends, resolution in time is resolution in
        charge. [V]
    near_full_v
        The samples on both sides of a run's first rise over this voltage are sent: where constant current
        gives way to constant voltage. [V]
    """

    voltage_v: float
    current_a: float
    interval_s: float
    below_v: float
    near_full_v: float


def send_on_change(
    run: NDArray[np.int64], time_s: Floats, voltage_v: Floats, current_a: Floats, rule: SendOnChange
) -> Mask:
    """Choose the samples that a device which sends on change would send.

    The first and the last sample of each run are always sent, and both ends of a step in current, so that the
    trapezoids between the samples sent hold the charge of the whole recording.

    Parameters
    ----------
    run
        Number of the run (a charge, a discharge, a rest) of each sample, shape (n,).
    time_s, voltage_v, current_a
        The recording in order of time, shape (n,). [s], [V], [A]
    rule
        The thresholds.

    Returns
    -------
    ndarray of bool
        True for the samples sent, shape (n,).
    """
    if not len(run):
        return np.zeros(0, dtype=np.bool_)
    keep = _edges(run[1:] != run[:-1])
    keep |= _edges(np.abs(np.diff(current_a)) >= rule.current_a)
    keep |= _edges(_first_rise(run, voltage_v >= rule.near_full_v))
    keep |= voltage_v < rule.below_v
    keep[:1] = keep[-1:] = True
    last_v = last_a = last_s = -np.inf
    samples = zip(keep.tolist(), time_s.tolist(), voltage_v.tolist(), current_a.tolist(), strict=True)
    for index, (forced, at_s, volt, ampere) in enumerate(samples):
        if (
            forced
            or at_s - last_s >= rule.interval_s
            or abs(volt - last_v) >= rule.voltage_v
            or abs(ampere - last_a) >= rule.current_a
        ):
            keep[index] = True
            last_v, last_a, last_s = volt, ampere, at_s
    return keep


def at_intervals(time_s: Floats, changed: Mask, interval_s: float) -> Mask:
    """Choose samples at least an interval apart, and besides them those at which something changed.

    Parameters
    ----------
    time_s
        Instants in order of time, shape (n,). [s]
    changed
        Samples that are sent in any case, shape (n,).
    interval_s
        Least time between two samples otherwise. [s]

    Returns
    -------
    ndarray of bool
        True for the samples sent, shape (n,).
    """
    keep = changed.copy()
    last_s = -np.inf
    for index, at_s in enumerate(time_s.tolist()):
        if keep[index] or at_s - last_s >= interval_s:
            keep[index] = True
            last_s = at_s
    return keep


def _edges(steps: Mask) -> Mask:
    """Mark the samples on both sides of each marked step between samples."""
    marked = np.zeros(len(steps) + 1, dtype=np.bool_)
    marked[:-1] |= steps
    marked[1:] |= steps
    return marked


def _first_rise(run: NDArray[np.int64], over: Mask) -> Mask:
    """Mark the steps between samples at which each run first comes over a limit."""
    rises = np.flatnonzero(over[1:] & ~over[:-1] & (run[1:] == run[:-1]))
    first = np.zeros(len(over) - 1, dtype=np.bool_)
    first[rises[np.unique(run[rises], return_index=True)[1]]] = True
    return first
