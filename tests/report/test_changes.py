"""What changed since a day, alerts with their evidence, and packs beside their like."""

import datetime as dt

import pytest

from battery_lake.cells.alerts import CODES
from battery_lake.report.alert_words import LIMITS, limit, seen
from battery_lake.report.data import Changes
from battery_lake.report.html import days_of, page, render
from battery_lake.report.load_changes import compared_day, load_changes
from battery_lake.report.tables import tables
from battery_lake.report.text import ABSENT, MINUS
from battery_lake.sections import AlertSettings

from .small_lake import DAYS, SINCE


@pytest.fixture(scope="module")
def data(small_report):
    return small_report


def test_changes_are_counted_from_the_newest_day_that_is_known(data):
    told = data.changes
    assert (told.since, told.raised, told.cleared) == (SINCE, 2, 1)
    assert (told.moved, told.below, told.silent, told.new) == (1, 1, 1, 1)


def test_a_pack_that_changed_is_listed_with_the_reason_of_its_weakest_cell(data):
    fell, new = data.pack_changes.to_dict(orient="records")
    assert (fell["pack_id"], fell["before_date"], fell["as_of_date"]) == ("B", SINCE, DAYS[-1])
    assert (fell["soh_before_pct"], fell["soh_pct"]) == (pytest.approx(81.4), pytest.approx(79.5))
    assert fell["reasons"] == "beyond_interval"
    assert (new["pack_id"], new["is_new"], new["is_below"]) == ("C", True, False)
    first = tables(data)["pack_changes"].rows[0]
    assert first[1] == "fell below end of life, fell silent, SOH moved"
    assert first[7] == f"{MINUS}1.9"


def test_alerts_that_came_and_went_are_told_apart(data):
    told = dict(zip(data.alert_changes["code"], data.alert_changes["what"], strict=True))
    assert told == {
        "weak_cell": "raised",
        "over_temperature": "raised and cleared",
        "plating_risk": "cleared",
    }


def test_open_alerts_are_listed_the_worst_first_with_evidence_limit_and_a_way_to_the_pack(data):
    assert data.alerts["code"].tolist() == ["weak_cell", "self_discharge"]
    shown = tables(data)
    assert f"2026-10-29: level {MINUS}31.5 mV" in shown["alerts"].rows[0]
    assert "low day after day, or 200 mV off at once" in shown["alerts"].rows[0]
    assert set(shown["alerts"].targets) <= set(shown["cohorts"].anchors)
    assert "" not in shown["alerts"].targets


def test_a_pack_stands_beside_the_packs_of_its_model_and_half_year(data):
    rows = data.cohorts.set_index("pack_id")
    assert rows.index.tolist()[:2] == ["B", "A"]
    assert (rows.loc["B", "sold"], rows.loc["B", "packs"]) == ("2022 H1", 2)
    assert rows.loc["A", "soh_p50_pct"] == (92.0 + 83.0) / 2
    assert rows.loc["C", "sold"] is None


def test_without_an_earlier_day_nothing_is_compared_and_the_page_says_so(report_of):
    assert compared_day((), DAYS[-1]) is None
    assert "No earlier day is known" in page(report_of(changes=Changes()))


def test_a_day_without_newer_evidence_is_said_to_be_that(report_of):
    assert compared_day((DAYS[-1],), DAYS[-1]) is None
    assert f"no evidence newer than {DAYS[-1]}" in page(report_of(changes=Changes(asked=DAYS[-1])))


def test_a_day_before_all_evidence_makes_every_pack_new(read):
    packs = read("gold.pack_health").selectExpr("pack_id", "'m' AS model", "80D AS eol_soh_pct").distinct()
    told, _, changed = load_changes(read, packs, (dt.date(2020, 1, 1),), DAYS[-1])
    assert (told.new, told.moved, told.raised, told.cleared) == (3, 0, 4, 0)
    assert changed["before_date"].isna().all()


def test_a_report_is_compared_with_the_one_that_it_replaces_and_made_anew_with_the_same(
    fleet_report, tmp_path
):
    path = render(fleet_report, tmp_path / "report.html")
    newest, since = fleet_report.totals.newest_date, fleet_report.changes.since
    assert set(days_of(path)) == {newest, since}
    assert compared_day(days_of(path), newest + dt.timedelta(days=1)) == newest
    assert compared_day(days_of(path), newest) == since


@pytest.mark.parametrize("content", ["", "<html>another page</html>"])
def test_a_file_that_is_no_report_names_no_day(tmp_path, content):
    path = tmp_path / "report.html"
    assert days_of(path) == ()
    path.write_text(content, encoding="utf-8")
    assert days_of(path) == ()


def test_every_code_says_what_raises_it():
    settings = AlertSettings()
    assert LIMITS.keys() < CODES.keys()
    assert all(limit(code, "NMC", settings) for code in CODES)
    assert limit("over_temperature", "LFP", settings).startswith("a probe at 60 °C")
    assert limit("over_temperature", None, settings).startswith("a probe at 55 °C")


def test_evidence_is_told_with_units():
    told = '{"as_of_date": "2026-01-02", "rate_std_mv_per_day": 0.125, "knee_days_p50": 20454.2, "z": -3.0}'
    assert seen(told) == f"2026-01-02: rate deviation 0.125 mV/d; knee p50 2026-01-01; z {MINUS}3"
    assert seen(None) == ABSENT
