"""The file of the truth."""

import datetime as dt

import numpy as np
import pyarrow.parquet as pq

from battery_lake.simulate.truth import TruthRows, cell_ids, write_truth


def test_the_file_has_one_row_a_cell_and_day(tmp_path):
    capacity = np.array([[100.0, 90.0, 80.0], [99.0, 88.0, 77.0]])
    rows = TruthRows(
        "P00007", cell_ids("P00007", 3, 2), dt.date(2025, 2, 28), 100.0, capacity, capacity / 100.0
    )
    path = write_truth(tmp_path / "truth", rows)
    assert path.name == "P00007.parquet"
    table = pq.read_table(path)
    assert table.column_names == [
        "pack_id", "cell_id", "series_index", "as_of_date", "capacity_ah", "soh_pct", "resistance_mohm",
    ]  # fmt: skip
    assert table.num_rows == 6
    assert table.slice(4, 1).to_pylist() == [
        {
            "pack_id": "P00007",
            "cell_id": "P00007/01/02",
            "series_index": 1,
            "as_of_date": dt.date(2025, 3, 1),
            "capacity_ah": 88.0,
            "soh_pct": 88.0,
            "resistance_mohm": 0.88,
        }
    ]
