"""Capacity of iron phosphate cells from 3.34 to 3.42 V of a charge: the product against a ridge.

Each cell is judged by what all other cells of the training folder teach, with charges cut short left out.
``law_only_rmse_pp`` is the product's own estimate with every window taken away: what the age alone gives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.parquet as pq
from support.figures import Figure, means, training_cells

from battery_lake.cells.coulomb import increments
from battery_lake.cells.lfp_window import Learning, LfpEstimate, fit, predict, read_windows, whole_charges
from battery_lake.cells.metrics import Z90, coverage90, mae, rmse

if TYPE_CHECKING:
    from pathlib import Path

    from battery_lake.cells.arrays import Bools, Floats

NUMBER: Final = 4
TITLE: Final = "LFP SOH (lfp_essl1): capacity from 3.34 to 3.42 V of each charge"
RATED_AH: Final = 102.0
LEVELS_V: Final = np.linspace(3.34, 3.42, 9)
RIDGE: Final = 1.0
LEAST_SPREAD: Final = np.array([0.1] * 8 + [5.0, 2.0])
"""Under this a feature of the baseline does not vary: increments, current, temperature. [Ah, A, °C]"""
SAME: Final = 0.5
COLUMNS: Final = ("elapsed_s", "voltage_v", "current_a", "temperature_c", "measured_capacity_ah")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: what the product learns from, which of its charges are judged, features of the baseline."""

    learning: Learning
    judged: Bools
    features: Floats


@dataclass(frozen=True, slots=True)
class Judged:
    """Estimates of one cell in points of SOH, and the truth, over its age in cycles."""

    age: Floats
    truth: Floats
    soh: Floats
    std: Floats
    law: Floats
    ridge: Floats
    ridge_std: float
    same: bool


def figures(data: Path, train: Path) -> list[Figure]:
    """Judge the cells of one folder by those of the other, never a cell by itself.

    Parameters
    ----------
    data
        Folder with the cells that are judged.
    train
        Folder with those that may be learnt from.
    """
    judged = judge(data, train)
    found = [figure for cell_id, one in judged.items() for figure in _of_cell(f"lfp_essl1 {cell_id}", one)]
    for name, same in (("same conditions", True), ("other conditions", False)):
        members = [cell_id for cell_id, one in judged.items() if one.same is same]
        if members:
            sets = {f"lfp_essl1 {cell_id}" for cell_id in members}
            found += means(f"lfp_essl1 mean, {name}", [figure for figure in found if figure.set in sets])
    return found


def judge(data: Path, train: Path) -> dict[str, Judged]:
    """Estimate the capacities of every cell from what the others teach.

    Parameters
    ----------
    data, train
        As of :func:`figures`.
    """
    cells = _cells(data / "lfp_essl1")
    learnt = cells if train == data else _cells(train / "lfp_essl1")
    return {
        cell_id: _judge(cell, [learnt[other] for other in training_cells(cell_id, learnt)])
        for cell_id, cell in cells.items()
    }


def _cells(folder: Path) -> dict[str, Cell]:
    cells = {}
    for file in sorted(folder.glob("*.parquet")):
        names = set(pq.read_schema(file).names)
        if {"cell_id", "cycle_number", *COLUMNS} <= names:
            cells[file.stem] = _cell(file)
    return cells


def _cell(file: Path) -> Cell:
    table = pq.read_table(file).sort_by([("cycle_number", "ascending"), ("elapsed_s", "ascending")])
    cycle = table["cycle_number"].to_numpy()
    column = {name: table[name].to_numpy().astype(np.float64) for name in COLUMNS}
    starts = np.diff(cycle, prepend=cycle[:1] - 1) != 0
    elapsed_s, voltage_v, current_a, temperature_c = (column[name] for name in COLUMNS[:4])
    windows = read_windows(starts, elapsed_s, voltage_v, current_a, temperature_c, RATED_AH)
    capacity_ah = column["measured_capacity_ah"][starts]
    return Cell(
        Learning(windows, cycle[starts].astype(np.float64), capacity_ah),
        whole_charges(capacity_ah),
        _increments(starts, elapsed_s, voltage_v, current_a, temperature_c),
    )


def _increments(
    starts: Bools, elapsed_s: Floats, voltage_v: Floats, current_a: Floats, temperature_c: Floats
) -> Floats:
    """Eight increments of charge in the window, current and temperature. Shape ``(charges, 10)``."""
    charge_ah = increments(elapsed_s, current_a, starts, 300.0).charge_ah
    rows = []
    for part in np.split(np.arange(starts.size), np.flatnonzero(starts)[1:]):
        at = np.interp(LEVELS_V, np.maximum.accumulate(voltage_v[part]), np.cumsum(charge_ah[part]))
        inside = part[(voltage_v[part] >= LEVELS_V[0]) & (voltage_v[part] <= LEVELS_V[-1])]
        middle = inside if inside.size else part
        rows.append([*np.diff(at), np.median(current_a[middle]), np.median(temperature_c[middle])])
    return np.array(rows)


def _judge(cell: Cell, others: list[Cell]) -> Judged:
    model = fit([other.learning for other in others], RATED_AH)
    windows, age = cell.learning.windows, cell.learning.age_cycles
    estimate = predict(model, windows, age)
    blind = replace(windows, voltage_v=np.full_like(windows.voltage_v, np.nan))
    ridge_ah, ridge_std = _ridge(cell, others)
    good = cell.judged
    return Judged(
        age=age[good],
        truth=_soh(cell.learning.capacity_ah)[good],
        soh=_soh(estimate.capacity_ah)[good],
        std=_soh(estimate.std_ah)[good],
        law=_soh(predict(model, blind, age).capacity_ah)[good],
        ridge=_soh(ridge_ah)[good],
        ridge_std=100.0 * ridge_std / RATED_AH,
        same=_is_same(estimate),
    )


def _soh(capacity_ah: Floats) -> Floats:
    return 100.0 * capacity_ah / RATED_AH


def _is_same(estimate: LfpEstimate) -> bool:
    return bool(np.nanmean(estimate.near_frac) > SAME)


def _ridge(cell: Cell, others: list[Cell]) -> tuple[Floats, float]:
    """Capacities by the baseline and the deviation it claims: the spread of its own residuals."""
    if not others:
        return np.full(cell.judged.size, np.nan), float("nan")
    features = np.concatenate([other.features[other.judged] for other in others])
    truth = np.concatenate([other.learning.capacity_ah[other.judged] for other in others])
    centre, spread = features.mean(axis=0), np.maximum(features.std(axis=0), LEAST_SPREAD)
    scaled = (features - centre) / spread
    weights = np.linalg.solve(
        scaled.T @ scaled + RIDGE * np.eye(scaled.shape[1]), scaled.T @ (truth - truth.mean())
    )
    residual = truth - truth.mean() - scaled @ weights
    return truth.mean() + (cell.features - centre) / spread @ weights, float(residual.std())


def _of_cell(name: str, one: Judged) -> list[Figure]:
    plain = np.full(one.truth.size, one.ridge_std)
    values = [
        ("same_conditions", float(one.same), None),
        ("rmse_pp", rmse(one.soh, one.truth), rmse(one.ridge, one.truth)),
        ("mae_pp", mae(one.soh, one.truth), mae(one.ridge, one.truth)),
        ("bias_pp", float((one.soh - one.truth).mean()), float((one.ridge - one.truth).mean())),
        (
            "coverage90",
            coverage90(one.soh, one.std, one.truth),
            coverage90(one.ridge, plain, one.truth),
        ),
        ("half_width_pp", float(Z90 * one.std.mean()), Z90 * one.ridge_std),
        ("law_only_rmse_pp", rmse(one.law, one.truth), None),
    ]
    return [Figure(NUMBER, name, metric, value, baseline) for metric, value, baseline in values]
