"""Cut the samples of many packs into rests, charges and drives, by rules that look a minute around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Codes, Floats, Ints

KINDS: Final = ("rest", "charge", "drive")
"""Names of the kinds of session; a kind's code is its place here."""

REST: Final = 0
CHARGE: Final = 1
DRIVE: Final = 2

TICKS_PER_S: Final = 1_000_000
"""Times are compared as whole microseconds, so that no rounding depends on what else is in the block."""


@dataclass(frozen=True, slots=True)
class SessionParams:
    """Where one session ends and the next begins.

    Parameters
    ----------
    window_s
        A sample's kind is judged from the samples this far before and after it. [s]
    gap_s
        A longer silence ends a session, and its charge is not counted. [s]
    sparse_s
        A longer interval within a session is integrated, but reported as badly sampled. [s]
    rest_c_rate
        Below this current over rated capacity the pack rests. [1/h]
    """

    window_s: float = 60.0
    gap_s: float = 900.0
    sparse_s: float = 300.0
    rest_c_rate: float = 0.02


def cut(
    seconds: Floats,
    current_a: Floats,
    pack_index: Ints,
    rest_current_a: Floats | float,
    is_driving_state: Bools,
    params: SessionParams,
) -> tuple[Bools, Codes]:
    """Where sessions start, and what kind each sample belongs to.

    A sample belongs to a drive if within ``window_s`` on either side the pack discharges, or moves any
    current while it says that it drives; so recuperation stays in its drive. It belongs to a charge if
    within the window another current goes in that is not a drive's. Else it rests. A missing current says
    nothing. A session starts where the pack or the kind changes, or after a gap. No sample more than two
    windows away has a say in a kind, so that late data changes nearby sessions only; and a series cut at a
    session's start gives the same sessions.

    Parameters
    ----------
    seconds
        Times of the samples, sorted by pack, then time. [s], shape ``(samples,)``
    current_a
        Current, charge positive; NaN where missing. [A], shape ``(samples,)``
    pack_index
        A number for each pack. Shape ``(samples,)``
    rest_current_a
        Current up to which a pack rests: ``rest_c_rate`` times its rated capacity. [A], scalar or
        shape ``(samples,)``
    is_driving_state
        True where the device says that it drives. Shape ``(samples,)``
    params
        Where one session ends and the next begins.

    Returns
    -------
    Bools
        True at the first sample of each session. Shape ``(samples,)``
    Codes
        Place in :data:`KINDS`. Shape ``(samples,)``
    """
    ticks = np.rint(np.asarray(seconds, dtype=np.float64) * TICKS_PER_S).astype(np.int64)
    new_pack = np.diff(pack_index, prepend=np.asarray(pack_index)[:1]) != 0
    new_pack[:1] = True
    first, past = _windows(ticks, new_pack, round(params.window_s * TICKS_PER_S))
    goes_out = np.asarray(current_a) < -np.asarray(rest_current_a)
    goes_in = np.asarray(current_a) > np.asarray(rest_current_a)
    drives = _any_in(goes_out | (goes_in & is_driving_state), first, past)
    charges = _any_in(goes_in & ~drives, first, past) & ~drives
    kind = np.where(drives, DRIVE, np.where(charges, CHARGE, REST)).astype(np.int8)

    silence = np.diff(ticks, prepend=ticks[:1]) > round(params.gap_s * TICKS_PER_S)
    return new_pack | silence | (np.diff(kind, prepend=kind[:1]) != 0), kind


def _windows(ticks: Ints, new_pack: Bools, window: int) -> tuple[Ints, Ints]:
    """First sample and the one past the last within the window around each sample, within its pack."""
    # One clock for all packs: each pack, and what follows a long silence, starts just out of reach.
    steps = np.minimum(np.diff(ticks, prepend=ticks[:1]), window + 1)
    clock = np.cumsum(np.where(new_pack, window + 1, steps))
    return np.searchsorted(clock, clock - window, "left"), np.searchsorted(clock, clock + window, "right")


def _any_in(true: Bools, first: Ints, past: Ints) -> Bools:
    """Whether any sample from ``first`` up to ``past`` is true."""
    count = np.concatenate([[0], np.cumsum(true)])
    return count[past] > count[first]
