"""Changes in a series of daily estimates: a step, and a bend. Many cells at once, one column a cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from battery_lake.cells.metrics import MAD_TO_STD

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class StepParams:
    """What a step is measured by.

    Parameters
    ----------
    after
        Estimates at the end of the series that are told apart from those before: one alone is an outlier.
    before_min, before_max
        Estimates before that are needed, and that are looked at.
    """

    after: int = 3
    before_min: int = 8
    before_max: int = 30


@dataclass(frozen=True, slots=True)
class Step:
    """What the last estimates of each cell differ by from the line through those before.

    Parameters
    ----------
    step
        Difference; NaN where the estimates are too few. Unit of the series, shape ``(cells,)``
    std
        Its standard deviation: scatter of the estimates, of the line, and what they share. Same shape
    before
        Estimates that the line goes through. Shape ``(cells,)``
    """

    step: Floats
    std: Floats
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
        Log likelihood ratio of the bent line to the straight one.
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


def step_change(days: Floats, values: Floats, std: Floats, params: StepParams = StepParams()) -> Step:
    """Compare the last estimates of each cell with the line through those before.

    The median of the last ones stands for them, so that a single outlier makes no step.

    Parameters
    ----------
    days
        Days of the estimates, rising. [d], shape ``(days,)``
    values, std
        Estimates and their standard deviations; NaN: none. Shape ``(days, cells)``
    params
        What a step is measured by.

    References
    ----------
    Basseville and Nikiforov, Detection of Abrupt Changes (1993), ch. 2: comparison of two windows.
    """
    values, std = np.asarray(values, dtype=np.float64), np.asarray(std, dtype=np.float64)
    cells = values.shape[1]
    step, error = np.full(cells, np.nan), np.full(cells, np.nan)
    before = np.zeros(cells, dtype=np.int64)
    for cell in range(cells):
        told = np.flatnonzero(np.isfinite(values[:, cell]) & np.isfinite(std[:, cell]))
        told = told[-(params.before_max + params.after) :]
        old, new = told[: -params.after], told[-params.after :]
        before[cell] = old.size
        if old.size >= params.before_min:
            step[cell], error[cell] = _step(days, values[:, cell], std[:, cell], old, new)
    return Step(step, error, before)


def bend(days: Floats, values: Floats, std: Floats, params: BendParams = BendParams()) -> Bend:
    """Fit a line with one bend to each cell's series, and a straight one.

    Parameters
    ----------
    days
        Days of the estimates, rising. [d], shape ``(days,)``
    values, std
        Estimates and their standard deviations; NaN: none. Shape ``(days, cells)``
    params
        What it is looked for with.

    References
    ----------
    Fermín-Cueto et al., Energy and AI 1 (2020) 100006: the Bacon-Watts model of knees;
    Attia et al., J. Electrochem. Soc. 169 (2022) 060517: knees in battery ageing.
    """
    values, std = np.asarray(values, dtype=np.float64), np.asarray(std, dtype=np.float64)
    found = np.full((7, values.shape[1]), np.nan)
    for cell in range(values.shape[1]):
        told = np.isfinite(values[:, cell]) & np.isfinite(std[:, cell]) & (std[:, cell] > 0.0)
        if told.sum() >= 2 * params.estimates_min:
            found[:, cell] = _bend(days[told], values[told, cell], std[told, cell], params)
    return Bend(*found)


def _step(days: Floats, values: Floats, std: Floats, old: Ints, new: Ints) -> tuple[float, float]:
    centre = days[old].mean()
    design = np.column_stack([np.ones(old.size), days[old] - centre])
    weight = np.ones(old.size)
    for _ in range(3):  # an outlier before must not make the line
        line, *_ = np.linalg.lstsq(design * weight[:, None], values[old] * weight, rcond=None)
        rest = values[old] - design @ line
        scale = max(MAD_TO_STD * float(np.median(np.abs(rest))), 0.3 * float(np.median(std[old])), 1e-12)
        weight = np.sqrt(np.minimum(1.0, 2.0 * scale / np.maximum(np.abs(rest), 1e-12)))
    at = np.array([1.0, days[new].mean() - centre])
    shift = float(np.median(values[new]) - at @ line)
    spread = at @ np.linalg.pinv(design.T @ design) @ at
    of_new = max(float(np.median(std[new])), scale)
    # The median of n errs by about sqrt(pi / 2n).
    return shift, float(np.sqrt(scale**2 * spread + of_new**2 * np.pi / (2.0 * new.size)))


def _bend(days: Floats, values: Floats, std: Floats, params: BendParams) -> Floats:
    centre, weight = days[0], 1.0 / std
    straight = _fit(np.column_stack([np.ones(days.size), days - centre]), values, weight)
    edge = params.estimates_min
    places = np.unique(
        np.quantile(days[edge - 1 : days.size - edge + 1], np.linspace(0, 1, params.candidates))
    )
    fits = [_fit(_hinge(days - centre, place - centre), values, weight) for place in places]
    squares = np.array([fit[1] for fit in fits])
    best = int(np.argmin(squares))
    line, least, covariance = fits[best]
    # Scatter beyond what the estimates say of themselves widens everything.
    variance = max(least / max(days.size - 4, 1), 0.1) / params.independent_frac
    likelihood = np.exp(-0.5 * (squares - least) / variance)
    share = np.cumsum(likelihood) / likelihood.sum()
    quantiles = [places[min(int(np.searchsorted(share, q)), places.size - 1)] for q in (0.05, 0.5, 0.95)]
    gain = 0.5 * (straight[1] - least) / variance
    change_std = float(np.sqrt(covariance[2, 2] * variance))
    return np.array([line[1], line[1] + line[2], change_std, gain, *quantiles])


def _hinge(days: Floats, place: float) -> Floats:
    return np.column_stack([np.ones(days.size), days, np.maximum(days - place, 0.0)])


def _fit(design: Floats, values: Floats, weight: Floats) -> tuple[Floats, float, Floats]:
    """Weighted least squares: coefficients, weighted sum of squares, inverse of the normal matrix."""
    scaled = design * weight[:, None]
    line, *_ = np.linalg.lstsq(scaled, values * weight, rcond=None)
    rest = (values - design @ line) * weight
    return np.asarray(line), float(rest @ rest), np.asarray(np.linalg.pinv(scaled.T @ scaled))
