"""What is learnt from iron phosphate cells whose capacity was measured: their fade, and how curves change."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from battery_lake.cells.lfp_curves import GRID_FRAC, Spread, own_curve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from battery_lake.cells.arrays import Bools, Floats
    from battery_lake.cells.lfp_curves import Windows

KNOTS_FRAC: Final = np.linspace(0.0, 0.5, 21)
"""Losses at which the change of a learnt cell's curve is kept. [1]"""

KNOT_WIDTH_FRAC: Final = 0.012
"""Charges so far from a knot still speak for it. [1]"""

WHOLE_OF: Final = 7
"""Charges over whose median a charge is judged as whole."""

SAME: Final = 0.5
"""Conditions alike by more than this count as the same."""

PRIOR_CELLS: Final = 4.0
"""So many cells' worth is the deviation assumed, against that found between learnt cells."""


@dataclass(frozen=True, slots=True)
class LfpParams:
    """How much cells differ; ``far``: under other conditions, ``near``: under the same.

    The law's figures are those of 21 stationary-storage cells and 4 packs of four families (Deng et al., data
    at DOI 10.5281/zenodo.21105057); the others are engineering estimates.

    Parameters
    ----------
    own_charges
        First charges of a cell that make its own curve.
    memory
        Charges whose windows are averaged: this one and those before it.
    forget_frac
        Loss after which an old window counts e-fold less. [1]
    rate_scale, temperature_scale_c
        Differences of log C-rate and of temperature at which conditions cease to be alike. [ln(1), °C]
    law_mean, law_std
        Log of the loss a cycle, and its deviation between families. [ln(1)]
    law_far_std, law_near_std
        Its deviation between conditions, and between cells under the same. [ln(1)]
    law_floor_frac
        Deviation of the loss at any age: first charges condition the cell. [1]
    initial_std_frac
        Deviation of the first capacity between cells. [1]
    scatter_frac
        Deviation of a measured capacity from the smooth fade. [1]
    far, near
        How much curves may differ from what is expected.
    """

    own_charges: int = 6
    memory: int = 8
    forget_frac: float = 0.05
    rate_scale: float = 0.2
    temperature_scale_c: float = 6.0
    law_mean: float = -8.25
    law_std: float = 0.8
    law_far_std: float = 0.3
    law_near_std: float = 0.1
    law_floor_frac: float = 0.003
    initial_std_frac: float = 0.006
    scatter_frac: float = 0.004
    far: Spread = field(default_factory=lambda: Spread(0.0, 0.04, 0.25, 60.0, 6.0, 1.0, 0.5))
    near: Spread = field(default_factory=lambda: Spread(0.1, 0.04, 0.5, 2.0, 1.5, 0.6, 0.5))


@dataclass(frozen=True, slots=True)
class Learning:
    """A cell whose capacity was measured.

    Parameters
    ----------
    windows
        Of its charges.
    age_cycles
        Full cycles since it was new. Shape ``(charges,)``
    capacity_ah
        Capacity of each charge; charges cut short are left out by :func:`whole_charges`. [Ah], shape
        ``(charges,)``
    """

    windows: Windows
    age_cycles: Floats
    capacity_ah: Floats


@dataclass(frozen=True, slots=True)
class LearntCell:
    """What is kept of a cell that was learnt.

    Parameters
    ----------
    log_c_rate, temperature_c
        Its conditions. [ln(1/h), °C]
    initial_frac
        First capacity over rated. [1]
    age_cycles, loss_frac
        Its fade: rising ages, and the loss since its first charges. [1], shape ``(ages,)``
    change_mv
        Change of its curve at the losses ``KNOTS_FRAC`` over ``GRID_FRAC`` of what capacity is left. [mV],
        shape ``(knots, grid)``
    """

    log_c_rate: float
    temperature_c: float
    initial_frac: float
    age_cycles: Floats
    loss_frac: Floats
    change_mv: Floats


@dataclass(frozen=True, slots=True)
class LfpModel:
    """Learnt cells, and how much cells differ after having seen them.

    Parameters
    ----------
    rated_ah
        Rated capacity. [Ah]
    cells
        May be empty: estimates are then wide.
    params
        With deviations between cells as fitted.
    """

    rated_ah: float
    cells: tuple[LearntCell, ...] = ()
    params: LfpParams = field(default_factory=LfpParams)


def whole_charges(capacity_ah: Floats) -> Bools:
    """True where a capacity is within 2 % of the median of 7 charges; others were cut short. Shape as given.

    Parameters
    ----------
    capacity_ah
        In order of age. [Ah], shape ``(charges,)``
    """
    capacity = np.asarray(capacity_ah, dtype=np.float64)
    if not capacity.size:
        return np.zeros(0, dtype=np.bool_)
    side = WHOLE_OF // 2
    padded = np.pad(capacity, side, mode="reflect" if capacity.size > side else "edge")
    middle = np.median(np.lib.stride_tricks.sliding_window_view(padded, WHOLE_OF), axis=1)
    return np.asarray(np.abs(capacity - middle) <= 0.02 * middle)


def fit(cells: Sequence[Learning], rated_ah: float, params: LfpParams = LfpParams()) -> LfpModel:
    """Learn from cells whose capacity was measured; those with too few charges are passed over.

    Parameters
    ----------
    cells
        May be none.
    rated_ah
        Rated capacity of all. [Ah]
    params
        What is assumed before.
    """
    learnt = [_learn(cell, rated_ah, params) for cell in cells]
    kept = tuple(cell for cell in learnt if cell is not None)
    return LfpModel(rated_ah, kept, _with_deviations_found(kept, params))


def to_dict(model: LfpModel) -> dict[str, Any]:
    """Make plain data of a model: numbers, lists and dictionaries, fit for JSON.

    Parameters
    ----------
    model
        Any.
    """
    plain = asdict(model)
    plain["cells"] = [
        {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in cell.items()}
        for cell in plain["cells"]
    ]
    return plain


def from_dict(plain: Mapping[str, Any]) -> LfpModel:
    """Make a model of the plain data of :func:`to_dict`.

    Parameters
    ----------
    plain
        What it returned.
    """
    arrays = ("age_cycles", "loss_frac", "change_mv")
    cells = tuple(
        LearntCell(**(dict(cell) | {name: np.array(cell[name], dtype=np.float64) for name in arrays}))
        for cell in plain["cells"]
    )
    spreads = {name: Spread(**plain["params"][name]) for name in ("far", "near")}
    return LfpModel(plain["rated_ah"], cells, LfpParams(**(dict(plain["params"]) | spreads)))


def _learn(cell: Learning, rated_ah: float, params: LfpParams) -> LearntCell | None:
    """What is kept of a cell; None where too little is known of it."""
    order = np.argsort(cell.age_cycles, kind="stable")
    good = cell.windows.usable[order] & whole_charges(cell.capacity_ah[order])
    rows = order[good & np.isfinite(cell.age_cycles[order] + cell.windows.temperature_c[order])]
    if rows.size < 2 * params.own_charges:
        return None
    age, capacity = cell.age_cycles[rows], cell.capacity_ah[rows]
    first_ah = float(np.median(capacity[: params.own_charges]))
    loss = 1.0 - capacity / first_ah
    own = own_curve(cell.windows, rows[: params.own_charges])
    change = np.array([
        (np.interp(GRID_FRAC * (1.0 - lost), GRID_FRAC, curve) - own) * 1e3
        for lost, curve in zip(loss, cell.windows.curve_v[rows], strict=True)
    ])
    parts = np.array_split(np.arange(rows.size), min(24, rows.size // 4))
    return LearntCell(
        log_c_rate=float(np.log(np.median(cell.windows.c_rate[rows]))),
        temperature_c=float(np.median(cell.windows.temperature_c[rows])),
        initial_frac=first_ah / rated_ah,
        age_cycles=np.array([np.median(age[: params.own_charges]), *(np.median(age[p]) for p in parts)]),
        loss_frac=np.maximum.accumulate([0.0, *(np.median(loss[p]) for p in parts)]),
        change_mv=_change_at_knots(change, loss),
    )


def _change_at_knots(change: Floats, loss: Floats) -> Floats:
    """Change of a curve by loss, smoothed along the loss and carried on beyond what was seen."""
    out = np.zeros((KNOTS_FRAC.size, GRID_FRAC.size))
    last = max(int(np.flatnonzero(loss.max() + 0.005 >= KNOTS_FRAC)[-1]), 0)
    seen, change = np.isfinite(change), np.nan_to_num(change)
    for knot in range(1, last + 1):
        off = (loss - KNOTS_FRAC[knot])[:, None]
        weight = np.exp(-0.5 * (off / KNOT_WIDTH_FRAC) ** 2) * seen
        # A local line, not a local mean: the window's upper end shows in the younger charges only.
        total, first = weight.sum(axis=0), (weight * off).sum(axis=0)
        second = (weight * off**2).sum(axis=0) + 0.002**2 * total
        mean, slope = (weight * change).sum(axis=0), (weight * off * change).sum(axis=0)
        known = np.flatnonzero(total > 1.0)
        if not known.size:
            out[knot] = out[knot - 1]
            continue
        value = (second * mean - first * slope)[known] / (total * second - first**2)[known]
        out[knot] = np.interp(GRID_FRAC, GRID_FRAC[known], value)
    back = max(last - 3, 0)
    pace = (out[last] - out[back]) / max(last - back, 1)
    out[last + 1 :] = out[last] + pace * np.arange(1, KNOTS_FRAC.size - last)[:, None]
    return out


def _with_deviations_found(cells: Sequence[LearntCell], params: LfpParams) -> LfpParams:
    """Deviations between cells: those assumed, drawn towards what pairs of learnt cells show."""
    near: list[float] = []
    far: list[float] = []
    for i, one in enumerate(cells):
        for other in cells[:i]:
            age = np.array([min(one.age_cycles[-1], other.age_cycles[-1])])
            ratio = float(np.log(loss_at(one, age) / loss_at(other, age))[0])
            same = alike(conditions([one]), conditions([other]), params)[0, 0]
            (near if same > SAME else far).append(0.5 * ratio**2)
    first = [(cell.initial_frac - initial_frac(cells)) ** 2 for cell in cells]
    return replace(
        params,
        law_near_std=_pooled(params.law_near_std, near),
        law_far_std=_pooled(params.law_far_std, far),
        initial_std_frac=_pooled(params.initial_std_frac, first),
    )


def _pooled(std: float, squares: Sequence[float]) -> float:
    return float(np.sqrt((PRIOR_CELLS * std**2 + sum(squares)) / (PRIOR_CELLS + len(squares))))


def initial_frac(cells: Sequence[LearntCell]) -> float:
    """First capacity over rated to be expected: the rating counts as one more cell. [1].

    Parameters
    ----------
    cells
        Learnt; may be none.
    """
    return (1.0 + sum(cell.initial_frac for cell in cells)) / (1.0 + len(cells))


def conditions(cells: Sequence[LearntCell]) -> Floats:
    """Log C-rate and temperature of cells. [ln(1/h), °C], shape ``(cells, 2)``.

    Parameters
    ----------
    cells
        Learnt; may be none.
    """
    return np.array([(cell.log_c_rate, cell.temperature_c) for cell in cells]).reshape(-1, 2)


def alike(one: Floats, other: Floats, params: LfpParams) -> Floats:
    """Correlation of cells by their conditions; 0 where those are unknown. [1], shape ``(one, other)``.

    Parameters
    ----------
    one, other
        As of :func:`conditions`.
    params
        Hold the scales.
    """
    scaled = (one[:, None] - other) / np.array([params.rate_scale, params.temperature_scale_c])
    return np.asarray(np.nan_to_num(np.exp(-0.5 * (scaled**2).sum(axis=2))), dtype=np.float64)


def loss_at(cell: LearntCell, age: Floats) -> Floats:
    """Loss of a learnt cell at an age, carried on beyond its last; always above 0. [1], shape of the age.

    Parameters
    ----------
    cell
        Learnt.
    age
        Full cycles.
    """
    ages, losses = np.append(0.0, cell.age_cycles), np.append(0.0, cell.loss_frac)
    back = max(ages.size - 8, 0)
    pace = (losses[-1] - losses[back]) / max(ages[-1] - ages[back], 1.0)
    beyond = pace * np.maximum(age - ages[-1], 0.0)
    return np.asarray(np.maximum(np.interp(age, ages, losses) + beyond, 1e-4 + 1e-5 * np.maximum(age, 0.0)))


def by_loss(change_mv: Floats, loss_frac: Floats) -> Floats:
    """Change of a curve at losses between the knots. [mV], shape ``(losses, grid)``.

    Parameters
    ----------
    change_mv
        Of a learnt cell.
    loss_frac
        Losses; below 0 as 0. [1], shape ``(losses,)``
    """
    place = np.clip(loss_frac, 0.0, KNOTS_FRAC[-1]) / KNOTS_FRAC[1]
    knot = np.minimum(place.astype(np.int64), KNOTS_FRAC.size - 2)
    part = (place - knot)[:, None]
    return np.asarray(change_mv[knot] * (1.0 - part) + change_mv[knot + 1] * part)
