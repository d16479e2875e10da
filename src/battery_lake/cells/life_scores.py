"""Judge outlooks by what came after, also where life has not ended; compare two by packs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from battery_lake.cells.life_outlook import QUANTILES

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Floats, Ints

LEVELS: Final[Floats] = np.array(QUANTILES)
DRAWS: Final = 2000
INTERVAL: Final = (2.5, 97.5)
"""Of the differences over all draws so much lies between. [%]"""

SEED: Final = 9


@dataclass(frozen=True, slots=True, eq=False)
class PackScores:
    """How good the outlooks of packs were, one entry a pack.

    Parameters
    ----------
    loss_days
        Twice the pinball loss, mean over levels, cells and moments. [d], shape ``(packs,)``
    below, decided
        How often life ended before each quantile, of how many quantiles that lie within what was seen.
        Shape ``(packs, levels)``
    covered, judged
        How often the interval held the end, of how many intervals that lie within what was seen.
        Shape ``(packs,)``
    """

    loss_days: Floats
    below: Floats
    decided: Floats
    covered: Floats
    judged: Floats

    @property
    def mean_loss_days(self) -> float:
        """Mean loss over packs, each with the same weight. [d]."""
        return float(self.loss_days.mean())

    @property
    def coverage(self) -> float:
        """Share of the 90 % intervals that held the end; NaN where none could be judged."""
        return float(self.covered.sum() / self.judged.sum()) if self.judged.any() else float("nan")

    @property
    def calibration_error(self) -> float:
        """Mean distance between a quantile's level and how often life ended before it; NaN: not known."""
        return float(_calibration(self.below.sum(axis=0), self.decided.sum(axis=0)))


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure of the one less that of the other, over packs drawn with replacement.

    Parameters
    ----------
    mean
        Of the packs as they are.
    low, high
        95 % of the draws lie between.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two ways on the same packs: how much less, or more, the first loses and errs.

    Parameters
    ----------
    loss_days
        Difference of the mean loss. [d]
    calibration
        Difference of the calibration error. [1]
    packs
        On so many packs either can be told from the other.
    """

    loss_days: Difference
    calibration: Difference
    packs: int


def pack_scores(pack: Ints, quantiles_days: Floats, left_days: Floats, seen_days: Floats) -> PackScores:
    """Score outlooks against what was seen afterwards.

    What is not over when the record ends is compared up to there: the quantile of the smaller of remaining
    life and record is the smaller of quantile and record, so the loss stays proper, and no cell is left out
    for living on.

    Parameters
    ----------
    pack
        Number of the pack of each outlook, from 0 without a gap. Shape ``(outlooks,)``
    quantiles_days
        At the levels of :data:`battery_lake.cells.life_outlook.QUANTILES`. [d], shape ``(outlooks, levels)``
    left_days
        How long it truly lasted; NaN: it lasted on. [d], shape ``(outlooks,)``
    seen_days
        How long the record goes on after the outlook. [d], shape ``(outlooks,)``

    References
    ----------
    Gneiting and Raftery, J. Am. Statist. Assoc. 102 (2007) 359, DOI 10.1198/016214506000001437 (proper
    scores of quantiles); Powell, J. Econometrics 32 (1986) 143 (quantiles are kept by censoring).

    Examples
    --------
    >>> import numpy as np
    >>> told = np.array([[100.0, 200.0, 300.0], [100.0, 200.0, 900.0]])
    >>> found = pack_scores(np.array([0, 0]), told, np.array([250.0, np.nan]), np.array([400.0, 400.0]))
    >>> found.coverage, found.decided.tolist()
    (1.0, [[2.0, 2.0, 1.0]])
    """
    packs = int(pack.max()) + 1
    seen = seen_days[:, None]
    truth = np.where(np.isfinite(left_days), np.minimum(left_days, seen_days), seen_days)[:, None]
    error = truth - np.minimum(quantiles_days, seen)
    loss = 2.0 * np.maximum(LEVELS * error, (LEVELS - 1.0) * error).mean(axis=1)
    decided = quantiles_days < seen
    below = decided & (truth < quantiles_days)
    judged = decided[:, -1]
    covered = judged & (quantiles_days[:, 0] <= truth[:, 0]) & (truth[:, 0] <= quantiles_days[:, -1])

    def summed(values: Any) -> Floats:
        """Sum over each pack's outlooks, level by level where there are levels."""
        columns = np.asarray(values, dtype=np.float64).reshape(pack.size, -1).T
        return np.stack([np.bincount(pack, weights=column, minlength=packs) for column in columns], axis=1)

    return PackScores(
        loss_days=(summed(loss) / summed(np.ones(pack.size)))[:, 0],
        below=summed(below),
        decided=summed(decided),
        covered=summed(covered)[:, 0],
        judged=summed(judged)[:, 0],
    )


def compare(first: PackScores, second: PackScores) -> Comparison:
    """Compare two ways by a paired bootstrap: packs are drawn, and both judged on the same ones.

    Parameters
    ----------
    first, second
        Of the same packs in the same order.

    References
    ----------
    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 and 13 (clusters are drawn
    whole; percentile intervals).
    """
    packs = first.loss_days.size
    drawn = np.random.default_rng(SEED).integers(0, packs, (DRAWS, packs))
    loss = first.loss_days - second.loss_days
    calibration = _calibration_of(first, drawn) - _calibration_of(second, drawn)
    told = int(np.count_nonzero((first.loss_days > 0.0) | (second.loss_days > 0.0)))
    return Comparison(
        _difference(float(loss.mean()), loss[drawn].mean(axis=1)),
        _difference(first.calibration_error - second.calibration_error, calibration),
        told,
    )


def calibration_bound(scores: PackScores) -> float:
    """Return what 97.5 % of the draws of packs have as calibration error at most; NaN: not known.

    Parameters
    ----------
    scores
        Of the packs.
    """
    packs = scores.loss_days.size
    drawn = np.random.default_rng(SEED).integers(0, packs, (DRAWS, packs))
    found = _calibration_of(scores, drawn)
    known = found[np.isfinite(found)]
    return float(np.percentile(known, INTERVAL[1])) if known.size else float("nan")


def _calibration_of(scores: PackScores, drawn: Ints) -> Floats:
    """Calibration error of each draw of packs."""
    return _calibration(scores.below[drawn].sum(axis=1), scores.decided[drawn].sum(axis=1))


def _calibration(below: Floats, decided: Floats) -> Floats:
    """Mean over the levels that were decided at all; NaN where none was."""
    some = decided > 0.0
    off = np.where(some, np.abs(below / np.where(some, decided, 1.0) - LEVELS), 0.0)
    count = some.sum(axis=-1)
    return np.where(count > 0, off.sum(axis=-1) / np.maximum(count, 1), np.nan)


def _difference(mean: float, draws: Floats) -> Difference:
    known = draws[np.isfinite(draws)]
    if not known.size:
        return Difference(mean, float("nan"), float("nan"))
    low, high = np.percentile(known, INTERVAL)
    return Difference(mean, float(low), float(high))
