"""The passport's counters, from a pack's sessions and health."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest

from battery_lake.gold.battery_passport import SOC_NAMES, SOURCES, TEMPERATURE_NAMES, battery_passport
from battery_lake.tables.gold import BATTERY_PASSPORT, PACK_HEALTH, SESSION
from battery_lake.tables.reference import PACKS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DAY_1 = dt.datetime(2026, 3, 1, 8, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
PACK = {
    "pack_id": "P1", "chemistry": "NMC", "cells_in_series": 96, "rated_capacity_ah": 100.0,
    "rated_energy_wh": 36_000.0,
}  # fmt: skip


def rows(spark: SparkSession, contract: Any, given: list[dict[str, Any]]) -> DataFrame:
    """Rows of a contract, what is not given being null."""
    names = contract.column_names
    return spark.createDataFrame(
        [tuple(row.get(name) for name in names) for row in given], contract.fields.replace(" NOT NULL", "")
    )


def session(kind: str, start: dt.datetime, hours: float, **values: Any) -> dict[str, Any]:
    return {
        "pack_id": "P1", "started_at": start, "ended_at": start + hours * HOUR, "kind": kind, "samples": 2,
        "duration_s": hours * 3600.0, "method_version": "session-1", "temperature_mean_c": 20.0, **values,
    }  # fmt: skip


def day_of(number: int, end_soc_pct: float = 50.0, temperature_c: float = 20.0) -> list[dict[str, Any]]:
    """A day on which 50 Ah go out and in again, at 360 V out and 370 V in."""
    start = DAY_1 + dt.timedelta(days=number)
    drive = session(
        "drive", start, 1.0, charge_ah=-50.0, throughput_ah=50.0, energy_wh=-18_000.0, soc_start_pct=100.0,
        soc_end_pct=end_soc_pct, temperature_mean_c=temperature_c,
    )  # fmt: skip
    charge = session(
        "charge", start + 2 * HOUR, 5.0, charge_ah=50.0, throughput_ah=50.0, energy_wh=18_500.0,
        soc_start_pct=end_soc_pct, soc_end_pct=100.0, temperature_mean_c=temperature_c,
    )  # fmt: skip
    return [drive, charge]


def health(number: int, soh_pct: float, soh_r_pct: float | None = None) -> dict[str, Any]:
    return {
        "pack_id": "P1", "as_of_date": (DAY_1 + dt.timedelta(days=number)).date(), "soh_min_pct": soh_pct,
        "soh_r_median_pct": soh_r_pct, "alerts": [], "method_version": "kalman",
    }  # fmt: skip


@pytest.fixture
def told(spark: SparkSession) -> Any:
    """Passports from sessions, health and base, by day."""

    def made(
        sessions: list[dict[str, Any]], known: list[dict[str, Any]], base: list[dict[str, Any]] | None = None
    ) -> list[dict[str, Any]]:
        frame = battery_passport(
            rows(spark, BATTERY_PASSPORT, base or []),
            rows(spark, SESSION, sessions),
            rows(spark, PACK_HEALTH, known),
            rows(spark, PACKS, [PACK]),
        )
        return [row.asDict(recursive=True) for row in frame.orderBy("as_of_date").collect()]

    return made


def test_counters_add_up_and_energy_is_that_of_the_weakest_cell(told: Any) -> None:
    days = told([s for n in range(10) for s in day_of(n)], [health(3, 90.0)])
    assert [row["throughput_ah"] for row in days] == [100.0 * n for n in range(1, 11)]
    assert days[-1]["efc"] == pytest.approx(5.0)
    assert days[1]["soce_pct"] is None
    # 90 Ah at 360 V of a rated 36 kWh.
    assert [days[n]["soce_pct"] for n in (3, 9)] == pytest.approx([90.0, 90.0])
    assert days[8]["round_trip_efficiency_pct"] is None
    assert days[9]["round_trip_efficiency_pct"] == pytest.approx(100 * 18_000 / 18_500)
    assert set(days[-1]["sources"]) == set(SOURCES)


def test_time_is_spent_in_ranges_and_harm_is_counted(told: Any) -> None:
    last = told([*day_of(0), *day_of(1, end_soc_pct=3.0, temperature_c=-5.0)], [])[-1]
    assert set(last["temperature_range_s"]) == set(TEMPERATURE_NAMES)
    assert set(last["soc_range_s"]) == set(SOC_NAMES)
    # On each day 6 hours of use and the hour between; from one day to the next 17 hours of silence.
    assert sum(last["temperature_range_s"].values()) == (7 + 17 + 7) * 3600.0
    assert last["temperature_range_s"]["below_0_c"] == (17 + 7) * 3600.0
    assert last["negative_events"] == {
        "deep_discharge": 1,
        "extreme_temperature_s": (17 + 7) * 3600,
        "charging_in_extreme_temperature_s": 5 * 3600,
        "charging_below_0_c_s": 5 * 3600,
        "charging_from_45_c_s": 0,
    }


def test_going_on_from_a_base_gives_what_one_run_gives(told: Any) -> None:
    sessions, known = [s for n in range(6) for s in day_of(n)], [health(1, 95.0, 90.0), health(4, 94.0)]
    whole = told(sessions, known)
    for split in (1, 2, 5):
        assert told(sessions[2 * split - 2 :], known, base=[whole[split - 1]]) == whole[split:]


def test_resistance_has_grown_by_what_new_over_now_says_and_lasts_until_it_is_told_again(told: Any) -> None:
    days = told(day_of(0) + day_of(2), [health(1, 95.0, 80.0), health(3, 95.0), health(4, 95.0, 75.0)])
    expected = [None, 25.0, 25.0, 25.0, 100.0 / 3.0]
    assert [row["resistance_increase_pct"] for row in days] == [pytest.approx(value) for value in expected]
    assert "new_resistance_mohm" in days[0]["sources"]["resistance_increase_pct"]


def test_a_pack_that_was_never_charged_has_energy_but_no_efficiency(told: Any) -> None:
    days = told([day_of(n)[0] for n in range(24)], [health(0, 90.0)])
    assert days[-1]["efc"] == pytest.approx(6.0)
    assert (days[-1]["energy_in_wh"], days[-1]["round_trip_efficiency_pct"]) == (0.0, None)
    assert days[-1]["soce_pct"] == pytest.approx(90.0)


def test_sessions_that_know_nothing_are_survived(told: Any) -> None:
    nothing = session("drive", DAY_1, 1.0, temperature_mean_c=None)
    (row,) = told([nothing], [])
    assert row["throughput_ah"] == 0.0
    assert row["soce_pct"] is None
    assert sum(row["soc_range_s"].values()) == 0.0


def test_a_pack_that_is_not_known_has_no_passport(told: Any) -> None:
    stranger = [{**row, "pack_id": "P2"} for row in day_of(0)]
    assert told(stranger, []) == []
