"""Changes in a series of daily estimates: a step, and a bend. Many cells at once, one column a cell.

Estimates may follow something else than age: capacity and resistance follow temperature. It is given as a
disturbance, in units of the standard deviation of its effect: a change that goes with it is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.metrics import MAD_TO_STD

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats, Ints

TINY: Final = 1e-12
"""No scatter, and no sum of squares, is less."""

DISTURBANCE: Final = 2
"""Place of the disturbance among the terms of a line."""


@dataclass(frozen=True, slots=True)
class StepParams:
    """What a step is measured by.

    Parameters
    ----------
    after
        Estimates at the end of the series that are told apart from those before: their median moves with
        the third that does, so that one or two outliers make no step.
    before_min, before_max
        Estimates before that are needed, and that are looked at.
    near
        Estimates right before: what differs from them too came at once.
    """

    after: int = 5
    before_min: int = 8
    before_max: int = 30
    near: int = 5


@dataclass(frozen=True, slots=True)
class Step:
    """What the last estimates of each cell differ by from the line through those before.

    Parameters
    ----------
    step
        Difference; NaN where the estimates are too few. Unit of the series, shape ``(cells,)``
    std
        Its standard deviation: scatter of the estimates, of the line, and what the disturbance may have done.
        Same shape
    near
        Difference from the median of those right before alone: small where a line has bent. Same shape
    before
        Estimates that the line goes through. Shape ``(cells,)``
    """

    step: Floats
    std: Floats
    near: Floats
    before: Ints


@dataclass(frozen=True, slots=True)
class BendParams:
    """What a bend is looked for with.

    Parameters
    ----------
    estimates_min
        Estimates on either side of it.
    candidates
        Days that are tried as its place.
    independent_frac
        Estimates that count as independent, over all. [1]
    gain_min
        A smaller gain over the straight line is not held against a step too: it is of no use anyway.
    """

    estimates_min: int = 8
    candidates: int = 25
    independent_frac: float = 0.5
    gain_min: float = 0.0


@dataclass(frozen=True, slots=True)
class Bend:
    """A line with one bend in each cell's series, against a straight one.

    Parameters
    ----------
    before, after
        Slopes before and after; NaN where the estimates are too few. Unit of the series a day,
        shape ``(cells,)``, as all others
    change_std
        Standard deviation of the change of slope, at the best place.
    gain
        Log likelihood ratio of the bent line to the straight one, or to one with a step if that is better.
    day_p05, day_p50, day_p95
        Where it is: quantiles over the places tried, by likelihood. [d]
    """

    before: Floats
    after: Floats
    change_std: Floats
    gain: Floats
    day_p05: Floats
    day_p50: Floats
    day_p95: Floats


def step_change(
    days: Floats,
    values: Floats,
    std: Floats,
    params: StepParams = StepParams(),
    disturbance: Floats | None = None,
    since_days: Floats | None = None,
) -> Step:
    """Compare the last estimates of each cell with the line through those before.

    The median of the last ones stands for them, so that a single outlier makes no step. A step that was found
    before is followed: the last estimates are compared with where the line stood then.

    Parameters
    ----------
    days
        Days of the estimates, rising. [d], shape ``(days,)``
    values, std
        Estimates and their standard deviations; NaN: none. Shape ``(days, cells)``
    params
        What a step is measured by.
    disturbance
        What the estimates may follow besides, over the standard deviation of its effect; NaN: not known.
        Unit of the series, shape ``(days,)``
    since_days
        Day whose estimate made a step known; NaN, or None for all: look for a new one. [d],
        shape ``(cells,)``

    References
    ----------
    Basseville and Nikiforov, Detection of Abrupt Changes (1993), ch. 2: comparison of two windows;
    Huber, Ann. Math. Statist. 35 (1964) 73: the weights of the line.
    """
    days, values, std = (np.asarray(array, dtype=np.float64) for array in (days, values, std))
    since = np.full(values.shape[1], np.nan) if since_days is None else since_days
    told = np.isfinite(values) & np.isfinite(std)
    place = np.cumsum(told, axis=0)  # of an estimate among its cell's, from 1
    last = place[-1] if days.size else np.zeros(values.shape[1], dtype=np.int64)
    new = told & (place > last - params.after)
    known = np.isfinite(since)
    earlier = np.sum(told & (days[:, None] < since), axis=0) - (params.after - 1)
    end = np.maximum(np.where(known, earlier, last - params.after), 0)
    old = told & (place <= end) & (place > end - params.before_max)
    right_before = old & (place > end - params.near)
    near = _median(values, new) - _median(values, right_before)
    shift, error = _step(days, values, std, (old, new), since, _filled(disturbance, days))
    enough = old.sum(axis=0) >= params.before_min
    shift, error, near = (np.where(enough, part, np.nan) for part in (shift, error, near))
    return Step(shift, error, near, old.sum(axis=0))


def bend(
    days: Floats,
    values: Floats,
    std: Floats,
    params: BendParams = BendParams(),
    disturbance: Floats | None = None,
) -> Bend:
    """Fit a line with one bend to each cell's series, a straight one, and one with a step.

    Parameters
    ----------
    days
        Days of the estimates, rising. [d], shape ``(days,)``
    values, std
        Estimates and their standard deviations; NaN: none. Shape ``(days, cells)``
    params
        What it is looked for with.
    disturbance
        What the estimates may follow besides, over the standard deviation of its effect; NaN: not known.
        Unit of the series, shape ``(days,)``

    References
    ----------
    Fermín-Cueto et al., Energy and AI 1 (2020) 100006: the Bacon-Watts model of knees;
    Attia et al., J. Electrochem. Soc. 169 (2022) 060517: knees in battery ageing.
    """
    days, values, std = (np.asarray(array, dtype=np.float64) for array in (days, values, std))
    told = np.isfinite(values) & np.isfinite(std) & (std > 0.0)
    enough = told.sum(axis=0) >= 2 * params.estimates_min
    found = np.full((7, values.shape[1]), np.nan)
    if enough.any():
        other = _filled(disturbance, days)
        if not enough.all():
            values, std, told = values[:, enough], std[:, enough], told[:, enough]
        found[:, enough] = _bend(days, values, std, told, other, params)
    return Bend(*found)


def _filled(disturbance: Floats | None, days: Floats) -> Floats:
    """Return the disturbance about its median; what is not known counts as usual."""
    if disturbance is None or not np.isfinite(disturbance).any():
        return np.zeros(days.size)
    return np.nan_to_num(disturbance - np.median(disturbance[np.isfinite(disturbance)]))


def _step(
    days: Floats,
    values: Floats,
    std: Floats,
    windows: tuple[Bools, Bools],
    since: Floats,
    disturbance: Floats,
) -> tuple[Floats, Floats]:
    """Step and its standard deviation, of all cells; what has too few estimates is of no meaning."""
    old, new = windows
    used = (old | new).any(axis=1)
    days, values, std, disturbance = days[used], values[used], std[used], disturbance[used]
    old, new = old[used], new[used]
    count = np.maximum(old.sum(axis=0), 1)
    away = np.where(old, days[:, None] - np.where(old, days[:, None], 0.0).sum(axis=0) / count, 0.0)
    level, slope, scale = _robust_line(away, values, _median(std, old), old)
    day = np.where(np.isfinite(since), since, _mean(days[:, None], new))
    at = day - _mean(days[:, None], old)
    shift = _median(values, new) - (level + slope * at)
    squares = (away * away).sum(axis=0)
    spread = 1.0 / count + np.where(squares > 0.0, at * at / np.maximum(squares, TINY), 0.0)
    of_new = np.maximum(_median(std, new), scale)
    each = np.broadcast_to(disturbance[:, None], new.shape)
    moved = _median(each, new) - _mean(each, old)
    # The median of n errs by about sqrt(pi / 2n).
    share = np.pi / (2.0 * np.maximum(new.sum(axis=0), 1))
    return shift, np.sqrt(scale**2 * spread + of_new**2 * share + moved**2)


def _robust_line(away: Floats, values: Floats, std: Floats, old: Bools) -> tuple[Floats, Floats, Floats]:
    """Level, slope and scatter of a line through some estimates; an outlier must not make it."""
    weight = old.astype(np.float64)
    filled = np.where(old, values, 0.0)
    for _ in range(3):
        total = np.maximum(weight.sum(axis=0), TINY)
        centre, middle = (weight * away).sum(axis=0) / total, (weight * filled).sum(axis=0) / total
        along = (weight * (away - centre) ** 2).sum(axis=0)
        across = (weight * (away - centre) * (filled - middle)).sum(axis=0)
        slope = np.where(along > 0.0, across / np.maximum(along, TINY), 0.0)
        level = middle - slope * centre
        rest = np.abs(values - level - slope * away)
        scale = np.maximum(np.maximum(MAD_TO_STD * _median(rest, old), 0.3 * std), TINY)
        weight = np.where(old, np.minimum(1.0, 2.0 * scale / np.maximum(rest, TINY)), 0.0)
    return level, slope, scale


def _mean(values: Floats, chosen: Bools) -> Floats:
    """Mean of the chosen rows of each column, 0 where there is none."""
    total = np.where(chosen, values, 0.0).sum(axis=0)
    return np.asarray(total / np.maximum(chosen.sum(axis=0), 1), dtype=np.float64)


def _median(values: Floats, chosen: Bools) -> Floats:
    """Median of the chosen rows of each column, 0 where there is none."""
    if not values.size:
        return np.zeros(values.shape[1])
    ordered = np.sort(np.where(chosen, values, np.inf), axis=0)
    count, columns = chosen.sum(axis=0), np.arange(values.shape[1])
    low, high = ordered[np.maximum(count - 1, 0) // 2, columns], ordered[count // 2 % len(ordered), columns]
    return np.where(count > 0, 0.5 * (low + high), 0.0)


def _bend(
    days: Floats, values: Floats, std: Floats, told: Bools, disturbance: Floats, params: BendParams
) -> Floats:
    """Return the fields of a :class:`Bend`. Shape ``(7, cells)``."""
    edge, known = params.estimates_min, days[told.any(axis=1)]
    ranks = np.linspace(edge - 1, known.size - edge, params.candidates)
    places = np.unique(np.interp(ranks, np.arange(known.size), known))
    line = _straight(days - days[0], values, std, told, disturbance)
    beyond = np.maximum(days - places[:, None], 0.0)
    squares, change, change_variance, shared = _fits(line, beyond)
    # A place needs estimates on either side of it.
    count = told.sum(axis=0)
    after = (beyond > 0.0).astype(np.float64) @ told.astype(np.float64)
    squares = np.where((count - after >= edge) & (after >= edge - 1), squares, np.inf)
    best = np.argmin(squares, axis=0), np.arange(values.shape[1])
    least, turn = squares[best], change[best]
    before = line.terms[1] - shared[best] * turn
    # Scatter beyond what the estimates say of themselves widens everything.
    variance = np.maximum(least / np.maximum(count - 4, 1), 0.1) / params.independent_frac
    gain = 0.5 * (line.squares - least) / variance
    weighed = np.flatnonzero(gain >= params.gain_min)
    if weighed.size:
        # A step shows at once, a bend needs estimates after it.
        steps = np.concatenate([places, known[-edge:-1]])[:, None]
        stepped, *_ = _fits(line.of(weighed), (days > steps).astype(np.float64))
        straight = np.minimum(line.squares[weighed], stepped.min(axis=0))
        gain[weighed] = 0.5 * (straight - least[weighed]) / variance[weighed]
    with np.errstate(invalid="ignore"):
        likelihood = np.exp(-0.5 * (squares - least) / variance)
        share = np.cumsum(likelihood, axis=0) / likelihood.sum(axis=0)
    quantiles = [places[np.minimum((share < q).sum(axis=0), places.size - 1)] for q in (0.05, 0.5, 0.95)]
    change_std = np.sqrt(change_variance[best] * variance)
    found = np.stack([before, before + turn, change_std, gain, *quantiles])
    return np.where(np.isfinite(least), found, np.nan)


@dataclass(frozen=True, slots=True)
class _Straight:
    """The straight line of each cell: level, time and disturbance.

    Parameters
    ----------
    base
        These three terms. Shape ``(3, days)``
    weight, values
        One over the variance of each estimate, 0: none; weight times estimate. Shape ``(days, cells)``
    inverse
        Of the normal matrix. Shape ``(3, 3, cells)``
    terms
        Coefficients. Shape ``(3, cells)``
    squares
        Weighted squares of what the line leaves. Shape ``(cells,)``
    """

    base: Floats
    weight: Floats
    values: Floats
    inverse: Floats
    terms: Floats
    squares: Floats

    def of(self, cells: Ints) -> _Straight:
        """Return the lines of some cells."""
        parts = (self.weight, self.values, self.inverse, self.terms, self.squares)
        return _Straight(self.base, *(part[..., cells] for part in parts))


def _straight(since: Floats, values: Floats, std: Floats, told: Bools, disturbance: Floats) -> _Straight:
    """Weighted least squares; the disturbance's effect is held to its own deviation."""
    weight = np.where(told, 1.0 / np.where(told, std, 1.0) ** 2, 0.0)
    values = np.where(told, values, 0.0)
    # About each cell's level: what is left over is a difference of sums, and loses no digits so.
    values = np.where(told, values - (weight * values).sum(axis=0) / weight.sum(axis=0), 0.0)
    weighted = weight * values
    base = np.stack([np.ones(since.size), since, disturbance])
    normal = np.moveaxis((base[:, None] * base) @ weight, -1, 0)
    # Days without spread leave a term open: it is nothing then.
    held = TINY * (1.0 + np.einsum("cii->ci", normal))
    held[:, DISTURBANCE] += 1.0
    inverse = np.moveaxis(np.linalg.inv(normal + np.eye(len(base)) * held[..., None]), 0, -1)
    right = base @ weighted
    terms = (inverse * right).sum(axis=1)
    squares = np.maximum((weighted * values).sum(axis=0) - (right * terms).sum(axis=0), 0.0)
    return _Straight(base, weight, weighted, inverse, terms, squares)


def _fits(line: _Straight, others: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Weighted least squares of the line with one more term, of every design and cell.

    The line's own part is the same in all designs and is solved once: its Schur complement is what the
    further term tells beyond it.

    Parameters
    ----------
    line
        The straight line of each cell.
    others
        The term that the designs differ by. Shape ``(designs, days)``

    Returns
    -------
    tuple[Floats, Floats, Floats, Floats]
        Weighted squares; the term's coefficient, and its variance; what of the term the line's slope takes
        up. Shape ``(designs, cells)`` each.
    """
    products = np.concatenate([*(line.base[:, None] * others), others * others])
    *shared, own = (products @ line.weight).reshape(len(line.base) + 1, len(others), -1)
    with_line = np.stack(shared)
    taken = (line.inverse[:, :, None] * with_line).sum(axis=1)
    beyond = np.maximum(own - (with_line * taken).sum(axis=0), 0.0) + TINY * (1.0 + own)
    change = (others @ line.values - (with_line * line.terms[:, None]).sum(axis=0)) / beyond
    squares = np.maximum(line.squares - change * change * beyond, 0.0)
    return squares, change, 1.0 / beyond, taken[1]
