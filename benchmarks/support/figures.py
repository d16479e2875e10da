"""Figures of accuracy: what was measured on which cells, beside its baseline; a table, and JSON."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Parameters
    ----------
    task
        Number of the task.
    set
        Data set, family or chemistry, and cell where the figure is one cell's: ``nasa_pcoe B0005``.
    metric
        What it is, its unit as suffix: ``rmse_pp``, ``coverage90``, ``relative_error``.
    value
        The product's.
    baseline
        The same metric of the baseline, on the same cells in the same run; None where it has none.
    """

    task: int
    set: str
    metric: str
    value: float
    baseline: float | None = None


def training_cells(cell_id: str, train: Iterable[str]) -> list[str]:
    """Return the cells that may be learnt from when a cell is judged: all of the training folder but itself.

    Parameters
    ----------
    cell_id
        The cell that is judged.
    train
        Cells of the training folder.
    """
    return [other for other in train if other != cell_id]


def means(name: str, figures: Sequence[Figure]) -> list[Figure]:
    """Return the mean of every metric over cells, and of its baseline where it has one.

    Parameters
    ----------
    name
        Set of the means.
    figures
        The cells' own, all of one task.
    """
    found = []
    for metric in dict.fromkeys(figure.metric for figure in figures):
        own = [figure for figure in figures if figure.metric == metric]
        bases = [figure.baseline for figure in own if figure.baseline is not None]
        value = fmean(figure.value for figure in own)
        found.append(Figure(own[0].task, name, metric, value, fmean(bases) if bases else None))
    return found


def show(title: str, figures: Sequence[Figure]) -> None:
    """Print a task's table: one line a set, one column a metric, the baseline behind a stroke.

    Parameters
    ----------
    title
        The task in words.
    figures
        Its figures.
    """
    print(f"\n{title}")
    metrics = list(dict.fromkeys(figure.metric for figure in figures))
    found = {(figure.set, figure.metric): figure for figure in figures}
    cells = {key: _cell(figure) for key, figure in found.items()}
    widths = {m: max(len(m), *(len(c) for (_, metric), c in cells.items() if metric == m)) for m in metrics}
    sets = list(dict.fromkeys(figure.set for figure in figures))
    first = max(len(name) for name in sets)
    head = "  ".join([" " * first, *(f"{m:>{widths[m]}}" for m in metrics)])
    print(head, "-" * len(head), sep="\n")
    for name in sets:
        line = [f"{cells.get((name, m), ''):>{widths[m]}}" for m in metrics]
        print("  ".join([f"{name:<{first}}", *line]).rstrip())


def markdown(figures: Sequence[Figure], metrics: Mapping[int, Sequence[str]]) -> list[str]:
    """Return the lines of one Markdown table of all tasks.

    Parameters
    ----------
    figures
        What was measured.
    metrics
        Which metrics of a task stand in the table.
    """
    lines = ["| task | cells | metric | value | baseline |", "|---|---|---|---|---|"]
    for figure in figures:
        if figure.metric in metrics[figure.task] and not math.isnan(figure.value):
            baseline = "-" if figure.baseline is None else _number(figure.baseline)
            cells = (str(figure.task), figure.set, f"`{figure.metric}`", _number(figure.value), baseline)
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def write(file: Path, figures: Sequence[Figure]) -> None:
    """Write figures as a JSON list, what is not a number as null.

    Parameters
    ----------
    file
        Where to.
    figures
        What was measured.
    """
    rows = [{name: _plain(value) for name, value in asdict(figure).items()} for figure in figures]
    file.write_text(json.dumps(rows, indent=1), encoding="utf-8")


def _cell(figure: Figure) -> str:
    own = _number(figure.value)
    return own if figure.baseline is None else f"{own} | {_number(figure.baseline)}"


def _number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _plain(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
