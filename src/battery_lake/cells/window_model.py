"""Capacity of a cell from the charge that passed a window of voltage: learnt from cells of its family.

A ridge regression on products of the charges and a Gaussian process are averaged. Both learn also from copies
of the training cells with another resistance (voltage shifted) or another size (charge and capacity scaled):
so cells of a family differ, and two or three training cells show little of it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from battery_lake.cells.metrics import MAD_TO_STD

if TYPE_CHECKING:
    import numpy.typing as npt

    from battery_lake.cells.arrays import Bools, Floats, Ints

COPIES: Final = 2.5**0.5 * np.array([[0.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
"""Shift and size of each copy in standard deviations: their mean is 0 and their variances are 1."""

TRIM_FRAC: Final = 0.05
"""Share of the largest squared residuals that no variance is learnt from: broken charges."""

MAX_FOLDS: Final = 6
"""Between-cell variance is learnt from no more folds of whole cells than these."""

TRIED: Final = np.geomspace(0.04, 25.0, 61)
"""Variances between cells that are tried, over the prior's."""

TAIL: Final = 5.0
"""Degrees of freedom of Student's t distribution by which broken charges are judged."""

SMALL: Final = 1e-9
"""A term that varies less is a constant."""

MIN_CHARGES: Final = 3
"""From fewer nothing is learnt; a correction after rests is shrunk as if so many more had shown none."""


@dataclass(frozen=True, slots=True)
class ModelParams:
    """What is known of cells before any is seen, and how the models learn.

    Parameters
    ----------
    window_v
        Width of the window. [V]
    groups
        Sub-windows are joined into so many.
    shift_v_per_c
        Standard deviation between cells of overpotential over C-rate: 0.02 is 40 milliohm at 2 Ah. [V·h]
    scale_frac
        Standard deviation between cells of size. [1]
    ridge
        Penalty of the regression, on standardised features. [1]
    length, noise
        Length scale, in standard deviations times the root of the number of groups, and noise, in standard
        deviations of capacity, of the Gaussian process. [1]
    points
        The process keeps at most about so many points.
    between_frac, between_cells
        Prior of the standard deviation between cells that the models cannot see, and the number of cells that
        it is worth. [1]
    within_frac
        Half of this is the least standard deviation within a cell. [1]
    long_rest_s
        A charge after such a rest is corrected apart. [s]
    prior_frac, prior_std_frac
        Capacity of any cell, and standard deviation: the answer where there is no training cell. [1]
    """

    window_v: float = 0.3
    groups: int = 6
    shift_v_per_c: float = 0.02
    scale_frac: float = 0.025
    ridge: float = 0.01
    length: float = 1.5
    noise: float = 0.15
    points: int = 600
    between_frac: float = 0.008
    between_cells: float = 2.0
    within_frac: float = 0.004
    long_rest_s: float = 3600.0
    prior_frac: float = 0.9
    prior_std_frac: float = 0.12


@dataclass(frozen=True, slots=True)
class WindowModel:
    """What was learnt; becomes a plain dict for JSON and back.

    Parameters
    ----------
    cells
        Number of training cells.
    center, scale
        Mean and standard deviation of the joined charges in the training, copies included. [1],
        shape ``(groups,)``
    coefficients
        Of the regression: constant, charges, products. [1]
    points, targets
        Of the Gaussian process: standardised charges, capacity. [1], ``(points, groups)``, ``(points,)``
    between_frac, within_frac
        Standard deviations of the cell's own bias and of one charge. [1]
    rest_frac, rest_std_frac
        What the estimate of a charge after a long rest is too high, and its standard deviation. [1]
    params
        How it was learnt.
    """

    cells: int
    center: Floats
    scale: Floats
    coefficients: Floats
    points: Floats
    targets: Floats
    between_frac: float
    within_frac: float
    rest_frac: float = 0.0
    rest_std_frac: float = 0.0
    params: ModelParams = field(default_factory=ModelParams)

    def to_dict(self) -> dict[str, Any]:
        """As numbers, lists and dicts."""
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in asdict(self).items()}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> WindowModel:
        """Back from :meth:`to_dict`.

        Parameters
        ----------
        stored
            What it returned.
        """
        values = dict(stored, params=ModelParams(**stored["params"]))
        for name in ("center", "scale", "coefficients", "targets"):
            values[name] = np.array(stored[name], dtype=np.float64)
        values["points"] = np.array(stored["points"], dtype=np.float64).reshape(-1, values["center"].size)
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Capacity of each charge's cell; all NaN where a charge cannot be read.

    Parameters
    ----------
    capacity_frac, std_frac
        Capacity over rated capacity, and standard deviation: both below together. [1], shape ``(charges,)``
    shared_std_frac
        The part that all charges of the cell share about this age: no averaging removes it. It holds the
        cell's own bias, and grows outside of what was learnt from. [1], shape ``(charges,)``
    single_std_frac
        The part of the single charge. [1], shape ``(charges,)``
    """

    capacity_frac: Floats
    std_frac: Floats
    shared_std_frac: Floats
    single_std_frac: Floats


def fit(
    part_frac: Floats,
    c_rate: Floats,
    capacity_frac: Floats,
    cell_id: npt.NDArray[Any],
    rest_s: Floats | None = None,
    params: ModelParams = ModelParams(),
) -> WindowModel:
    """Learn from charges of cells of one family.

    The variance between cells comes from leaving out one cell after the other: it explains what the Gaussian
    process does not know that it does not know. A prior steadies it.

    Parameters
    ----------
    part_frac
        Charge in each sub-window over rated capacity; rows with NaN are left out. [1],
        shape ``(charges, parts)``, parts a multiple of ``groups``
    c_rate
        Current over rated capacity. [1/h], shape ``(charges,)``, as all that follow
    capacity_frac
        The truth: capacity over rated capacity; NaN rows are left out. [1]
    cell_id
        Which cell it is, any type that compares.
    rest_s
        Rest before the charge; NaN where unknown. [s]
    params
        How to learn.

    Raises
    ------
    ValueError
        The parts cannot be joined into groups.

    References
    ----------
    Rasmussen and Williams, Gaussian Processes for Machine Learning, MIT Press 2006, chapter 2; Richardson et
    al., J. Power Sources 357 (2017) 209, doi:10.1016/j.jpowsour.2017.05.004 (for cells).
    """
    part = np.atleast_2d(np.asarray(part_frac, dtype=np.float64))
    truth, rate = np.asarray(capacity_frac, dtype=np.float64), np.asarray(c_rate, dtype=np.float64)
    if part.size and part.shape[1] % params.groups:
        raise ValueError(f"{part.shape[1]} parts cannot be joined into {params.groups} groups")
    good = np.isfinite(truth) & np.isfinite(rate) & (np.isfinite(part).all(axis=1) if part.size else False)
    rested = _rested(rest_s, truth.size, params)
    calm, late = good & ~rested, good & rested
    if calm.sum() < MIN_CHARGES:
        return _nothing(params)
    learnt = part[calm], rate[calm], truth[calm], np.asarray(cell_id)[calm]
    model = _means(*learnt, params)
    error = predict(model, part[calm]).capacity_frac - truth[calm]
    # About each cell's own mean: what its charges share belongs to the variance between cells.
    _, code, counts = np.unique(learnt[3], return_inverse=True, return_counts=True)
    error -= (np.bincount(code, error) / counts)[code]
    within = float(np.sqrt(_trimmed_mean(error**2)))
    model = replace(model, within_frac=max(within, 0.5 * params.within_frac))
    model = replace(model, between_frac=_between(*learnt, model))
    return _with_rest(model, predict(model, part[late]).capacity_frac - truth[late]) if late.any() else model


def predict(model: WindowModel, part_frac: Floats, rest_s: Floats | None = None) -> Estimate:
    """Estimate capacity of cells that were not learnt from.

    Parameters
    ----------
    model
        What was learnt.
    part_frac
        Charge in each sub-window over rated capacity. [1], shape ``(charges, parts)``
    rest_s
        Rest before the charge; NaN where unknown, which counts as short. [s], shape ``(charges,)``
    """
    part = np.atleast_2d(np.asarray(part_frac, dtype=np.float64))
    count = part.shape[0] if part.size else 0
    params = model.params
    if model.cells == 0 or count == 0:
        prior = np.full(count, params.prior_std_frac)
        return Estimate(np.full(count, params.prior_frac), prior, prior, np.zeros(count))
    good: Bools = np.asarray(np.isfinite(part).all(axis=1))
    joined = _joined(np.where(good[:, None], part, 0.0), params.groups)
    straight = _terms(joined) @ model.coefficients
    curved, unknown_var = _process(model, (joined - model.center) / model.scale)
    rested = _rested(rest_s, count, params)
    mean = 0.5 * (straight + curved) - np.where(rested, model.rest_frac, 0.0)
    # Half the squared difference is the variance of two numbers: where the models part, neither is known.
    between_var = model.between_frac**2 * (1.0 + 1.0 / model.cells)
    shared = np.sqrt(between_var + unknown_var + 0.5 * (straight - curved) ** 2)
    single = np.sqrt(model.within_frac**2 + np.where(rested, model.rest_std_frac**2, 0.0))
    blank = np.where(good, 1.0, np.nan)
    return Estimate(mean * blank, np.sqrt(shared**2 + single**2) * blank, shared * blank, single * blank)


def shifted(part_frac: Floats, shift_v: Floats, window_v: float) -> Floats:
    """Charges as they would be with more overpotential: the curve moved up in voltage.

    Beyond the window the charge by voltage is taken to go on as in the outermost part.

    Parameters
    ----------
    part_frac
        Charge in each part of the window. [1], shape ``(charges, parts)``
    shift_v
        More overpotential; negative: less. [V], shape ``(charges,)``
    window_v
        Width of the window. [V]
    """
    rows, parts = part_frac.shape
    total = np.concatenate([np.zeros((rows, 1)), np.cumsum(part_frac, axis=1)], axis=1)
    place = np.arange(parts + 1) - shift_v[:, None] * parts / window_v
    index = np.clip(np.floor(place).astype(np.int64), 0, parts - 1)
    row = np.arange(rows)[:, None]
    at_edge = total[row, index] + (place - index) * part_frac[row, index]
    return np.diff(at_edge, axis=1)


def _nothing(params: ModelParams) -> WindowModel:
    """A model without a training cell."""
    none = np.zeros((0, params.groups))
    spreads = params.between_frac, params.within_frac
    return WindowModel(0, none.sum(0), none.sum(0), none.sum(0), none, np.zeros(0), *spreads, params=params)


def _means(
    part: Floats, rate: Floats, truth: Floats, cell: npt.NDArray[Any], params: ModelParams
) -> WindowModel:
    """Both mean models, each cell with the same weight."""
    names, code, counts = np.unique(cell, return_inverse=True, return_counts=True)
    sizes_frac = np.exp(COPIES[:, 1] * params.scale_frac)
    copies = [
        size * shifted(part, shift * params.shift_v_per_c * rate, params.window_v)
        for shift, size in zip(COPIES[:, 0], sizes_frac, strict=True)
    ]
    joined = _joined(np.concatenate(copies), params.groups)
    target = np.outer(sizes_frac, truth).ravel()
    weight = np.tile(1.0 / counts[code], len(COPIES))
    weight /= weight.sum()
    center = weight @ joined
    scale = np.maximum(np.sqrt(weight @ (joined - center) ** 2), 1e-4)
    each = int(np.clip(params.points // (len(COPIES) * names.size), 4, 50))
    keep = np.concatenate([_spread(np.flatnonzero(code == number), each) for number in range(names.size)])
    kept = (np.arange(len(COPIES))[:, None] * truth.size + keep).ravel()
    coefficients = _regression(_terms(joined), target, weight, params.ridge)
    points, targets = ((joined - center) / scale)[kept], target[kept]
    spreads = params.between_frac, params.within_frac
    return WindowModel(names.size, center, scale, coefficients, points, targets, *spreads, params=params)


def _spread(rows: Ints, count: int) -> Ints:
    """At most so many of the rows, spread evenly."""
    return rows[np.unique(np.linspace(0, rows.size - 1, count).round().astype(np.int64))]


def _joined(part: Floats, groups: int) -> Floats:
    return np.asarray(part.reshape(part.shape[0], groups, -1).sum(axis=2), dtype=np.float64)


def _terms(joined: Floats) -> Floats:
    """Constant, charges and all their products."""
    first, second = np.triu_indices(joined.shape[1])
    products = joined[:, first] * joined[:, second]
    return np.concatenate([np.ones((joined.shape[0], 1)), joined, products], axis=1)


def _regression(terms: Floats, target: Floats, weight: Floats, penalty: float) -> Floats:
    """Ridge regression, each term standardised; the constant is free."""
    center, level = weight @ terms, float(weight @ target)
    scale = np.sqrt(weight @ (terms - center) ** 2)
    scale[scale < SMALL] = np.inf
    x = (terms - center) / scale
    gram = (x * weight[:, None]).T @ x + penalty * np.eye(x.shape[1])
    slope = np.linalg.solve(gram, x.T @ (weight * (target - level))) / scale
    slope[0] = level - center @ slope
    return np.asarray(slope, dtype=np.float64)


def _process(model: WindowModel, joined: Floats) -> tuple[Floats, Floats]:
    """Mean and variance of the Gaussian process: a constant, a plane and smooth bends."""
    level, spread = float(model.targets.mean()), max(float(model.targets.std()), 1e-3)
    noise = model.params.noise**2 * np.eye(model.targets.size)
    root = np.linalg.cholesky(_kernel(model.points, model.points, model.params.length) + noise)
    # One solve for both: whitened kernel to the charges asked for, and whitened targets.
    right = np.column_stack([_kernel(model.points, joined, model.params.length), model.targets - level])
    white = np.linalg.solve(root, right)
    known = white[:, :-1]
    left = 2.0 + (joined**2).mean(axis=1) - (known**2).sum(axis=0)
    return level + known.T @ white[:, -1], spread**2 * np.maximum(left, 0.0)


def _kernel(one: Floats, other: Floats, length: float) -> Floats:
    inner = one @ other.T / one.shape[1]
    apart = (one**2).mean(axis=1)[:, None] + (other**2).mean(axis=1)[None, :] - 2.0 * inner
    return np.asarray(1.0 + inner + np.exp(-0.5 * np.maximum(apart, 0.0) / length**2), dtype=np.float64)


def _between(part: Floats, rate: Floats, truth: Floats, cell: npt.NDArray[Any], model: WindowModel) -> float:
    """Standard deviation between cells, most likely when whole cells are left out, with the prior. [1]."""
    params = model.params
    names, code = np.unique(cell, return_inverse=True)
    if names.size == 1:
        return params.between_frac
    folds = min(names.size, MAX_FOLDS)
    tried = params.between_frac**2 * TRIED
    # Twice the negative log likelihood; a cell counts as one observation.
    cost = params.between_cells * (np.log(tried) + params.between_frac**2 / tried)
    for number in range(folds):
        out: Bools = np.asarray(code % folds == number)
        other = _means(part[~out], rate[~out], truth[~out], cell[~out], params)
        found = predict(replace(other, between_frac=0.0, within_frac=model.within_frac), part[out])
        square = (found.capacity_frac - truth[out])[:, None] ** 2
        variance = found.std_frac[:, None] ** 2 + tried * (1.0 + 1.0 / other.cells)
        each = np.log(variance) + (TAIL + 1.0) * np.log1p(square / (TAIL * variance))
        cost += sum(each[code[out] == which].mean(axis=0) for which in range(number, names.size, folds))
    return float(np.sqrt(tried[np.argmin(cost)]))


def _with_rest(model: WindowModel, error: Floats) -> WindowModel:
    """Correct charges after long rests by their median error, shrunk as if three more had shown none."""
    middle = float(np.median(error))
    offset = middle * error.size / (error.size + MIN_CHARGES)
    spread = MAD_TO_STD * float(np.median(np.abs(error - middle)))
    return replace(model, rest_frac=offset, rest_std_frac=float(np.hypot(spread, middle - offset)))


def _rested(rest_s: Floats | None, count: int, params: ModelParams) -> Bools:
    if rest_s is None:
        return np.zeros(count, dtype=np.bool_)
    return np.asarray(np.nan_to_num(np.asarray(rest_s, dtype=np.float64)) >= params.long_rest_s)


def _trimmed_mean(values: Floats) -> float:
    """Mean without the largest share; of few values, of all."""
    ordered = np.sort(values)
    return float(ordered[: max(int(np.ceil(ordered.size * (1.0 - TRIM_FRAC))), 1)].mean())
