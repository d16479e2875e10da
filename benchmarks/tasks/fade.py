"""Remaining life along life: fade curves of laboratory cells, each predicted from its past alone."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.parquet as pq
from support.figures import Figure

from battery_lake.cells.fade_curves import as_json, end_of_life, reduce_curves
from battery_lake.cells.life_quantiles import LEVELS, LifeModel, LifeParams, learn, remaining
from battery_lake.cells.life_snapshots import histories_until, take_snapshots

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from battery_lake.cells.arrays import Bools, Floats

TITLE: Final = "remaining life along life (fade_curves, end of life 81 % of rated)"
TASK: Final = 3
EOL_FRAC: Final = 0.81
FAMILIES: Final = ("XJTU", "TJU", "HUST")
FOLDS: Final = 6
MIDDLE: Final = 9
SOURCE: Final = (
    "Smoothed and reduced to knots from the capacities published with Wang, Zhai et al.,"
    " Nature Communications 15 (2024) 4332, of: XJTU (Wang et al., DOI 10.5281/zenodo.10963339),"
    " TJU (Zhu et al., Nature Communications 13 (2022) 2261, DOI 10.5281/zenodo.6405084),"
    " HUST (Ma et al., Energy Environ. Sci. 15 (2022) 4083, Mendeley nsc7hnsg4s),"
    " MATR (Severson et al., Nature Energy 4 (2019) 383), each CC BY 4.0."
    " Written by: PYTHONPATH=benchmarks python -m tasks.fade DATA FILE"
)
"""Goes into the file of curves that comes with the product."""

THIRDS: Final = ("first", "second", "last")


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One cell's whole life.

    Parameters
    ----------
    cell_id, condition
        Which, and how it was aged.
    age_efc, soh_frac
        Cycle and capacity over rated. [cycles, 1], shape ``(points,)``
    life_efc
        Cycle at the end of life; NaN: not reached. [cycles]
    """

    cell_id: str
    condition: str
    age_efc: Floats
    soh_frac: Floats
    life_efc: float


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """Answers for moments of lives, and the truth.

    Parameters
    ----------
    share
        Age over life. [1], shape ``(moments,)``
    is_tenth
        At 10, 20 ... 90 % of life; the others: every 50 cycles. Shape ``(moments,)``
    rul_efc, life_efc
        Truth. [cycles], shape ``(moments,)``
    quantiles_efc
        Of remaining life. [cycles], shape ``(moments, levels)``
    mean_life_efc, linear_efc
        Remaining life by the baselines: quantiles of those lives of the family that were not over at that
        age; the straight line. [cycles], shapes ``(moments, levels)`` and ``(moments,)``
    """

    share: Floats
    is_tenth: Bools
    rul_efc: Floats
    life_efc: Floats
    quantiles_efc: Floats
    mean_life_efc: Floats
    linear_efc: Floats


def figures(data: Path, train: Path) -> list[Figure]:
    """Judge each family: with its conditions known, and with that of the judged cell left out of training.

    Where both folders are the same, cells are judged in six folds of cells.

    Parameters
    ----------
    data, train
        Folders with ``fade_curves``.
    """
    found: list[Figure] = []
    for family in FAMILIES:
        judged = [cell for cell in cells_of(data, family) if np.isfinite(cell.life_efc)]
        known = cells_of(train, family)
        if not judged:
            continue
        found += _figures(f"fade_curves {family}", _judge(folds(judged, known), "known"))
        name = f"fade_curves {family} condition left out"
        found += _figures(name, _judge(_conditions(judged, known), "unknown"))
    return found


def cells_of(folder: Path, family: str) -> list[Cell]:
    """Read a family's cells; none where the folder has none.

    Parameters
    ----------
    folder
        With ``fade_curves`` in it.
    family
        Which.
    """
    file = folder / "fade_curves" / "capacity.parquet"
    if not file.is_file():
        return []
    table = pq.read_table(file, filters=[("family", "=", family)]).to_pydict()
    ids = np.array(table["cell_id"], dtype=object)
    soh = np.array(table["capacity_ah"], dtype=np.float64) / np.array(table["rated_ah"], dtype=np.float64)
    order = np.array(table["order"], dtype=np.float64)
    found = []
    for cell_id in sorted(set(ids)):
        rows = np.flatnonzero((ids == cell_id) & np.isfinite(soh))
        rows = rows[np.argsort(order[rows], kind="stable")]
        age, own = order[rows] - order[rows[0]] + 1.0, soh[rows]
        condition = str(table["condition"][rows[0]])
        found.append(Cell(cell_id, condition, age, own, end_of_life(age, own, EOL_FRAC)))
    return found


def model_of(cells: Sequence[Cell], mode: str) -> LifeModel:
    """Learn from whole lives.

    Parameters
    ----------
    cells
        To learn from.
    mode
        ``known`` or ``unknown``: whether the conditions of judged cells are among theirs.
    """
    ages, sohs = [cell.age_efc for cell in cells], [cell.soh_frac for cell in cells]
    curves = reduce_curves(ages, sohs, [cell.condition for cell in cells], EOL_FRAC)
    snapshots = take_snapshots(ages, sohs, curves, EOL_FRAC)
    return learn(curves, snapshots, EOL_FRAC, LifeParams(modes=(mode,)))


def ship(data: Path, file: Path) -> None:
    """Write the curves that come with the product, all families reduced to knots.

    Parameters
    ----------
    data
        Folder with ``fade_curves``.
    file
        ``fade_library.json`` of the product.
    """
    families = {family: cells_of(data, family) for family in (*FAMILIES, "MATR")}
    cells = [cell for family in families.values() for cell in family]
    condition = [f"{family} {cell.condition}" for family, own in families.items() for cell in own]
    curves = reduce_curves(
        [cell.age_efc for cell in cells], [cell.soh_frac for cell in cells], condition, EOL_FRAC
    )
    file.write_text(as_json(curves, [_chemistry(one) for one in condition], SOURCE), encoding="utf-8")


def _chemistry(condition: str) -> str:
    """Chemistry of a family and condition."""
    family, kind = condition.split()[:2]
    return {"XJTU": "NMC", "HUST": "LFP", "MATR": "LFP"}.get(family) or "+".join(
        one.replace("NCM", "NMC") for one in kind.split("_")
    )


def folds(judged: Sequence[Cell], known: Sequence[Cell]) -> Iterator[tuple[list[Cell], list[Cell]]]:
    """Split cells into judged ones and those to learn from: all others, in folds where both overlap.

    Parameters
    ----------
    judged
        Cells to judge.
    known
        Cells that may be learnt from.

    Yields
    ------
    tuple[list[Cell], list[Cell]]
        Judged cells of a fold, none of them among those beside them.
    """
    shared = {cell.cell_id for cell in judged} & {cell.cell_id for cell in known}
    if not shared:
        yield list(judged), list(known)
        return
    # In the order of conditions, so that every fold leaves out some cells of each.
    ranked = sorted(known, key=lambda cell: (cell.condition, cell.cell_id))
    place = {cell.cell_id: k % FOLDS for k, cell in enumerate(ranked)}
    for fold in range(FOLDS):
        part = [cell for cell in judged if place.get(cell.cell_id, 0) == fold]
        yield part, [cell for cell in known if place[cell.cell_id] != fold]


def _conditions(judged: Sequence[Cell], known: Sequence[Cell]) -> Iterator[tuple[list[Cell], list[Cell]]]:
    """Judged cells of one condition, and all others of the folder to learn from."""
    for condition in sorted({cell.condition for cell in judged}):
        rest = [cell for cell in known if cell.condition != condition]
        yield [cell for cell in judged if cell.condition == condition], rest


def _judge(splits: Iterator[tuple[list[Cell], list[Cell]]], mode: str) -> list[Answers]:
    """Learn and predict, split by split; one entry a judged cell."""
    found = []
    for part, rest in splits:
        if not part:
            continue
        model = model_of(rest, mode)
        found += [_predict(model, cell) for cell in part]
    return found


def _predict(model: LifeModel, cell: Cell) -> Answers:
    """Predict one cell at all its moments."""
    tenths = np.round(np.arange(1, 10) / 10 * cell.life_efc)
    fifties = np.arange(50.0, cell.life_efc, 50.0)
    moments = np.concatenate([tenths, fifties])
    history = histories_until(cell.age_efc, cell.soh_frac, moments)
    some = np.isfinite(history.now_efc) & (moments < cell.life_efc)
    moments, is_tenth = moments[some], (np.arange(moments.size) < tenths.size)[some]
    return Answers(
        share=moments / cell.life_efc,
        is_tenth=is_tenth,
        rul_efc=cell.life_efc - moments,
        life_efc=np.full(moments.size, cell.life_efc),
        quantiles_efc=remaining(model, history[some], [cell.condition] * moments.size),
        mean_life_efc=np.array([_family(model.library.life_efc, moment) for moment in moments]).reshape(
            -1, LEVELS.size
        ),
        linear_efc=np.array([_linear(cell, moment) for moment in moments]),
    )


def _family(lives_efc: Floats, now_efc: float) -> Floats:
    """What the lives say that were not over at that age; the mean in place of the median."""
    left = lives_efc[lives_efc > now_efc] - now_efc
    if not left.size:
        return np.zeros(LEVELS.size)
    found = np.quantile(left, LEVELS)
    found[MIDDLE] = left.mean()
    return np.asarray(found)


def _linear(cell: Cell, now_efc: float) -> float:
    """Carry the last 30 % of the history on, straight to the end of life, ten times the age at most."""
    recent = (cell.age_efc <= now_efc) & (cell.age_efc >= 0.7 * now_efc)
    if recent.sum() < 2:
        return float("nan")
    slope, level = np.polyfit(cell.age_efc[recent] - now_efc, cell.soh_frac[recent], 1)
    return float(np.clip((level - EOL_FRAC) / max(-slope, 1e-9), 0.0, 10.0 * now_efc))


def _figures(name: str, answers: Sequence[Answers]) -> list[Figure]:
    """Metrics of a family."""
    share, is_tenth, rul, life, quantiles, mean_life, linear = (
        np.concatenate([getattr(one, key) for one in answers]) for key in Answers.__dataclass_fields__
    )
    late = is_tenth & (share > 0.48) & (share < 0.92)
    middle = quantiles[:, MIDDLE]
    found = [
        Figure(
            TASK, name, "within20_50_90", _within(middle, rul, late), _within(mean_life[:, MIDDLE], rul, late)
        ),
        Figure(TASK, name, "within20_50_90_linear", _within(linear, rul, late)),
    ]
    sharp, mean_error = crps(quantiles, rul) / life, crps(mean_life, rul) / life
    fifties = ~is_tenth
    found += [
        Figure(TASK, name, "crps", _mean(sharp[is_tenth]), _mean(mean_error[is_tenth])),
        Figure(TASK, name, "crps_every50", _mean(sharp[fifties]), _mean(mean_error[fifties])),
        Figure(
            TASK,
            name,
            "within20_every50",
            _within(middle, rul, fifties),
            _within(mean_life[:, MIDDLE], rul, fifties),
        ),
    ]
    inside = (quantiles[:, 0] <= rul) & (rul <= quantiles[:, -1])
    width = (quantiles[:, -1] - quantiles[:, 0]) / life
    for k, third in enumerate(THIRDS):
        here = (share > k / 3) & (share <= (k + 1) / 3)
        found += [
            Figure(TASK, f"{name} {third} third", "coverage90", _mean(inside[here])),
            Figure(TASK, f"{name} {third} third", "width90_over_life", _mean(width[here])),
        ]
    return found


def crps(quantiles: Floats, truth: Floats) -> Floats:
    """Continuous ranked probability score from quantiles: twice the mean pinball loss over the levels.

    Parameters
    ----------
    quantiles
        At the levels of the product. Shape ``(answers, levels)``
    truth
        Shape ``(answers,)``
    """
    error = truth[:, None] - quantiles
    return np.asarray(2.0 * np.maximum(LEVELS * error, (LEVELS - 1.0) * error).mean(axis=1))


def _within(estimate: Floats, truth: Floats, rows: Bools) -> float:
    """Share of estimates within 20 % of the truth. [%]."""
    return 100.0 * _mean(np.abs(estimate - truth)[rows] <= 0.2 * truth[rows])


def _mean(values: Floats | Bools) -> float:
    return float(np.mean(values)) if values.size else float("nan")


if __name__ == "__main__":
    ship(Path(sys.argv[1]), Path(sys.argv[2]))
