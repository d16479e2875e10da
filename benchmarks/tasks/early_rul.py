"""Remaining life early: the end of life of a new cell from its first capacities and the lives of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.parquet as pq
from support.figures import Figure, means, training_cells

from battery_lake.cells.fade_curves import end_of_life
from battery_lake.cells.fleet_life import early_slope, life_of_young

if TYPE_CHECKING:
    from pathlib import Path

    from battery_lake.cells.arrays import Floats

TITLE: Final = "remaining life early (first 16 or 64 capacities; relative error of the end of life)"
TASK: Final = 2
FIRST: Final = {"nasa_pcoe": 16, "calce_cs2": 64}
RATED_AH: Final = {"nasa_pcoe": 2.0, "calce_cs2": 1.1}
EOL_AH: Final = {"nasa_pcoe": 1.4, "calce_cs2": 0.77}
MIDDLE: Final = 9
DISCHARGE_STEP: Final = 7
NEIGHBOURS: Final = 15
BROKEN_FRAC: Final = 0.05

Life = tuple["Floats", "Floats"]


def figures(data: Path, train: Path) -> list[Figure]:
    """Judge each cell that comes to its end of life, from the others'.

    Parameters
    ----------
    data, train
        Folders with ``nasa_pcoe`` and ``calce_cs2``.
    """
    found: list[Figure] = []
    for name in FIRST:
        judged = {cell_id: summary(name, life) for cell_id, life in lives_of(data, name).items()}
        known = {cell_id: summary(name, life) for cell_id, life in lives_of(train, name).items()}
        own: list[Figure] = []
        for cell_id, (life, slope) in judged.items():
            others = [known[other] for other in training_cells(cell_id, known)]
            if np.isfinite(life):
                own += _figures(f"{name} {cell_id}", float(FIRST[name]), life, slope, others)
        found += own + means(name, own)
    return found


def _figures(
    name: str, first: float, life: float, slope: float, others: list[tuple[float, float]]
) -> list[Figure]:
    """Metrics of one cell."""
    table = np.array(others, dtype=np.float64).reshape(-1, 2)
    quantiles = life_of_young(table[:, 0], table[:, 1], np.array([slope]), np.array([first]))[0]
    ended = table[np.isfinite(table[:, 0]), 0]
    mean_life = float(ended.mean()) if ended.size else float("nan")
    inside = float(quantiles[0] <= life <= quantiles[-1])
    return [
        Figure(
            TASK, name, "relative_error", abs(quantiles[MIDDLE] / life - 1.0), abs(mean_life / life - 1.0)
        ),
        Figure(TASK, name, "coverage90", inside),
        Figure(TASK, name, "width90_over_life", float(quantiles[-1] - quantiles[0]) / life),
    ]


def summary(name: str, life: Life) -> tuple[float, float]:
    """Return the cycle at the end of life, NaN where never, and the slope of the first capacities.

    Parameters
    ----------
    name
        Data set.
    life
        Cycle and capacity over rated.
    """
    cycle, soh = life
    first = FIRST[name]
    return (
        end_of_life(cycle, soh, EOL_AH[name] / RATED_AH[name]),
        float(early_slope(cycle[None, :first], soh[None, :first])[0]),
    )


def lives_of(folder: Path, name: str) -> dict[str, Life]:
    """Read cycle and capacity over rated of every cell of a data set.

    Parameters
    ----------
    folder
        With the data set's folder in it.
    name
        Data set.
    """
    read = _read_nasa if name == "nasa_pcoe" else _read_calce
    files = sorted((folder / name).glob("*.parquet"))
    return {file.stem: read(file) for file in files}


def _read_nasa(file: Path) -> Life:
    """Capacity of each discharge."""
    table = pq.read_table(file, columns=["step", "cycle_number", "measured_capacity_ah"])
    capacity = table["measured_capacity_ah"].to_numpy(zero_copy_only=False).astype(np.float64)
    cycle = table["cycle_number"].to_numpy(zero_copy_only=False).astype(np.int64)
    good = np.isfinite(capacity)
    number, first = np.unique(cycle[good], return_index=True)
    return number.astype(np.float64), capacity[good][first] / RATED_AH["nasa_pcoe"]


def _read_calce(file: Path) -> Life:
    """Charge of each discharge, without broken cycles."""
    columns = ["source_file", "measured_at", "step_index", "file_cycle_index", "discharge_counter_ah"]
    table = pq.read_table(file, columns=columns, filters=[("step_index", "=", DISCHARGE_STEP)])
    _, source = np.unique(table["source_file"].to_pylist(), return_inverse=True)
    counter = table["discharge_counter_ah"].to_numpy().astype(np.float64)
    key = source * 100_000 + table["file_cycle_index"].to_numpy().astype(np.int64)
    when = table["measured_at"].to_numpy().astype(np.int64)
    number, place = np.unique(key, return_inverse=True)
    low, high = np.full(number.size, np.inf), np.full(number.size, -np.inf)
    begun = np.full(number.size, np.iinfo(np.int64).max)
    np.minimum.at(low, place, counter)
    np.maximum.at(high, place, counter)
    np.minimum.at(begun, place, when)
    capacity = (high - low)[np.argsort(begun, kind="stable")]
    padded = np.pad(capacity, NEIGHBOURS // 2, mode="edge")
    usual = np.median(np.lib.stride_tricks.sliding_window_view(padded, NEIGHBOURS), axis=1)
    capacity = capacity[np.abs(capacity - usual) <= BROKEN_FRAC * usual]
    return np.arange(1.0, capacity.size + 1.0), capacity / RATED_AH["calce_cs2"]
