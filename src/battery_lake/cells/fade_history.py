"""Histories of health up to now in a form without a unit of time: levels over relative age, and features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.metrics import MAD_TO_STD

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats

BINS: Final = 40
"""A history is reduced to so many levels over its age so far."""

AGES: Final[Floats] = (np.arange(BINS) + 0.5) / BINS
"""Middles of the bins: age over age now. [1]"""

MIN_POINTS: Final = 4
"""With fewer points a history says nothing."""

MIN_NOISE_FRAC: Final = 3e-4
MIN_MARGIN_FRAC: Final = 0.002
MIN_SLOPE_OVER_MARGIN: Final = 0.05
MAD_TO_STD_OF_STEPS: Final = MAD_TO_STD / 2.0**0.5

FEATURES: Final = 13
"""Columns of :func:`features`."""


def _line(share: float) -> Floats:
    """Weights on the levels that give end and slope of a straight line through the last share of them."""
    last = max(4, round(share * BINS))
    design = np.stack([np.ones(last), AGES[-last:] - 1.0], axis=1)
    weights = np.zeros((2, BINS))
    weights[:, -last:] = np.linalg.pinv(design)
    return weights


SLOPE_SHARES: Final = (1.0, 0.6, 0.35, 0.2, 0.12)
SLOPES: Final[Floats] = np.stack([_line(share)[1] for share in SLOPE_SHARES])
"""Weights on the levels that give the slopes over the last shares of a history. Shape ``(slopes, bins)``"""

END: Final[Floats] = _line(0.2)[0]
"""Weights on the levels that give the level of now. Shape ``(bins,)``"""


@dataclass(frozen=True, slots=True)
class History:
    """What is known of each cell now.

    Parameters
    ----------
    now_efc
        Age; NaN where too few points are known. [equivalent full cycles, or days], shape ``(cells,)``
    level_frac
        State of health over relative age, see :data:`AGES`. [1], shape ``(cells, bins)``
    noise_frac
        Standard deviation of a single point about the trend. [1], shape ``(cells,)``
    level_std_frac
        Standard deviation of the level of now from the points' own variances. [1], shape ``(cells,)``
    """

    now_efc: Floats
    level_frac: Floats
    noise_frac: Floats
    level_std_frac: Floats

    def __getitem__(self, rows: Bools | slice) -> History:
        """Return some of the cells."""
        return History(
            self.now_efc[rows], self.level_frac[rows], self.noise_frac[rows], self.level_std_frac[rows]
        )


def history_of(age_efc: Floats, soh_frac: Floats, variance_frac2: Floats | None = None) -> History:
    """Reduce irregular, noisy histories to levels over relative age, from the points given and no later ones.

    A running median of five points takes out single outliers; then the points of each bin are averaged,
    weighted by inverse variance. The variances are taken as those of a filter, whose errors last: averaging
    does not shrink the uncertainty of the level.

    Parameters
    ----------
    age_efc
        Ages of the points since the cell was new, never falling along a row; NaN: no point. [equivalent full
        cycles, or days], shape ``(cells, points)``
    soh_frac
        State of health; NaN: no point. [1], shape ``(cells, points)``
    variance_frac2
        Variances of the points. None: nothing but scatter about the trend, which is measured. [1],
        shape ``(cells, points)``

    References
    ----------
    Tukey, Exploratory Data Analysis (1977): running medians.

    Examples
    --------
    >>> import numpy as np
    >>> history = history_of(np.arange(101.0)[None], 1.0 - 0.001 * np.arange(101.0)[None])
    >>> float(history.now_efc[0]), (END @ history.level_frac[0]).round(3)
    (100.0, np.float64(0.9))
    """
    age, soh, variance, count = _packed(age_efc, soh_frac, variance_frac2)
    cells, points = age.shape
    enough = count >= MIN_POINTS
    if points == 0:
        nothing = np.full(cells, np.nan)
        return History(nothing, np.full((cells, BINS), np.nan), nothing, nothing)
    last = np.maximum(count - 1, 0)
    now = np.where(enough, age[np.arange(cells), last], np.nan)
    enough &= now > 0.0
    known = (np.arange(points) < count[:, None]) & enough[:, None]
    place = np.where(known, age / np.where(enough, now, 1.0)[:, None], 0.0)
    bins = np.clip((place * BINS).astype(np.int64), 0, BINS - 1)
    weight = np.where(known, 1.0 / (variance + MIN_NOISE_FRAC**2), 0.0)
    where = (np.arange(cells)[:, None] * BINS + bins).ravel()

    def total(values: Floats) -> Floats:
        summed = np.bincount(where, values.ravel(), cells * BINS)
        return np.asarray(summed.reshape(cells, BINS), dtype=np.float64)

    sums = total(weight)
    safe = np.where(sums > 0.0, sums, 1.0)
    level, at = total(weight * _median_of_five(soh)) / safe, total(weight * place) / safe
    recent = weight * (place > 1.0 - 0.2)
    return History(
        now_efc=np.where(enough, now, np.nan),
        level_frac=_filled(at, level, sums > 0.0, enough),
        noise_frac=np.where(enough, _scatter(soh, known), np.nan),
        level_std_frac=np.where(
            enough,
            np.sqrt((recent * variance).sum(axis=1) / np.maximum(recent.sum(axis=1), 1e-12)),
            np.nan,
        ),
    )


def features(history: History, eol_frac: float) -> Floats:
    """Return what tells how far a life has gone, none of it with a unit of time.

    Logarithms of margin over slope for five spans of the history; margin, share of the fade already spent
    now and at three ages before, level at first and at best, noise.

    Parameters
    ----------
    history
        What is known of each cell.
    eol_frac
        State of health at which life ends. [1]

    Returns
    -------
    Floats
        Shape ``(cells, features)``; not finite where the history is not known.
    """
    level = history.level_frac
    now = level @ END
    margin = np.maximum(now - eol_frac, MIN_MARGIN_FRAC)
    slope = np.maximum(-(level @ SLOPES.T) / margin[:, None], MIN_SLOPE_OVER_MARGIN)
    peak = level.max(axis=1)
    span = np.maximum(peak - eol_frac, 0.01)
    quarters = np.stack([level[:, k : k + 2].mean(axis=1) for k in (9, 19, 29)], axis=1)
    return np.column_stack([
        -np.log(slope),
        np.log(margin),
        (peak - now) / span,
        level[:, :3].mean(axis=1) - eol_frac,
        peak - eol_frac,
        (quarters - now[:, None]) / span[:, None],
        np.log(history.noise_frac),
    ])


def _packed(
    age_efc: Floats, soh_frac: Floats, variance_frac2: Floats | None
) -> tuple[Floats, Floats, Floats, Floats]:
    """Move each cell's points to the left, and fill what is left over with its last one."""
    age, soh = np.asarray(age_efc, dtype=np.float64), np.asarray(soh_frac, dtype=np.float64)
    variance = np.zeros(age.shape) if variance_frac2 is None else np.asarray(variance_frac2, dtype=np.float64)
    good = np.isfinite(age) & np.isfinite(soh) & np.isfinite(variance) & (variance >= 0.0)
    count = good.sum(axis=1)
    order = np.argsort(~good, axis=1, kind="stable")
    place = np.minimum(np.arange(age.shape[1]), np.maximum(count - 1, 0)[:, None])
    order = np.take_along_axis(order, place, axis=1)
    empty = (count == 0)[:, None]
    age, soh, variance = (
        np.where(empty, 0.0, np.take_along_axis(values, order, axis=1)) for values in (age, soh, variance)
    )
    return age, soh, variance, count


def _median_of_five(values: Floats) -> Floats:
    """Running median over five neighbours along a row, the ends repeated."""
    padded = np.pad(values, ((0, 0), (2, 2)), mode="edge")
    width = values.shape[1]
    a, b, c, d, e = (padded[:, k : k + width] for k in range(5))
    low = np.maximum(np.minimum(a, b), np.minimum(c, d))
    high = np.minimum(np.maximum(a, b), np.maximum(c, d))
    return np.asarray(np.maximum(np.minimum(low, high), np.minimum(np.maximum(low, high), e)))


def _scatter(soh: Floats, known: Bools) -> Floats:
    """Robust standard deviation of a point from the steps between neighbours."""
    step = np.where(known[:, 1:] & known[:, :-1], np.diff(soh, axis=1), np.nan)
    found = np.full(len(soh), MIN_NOISE_FRAC)
    some = np.isfinite(step).any(axis=1)
    if some.any():
        middle = np.nanmedian(step[some], axis=1, keepdims=True)
        found[some] = MAD_TO_STD_OF_STEPS * np.nanmedian(np.abs(step[some] - middle), axis=1)
    return np.asarray(np.maximum(found, MIN_NOISE_FRAC))


def _filled(at: Floats, level: Floats, has: Bools, enough: Bools) -> Floats:
    """Levels at the middles of all bins, straight between those that hold points."""
    found = np.full(level.shape, np.nan)
    for cell in np.flatnonzero(enough):
        good = has[cell]
        found[cell] = np.interp(AGES, at[cell, good], level[cell, good])
    return found
