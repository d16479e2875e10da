"""Reading a small lake: three packs of four cells, and one laboratory cell."""

import datetime as dt

import pytest

from battery_lake.report.html import page
from battery_lake.report.load import load
from battery_lake.report.selection import Selection

from .small_lake import AT, DAYS, NOW


@pytest.fixture(scope="module")
def data(small_report):
    return small_report


def test_totals_count_the_packs_of_several_cells_and_name_the_others(data):
    totals = data.totals
    assert (totals.packs, totals.cells, totals.single_cells, totals.vehicles) == (3, 12, 1, 2)
    assert (totals.soh_min_pct, totals.cells_below_eol, totals.cells_in_sight) == (79.5, 1, 9)
    assert (totals.messages_kept, totals.messages_refused) == (10, 3)
    assert totals.newest_date == DAYS[-1]


def test_the_share_observed_is_weighted_by_packs(data):
    assert data.totals.observed_pct == pytest.approx((3 * 90 + 1 * 50) / 4)


def test_packs_are_ranked_by_their_weakest_cell_on_their_newest_day(data):
    assert data.worst_packs["pack_id"].tolist() == ["B", "C", "A"]
    worst = data.worst_packs.iloc[0]
    assert (worst["as_of_date"], worst["soh_std_pct"], worst["eol_soh_pct"]) == (DAYS[-1], 0.5, 81.0)
    assert worst["warranty_until"] == dt.date(2029, 11, 1)
    assert worst["alerts"] == "uneven_cells, below_eol"


def test_a_pack_that_no_reference_file_names_is_ranked_with_the_default_end_of_life(data):
    unknown = data.worst_packs.set_index("pack_id").loc["C"]
    assert unknown["model"] is None
    assert unknown["eol_soh_pct"] == 80.0


def test_laboratory_cells_are_not_ranked_but_drawn(data):
    assert "LAB" not in set(data.worst_cells["pack_id"])
    assert data.featured["pack_id"].tolist() == ["B", "B", "C", "C", "A", "A", "LAB"]


def test_weakest_and_median_cell_are_featured(data):
    of_b = data.featured[data.featured["pack_id"] == "B"]
    assert dict(zip(of_b["role"], of_b["cell_id"], strict=True)) == {
        "weakest": "B/01/02",
        "median": "B/01/03",
    }
    assert data.focus_pack_id == "B"
    assert data.pack_cells["cell_id"].tolist() == [f"B/01/{cell:02d}" for cell in range(1, 5)]


def test_histories_are_thinned_evenly_and_end_with_the_newest_day(data):
    days = data.health.loc[data.health["cell_id"] == "B/01/02", "as_of_date"].tolist()
    assert days == DAYS[2::3]
    assert set(data.outlook["cell_id"]) == {"A/01/02", "B/01/02", "C/01/02", "LAB/01/01"}


def test_the_error_is_taken_over_the_days_that_have_a_truth(data):
    row = data.accuracy.iloc[0]
    assert (row["set_name"], row["cells"], row["rows"]) == ("fleet", 13, 130)
    assert (row["mae_pct"], row["rmse_pct"]) == (pytest.approx(0.6), pytest.approx(0.6))
    assert row["covered_pct"] == 100.0


def test_cells_are_counted_a_percentage_point_by_model(data):
    assert data.soh_histogram["cells"].sum() == 13
    lab = data.soh_histogram[data.soh_histogram["model"] == "lab"]
    assert lab[["soh_bin_pct", "cells"]].to_numpy().tolist() == [[61.0, 1]]


def test_a_message_counts_once_a_reason(data):
    counts = data.refusals[["code", "messages", "devices"]].to_numpy().tolist()
    assert counts == [["no_pack", 2, 1], ["bad_clock", 1, 1], ["not_json", 1, 1]]


def test_flags_are_counted_over_the_newest_days(data):
    assert data.flags.to_numpy().tolist() == [["soc_jump", 7]]


def test_batches_are_summed_a_pipeline_with_the_lag_of_the_newest(data):
    row = data.batches.iloc[0]
    assert (row["batches"], row["rows_in"], row["rows_duplicate"], row["lag_s"]) == (3, 30, 3, 2.0)


def test_sessions_are_those_of_the_focus_pack_over_the_newest_weeks(data):
    assert len(data.sessions) == 28
    assert data.sessions["started_at"].is_monotonic_increasing
    assert data.sessions["started_at"].iloc[-1].tz_convert("UTC") == AT


def test_named_packs_are_shown_instead(read):
    data = load(read, generated_at=NOW, location="lake", selection=Selection(pack_ids=("A", "nowhere")))
    assert set(data.featured["pack_id"]) == {"A"}
    assert data.focus_pack_id == "A"
    assert data.truth.empty
    assert data.accuracy.empty


def test_a_lake_of_laboratory_cells_alone_ranks_them(read):
    def lab_only(name):
        table = read(name)
        return table.where("pack_id = 'LAB'") if "pack_id" in table.columns else table

    data = load(lab_only, generated_at=NOW, location="lake")
    assert (data.totals.packs, data.totals.single_cells) == (1, 0)
    assert data.featured["role"].tolist() == ["weakest"]
    assert data.worst_cells["cell_id"].tolist() == ["LAB/01/01"]


def test_an_empty_lake_is_read_and_shown(frame):
    data = load(lambda name: frame(name, []), generated_at=NOW, location="lake")
    assert data.totals.cells == 0
    assert data.focus_pack_id is None
    assert "This lake holds no health estimate yet" in page(data)


def test_what_was_loaded_can_be_shown(data):
    text = page(data)
    assert "B/01/02" in text
    assert "m-1" in text
