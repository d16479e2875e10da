from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from battery_lake.notebook.one_cell import observations, observed_chart
from battery_lake.notebook.picture import picture

if TYPE_CHECKING:
    from collections.abc import Callable

START = dt.datetime(2026, 3, 2, 8, tzinfo=dt.UTC)


def seen_at(hours: int, capacity_ah: list[float | None]) -> dict[str, Any]:
    return {
        "pack_id": "P1", "started_at": START + dt.timedelta(hours=hours), "method": "rest_to_rest",
        "ended_at": START + dt.timedelta(hours=hours + 2), "capacity_ah": capacity_ah,
        "variance_ah2": [1.0, 4.0], "soc_start_pct": 20.0, "soc_end_pct": 80.0, "temperature_mean_c": 21.0,
        "method_version": "m",
    }  # fmt: skip


@pytest.fixture(scope="module")
def told(frame: Callable[..., Any]) -> pd.DataFrame:
    tables = {
        "reference.packs": frame(
            "reference.packs",
            [{"pack_id": "P1", "chemistry": "NMC", "cells_in_series": 2, "rated_capacity_ah": 50.0}],
        ),
        "gold.cell_current": frame(
            "gold.cell_current",
            [
                {
                    "cell_id": f"P1/01/0{k + 1}",
                    "pack_id": "P1",
                    "series_index": k,
                    "as_of_date": START.date(),
                    "method_version": "m",
                    "model_version": "m",
                }
                for k in (0, 1)
            ],
        ),
        "gold.capacity_observation": frame(
            "gold.capacity_observation",
            [
                seen_at(0, [48.0, 45.0]),
                seen_at(24, [48.0, None]),
                seen_at(48, [48.0, 44.0]),
                seen_at(0, [1.0, 1.0]) | {"pack_id": "P2"},
            ],
        ),
    }
    return observations(tables.__getitem__, "P1/01/02")


def test_a_cells_own_observations_are_told_as_soh_the_newest_first(told: pd.DataFrame) -> None:
    assert told["soh_pct"].tolist() == pytest.approx([88.0, 90.0])
    assert told["soh_std_pct"].tolist() == pytest.approx([4.0, 4.0])
    assert [f"{day}" for day in told["as_of_date"]] == ["2026-03-04", "2026-03-02"]


def test_the_chart_says_how_much_sharper_the_estimate_is_than_what_it_rests_on(told: pd.DataFrame) -> None:
    health = pd.DataFrame({"as_of_date": told["as_of_date"], "soh_pct": 89.0, "soh_std_pct": 1.5})
    chart = observed_chart("P1/01/02", told, health)
    assert "2 observations from 2026-03-02 to 2026-03-04" in chart.alt
    assert "4.0 points" in chart.alt
    assert "89.0 % SOH, with 1.5 points" in chart.alt
    assert picture(chart).png


def test_a_cell_of_which_nothing_is_known_has_no_chart(told: pd.DataFrame) -> None:
    chart = observed_chart("P1/01/02", told.iloc[:0], told)
    assert (chart.spec, chart.absent) == (None, "Nothing was observed of this cell yet.")
