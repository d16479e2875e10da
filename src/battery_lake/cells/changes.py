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
    """

    estimates_min: int = 8
    candidates: int = 25
    independent_frac: float = 0.5


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
        rows = told[:, enough].any(axis=1)
        chosen = np.ix_(rows, enough)
        other = _filled(disturbance, days)[rows]
        found[:, enough] = _bend(days[rows], values[chosen], std[chosen], told[chosen], other, params)
    return Bend(*found)


def _filled(disturbance: Floats | None, days: Floats) -> Floats:
    """Return the disturbance about its median; what is not known counts as usual."""
    if disturbance is None or not np.isfinite(disturbance).any():
        return np.zeros(days.size)
    return np.nan_to_num(disturbance - np.nanmedian(disturbance))


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
    edge, since = params.estimates_min, days - days[0]
    places = np.unique(
        np.quantile(days[edge - 1 : days.size - edge + 1], np.linspace(0, 1, params.candidates))
    )
    weight = np.where(told, 1.0 / np.where(told, std, 1.0) ** 2, 0.0)
    # About each cell's level: what is left over is a difference of sums, and loses no digits so.
    values = np.where(told, values - _median(values, told), 0.0)
    base = np.stack([np.ones(days.size), since, disturbance])
    beyond = since - (places - days[0])[:, None]
    straight, _, _ = _fits(base, np.zeros((1, days.size)), values, weight)
    # A step shows at once, a bend needs estimates after it.
    steps = np.concatenate([places, days[-edge:-1]])
    stepped, _, _ = _fits(base, (days > steps[:, None]).astype(np.float64), values, weight)
    squares, lines, errors = _fits(base, np.maximum(beyond, 0.0), values, weight)
    # A place needs estimates on either side of it.
    before = (told[None] & (beyond <= 0.0)[:, :, None]).sum(axis=1)
    after = told.sum(axis=0) - before
    squares = np.where((before >= edge) & (after >= edge - 1), squares, np.inf)
    best, cells = np.argmin(squares, axis=0), np.arange(values.shape[1])
    least, line = squares[best, cells], lines[best, cells]
    # Scatter beyond what the estimates say of themselves widens everything.
    variance = np.maximum(least / np.maximum(told.sum(axis=0) - 4, 1), 0.1) / params.independent_frac
    gain = 0.5 * (np.minimum(straight[0], stepped.min(axis=0)) - least) / variance
    with np.errstate(invalid="ignore"):
        likelihood = np.exp(-0.5 * (squares - least) / variance)
        share = np.cumsum(likelihood, axis=0) / likelihood.sum(axis=0)
    quantiles = [places[np.minimum((share < q).sum(axis=0), places.size - 1)] for q in (0.05, 0.5, 0.95)]
    change_std = np.sqrt(errors[best, cells] * variance)
    found = np.stack([line[:, 1], line[:, 1] + line[:, 3], change_std, gain, *quantiles])
    return np.where(np.isfinite(least), found, np.nan)


def _fits(base: Floats, other: Floats, values: Floats, weight: Floats) -> tuple[Floats, Floats, Floats]:
    """Weighted least squares of every design and cell; the disturbance's effect is held to its own deviation.

    Parameters
    ----------
    base
        Level, time and disturbance, of all designs. Shape ``(3, days)``
    other
        The term that the designs differ by. Shape ``(designs, days)``
    values, weight
        Estimates, and one over their variance, 0: none. Shape ``(days, cells)``

    Returns
    -------
    tuple[Floats, Floats, Floats]
        Weighted squares, shape ``(designs, cells)``; coefficients, ``(designs, cells, 4)``; variance of the
        last one, ``(designs, cells)``.
    """
    terms, shape = len(base), (len(other), weight.shape[1])
    normal, right = np.empty((*shape, terms + 1, terms + 1)), np.empty((*shape, terms + 1))
    normal[..., :terms, :terms] = np.moveaxis((base[:, None] * base) @ weight, -1, 0)
    normal[..., terms, :terms] = np.moveaxis((other[:, None] * base) @ weight, -1, 1)
    normal[..., :terms, terms] = normal[..., terms, :terms]
    normal[..., terms, terms] = (other * other) @ weight
    right[..., :terms] = (base @ (weight * values)).T
    right[..., terms] = other @ (weight * values)
    # Days without spread leave a term open: it is nothing then.
    held = TINY * (1.0 + np.einsum("pcii->pci", normal))
    held[..., DISTURBANCE] += 1.0
    inverse = np.linalg.inv(normal + np.eye(terms + 1) * held[..., None])
    line = (inverse @ right[..., None])[..., 0]
    squares = (weight * values * values).sum(axis=0) - (right * line).sum(axis=-1)
    return np.maximum(squares, 0.0), line, inverse[..., -1, -1]
