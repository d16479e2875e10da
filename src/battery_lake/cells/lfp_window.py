"""Capacity of lithium iron phosphate cells from the part of a charge between two voltages on the flat curve.

What is known of a cell's loss: how fast cells fade by age, and how its charge curve shrank since its own
first charges (:mod:`battery_lake.cells.lfp_curves`). Where a cell was learnt under like current and
temperature, also how the curve rises and bends while capacity is lost; elsewhere that is left open, and the
estimate is wider. The estimate of a charge uses that charge and earlier ones, never the capacity of its cell.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.lfp_curves import (
    GRID_FRAC,
    LOSS_FRAC,
    Spread,
    WindowParams,
    Windows,
    log_likelihood,
    own_curve,
    read_windows,
)
from battery_lake.cells.lfp_learning import (
    Learning,
    LfpModel,
    LfpParams,
    alike,
    by_loss,
    conditions,
    fit,
    from_dict,
    initial_frac,
    loss_at,
    to_dict,
    whole_charges,
)

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Floats

__all__ = [
    "Learning",
    "LfpEstimate",
    "LfpModel",
    "LfpParams",
    "WindowParams",
    "Windows",
    "fit",
    "from_dict",
    "predict",
    "read_windows",
    "to_dict",
    "whole_charges",
]

LOG_EDGE: Final = 3.0
"""So many deviations below 0 the loss of a new cell may seem to be; its logarithm is taken from there."""

NEAR_SHARE: Final = 0.02
"""Variance of the change of a curve between like cells over that between conditions. [1]"""


@dataclass(frozen=True, slots=True)
class LfpEstimate:
    """Estimates of a cell's charges.

    Parameters
    ----------
    capacity_ah, std_ah
        Capacity and its standard deviation. [Ah], shape ``(charges,)``
    near_frac
        1 where a learnt cell had the same conditions, 0 where none was near. [1], shape ``(charges,)``
    """

    capacity_ah: Floats
    std_ah: Floats
    near_frac: Floats


@dataclass(frozen=True, slots=True)
class _Prior:
    """What is known of each charge before its window is looked at; shapes begin with ``(charges,)``."""

    loss: Floats
    rate_std: Floats
    loss_std: Floats
    weights: Floats
    near: Floats
    like_own: Floats


def predict(model: LfpModel, windows: Windows, age_cycles: Floats) -> LfpEstimate:
    """Estimate the capacity at each charge of one cell, from that charge and earlier ones.

    Parameters
    ----------
    model
        What was learnt.
    windows
        Of the cell's charges, in any order. A charge without window rests on the age and on earlier ones.
    age_cycles
        Full cycles since the cell was new; NaN gives NaN. Shape ``(charges,)``

    References
    ----------
    Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), section 2.7: families, conditions
    and cells are three terms of the covariance of one Gaussian process.
    """
    age = np.asarray(age_cycles, dtype=np.float64)
    order = np.argsort(age, kind="stable")
    known = order[np.isfinite(age[order])]
    ordered = Windows(*(getattr(windows, part.name)[known] for part in fields(Windows)))
    loss, variance, near = _losses(model, ordered, age[known])
    params = model.params
    full_ah = model.rated_ah * initial_frac(model.cells)
    found = np.full((3, age.size), np.nan)
    found[0, known] = full_ah * (1.0 - loss)
    found[1, known] = full_ah * np.sqrt(variance + params.initial_std_frac**2 + params.scatter_frac**2)
    found[2, known] = near
    return LfpEstimate(found[0], found[1], found[2])


def _losses(model: LfpModel, windows: Windows, age: Floats) -> tuple[Floats, Floats, Floats]:
    """Loss at each charge in order of age, its variance, and how near a learnt cell's conditions are."""
    params = model.params
    prior = _prior(model, windows, age)
    changes = np.array([by_loss(cell.change_mv, LOSS_FRAC) for cell in model.cells])
    changes = changes.reshape(-1, LOSS_FRAC.size, GRID_FRAC.size)
    own = np.flatnonzero(windows.usable)[: params.own_charges]
    base = float(prior.loss[own].mean()) if own.size else 0.0
    base_std = base * float(prior.rate_std[own].mean()) if own.size else 0.0
    curve = own_curve(windows, own) if own.size else np.full(GRID_FRAC.size, np.nan)
    recent: deque[tuple[Floats, float]] = deque(maxlen=params.memory)
    loss, variance = np.zeros(age.size), np.zeros(age.size)
    for row in range(age.size):
        if windows.usable[row] and row > own[-1]:
            change = np.tensordot(prior.weights[row], changes, 1)
            change -= change[np.argmin(np.abs(LOSS_FRAC - base))].copy()
            spread = _mixed(params, prior, row, 1e3 * float(windows.noise_v[row]))
            seen = log_likelihood(
                windows.charge_frac[row], windows.voltage_v[row], curve, change, base, spread
            )
            recent.append((seen, float(prior.loss[row])))
        loss[row], variance[row] = _posterior(
            float(prior.loss[row]), float(prior.loss_std[row]), recent, params
        )
        if recent:  # windows tell the loss since the own curve was taken: what was lost before is not seen
            variance[row] += (base_std * (1.0 - loss[row])) ** 2
    return loss, variance, prior.near


def _prior(model: LfpModel, windows: Windows, age: Floats) -> _Prior:
    """Loss to be expected by age alone; which learnt cells speak for a curve, and how loud."""
    params = model.params
    here = np.column_stack([_so_far(np.log(windows.c_rate)), _so_far(windows.temperature_c)])
    learnt = conditions(model.cells)
    to, between = alike(here, learnt, params), alike(learnt, learnt, params)
    weights, left = _weights(to, between, params.law_std**2, params.law_far_std**2, params.law_near_std**2)
    plain = np.exp(params.law_mean) * np.maximum(age, 0.0) + 1e-6
    logs = np.array([np.log(loss_at(cell, age) / plain) for cell in model.cells])
    logs = logs.reshape(len(model.cells), age.size)
    loss = plain * np.exp((weights.T * logs).sum(axis=0))
    rate_std = np.sqrt(left)
    loss_std = np.hypot(loss * rate_std, params.law_floor_frac)
    weights, left = _weights(to, between, 0.0, 1.0, NEAR_SHARE)
    near = np.clip((1.0 + NEAR_SHARE - left) / (1.0 + NEAR_SHARE), 0.0, 1.0)
    own = np.flatnonzero(windows.usable)[: params.own_charges]
    now = np.column_stack([np.log(windows.c_rate), windows.temperature_c])
    off = np.nan_to_num(now - now[own].mean(axis=0)) if own.size else np.zeros_like(now)
    like_own = alike(off, np.zeros((1, 2)), params)[:, 0]
    return _Prior(loss, rate_std, loss_std, weights, near, like_own)


def _weights(to: Floats, between: Floats, family: float, far: float, near: float) -> tuple[Floats, Floats]:
    """Weights of the learnt cells and the variance left. Shapes ``(charges, cells)``, ``(charges,)``."""
    cross = family + far * to
    inner = family + far * between + near * np.eye(between.shape[0])
    weights = np.zeros_like(cross)
    if between.size:
        weights[:] = np.linalg.solve(inner, cross.T).T
    return weights, np.asarray(family + far + near - (weights * cross).sum(axis=1), dtype=np.float64)


def _mixed(params: LfpParams, prior: _Prior, row: int, noise_mv: float) -> Spread:
    """How much a curve may differ, between like cells and unlike ones; less trust off its own conditions."""
    near = float(prior.near[row])
    mixed = {}
    for part in fields(Spread):
        far_value, near_value = getattr(params.far, part.name), getattr(params.near, part.name)
        power = 2.0 if part.name.endswith("_mv") else 1.0
        mixed[part.name] = ((1.0 - near) * far_value**power + near * near_value**power) ** (1.0 / power)
    mixed["temper"] *= float(prior.like_own[row])
    mixed["noise_mv"] = float(np.hypot(mixed["noise_mv"], noise_mv))
    return Spread(**mixed)


def _posterior(
    loss: float, loss_std: float, recent: deque[tuple[Floats, float]], params: LfpParams
) -> tuple[float, float]:
    """Mean and variance of the loss, by age and by what recent windows say on average.

    Their errors are one and the same, so many windows weigh as one.
    """
    # Log-normal: a rate that is off by a factor is off by more above than below.
    edge = LOG_EDGE * params.law_floor_frac
    above = np.maximum(LOSS_FRAC + edge, 0.1 * edge)
    log = -0.5 * (np.log(above / (loss + edge)) * (loss + edge) / loss_std) ** 2 - np.log(above)
    for seen, then in recent:
        grown = max(loss - then, 0.0)
        weight = np.exp(-grown / params.forget_frac) / len(recent)
        log += weight * np.interp(LOSS_FRAC - grown, LOSS_FRAC, seen)
    chance = np.exp(log - log.max())
    chance /= chance.sum()
    mean = float(chance @ LOSS_FRAC)
    step = LOSS_FRAC[1] - LOSS_FRAC[0]
    return mean, float(chance @ (LOSS_FRAC - mean) ** 2 + step**2 / 12.0)


def _so_far(values: Floats) -> Floats:
    """Mean of the known values up to each."""
    known = np.isfinite(values)
    total = np.cumsum(np.where(known, values, 0.0))
    return np.where(np.cumsum(known) > 0, total / np.maximum(np.cumsum(known), 1), np.nan)
