"""Fit the prior of lives to a fleet: by chemistry and use, lives that go on included."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.life_outlook import LEAST_LOSS_PCT, log_lives
from battery_lake.cells.life_prior import OTHERS, KindPrior, LifePrior, log_use
from battery_lake.cells.life_templates import LOG_RATIOS

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats, Ints

MOST_ROUNDS: Final = 300
ENOUGH: Final = 1e-5
"""Rounds end where no coefficient moves by more. [1]"""

LEAST_STD: Final = 0.05
FOLDS: Final = 50
"""Up to so many packs each is left out alone; beyond, so many groups of packs."""


@dataclass(frozen=True, slots=True)
class FitParams:
    """How much the prior that the fit starts from is worth.

    Parameters
    ----------
    fade_std, power_std
        Standard deviations of the logarithm of usual fade and of the power of use, about the start. [1]
    kind_fade_std, kind_power_std
        The same of a chemistry about all chemistries together. [1]
    std_packs
        So many packs the start's standard deviation of lives is worth. [1]
    """

    fade_std: float = 1.0
    power_std: float = 0.5
    kind_fade_std: float = 0.5
    kind_power_std: float = 0.25
    std_packs: float = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class LifeEvidence:
    """What is known of lives: one row a cell.

    Parameters
    ----------
    pack
        Number of its pack. Shape ``(cells,)``, as all
    chemistry
        Of the cell.
    eol_soh_pct
        SOH at which life ends. [%]
    efc_per_day
        Use; NaN: not known. [1/d]
    now_days
        Age at the last look. [d]
    life_days
        Age at the end of life; NaN: it goes on. [d]
    places
        Likelihood of the places in life at the last look, see
        :func:`battery_lake.cells.life_outlook.place_likelihood`. Shape ``(cells, places)``
    """

    pack: Ints
    chemistry: np.ndarray
    eol_soh_pct: Floats
    efc_per_day: Floats
    now_days: Floats
    life_days: Floats
    places: Floats

    def __getitem__(self, rows: Bools) -> LifeEvidence:
        """Return some of the rows."""
        return LifeEvidence(*(getattr(self, f.name)[rows] for f in fields(self)))


def fit_prior(evidence: LifeEvidence, start: LifePrior, params: FitParams = FitParams()) -> LifePrior:
    """Fit the usual life, its spread, and the effect of use.

    The logarithm of life is normal about a straight line in the logarithm of use. A life that has ended is
    known; of one that goes on, the history tells how likely each place in it is. All chemistries together are
    drawn towards the start, each towards all: few packs move little. Every pack weighs the same, however many
    cells it has.

    Parameters
    ----------
    evidence
        What is known of the lives, one row at least.
    start
        Where the fit begins, and what it is drawn to.
    params
        How strongly.

    References
    ----------
    Dempster, Laird and Rubin, J. R. Statist. Soc. B 39 (1977) 1 (expectation and maximisation where data are
    censored); Gelman et al., Bayesian Data Analysis, 3rd ed. (2013), chapter 5 (partial pooling).
    """
    pooled = _fit(evidence, start.kinds[OTHERS], (params.fade_std, params.power_std), params.std_packs)
    kinds = {OTHERS: pooled}
    for chemistry in sorted(set(evidence.chemistry.tolist()) - {OTHERS}):
        own = evidence[np.asarray(evidence.chemistry == chemistry)]
        kinds[chemistry] = _fit(own, pooled, (params.kind_fade_std, params.kind_power_std), params.std_packs)
    return LifePrior(kinds)


def fit_folds(evidence: LifeEvidence, start: LifePrior, params: FitParams = FitParams()) -> list[LifePrior]:
    """Fit the prior again and again, each time with some packs left out whole.

    Parameters
    ----------
    evidence
        Of two packs at least.
    start, params
        See :func:`fit_prior`.

    Returns
    -------
    list[LifePrior]
        The k-th without the packs of which :func:`fold_of` says k.
    """
    fold = fold_of(evidence.pack, evidence.pack)
    return [fit_prior(evidence[np.asarray(fold != k)], start, params) for k in range(int(fold.max()) + 1)]


def fold_of(pack: Ints, all_packs: Ints) -> Ints:
    """Return the fold in which a pack is left out: its own, or that of a group where there are many.

    Parameters
    ----------
    pack
        Numbers of packs.
    all_packs
        Of all that there are; repeated ones count once.
    """
    return np.asarray(np.searchsorted(np.unique(all_packs), pack) % FOLDS)


def _fit(evidence: LifeEvidence, start: KindPrior, stds: tuple[float, float], std_packs: float) -> KindPrior:
    """Usual life, effect of use, and spread of some cells, by expectation and maximisation."""
    packs, of_pack = np.unique(evidence.pack, return_inverse=True)
    weight = 1.0 / np.bincount(of_pack)[of_pack]
    log_loss = np.log(np.maximum(100.0 - evidence.eol_soh_pct, LEAST_LOSS_PCT))
    design = np.stack([np.ones(log_loss.size), -log_use(evidence.efc_per_day)], axis=1)
    centre = np.array([-np.log(start.fade_pct_per_day), start.use_power])
    precision = np.diag(1.0 / np.square(stds))
    coefficients, std = centre.copy(), start.life_std
    lives = log_lives(evidence.now_days)
    # A place stands for an interval of lives, a short one where most of life is over.
    likely = evidence.places - np.logaddexp(0.0, -LOG_RATIOS)
    for _ in range(MOST_ROUNDS):
        mean, variance = _expected(evidence, lives, likely, log_loss + design @ coefficients, std)
        gram = (design * weight[:, None]).T @ design / std**2 + precision
        drawn = (design * weight[:, None]).T @ (mean - log_loss) / std**2 + precision @ centre
        found = np.linalg.solve(gram, drawn)
        apart = mean - log_loss - design @ found
        squares = (weight * (apart * apart + variance)).sum() + std_packs * start.life_std**2
        spread = max(float(np.sqrt(squares / (packs.size + std_packs))), LEAST_STD)
        moved = max(float(np.abs(found - coefficients).max()), abs(spread - std))
        coefficients, std = found, spread
        if moved < ENOUGH:
            break
    return KindPrior(float(np.exp(-coefficients[0])), float(coefficients[1]), std, int(packs.size))


def _expected(
    evidence: LifeEvidence, lives: Floats, likely: Floats, usual: Floats, std: float
) -> tuple[Floats, Floats]:
    """Mean and variance of the logarithm of each life, by what is known of it and the prior."""
    log_weight = likely - 0.5 * ((lives - usual[:, None]) / std) ** 2
    weight = np.exp(log_weight - log_weight.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    mean = (weight * lives).sum(axis=1)
    variance = (weight * (lives - mean[:, None]) ** 2).sum(axis=1)
    ended = np.isfinite(evidence.life_days)
    known = np.log(np.where(ended, np.maximum(evidence.life_days, 1.0), 1.0))
    return np.where(ended, known, mean), np.where(ended, 0.0, variance)
