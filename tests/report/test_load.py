"""Reading a small lake: three packs of four cells, and one laboratory cell."""

import datetime as dt

import pytest

from battery_lake.report.html import page
from battery_lake.report.load import load
from battery_lake.report.selection import Selection

NOW = dt.datetime(2026, 11, 2, tzinfo=dt.UTC)
DAYS = [dt.date(2026, 10, 1) + dt.timedelta(days=day) for day in range(30)]
LEVELS = {"A": 92.0, "B": 83.0, "C": 88.0}
AT = dt.datetime(2026, 10, 30, 8, tzinfo=dt.UTC)
ORIGIN = {"hub": "h", "partition_id": "0", "message_index": 0}


def _cells():
    for pack_id, level in LEVELS.items():
        for index, offset in enumerate((0.0, -3.5, 0.5, 1.0)):
            yield f"{pack_id}/01/{index + 1:02d}", pack_id, index, level + offset
    yield "LAB/01/01", "LAB", 0, 61.0


def _health_rows():
    for cell_id, pack_id, index, soh_pct in _cells():
        for day in DAYS:
            yield {
                "cell_id": cell_id, "as_of_date": day, "pack_id": pack_id, "series_index": index,
                "soh_pct": soh_pct, "soh_std_pct": 0.5, "method_version": "m-1",
            }  # fmt: skip


def _outlook(soh_pct):
    days = max(0.0, (soh_pct - 80) * 100)
    return {
        "rul_days_p05": 0.5 * days, "rul_days_p50": days, "rul_days_p95": 2 * days, "censored": soh_pct > 90,
        "eol_date_p50": dt.date(2027, 1, 1), "model_version": "r-1",
    }  # fmt: skip


def _gold():
    health = list(_health_rows())
    newest = [row for row in health if row["as_of_date"] == DAYS[-1]]
    lives = [
        {key: row[key] for key in ("cell_id", "as_of_date", "pack_id", "series_index")}
        | _outlook(row["soh_pct"])
        for row in health
    ]
    packs = [
        {"pack_id": pack_id, "as_of_date": day, "soh_min_pct": level - 3.5, "soh_median_pct": level,
         "weakest_cell_id": f"{pack_id}/01/02", "alerts": ["uneven_cells", "below_eol"],
         "rul_days_p50": 350.0, "censored": False, "method_version": "m-1"}
        for pack_id, level in LEVELS.items() for day in DAYS
    ]  # fmt: skip
    sessions = [
        {"pack_id": pack_id, "started_at": AT - dt.timedelta(days=day), "kind": "charge", "charge_ah": 30.0,
         "ended_at": AT - dt.timedelta(days=day, hours=-2), "duration_s": 7200.0, "method_version": "s-1"}
        for pack_id in "AB" for day in range(40)
    ]  # fmt: skip
    fleet = [
        {"as_of_date": day, "model": model, "chemistry": "NMC", "vehicles": vehicles, "soh_pct_p50": 88.0,
         "observed_pct": observed}
        for day in DAYS for model, vehicles, observed in (("m", 3, 90.0), ("lab", 1, 50.0))
    ]  # fmt: skip
    return {
        "gold.cell_health": health, "gold.cell_life": lives, "gold.pack_health": packs,
        "gold.session": sessions,
        "gold.cell_current": [row | _outlook(row["soh_pct"]) for row in newest], "gold.fleet_daily": fleet,
    }  # fmt: skip


def _rest():
    pack = {"chemistry": "NMC", "rated_capacity_ah": 50.0}
    packs = [{"pack_id": pack_id, "model": "m", "cells_in_series": 4, **pack} for pack_id in "AB"]
    packs[1] |= {"eol_soh_pct": 81.0, "warranty_from": dt.date(2022, 5, 1), "warranty_years": 7.5}
    packs.append({"pack_id": "LAB", "model": "lab", "cells_in_series": 1, **pack})
    assignments = [
        {"pack_id": pack_id, "vehicle_id": f"v{pack_id}", "valid_from": AT, "valid_to": end}
        for pack_id, end in (("A", None), ("B", None), ("C", AT))
    ]
    telemetry = [
        {**ORIGIN, "pack_id": "A", "measured_at": AT - dt.timedelta(days=day), "sequence": day,
         "vehicle_id": "vA", "sequence_number": day, "flags": ["soc_jump"]}
        for day in range(10)
    ]  # fmt: skip
    quarantine = [
        {**ORIGIN, "sequence_number": number, "device_id": "vA", "refused_at": AT,
         "reasons": [{"code": code, "detail": ""} for code in codes]}
        for number, codes in enumerate((["not_json"], ["no_pack", "no_pack", "bad_clock"], ["no_pack"]))
    ]  # fmt: skip
    batch = {
        "pipeline": "refine",
        "generation": "g",
        "rows_in": 10,
        "rows_kept": 7,
        "rows_refused": 2,
        "rows_duplicate": 1,
    }
    batches = [
        batch | {"batch_id": number, "lag_s": float(number), "finished_at": AT + dt.timedelta(hours=number)}
        for number in range(3)
    ]
    return {
        "reference.packs": packs, "reference.pack_assignment": assignments, "silver.telemetry": telemetry,
        "silver.quarantine": quarantine, "ops.batch": batches,
    }  # fmt: skip


@pytest.fixture(scope="module")
def read(spark, frame):
    """Reads the small lake; a table without rows is an empty frame."""
    # From Arrow, so that the many actions of a report need no Python worker.
    full = {
        name: spark.createDataFrame(frame(name, rows).toArrow()) for name, rows in (_gold() | _rest()).items()
    }
    return lambda name: full[name] if name in full else frame(name, [])


@pytest.fixture(scope="module")
def truth(spark):
    rows = [
        ("fleet", cell_id, day, soh_pct + 0.6) for cell_id, _, _, soh_pct in _cells() for day in DAYS[:10]
    ]
    rows += [("fleet", "A/01/01", dt.date(2020, 1, 1), 99.0)]
    return spark.createDataFrame(rows, "set_name string, cell_id string, as_of_date date, soh_pct double")


@pytest.fixture(scope="module")
def data(read, truth):
    return load(read, generated_at=NOW, location="lake", truth=truth, selection=Selection(points=10))


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
