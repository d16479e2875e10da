"""The truth of a simulation: every cell's capacity on every day, and its file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TruthRows:
    """The cells of a pack on every day.

    Parameters
    ----------
    pack_id
        The pack.
    cell_ids
        In series order, length cells.
    first_date
        The first day; one row of the arrays a day.
    rated_capacity_ah
        100 % SOH. [Ah]
    capacity_ah
        Capacity between the voltage limits at 25 °C, shape (days, cells). [Ah]
    resistance_mohm
        10 s resistance at 25 °C and 50 % SOC, shape (days, cells). [mΩ]
    """

    pack_id: str
    cell_ids: tuple[str, ...]
    first_date: dt.date
    rated_capacity_ah: float
    capacity_ah: Floats
    resistance_mohm: Floats

    @property
    def soh_pct(self) -> Floats:
        """Capacity over rated capacity, shape (days, cells). [%]."""
        return 100.0 * self.capacity_ah / self.rated_capacity_ah


def cell_ids(pack_id: str, cells: int, cells_per_module: int) -> tuple[str, ...]:
    """Return the ids of a pack's cells in series order.

    Parameters
    ----------
    pack_id
        The pack.
    cells, cells_per_module
        Cells in series, and how many of them make a module.

    Returns
    -------
    tuple[str, ...]
        pack / module / cell within the module, two digits each, from 1.

    Examples
    --------
    >>> cell_ids("P00001", 3, 2)
    ('P00001/01/01', 'P00001/01/02', 'P00001/02/01')
    """
    places = (divmod(index, cells_per_module) for index in range(cells))
    return tuple(f"{pack_id}/{module + 1:02d}/{cell + 1:02d}" for module, cell in places)


def truth_table(rows: TruthRows) -> pa.Table:
    """Return the truth of a pack as one row a cell and day.

    Parameters
    ----------
    rows
        The truth.

    Returns
    -------
    pa.Table
        pack_id, cell_id, series_index, as_of_date, capacity_ah, soh_pct, resistance_mohm; day by day.
    """
    days, cells = rows.capacity_ah.shape
    first = np.datetime64(rows.first_date, "D")
    return pa.table({
        "pack_id": pa.repeat(rows.pack_id, days * cells),
        "cell_id": pa.array(np.tile(np.array(rows.cell_ids, dtype=object), days), pa.string()),
        "series_index": pa.array(np.tile(np.arange(cells, dtype=np.int32), days)),
        "as_of_date": pa.array(np.repeat(first + np.arange(days), cells), pa.date32()),
        "capacity_ah": rows.capacity_ah.ravel(),
        "soh_pct": rows.soh_pct.ravel(),
        "resistance_mohm": rows.resistance_mohm.ravel(),
    })


def write_truth(folder: Path, rows: TruthRows) -> Path:
    """Write the truth of a pack to one Parquet file.

    Parameters
    ----------
    folder
        Made if it is not there.
    rows
        The truth.

    Returns
    -------
    Path
        `<pack_id>.parquet` in the folder; an older one is replaced.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{rows.pack_id}.parquet"
    pq.write_table(truth_table(rows), path, compression="zstd")
    return path
