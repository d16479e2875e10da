"""Cycle life from the first hundred cycles (Severson et al.): the product against the variance model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.parquet as pq
from support.figures import Figure, training_cells

from battery_lake.cells.early_life import FEATURES, fit, life_features, life_interval
from battery_lake.cells.metrics import Z90, coverage90, rmse

if TYPE_CHECKING:
    from pathlib import Path

    from battery_lake.cells.arrays import Floats, Ints

TITLE: Final = "Early life (severson): cycle life from cycles 2 to 100"
RATED_AH: Final = 1.1
FOLDS: Final = 8
SEEDS: Final = (0, 1, 2)
SHORT_LIFE: Final = 200.0
"""The paper leaves out one test cell that died below this, and so do the published figures. [cycles]"""

EVALUATIONS: Final = ("rmse_cycles", "mape_percent", "rmse_log10", "coverage90", "half_width_percent")


class Cells:
    """Cells of a folder: features of the product and of the baseline, and lives."""

    def __init__(self, folder: Path) -> None:
        self.ids: list[str] = []
        rows: list[Floats] = []
        variances: list[float] = []
        lives: list[float] = []
        for curves in sorted(folder.glob("*_curves.parquet")):
            table = curves.with_name(curves.name.replace("_curves", "_cells"))
            life = _lives(table) if table.is_file() else {}
            for cell_id, (cycles, discharged_ah) in _curves(curves).items():
                if cell_id in life and cell_id not in self.ids:
                    self.ids.append(cell_id)
                    rows.append(life_features(cycles, discharged_ah, RATED_AH))
                    variances.append(_log10_variance(cycles, discharged_ah))
                    lives.append(life[cell_id])
        self.features = np.array(rows).reshape(-1, len(FEATURES))
        self.variance = np.array(variances)
        self.life = np.array(lives)


def figures(data: Path, train: Path) -> list[Figure]:
    """Judge the cells of one folder by those of the other; where they are the same, mean of three splits.

    Parameters
    ----------
    data
        Folder with the cells that are judged.
    train
        Folder with those that may be learnt from.
    """
    judged, known = Cells(data / "severson"), Cells(train / "severson")
    if not judged.ids:
        return []
    repeats = [predictions(judged, known, seed) for seed in SEEDS]
    found: list[Figure] = []
    for name, chosen in _subsets(judged).items():
        tables = [[_metrics(p[:, chosen], judged.life[chosen]) for p in repeat] for repeat in repeats]
        own, base = np.mean(np.array(tables), axis=0)
        found += [Figure(5, name, m, float(own[i]), float(base[i])) for i, m in enumerate(EVALUATIONS)]
    return found


def predictions(judged: Cells, known: Cells, seed: int) -> tuple[Floats, Floats]:
    """Predict log10 of life: mean and deviation, the product's and the baseline's.

    Parameters
    ----------
    judged, known
        Cells to judge, and cells that may be learnt from.
    seed
        Of the folds.

    Returns
    -------
    tuple[Floats, Floats]
        The product's and the baseline's, each of shape ``(2, cells)``.
    """
    own, base = np.full((2, len(judged.ids)), np.nan), np.full((2, len(judged.ids)), np.nan)
    order = np.random.default_rng(seed).permutation(len(judged.ids))
    shared = set(judged.ids) & set(known.ids)
    # Without a cell in both folders one fit does for all.
    for fold in np.array_split(order, min(FOLDS, order.size)) if shared else [order]:
        allowed = known.ids
        for i in fold:
            allowed = training_cells(judged.ids[i], allowed)
        rows = np.flatnonzero(np.isin(known.ids, allowed)) if known.ids else np.zeros(0, dtype=np.int64)
        model = fit(known.features[rows], known.life[rows])
        own[:, fold] = model.predict(judged.features[fold])
        base[:, fold] = _variance_model(known.variance[rows], known.life[rows], judged.variance[fold])
    return own, base


def _variance_model(known: Floats, life: Floats, wanted: Floats) -> tuple[Floats, Floats]:
    """Straight line of log10 life over log10 variance; the deviation is that of its residuals."""
    good = np.isfinite(known)
    x, y = known[good], np.log10(life[good])
    if np.unique(x).size < 3:
        mean = float(y.mean()) if y.size else 2.8
        return np.full(wanted.size, mean), np.full(wanted.size, 0.3)
    slope, level = np.polyfit(x, y, 1)
    residual = y - level - slope * x
    std = float(np.sqrt((residual**2).sum() / (x.size - 2)))
    return np.where(np.isfinite(wanted), level + slope * wanted, float(y.mean())), np.full(wanted.size, std)


def _metrics(prediction: Floats, life: Floats) -> list[float]:
    """Return the figures in the order of ``EVALUATIONS``."""
    mean, std = prediction
    low, high = life_interval(mean, std, Z90)
    return [
        rmse(10.0**mean, life),
        100.0 * float(np.mean(np.abs(10.0**mean / life - 1.0))),
        rmse(mean, np.log10(life)),
        coverage90(mean, std, np.log10(life)),
        100.0 * float(np.mean((high - low) / 2.0 / life)),
    ]


def _subsets(cells: Cells) -> dict[str, Ints]:
    """Cells of each set: all, each kind of test cells, and each without those that the paper leaves out."""
    subsets: dict[str, Ints] = {"severson": np.arange(len(cells.ids))}
    kinds = np.array([_kind(cell_id) for cell_id in cells.ids])
    for kind in sorted(set(kinds.tolist()) - {"train"}):
        subsets[f"severson {kind}"] = np.flatnonzero(kinds == kind)
    for name, chosen in list(subsets.items()):
        usual = chosen[cells.life[chosen] >= SHORT_LIFE]
        if 0 < usual.size < chosen.size:
            subsets[f"{name} without lives under 200"] = usual
    return subsets


def _kind(cell_id: str) -> str:
    """Set of the cell by its name: ``secondary`` of ``secondary_07`` or ``test_secondary_07``."""
    words = cell_id.lower().replace("-", "_").split("_")
    named = [word for word in words if word in {"primary", "secondary"}]
    return named[0] if named else words[0]


def _log10_variance(cycles: Ints, discharged_ah: Floats) -> float:
    """Log10 of the variance of the curve of cycle 100 less that of cycle 10, as published."""
    late, early = discharged_ah[cycles == 100], discharged_ah[cycles == 10]
    if not (late.size and early.size):
        return float("nan")
    return float(np.log10((late[0] - early[0]).var()))


def _curves(file: Path) -> dict[str, tuple[Ints, Floats]]:
    """Cycle numbers and discharge curves of each cell of a file."""
    table = pq.read_table(file, columns=["cell_id", "cycle_number", "discharged_ah"])
    cell_ids = np.array(table["cell_id"].to_pylist())
    cycles = table["cycle_number"].to_numpy().astype(np.int64)
    column = table["discharged_ah"].combine_chunks()
    curves = column.flatten().to_numpy(zero_copy_only=False).reshape(cycles.size, -1).astype(np.float64)
    return {
        str(name): (cycles[cell_ids == name], curves[cell_ids == name]) for name in dict.fromkeys(cell_ids)
    }


def _lives(file: Path) -> dict[str, float]:
    """Cycle life of each cell of a file."""
    table = pq.read_table(file, columns=["cell_id", "cycle_life"]).to_pydict()
    return {str(name): float(life) for name, life in zip(table["cell_id"], table["cycle_life"], strict=True)}
