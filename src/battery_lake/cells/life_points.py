"""What was observed over a life, in a few points: bounded, and the same bits however a run was interrupted.

All sums are whole numbers, so that their order plays no part.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from battery_lake.cells.arrays import Floats, Ints

MOST_POINTS: Final = 12
"""A history has so many points at most."""

FIRST_WIDTH_DAYS: Final = 32
"""Length of a point at first; where there are too many it doubles, and neighbours become one. [d]"""

WEIGHT_UNIT_PER_PCT2: Final = 0.001
LOSS_UNIT_PCT: Final = 0.01
MOST_WEIGHT: Final = 100_000
MOST_LOSS: Final = 10_000
DOUBT_STD: Final = 3.0
"""What lies further from the filter's SOH weighs less, in proportion. [standard deviations]"""


@dataclass(frozen=True, slots=True, eq=False)
class LifePoints:
    """Histories of many packs with equally many cells, summed in place; empty points come last.

    Parameters
    ----------
    width_days
        Length of a point; points begin at its multiples, counted from 1970. [d], shape ``(packs,)``
    days
        Days with evidence in each point. [d], shape ``(packs, points)``
    day_sum_days
        Their sum. [d], shape ``(packs, points)``
    weight
        Sum of the inverse variances, in :data:`WEIGHT_UNIT_PER_PCT2`. Shape ``(packs, points, cells)``
    loss
        Sum of these times 100 % less SOH, in :data:`LOSS_UNIT_PCT` of that. Shape ``(packs, points, cells)``
    """

    width_days: Ints
    days: Ints
    day_sum_days: Ints
    weight: Ints
    loss: Ints

    def __getitem__(self, packs: Ints) -> LifePoints:
        """Return copies of some packs' histories."""
        return LifePoints(*(getattr(self, f.name)[packs] for f in fields(self)))

    def put(self, packs: Ints, other: LifePoints) -> None:
        """Write the histories of some packs.

        Parameters
        ----------
        packs
            Their places here.
        other
            As many histories.
        """
        for f in fields(self):
            getattr(self, f.name)[packs] = getattr(other, f.name)


def no_points(packs: int, cells: int) -> LifePoints:
    """Return empty histories.

    Parameters
    ----------
    packs, cells
        How many, and cells of each.
    """
    shape = (packs, MOST_POINTS)
    return LifePoints(
        np.full(packs, FIRST_WIDTH_DAYS, dtype=np.int64),
        np.zeros(shape, dtype=np.int64),
        np.zeros(shape, dtype=np.int64),
        np.zeros((*shape, cells), dtype=np.int64),
        np.zeros((*shape, cells), dtype=np.int64),
    )


def joined(parts: Sequence[LifePoints]) -> LifePoints:
    """Return the histories of all parts, copied.

    Parameters
    ----------
    parts
        One at least, with equally many cells.
    """
    return LifePoints(
        *(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(LifePoints))
    )


def add_day(
    points: LifePoints, day: Floats, soh_pct: Floats, variance_pct2: Floats, expected_pct: Floats
) -> None:
    """Take one day's observations into the histories.

    Parameters
    ----------
    points
        Histories; changed.
    day
        Days since 1970, of each pack not before its last one; NaN: none. [d], shape ``(packs,)``
    soh_pct, variance_pct2
        Observed; NaN: none. [%, %²], shape ``(packs, cells)``
    expected_pct
        SOH by the filter. [%], shape ``(packs, cells)``

    References
    ----------
    Huber, Ann. Math. Statist. 35 (1964) 73 (the weight of outliers).
    """
    packs = np.flatnonzero(np.isfinite(day))
    today = day[packs].astype(np.int64)
    observed, variance = soh_pct[packs], variance_pct2[packs]
    good = np.isfinite(observed) & np.isfinite(variance) & (variance > 0.0)
    safe = np.where(good, variance, 1.0)
    away = np.abs(np.where(good, observed - expected_pct[packs], 0.0)) / np.sqrt(safe)
    precision = 1.0 / (WEIGHT_UNIT_PER_PCT2 * safe * np.maximum(away / DOUBT_STD, 1.0))
    weight = np.where(good, np.clip(np.rint(precision), 1, MOST_WEIGHT), 0).astype(np.int64)
    lost = np.where(good, (100.0 - observed) / LOSS_UNIT_PCT, 0.0)
    place = _places(points, packs, today)
    points.days[packs, place] += 1
    points.day_sum_days[packs, place] += today
    points.weight[packs, place] += weight
    points.loss[packs, place] += weight * np.rint(np.clip(lost, -MOST_LOSS, MOST_LOSS)).astype(np.int64)


def means(points: LifePoints) -> tuple[Floats, Floats, Floats]:
    """Return day, SOH and variance of the points, so many as any pack has; NaN where there is none.

    Parameters
    ----------
    points
        Histories.

    Returns
    -------
    Floats
        Mean day since 1970. [d], shape ``(packs, most)``
    Floats
        SOH. [%], shape ``(packs, most, cells)``
    Floats
        Its variance, by the observations' own. [%²], shape ``(packs, most, cells)``
    """
    most = int((points.days > 0).any(axis=0).sum())
    days, weight = points.days[:, :most], points.weight[:, :most]
    some, told = days > 0, weight > 0
    day = np.where(some, points.day_sum_days[:, :most] / np.where(some, days, 1), np.nan)
    safe = np.where(told, weight, 1)
    soh = np.where(told, 100.0 - LOSS_UNIT_PCT * (points.loss[:, :most] / safe), np.nan)
    return day, soh, np.where(told, 1.0 / (WEIGHT_UNIT_PER_PCT2 * safe), np.nan)


def _places(points: LifePoints, packs: Ints, today: Ints) -> Ints:
    """The point of each pack that its day belongs to; histories that are full make room."""
    place, is_new = _latest(points, packs, today)
    for k in np.flatnonzero(is_new & (place == MOST_POINTS)):
        while is_new[k] and place[k] == MOST_POINTS:
            _halve(points, int(packs[k]))
            own = slice(k, k + 1)
            place[own], is_new[own] = _latest(points, packs[own], today[own])
    return place


def _latest(points: LifePoints, packs: Ints, today: Ints) -> tuple[Ints, Ints]:
    """Number of the point for today, and whether it is a new one."""
    count = (points.days[packs] > 0).sum(axis=1)
    last = np.maximum(count - 1, 0)
    mean = points.day_sum_days[packs, last] // np.maximum(points.days[packs, last], 1)
    width = points.width_days[packs]
    is_new = (count == 0) | (mean // width != today // width)
    return np.where(is_new, count, last), is_new


def _halve(points: LifePoints, pack: int) -> None:
    """Double the length of a pack's points."""
    points.width_days[pack] *= 2
    count = int((points.days[pack] > 0).sum())
    number = points.day_sum_days[pack, :count] // points.days[pack, :count] // points.width_days[pack]
    start = np.flatnonzero(np.diff(number, prepend=number[0] - 1))
    for values in (points.days, points.day_sum_days, points.weight, points.loss):
        summed = np.add.reduceat(values[pack, :count], start, axis=0)
        values[pack] = 0
        values[pack, : start.size] = summed
