"""Cycle life of a new cell from its first hundred cycles, by what its discharge curve has lost.

The spread over voltage of the charge that is lost between cycles 10 and 100 tells life over almost a decade.
A Gaussian process on it and four other simple features, linear at heart, gives life and how far it can be
trusted. Cells of one batch (making, bench, policy) share a shift of life at equal features. The batch of a
cell is unknown; how well its curves repeat from cycle to cycle, a fingerprint of its bench, stands for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from battery_lake.cells.arrays import Floats, Ints

FEATURES: Final = (
    "log10_variance",
    "log10_deepest",
    "skewness",
    "initial_capacity_frac",
    "capacity_rise_frac",
    "log10_scatter",
)
"""Names of the features, in their order."""

EARLY_CYCLES: Final = (8, 12)
"""First and last cycle of the curve that is taken as new."""

LATE_CYCLES: Final = (96, 100)
"""First and last cycle of the curve that is taken as aged."""

INITIAL_CYCLES: Final = (2, 6)
"""First and last cycle of the initial capacity."""

MEDIAN_CYCLES: Final = 5
"""Length of the running median of capacity: a single spurious cycle does not move it."""

PLAUSIBLE_FRAC: Final = (0.2, 1.3)
"""Capacity over rated capacity of a discharge that is believed. [1]"""

CENTRE: Final = (-3.7, -1.4, -0.1, 0.964, 0.0018, -3.2)
"""Usual features of an LFP cell, from 41 cells of Severson et al., Nature Energy 4 (2019) 383."""

SCALE: Final = (0.4, 0.2, 0.2, 0.0075, 0.0009, 0.5)
"""How far they spread there: the unit in which distance is measured."""

CLIP: Final = (np.inf, np.inf, 3.5, 3.5, 3.5, np.inf)
"""From here on a feature moves the mean no more, in units of ``SCALE``. The first two are never clipped: a
cell with little loss lives long, however unusual that is; nor is the last, which has no slope."""


@dataclass(frozen=True, slots=True)
class EarlyLifeParams:
    """What is believed of lives before any is known; all of log10 of life in cycles.

    Parameters
    ----------
    mean_log10, std_log10
        Life of a cell of which nothing is known: half a decade wide. [1]
    slope_std_log10
        Standard deviation of the effect of one unit of a feature. [1]
    bend_std_log10
        Standard deviation of what is not linear. [1]
    bend_length
        Distance over which that changes, root mean square over the features. [1]
    noise_log10, noise_spread
        Usual scatter of cells of the same features, and standard deviation of its natural logarithm. [1]
    batch_std_log10
        Standard deviation of the shift that cells of one batch share: two batches among the 41 cells are
        0.1 apart at equal features. [1]
    batch_trust
        Correlation of the shifts of an unseen cell and of known cells whose curves repeat as well: 1 would
        take them for the same batch, 0 tells nothing. [1]
    """

    mean_log10: float = 2.8
    std_log10: float = 0.3
    slope_std_log10: float = 0.17
    bend_std_log10: float = 0.066
    bend_length: float = 1.5
    noise_log10: float = 0.05
    noise_spread: float = 0.5
    batch_std_log10: float = 0.04
    batch_trust: float = 0.5


NOISE_GRID: Final = tuple(float(value) for value in np.geomspace(0.02, 0.15, 25))
"""Scatters of log10 life among which the most probable is taken."""


@dataclass(frozen=True, slots=True, eq=False)
class EarlyLifeModel:
    """A fitted model: the cells that it knows, and the scatter among them.

    Parameters
    ----------
    features
        Features of the cells, as :func:`life_features` gives them. Shape ``(cells, 6)``
    log10_life
        Log10 of their lives in cycles. [1], shape ``(cells,)``
    noise_std_log10
        Scatter of cells of the same features. [1]
    params
        What was believed before.
    """

    features: Floats
    log10_life: Floats
    noise_std_log10: float
    params: EarlyLifeParams = EarlyLifeParams()

    def predict(self, features: Floats) -> tuple[Floats, Floats]:
        """Predict the lives of unseen cells.

        Parameters
        ----------
        features
            Their features; a cell with a NaN among them gets the prior. Shape ``(unseen, 6)``

        Returns
        -------
        Floats
            Log10 of life in cycles: the logarithm of the median. [1], shape ``(unseen,)``
        Floats
            Its standard deviation, for a new cell of a new batch. [1], shape ``(unseen,)``
        """
        wanted = np.asarray(features, dtype=np.float64)
        known = np.asarray(np.isfinite(wanted).all(axis=1), dtype=np.bool_)
        unclipped = _scaled(np.where(known[:, None], wanted, np.array(CENTRE)))
        prior = self.params
        mean, variance = np.zeros(known.size), _own_variance(unclipped, prior)
        if self.log10_life.size:
            cells = _clipped(_scaled(self.features))
            inverse = np.linalg.inv(_covariance(cells, self.noise_std_log10, prior))
            mean = _kernel(_clipped(unclipped), cells, prior, prior.batch_trust) @ (
                inverse @ (self.log10_life - prior.mean_log10)
            )
            # Not clipped: a cell beyond all others is known less, even where the mean follows it no further.
            far = _kernel(unclipped, cells, prior, prior.batch_trust)
            variance = np.maximum(variance - np.einsum("ij,jk,ik->i", far, inverse, far), 0.0)
        variance = np.where(known, variance, prior.std_log10**2 + prior.batch_std_log10**2)
        mean = np.where(known, mean, 0.0)
        return prior.mean_log10 + mean, np.sqrt(variance + self.noise_std_log10**2)

    def to_dict(self) -> dict[str, object]:
        """Return all that :func:`from_dict` needs, as plain lists and numbers."""
        return {
            "features": self.features.tolist(),
            "log10_life": self.log10_life.tolist(),
            "noise_std_log10": self.noise_std_log10,
            "params": {name: getattr(self.params, name) for name in EarlyLifeParams.__slots__},
        }


def from_dict(fitted: Mapping[str, object]) -> EarlyLifeModel:
    """Make a model of what :meth:`EarlyLifeModel.to_dict` gave.

    Parameters
    ----------
    fitted
        The plain lists and numbers.
    """
    params = fitted["params"]
    assert isinstance(params, dict)
    return EarlyLifeModel(
        np.array(fitted["features"], dtype=np.float64).reshape(-1, len(FEATURES)),
        np.array(fitted["log10_life"], dtype=np.float64),
        float(str(fitted["noise_std_log10"])),
        EarlyLifeParams(**params),
    )


def fit(features: Floats, cycle_life: Floats, params: EarlyLifeParams = EarlyLifeParams()) -> EarlyLifeModel:
    """Learn from cells whose life is known; from none, the model knows its prior.

    Parameters
    ----------
    features
        Features of the cells, as :func:`life_features` gives them. Shape ``(cells, 6)``
    cycle_life
        Their lives. Cells with a NaN, or no positive life, are left out. [cycles], shape ``(cells,)``
    params
        What is believed before.

    References
    ----------
    Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), 2.2 and 5.4.
    """
    table = np.asarray(features, dtype=np.float64).reshape(-1, len(FEATURES))
    life = np.asarray(cycle_life, dtype=np.float64)
    good = np.isfinite(table).all(axis=1) & np.isfinite(life) & (life > 0.0)
    table, log10_life = table[good], np.log10(life[good])
    cells, residual = _clipped(_scaled(table)), log10_life - params.mean_log10
    odds = [_log_odds(cells, residual, noise, params) for noise in NOISE_GRID]
    return EarlyLifeModel(table, log10_life, NOISE_GRID[int(np.argmax(odds))], params)


def life_features(cycle_number: Ints, discharged_ah: Floats, rated_capacity_ah: float) -> Floats:
    """Features of one cell from its discharge curves at the same current from full, cycles 2 to 100.

    Curves and capacities are medians over five cycles, so that single spurious cycles count for nothing;
    discharges of no plausible capacity are left out beforehand.

    Parameters
    ----------
    cycle_number
        Cycles from 1 on, in any order; those above 100 are not looked at. Shape ``(cycles,)``
    discharged_ah
        Charge taken out when the voltage has fallen to each of evenly spaced voltages, 3.6 to 2.0 V for LFP;
        the last is the capacity. [Ah], shape ``(cycles, voltages)``
    rated_capacity_ah
        Capacity of the new cell. [Ah]

    Returns
    -------
    Floats
        Log10 variance and log10 of the deepest loss of the curve between cycles 10 and 100 over rated
        capacity, its skewness over voltage, initial capacity, the most that capacity rises above it, and
        log10 of the mean distance of a curve from the mean of its two neighbours, all over rated capacity;
        all NaN where the cycles do not give them. [1], shape ``(6,)``

    References
    ----------
    Severson et al., Nature Energy 4 (2019) 383, doi:10.1038/s41560-019-0356-8: the discharge model.
    Attia et al., J. Electrochem. Soc. 168 (2021) 090547, doi:10.1149/1945-7111/ac2704.
    """
    cycles = np.asarray(cycle_number)
    curves = np.asarray(discharged_ah, dtype=np.float64) / rated_capacity_ah
    unknown = np.full(len(FEATURES), np.nan)
    if curves.ndim != 2 or curves.shape[1] < 2:  # noqa: PLR2004
        return unknown
    low, high = PLAUSIBLE_FRAC
    usual = (curves[:, -1] > low) & (curves[:, -1] < high) & (cycles <= LATE_CYCLES[1])
    good = usual & np.isfinite(curves.sum(axis=1))
    order = np.argsort(cycles[good], kind="stable")
    cycles, curves = cycles[good][order], curves[good][order]
    lost = _median_curve(cycles, curves, LATE_CYCLES) - _median_curve(cycles, curves, EARLY_CYCLES)
    initial = float(_median_curve(cycles, curves, INITIAL_CYCLES)[-1])
    variance, deepest = float(lost.var()), float(-lost.min())
    scatter = _scatter(curves)
    if not (variance > 0.0 and deepest > 0.0 and np.isfinite(initial) and scatter > 0.0):
        return unknown
    skewness = float(((lost - lost.mean()) ** 3).mean()) / variance**1.5
    rise = _highest(curves[:, -1]) - initial
    return np.array([np.log10(variance), np.log10(deepest), skewness, initial, rise, np.log10(scatter)])


def life_interval(mean_log10: Floats, std_log10: Floats, z: float) -> tuple[Floats, Floats]:
    """Return the ends of the interval of life, ``z`` standard deviations wide either way. [cycles].

    Parameters
    ----------
    mean_log10, std_log10
        A prediction of log10 life. [1], shapes of all arrays broadcast
    z
        Standard deviations; 1.645 for 90 %. [1]

    Examples
    --------
    >>> low, high = life_interval(np.array(3.0), np.array(0.1), 1.0)
    >>> round(float(low)), round(float(high))
    (794, 1259)
    """
    mean, half = np.asarray(mean_log10, dtype=np.float64), z * np.asarray(std_log10, dtype=np.float64)
    return 10.0 ** (mean - half), 10.0 ** (mean + half)


def _median_curve(cycles: Ints, curves: Floats, span: tuple[int, int]) -> Floats:
    """Median over the cycles of a span, NaN where there are none. Shape ``(voltages,)``."""
    chosen = curves[(cycles >= span[0]) & (cycles <= span[1])]
    return np.median(chosen, axis=0) if chosen.shape[0] else np.full(curves.shape[1], np.nan)


def _highest(capacities: Floats) -> float:
    """Return the highest running median."""
    length = min(MEDIAN_CYCLES, capacities.size)
    windows = np.lib.stride_tricks.sliding_window_view(capacities, length)
    return float(np.median(windows, axis=1).max())


def _scatter(curves: Floats) -> float:
    """Return the median distance of a curve from the mean of its neighbours; NaN of fewer than three."""
    if curves.shape[0] < 3:  # noqa: PLR2004
        return float("nan")
    distance = np.abs(curves[1:-1] - 0.5 * (curves[:-2] + curves[2:])).mean(axis=1)
    return float(np.median(distance))


def _scaled(features: Floats) -> Floats:
    return np.asarray((features - np.array(CENTRE)) / np.array(SCALE), dtype=np.float64)


def _clipped(scaled: Floats) -> Floats:
    return np.clip(scaled, -np.array(CLIP), np.array(CLIP))


def _kernel(one: Floats, other: Floats, params: EarlyLifeParams, trust: float = 1.0) -> Floats:
    """Prior covariance of log10 life between cells. Shape ``(one, other)``."""
    aged, known_aged = one[:, :-1], other[:, :-1]
    distance = ((aged[:, None, :] - known_aged[None, :, :]) ** 2).mean(axis=2)
    apart = one[:, None, -1] - other[None, :, -1]
    return np.asarray(
        params.std_log10**2
        + params.slope_std_log10**2 * (aged @ known_aged.T)
        + params.bend_std_log10**2 * np.exp(-0.5 * distance / params.bend_length**2)
        + trust * params.batch_std_log10**2 * np.exp(-0.5 * apart**2),
        dtype=np.float64,
    )


def _own_variance(cells: Floats, params: EarlyLifeParams) -> Floats:
    """Prior variance of log10 life of each cell. Shape ``(cells,)``."""
    slopes = (cells[:, :-1] ** 2).sum(axis=1) * params.slope_std_log10**2
    level = params.std_log10**2 + params.bend_std_log10**2 + params.batch_std_log10**2
    return np.asarray(level + slopes, dtype=np.float64)


def _covariance(cells: Floats, noise: float, params: EarlyLifeParams) -> Floats:
    return _kernel(cells, cells, params) + noise**2 * np.eye(cells.shape[0])


def _log_odds(cells: Floats, residual: Floats, noise: float, params: EarlyLifeParams) -> float:
    """Log probability of the lives and of the scatter, but for a constant."""
    usual = -0.5 * (np.log(noise / params.noise_log10) / params.noise_spread) ** 2
    if not residual.size:
        return float(usual)
    covariance = _covariance(cells, noise, params)
    _, log_determinant = np.linalg.slogdet(covariance)
    return float(usual - 0.5 * (residual @ np.linalg.solve(covariance, residual) + log_determinant))
