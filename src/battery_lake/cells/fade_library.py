"""A library of fade curves: which of them, stretched in time, a history resembles, and what life is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.fade_curves import carried, lives
from battery_lake.cells.fade_history import AGES, BINS, END, SLOPES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from battery_lake.cells.arrays import Bools, Floats, Ints
    from battery_lake.cells.fade_curves import FadeCurves
    from battery_lake.cells.fade_history import History

PLACES: Final[Floats] = 1.0 / (1.0 + np.exp(np.linspace(3.5, -4.2, 52)))
"""Shares of a curve's life at which a history may stand, even in the log of what is left over age. [1]"""

LOG_RATIOS: Final[Floats] = np.linspace(-5.0, 4.5, 476)
"""Grid of the logarithm of remaining life over age."""

CHUNK: Final = 64
KEPT: Final = 800
"""Of the templates so many are followed up, the likeliest."""
SMOOTHING: Final = 0.05
_FINE: Final[Floats] = np.linspace(0.0, 1.6, 801)
_LEVELS: Final[Floats] = np.linspace(-0.30, 0.40, 351)
_SHAPE: Final[Floats] = np.stack([END, *SLOPES[[3, 1, 0]]])
_SHAPE_STD: Final[Floats] = np.array([0.004, 0.05, 0.03, 0.02])


@dataclass(frozen=True, slots=True)
class LibraryParams:
    """How alike a history and a curve must be.

    Parameters
    ----------
    misfit_frac
        Standard deviation of what a curve of the same kind differs in, apart from offset and tilt. [1]
    misfit_growth
        How much the misfit is allowed to grow towards the beginning, as exponent. [1]
    misfit_age
        Over what share of the age misfits go together. [1]
    offset_frac, tilt_frac
        Standard deviations of offset and tilt. [1]
    stretch_std, same_stretch_std
        Standard deviation of the logarithm of the stretch of time, for curves of other conditions and of the
        same; infinite where ages have another unit than the curves. [1]
    same_log_weight
        Logarithm of the weight of a curve of the same condition over others. [1]
    ridge
        Weight against the local correction by level and slopes; 0: none. [1]
    """

    misfit_frac: float = 0.003
    misfit_growth: float = 1.2
    misfit_age: float = 0.6
    offset_frac: float = 0.008
    tilt_frac: float = 0.01
    stretch_std: float = 0.8
    same_stretch_std: float = 0.15
    same_log_weight: float = 3.0
    ridge: float = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """Curves cut at many places of their lives.

    Parameters
    ----------
    template_frac
        The history of each curve at each place, over relative age. [1], shape ``(curves, places, bins)``
    passage
        Time at which a curve first falls to a level, over its life. [1], shape ``(curves, levels)``
    life_efc
        Age at the end of life. [equivalent full cycles], shape ``(curves,)``
    condition
        Of each curve.
    """

    template_frac: Floats
    passage: Floats
    life_efc: Floats
    condition: tuple[str, ...]


def build(curves: FadeCurves, eol_frac: float) -> Library:
    """Cut the curves that come to their end of life at all places.

    Parameters
    ----------
    curves
        The curves.
    eol_frac
        State of health at which life ends. [1]
    """
    life = lives(curves, eol_frac)
    use = np.flatnonzero(np.isfinite(life))
    template = np.empty((use.size, PLACES.size, BINS))
    passage = np.empty((use.size, _LEVELS.size))
    for row, k in enumerate(use):
        value = carried(curves, int(k), _FINE * life[k])
        # Shifted by its dip, so that every template ends at the same level.
        template[row] = np.interp(PLACES[:, None] * AGES, _FINE, value)
        passage[row] = _passage(value - eol_frac - curves.dip_frac[k])
    return Library(template, passage, life[use], tuple(curves.condition[k] for k in use))


def density(
    library: Library,
    history: History,
    condition: Sequence[str],
    params: LibraryParams,
    left_out: Bools | None = None,
) -> Floats:
    """Return how likely each logarithm of remaining life over age is, by all curves at all places.

    A curve may be stretched in time, shifted and tilted; the rest of the misfit is a process that is smaller
    and forgets quickly near now. Around the likely templates, the answer is corrected by a weighted straight
    line in level and slopes.

    Parameters
    ----------
    library
        The curves.
    history
        What is known of each cell, all ages known.
    condition
        Of each cell; empty or unknown to the library: no curve is of the same.
    params
        How alike they must be.
    left_out
        True: the curve is not to be used for this cell. Shape ``(cells, curves)``

    Returns
    -------
    Floats
        Sums to one over :data:`LOG_RATIOS`. Shape ``(cells, ratios)``

    References
    ----------
    Wang et al., Annual Conf. PHM (2008), DOI 10.1109/PHM.2008.4711421 (library of trajectories); Cleveland
    and Devlin, J. Am. Statist. Assoc. 83 (1988) 596, DOI 10.1080/01621459.1988.10478639 (local regression).
    """
    cells = history.now_efc.size
    same = np.array(
        [[bool(one) and one == own for one in library.condition] for own in condition], dtype=bool
    )
    same = same.reshape(cells, len(library.condition))
    out = np.zeros(same.shape, dtype=bool) if left_out is None else left_out
    found = np.empty((cells, LOG_RATIOS.size))
    for first in range(0, cells, CHUNK):
        part = slice(first, first + CHUNK)
        found[part] = _density(library, history[part], same[part], out[part], params)
    return found


def smoothed(histogram: Floats) -> Floats:
    """Return a histogram over :data:`LOG_RATIOS` smoothed by a normal kernel, each row with sum one.

    Parameters
    ----------
    histogram
        Not negative. Shape ``(cells, ratios)``
    """
    found = histogram @ _KERNEL
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def histogram(log_ratio: Floats, weight: Floats) -> Floats:
    """Return weighted counts over :data:`LOG_RATIOS`.

    Parameters
    ----------
    log_ratio, weight
        Shape ``(cells, answers)``
    """
    step = LOG_RATIOS[1] - LOG_RATIOS[0]
    place = np.clip(np.round((log_ratio - LOG_RATIOS[0]) / step), 0, LOG_RATIOS.size - 1).astype(np.int64)
    rows = len(log_ratio)
    where = (np.arange(rows)[:, None] * LOG_RATIOS.size + place).ravel()
    counts = np.bincount(where, weight.ravel(), rows * LOG_RATIOS.size)
    return np.asarray(counts.reshape(rows, LOG_RATIOS.size), dtype=np.float64)


def _kernel() -> Floats:
    distance = (LOG_RATIOS[:, None] - LOG_RATIOS) / SMOOTHING
    return np.asarray(np.exp(-0.5 * distance * distance))


_KERNEL: Final[Floats] = _kernel()


def _passage(above_frac: Floats) -> Floats:
    """First time, over life, at which a curve falls to each level above the end of life."""
    lowest = np.minimum.accumulate(above_frac)
    return np.interp(-_LEVELS, -lowest, _FINE)


def _misfit(params: LibraryParams) -> tuple[Floats, Floats]:
    """Precision of the misfit between histories, and weights that carry it to now."""
    std = params.misfit_frac * np.exp(params.misfit_growth * (1.0 - AGES))
    together = np.exp(-np.abs(AGES[:, None] - AGES) / params.misfit_age)
    covariance = (
        together * std[:, None] * std
        + params.offset_frac**2
        + params.tilt_frac**2 * (1.0 - AGES)[:, None] * (1.0 - AGES)
        + np.eye(BINS) * (0.3 * params.misfit_frac) ** 2
    )
    precision = np.asarray(np.linalg.inv(covariance), dtype=np.float64)
    to_now = params.misfit_frac * std * np.exp(-(1.0 - AGES) / params.misfit_age) + params.offset_frac**2
    return precision, precision @ to_now


def _density(
    library: Library, history: History, same: Bools, left_out: Bools, params: LibraryParams
) -> Floats:
    cells, curves = same.shape
    precision, to_now = _misfit(params)
    root = np.linalg.cholesky(precision)
    flat = library.template_frac.reshape(-1, BINS)
    level = history.level_frac
    a, b = level @ root, flat @ root
    square = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2.0 * a @ b.T
    # A level that is itself uncertain tells less.
    trust = params.misfit_frac**2 / (params.misfit_frac**2 + history.level_std_frac**2)
    log_weight = _prior(library, history.now_efc, same, left_out, params)
    log_weight -= (0.5 * trust[:, None] * square).reshape(cells, curves, -1)
    kept, weight = _likeliest(log_weight.reshape(cells, -1))
    offset = (level @ to_now)[:, None] - (flat @ to_now)[kept]
    answer = _log_ratio(library, offset, kept)
    if params.ridge > 0.0:
        shape = (flat @ _SHAPE.T)[kept] - (level @ _SHAPE.T)[:, None, :]
        answer -= _correction(shape, answer, weight, params.ridge)
    return smoothed(histogram(answer, weight))


def _likeliest(log_weight: Floats) -> tuple[Ints, Floats]:
    """Numbers of the likeliest templates, in rising order, and their weights with sum one."""
    count = log_weight.shape[1]
    kept = np.broadcast_to(np.arange(count), log_weight.shape)
    if count > KEPT:
        kept = np.sort(np.argpartition(log_weight, count - KEPT, axis=1)[:, count - KEPT :], axis=1)
        log_weight = np.take_along_axis(log_weight, kept, axis=1)
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    return kept, np.asarray(weight / weight.sum(axis=1, keepdims=True))


def _prior(library: Library, now: Floats, same: Bools, left_out: Bools, params: LibraryParams) -> Floats:
    """Logarithm of the weight of each curve at each place before the histories are compared."""
    std = np.where(same, params.same_stretch_std, params.stretch_std)
    log_time = np.log(library.life_efc[:, None] * PLACES)
    stretch = (log_time - np.log(now)[:, None, None]) / std[:, :, None]
    bonus = np.where(same, params.same_log_weight, 0.0) - np.where(np.isfinite(std), np.log(std), 0.0)
    bonus = np.where(left_out, -1e4, bonus)
    return np.asarray(-0.5 * stretch * stretch + bonus[:, :, None] + np.log(np.gradient(np.log(PLACES))))


def _log_ratio(library: Library, offset: Floats, kept: Ints) -> Floats:
    """Remaining life over age if each template that was kept, shifted by its offset, is the truth."""
    step = _LEVELS[1] - _LEVELS[0]
    at = np.clip((-offset - _LEVELS[0]) / step, 0.0, _LEVELS.size - 1.001)
    low: Ints = at.astype(np.int64)
    place = PLACES[kept % PLACES.size]
    first = kept // PLACES.size * _LEVELS.size + low
    table = library.passage.ravel()
    before, after = table[first], table[first + 1]
    end = before + (at - low) * (after - before)
    return np.asarray(np.log(np.maximum(end - place, 0.002) / place))


def _correction(shape: Floats, answer: Floats, weight: Floats, ridge: float) -> Floats:
    """What a weighted straight line in level and slopes says that templates answer too much.

    ``shape`` is the templates' less the history's own.
    """
    mean = np.einsum("nm,nmi->ni", weight, shape)
    middle = (weight * answer).sum(axis=1)
    weighted = (weight[:, :, None] * shape).transpose(0, 2, 1)
    spread = weighted @ shape - mean[:, :, None] * mean[:, None, :] + ridge * np.diag(_SHAPE_STD**2)
    along = (weighted @ answer[:, :, None])[:, :, 0] - middle[:, None] * mean
    slope = np.linalg.solve(spread, along[:, :, None])
    return np.asarray(np.clip((shape @ slope)[:, :, 0], -1.0, 1.0))
