from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from battery_lake.notebook.foretold import calibration_picture, figures, outlooks, scores

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from pyspark.sql import SparkSession

FIRST = dt.date(2026, 1, 5)
LAST_DAY = 100


def on(day: int) -> dt.date:
    return FIRST + dt.timedelta(days=day)


@pytest.fixture(scope="module")
def rows(spark: SparkSession, frame: Callable[..., Any]) -> pd.DataFrame:
    """Cell 1 ends on day 60 of 100; cell 2 outlives the record; cell 3 is taken to have ended."""
    cells = ("P1/01/01", "P1/01/02", "P1/01/03")
    versions = {"method_version": "m", "model_version": "m"}
    told = {cells[0]: (20.0, 50.0, 70.0), cells[1]: (40.0, 90.0, 500.0), cells[2]: (0.0, 0.0, 0.0)}
    tables = {
        "reference.packs": frame(
            "reference.packs",
            [{"pack_id": "P1", "chemistry": "NMC", "cells_in_series": 3, "rated_capacity_ah": 50.0}],
        ),
        "gold.cell_current": frame(
            "gold.cell_current",
            [
                {"cell_id": cell, "pack_id": "P1", "series_index": k, "as_of_date": on(90), **versions}
                for k, cell in enumerate(cells)
            ],
        ),
        "gold.cell_life": frame(
            "gold.cell_life",
            [
                {
                    "cell_id": cell, "pack_id": "P1", "series_index": k, "as_of_date": on(day),
                    "rul_days_p05": low, "rul_days_p50": middle, "rul_days_p95": high, "censored": False,
                    "model_version": "m",
                }
                for k, (cell, (low, middle, high)) in enumerate(told.items())
                for day in (0, 10, 80)
            ],
        ),
    }  # fmt: skip
    true_soh_pct = {cells[0]: (85.0, 79.0, 78.0), cells[1]: (85.0, 84.0, 83.0), cells[2]: (85.0, 84.0, 83.0)}
    truth = spark.createDataFrame([
        {"set_name": "simulated NMC", "cell_id": cell, "as_of_date": on(day), "soh_pct": soh}
        for cell, values in true_soh_pct.items()
        for day, soh in zip((0, 60, LAST_DAY), values, strict=True)
    ])
    return outlooks(tables.__getitem__, truth, eol_soh_pct=80.0)


def test_the_first_outlook_of_a_month_of_cells_that_lived_stands_beside_what_came(rows: pd.DataFrame) -> None:
    kept = [(row.cell_id, row.as_of_date) for row in rows.itertuples()]
    # Day 10 is not the month's first, on day 80 the first cell is dead, the third was taken to be.
    assert kept == [("P1/01/01", on(0)), ("P1/01/02", on(0)), ("P1/01/02", on(80))]
    assert rows["left_days"].fillna(-1.0).tolist() == [60.0, -1.0, -1.0]
    assert rows["seen_days"].tolist() == [100.0, 100.0, 20.0]


def test_intervals_count_where_their_late_end_lies_within_the_record(rows: pd.DataFrame) -> None:
    (told,) = figures(rows, scores(rows)).to_dict("records")
    assert (told["packs"], told["outlooks"], told["cells that ended"]) == (1, 3, 1)
    assert (told["intervals that can be judged"], told["of these hold the end [%]"]) == (1, 100.0)


def test_calibration_is_drawn_where_a_life_could_be_judged_and_else_says_why(rows: pd.DataFrame) -> None:
    assert calibration_picture(scores(rows)).png.startswith(b"\x89PNG")
    unseen = rows.assign(seen_days=1.0, left_days=float("nan"))
    told = calibration_picture(scores(unseen))
    assert (told.png, "nothing can be judged" in told.says) == (b"", True)
