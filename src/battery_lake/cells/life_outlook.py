"""Remaining life by templates of whole lives: how likely each is, given what was observed since new."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.life_templates import AGES, LOG_RATIOS

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats, Ints, Singles
    from battery_lake.cells.life_templates import Templates

QUANTILES: Final = (0.05, 0.5, 0.95)
ROWS: Final = 128
"""So many answers are worked out together: their arrays stay in the processor's cache."""

SHORTEST_AGE_DAYS: Final = 1.0
LEAST_LOSS_PCT: Final = 1.0
SMALLEST: Final = 1e-12
LEAST_LOG_WEIGHT: Final = np.float32(-80.0)
MIDDLE_PCT: Final = 90.0
"""Amid the SOH of cells in use."""


@dataclass(frozen=True, slots=True)
class OutlookParams:
    """How alike a history and a template must be, and what is known before.

    Parameters
    ----------
    misfit_pct
        Standard deviation by which a cell of the same kind differs from a template now. [%]
    misfit_growth
        How much more it may differ towards the beginning, as exponent. [1]
    together
        Misfits of so many neighbouring points count as one. [1]
    offset_pct
        Standard deviation of what all observations of a cell share. [%]
    fade_pct_per_day
        Usual loss of SOH: the usual life is what it takes to the end of life. [%/d]
    life_std
        Standard deviation of the logarithm of lives. [1]
    horizon_days
        An end of life beyond this counts as not in sight. [d]
    """

    misfit_pct: float = 0.5
    misfit_growth: float = 1.0
    together: float = 2.0
    offset_pct: float = 0.8
    fade_pct_per_day: float = 0.006
    life_std: float = 1.0
    horizon_days: float = 20 * 365.0


@dataclass(frozen=True, slots=True, eq=False)
class Usual:
    """What lives of the kind are like before a pack's own history tells.

    Parameters
    ----------
    log_days
        Logarithm of the usual life. [1], shape ``(rows,)``
    std
        Standard deviation of the logarithm. [1], shape ``(rows,)``
    length_share
        With what power a place counts by the length of life that it stands for: 0, all places alike, to 1,
        as of a density over lives. [1]
    """

    log_days: Floats
    std: Floats
    length_share: float = 0.0

    def __getitem__(self, rows: slice) -> Usual:
        """Return some of the rows."""
        return Usual(self.log_days[rows], self.std[rows], self.length_share)


@dataclass(frozen=True, slots=True, eq=False)
class LifeHistory:
    """What was observed of the cells of each pack, or of one pack on many days, one row each.

    Parameters
    ----------
    age_days
        Of the points since the pack was new; NaN: no point. [d], shape ``(rows, points)``
    soh_pct, variance_pct2
        Of the cells at the points; NaN: none. [%, %²], shape ``(rows, points, cells)``
    now_days
        Age now. [d], shape ``(rows,)``
    """

    age_days: Floats
    soh_pct: Floats
    variance_pct2: Floats
    now_days: Floats

    def __getitem__(self, rows: slice) -> LifeHistory:
        """Return some of the rows."""
        return LifeHistory(
            self.age_days[rows], self.soh_pct[rows], self.variance_pct2[rows], self.now_days[rows]
        )


def outlook_days(
    templates: Templates,
    history: LifeHistory,
    soh_pct: Floats,
    eol_soh_pct: float,
    params: OutlookParams,
    usual: Usual | None = None,
) -> tuple[Floats, Floats, Floats, Bools]:
    """Days until life ends, as quantiles over all templates.

    A template, stretched to the age of now, is as likely as the observations are about it: each differs by
    its own error and a misfit that grows towards the beginning, all by one offset. Before, it has the weight
    of its curve and of the life that its stretch means.

    Parameters
    ----------
    templates
        Of the packs' chemistry and end of life.
    history
        What was observed.
    soh_pct
        SOH now, by the filter. [%], shape ``(rows, cells)``
    eol_soh_pct
        SOH at which life ends. [%]
    params
        How alike they must be.
    usual
        What is known before; None: what the parameters say.

    Returns
    -------
    Floats
        Pessimistic: 5 % chance of less. [d], shape ``(rows, cells)``, as all
    Floats
        Median. [d]
    Floats
        Optimistic: 5 % chance of more. [d]
    Bools
        True where the median lies beyond the horizon: the days are lower bounds then.

    References
    ----------
    Wang et al., Annual Conf. PHM (2008), DOI 10.1109/PHM.2008.4711421 (library of trajectories); Kennedy and
    O'Hagan, J. R. Statist. Soc. B 63 (2001) 425 (misfit of the model beside the errors).
    """
    rows, cells = soh_pct.shape
    known = _shipped(rows, eol_soh_pct, params) if usual is None else usual
    now = np.maximum(history.now_days, SHORTEST_AGE_DAYS)
    log_ratio = np.empty((len(QUANTILES), rows, cells))
    stride = max(1, ROWS // max(cells, 1))
    for first in range(0, rows, stride):
        part = slice(first, first + stride)
        before = _before(now[part], known[part])
        likely = _likelihood(templates.soh_pct, history[part], now[part], params)
        likely += (
            (before[:, :, None] + templates.log_weight).reshape(before.shape[0], 1, -1).astype(np.float32)
        )
        log_ratio[:, part] = _quantiles(likely)
    return _left(log_ratio, now, soh_pct, eol_soh_pct, params.horizon_days)


def place_likelihood(templates: Templates, history: LifeHistory, params: OutlookParams) -> Floats:
    """Return how likely each place in life is by the history alone, all curves together.

    Whatever is known before can be laid on it later: :func:`outlook_of_places`.

    Parameters
    ----------
    templates
        Of the packs' chemistry and end of life.
    history
        What was observed.
    params
        How alike they must be.

    Returns
    -------
    Floats
        Logarithm, up to a constant of each cell. [1], shape ``(rows, cells, places)``
    """
    now = np.maximum(history.now_days, SHORTEST_AGE_DAYS)
    rows, cells = history.soh_pct.shape[0], history.soh_pct.shape[2]
    found = np.empty((rows, cells, LOG_RATIOS.size))
    stride = max(1, ROWS // max(cells, 1))
    for first in range(0, rows, stride):
        part = slice(first, first + stride)
        likely = _likelihood(templates.soh_pct, history[part], now[part], params)
        likely += np.tile(templates.log_weight, LOG_RATIOS.size).astype(np.float32)
        found[part] = np.log(np.maximum(_of_places(likely), SMALLEST))
    return found


def outlook_of_places(
    places: Floats, now_days: Floats, soh_pct: Floats, eol_soh_pct: float, usual: Usual, horizon_days: float
) -> tuple[Floats, Floats, Floats, Bools]:
    """Days until life ends, from the likelihood of places: as :func:`outlook_days`, up to rounding.

    Parameters
    ----------
    places
        By :func:`place_likelihood`. [1], shape ``(rows, cells, places)``
    now_days
        Age now. [d], shape ``(rows,)``
    soh_pct
        SOH now, by the filter. [%], shape ``(rows, cells)``
    eol_soh_pct
        SOH at which life ends. [%]
    usual
        What is known before.
    horizon_days
        An end of life beyond this counts as not in sight. [d]
    """
    now = np.maximum(now_days, SHORTEST_AGE_DAYS)
    likely = (places + _before(now, usual)[:, None, :]).astype(np.float32)
    return _left(_quantiles(likely), now, soh_pct, eol_soh_pct, horizon_days)


def log_lives(now_days: Floats) -> Floats:
    """Return the logarithm of the life that each place means at an age. [1], shape ``(rows, places)``.

    Parameters
    ----------
    now_days
        Age now. [d], shape ``(rows,)``
    """
    now = np.maximum(now_days, SHORTEST_AGE_DAYS)
    return np.asarray(np.log(now)[:, None] + np.log1p(np.exp(LOG_RATIOS)))


def _shipped(rows: int, eol_soh_pct: float, params: OutlookParams) -> Usual:
    """The usual life by the parameters, the same for all."""
    log_days = np.log(max(100.0 - eol_soh_pct, LEAST_LOSS_PCT) / params.fade_pct_per_day)
    return Usual(np.full(rows, log_days), np.full(rows, params.life_std))


def _before(now: Floats, usual: Usual) -> Floats:
    """Logarithm of the weight of each place by the life that it means, shape ``(rows, places)``."""
    apart = log_lives(now) - usual.log_days[:, None]
    before = -0.5 * (apart / usual.std[:, None]) ** 2
    if usual.length_share:
        # Near the end of life a step of the places is a short step of lives.
        before -= usual.length_share * np.logaddexp(0.0, -LOG_RATIOS)
    return np.asarray(before)


def _left(
    log_ratio: Floats, now: Floats, soh_pct: Floats, eol_soh_pct: float, horizon_days: float
) -> tuple[Floats, Floats, Floats, Bools]:
    """Quantiles in days, none where SOH is not known, nothing where life has ended."""
    days = np.minimum(np.exp(log_ratio) * now[:, None], horizon_days)
    days = np.where(soh_pct > eol_soh_pct, days, np.where(np.isnan(soh_pct), np.nan, 0.0))
    p05, p50, p95 = days
    return p05, p50, p95, p50 >= horizon_days


def _likelihood(level: Singles, history: LifeHistory, now: Floats, params: OutlookParams) -> Singles:
    """Logarithm of the likelihood of each template: the weighted squares about it, the best offset taken off.

    The squares are multiplied out, so that all points of a pack are three products of matrices; a middle SOH
    is taken off before, which keeps single precision. Shape ``(rows, cells, templates)``.
    """
    told = np.isfinite(history.age_days)
    share = np.clip(np.where(told, history.age_days, 0.0) / now[:, None], 0.0, 1.0)
    misfit = params.misfit_pct * np.exp(params.misfit_growth * (1.0 - share))
    total = history.variance_pct2 + (misfit * misfit)[:, :, None]
    good = told[:, :, None] & np.isfinite(total) & np.isfinite(history.soh_pct)
    weight = np.where(good, 1.0 / np.where(good, total, 1.0), 0.0)
    points = np.flatnonzero(told.any(axis=0))
    by_cell = weight[:, points].transpose(0, 2, 1).astype(np.float32)
    soh = np.where(good, history.soh_pct - MIDDLE_PCT, 0.0)[:, points].transpose(0, 2, 1).astype(np.float32)
    at_points = _at(level, share[:, points]) - np.float32(MIDDLE_PCT)
    weighted = by_cell * soh
    # The weighted distances to each template, and their squares.
    first = weighted.sum(axis=2)[:, :, None] - by_cell @ at_points
    second = by_cell @ (at_points * at_points)
    second -= np.float32(2.0) * (weighted @ at_points)
    second += (weighted * soh).sum(axis=2)[:, :, None]
    # What all share explains a part of the distance.
    explained = 1.0 / (1.0 / params.offset_pct**2 + weight.sum(axis=1))
    first *= first
    first *= explained.astype(np.float32)[:, :, None]
    second -= first
    second *= np.float32(-0.5 / params.together)
    return np.asarray(second)


def _at(level: Singles, share: Floats) -> Singles:
    """SOH of the templates at relative ages of each row. [%], shape ``(rows, points, templates)``."""
    at = share * (AGES - 1)
    low = np.minimum(at.astype(np.int64), AGES - 2)
    rest = (at - low).astype(np.float32)[:, :, None]
    found = level[low + 1]
    found -= level[low]
    found *= rest
    found += level[low]
    return np.asarray(found)


def _of_places(log_weight: Singles) -> Singles:
    """Weight of each place, all curves together, the likeliest template's being 1.

    Shape ``(rows, cells, places)``.
    """
    apart = log_weight - log_weight.max(axis=2, keepdims=True)
    # Numbers next to zero cost a processor many times as much as others do, and weigh nothing.
    np.maximum(apart, LEAST_LOG_WEIGHT, out=apart)
    by_curve = np.exp(apart, out=apart).reshape(*apart.shape[:2], LOG_RATIOS.size, -1)
    return np.asarray(np.einsum("rcpk->rcp", by_curve))


def _quantiles(log_weight: Singles) -> Floats:
    """Quantiles over the places, by the weights of all curves; shape ``(quantiles, rows, cells)``."""
    reached = np.cumsum(_of_places(log_weight), axis=2)
    total, step = reached[:, :, -1], LOG_RATIOS[1] - LOG_RATIOS[0]
    found = []
    for quantile in QUANTILES:
        wanted = np.float32(quantile) * total
        place = np.count_nonzero(reached < wanted[:, :, None], axis=2)
        upper = _taken(reached, place)
        lower = np.where(place > 0, _taken(reached, np.maximum(place - 1, 0)), 0.0)
        # The weight of a place lies evenly about it.
        share = (wanted - lower) / np.maximum(upper - lower, SMALLEST)
        found.append(LOG_RATIOS[place] + (np.clip(share, 0.0, 1.0) - 0.5) * step)
    return np.maximum.accumulate(found, axis=0)


def _taken(values: Singles, place: Ints) -> Floats:
    """The value at a place of each row and cell."""
    return np.take_along_axis(values, place[:, :, None], axis=2)[:, :, 0].astype(np.float64)
