"""Each specification is checked against the Vega-Lite schema and compiled by Vega-Lite itself."""

import datetime as dt

import altair as alt
import numpy as np
import pandas as pd
import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.report import theme
from battery_lake.report.chart import plain, records
from battery_lake.report.charts import charts
from battery_lake.report.data import empty_frame
from battery_lake.report.fleet import GROUPS, fleet_charts, groups, groups_left_out
from battery_lake.report.history import outlook_charts, outlook_rows, soh_rows, true_end
from battery_lake.report.pack import cell_grid, day_charge, session_pieces


def _all(data):
    return [chart for part in charts(data).values() for chart in part]


def test_every_chart_is_valid_vega_lite_and_compiles(fleet_report):
    drawn = _all(fleet_report)
    assert len(drawn) == 13
    for chart in drawn:
        alt.Chart.from_dict(chart.spec)
        assert vl_convert.vegalite_to_vega(chart.spec, config=theme.chart_config("light"))["marks"]


def test_every_chart_says_in_words_what_it_shows(fleet_report):
    assert all(len(chart.alt) > 40 and any(map(str.isdigit, chart.alt)) for chart in _all(fleet_report))


def test_an_empty_lake_has_a_reason_in_place_of_each_chart(empty_report):
    assert [chart.spec for chart in _all(empty_report)] == [None, None, None]
    assert all(chart.absent for chart in _all(empty_report))


@pytest.mark.parametrize(
    "name", ["health", "truth", "outlook", "pack_cells", "fleet_daily", "sessions", "cohorts"]
)
def test_any_frame_may_be_empty(report_of, name):
    drawn = _all(report_of(**{name: empty_frame(name)}))
    assert all(chart.absent for chart in drawn if chart.spec is None)
    assert len({chart.chart_id for chart in drawn}) == len(drawn)


def test_specifications_hold_no_colour(fleet_report):
    assert "'#" not in str([chart.spec for chart in _all(fleet_report)])


def test_the_truth_is_drawn_where_it_is_known_only(fleet_report):
    assert "true value" in set(soh_rows(fleet_report, "PACK-0001")["series"])
    assert "true value" not in set(soh_rows(fleet_report, "PACK-0002")["series"])


def test_the_true_end_is_the_first_day_below_the_end_of_life(report_of):
    days = [dt.date(2026, 1, day) for day in (1, 2, 3)]
    truth = pd.DataFrame({"cell_id": "c", "as_of_date": days, "soh_pct": [80.0, 79.9, 79.0]})
    cell = pd.Series({"cell_id": "c", "eol_soh_pct": 80.0})
    assert true_end(report_of(truth=truth), cell) == days[1]


def test_the_fan_is_ordered_and_never_before_the_prediction(fleet_report):
    rows = outlook_rows(fleet_report, "PACK-0001/06/02")
    assert (rows["as_of_date"] <= rows["early"]).all()
    assert (rows["early"] <= rows["median"]).all()
    assert (rows["median"] <= rows["late"]).all()


@pytest.mark.parametrize(("censored", "marks"), [(True, {"point"}), (False, {"area", "line"})])
def test_no_layer_is_drawn_without_a_row(report_of, fleet_report, censored, marks):
    drawn = outlook_charts(report_of(outlook=fleet_report.outlook.assign(censored=censored)))
    kinds = [{layer["mark"]["type"] for layer in chart.spec["layer"]} for chart in drawn]
    assert all(kind >= marks and (censored or "point" not in kind) for kind in kinds)
    assert all("area" not in kind for kind in kinds) == censored


def test_only_the_weakest_cell_is_framed(fleet_report):
    grid = cell_grid(fleet_report.pack_cells)
    assert grid.loc[grid["weakest"], "soh_pct"].tolist() == [grid["soh_pct"].min()]
    assert grid["row"].nunique() == 12
    assert grid["column"].max() == 8


def test_a_string_without_modules_is_wrapped_into_rows_of_twelve(fleet_report):
    cells = fleet_report.pack_cells.assign(cell_id=[f"P/01/{index + 1:02d}" for index in range(96)])
    grid = cell_grid(cells)
    assert grid["row"].nunique() == 8
    assert grid["column"].tolist() == list(range(1, 13)) * 8


def test_cells_that_are_all_equal_still_have_a_shade(fleet_report):
    assert (cell_grid(fleet_report.pack_cells.assign(soh_pct=90.0))["shade"] == 0.0).all()


@given(st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 6_000)), min_size=1, max_size=8))
def test_cutting_sessions_at_midnight_loses_no_time(minutes):
    starts = [pd.Timestamp("2026-03-01T00:00Z") + pd.Timedelta(minutes=start) for start, _ in minutes]
    lengths = [pd.Timedelta(minutes=length) for _, length in minutes]
    sessions = pd.DataFrame({
        "started_at": starts,
        "ended_at": [at + length for at, length in zip(starts, lengths, strict=True)],
        "kind": "rest", "charge_ah": 0.0, "soc_start_pct": 1.0, "soc_end_pct": 2.0,
    })  # fmt: skip
    pieces = session_pieces(sessions)
    assert (pieces["to_h"] - pieces["from_h"]).sum() == pytest.approx(
        sum(length for _, length in minutes) / 60
    )
    assert pieces["from_h"].between(0, 24, inclusive="left").all()
    assert (pieces["to_h"] > pieces["from_h"]).all()


def test_the_charge_of_a_day_adds_up(fleet_report):
    days, charge_ah = day_charge(fleet_report.sessions), fleet_report.sessions["charge_ah"]
    assert days["in_ah"].sum() + days["out_ah"].sum() == pytest.approx(charge_ah.sum())


def test_small_groups_are_left_out_and_counted(report_of):
    histogram = pd.DataFrame({
        "model": [f"m{index}" for index in range(9)], "chemistry": None, "soh_bin_pct": 90.0,
        "cells": range(1, 10),
    })  # fmt: skip
    data = report_of(soh_histogram=histogram)
    assert groups(histogram)[0] == ("m8", "")
    assert groups_left_out(data) == 9 - GROUPS
    assert len(fleet_charts(data)) == 2 * GROUPS


def test_scalars_become_plain_json():
    assert plain(dt.date(1970, 1, 2)) == plain(np.datetime64("1970-01-02")) == 86_400_000
    assert plain(pd.Timestamp("1970-01-01T01:00+01:00")) == 0
    assert [plain(value) for value in (np.float64(1.23456), np.int32(3), np.bool_(1), pd.NaT)] == [
        1.235,
        3,
        True,
        None,
    ]
    assert records(pd.DataFrame({"a": [1.0, None]}), ["a"]) == [{"a": 1.0}, {"a": None}]
