"""Moves of a cell's SOH: which days are told, what they are compared with, and why they moved."""

# ruff: noqa: DTZ001 - Spark hands over UTC without a zone

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lake.gold.soh_change import MIN_CHANGE_PCT, MOST_WINDOWS, POINT, REASONS, WINDOW_DAYS, soh_change
from battery_lake.lake.conform import schema_problems
from battery_lake.tables.gold import SOH_CHANGE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyspark.sql import DataFrame

DAY = dt.date(2026, 3, 2)
BASE = "cell_id string, level struct<{0}>, previous struct<{0}>".format(
    ", ".join(field.replace(" ", ": ") for field in POINT.split(", "))
)
PACKS = [{"pack_id": "P", "chemistry": "NMC", "cells_in_series": 2, "rated_capacity_ah": 50.0}]


def day(number: int) -> dt.date:
    return DAY + dt.timedelta(days=number)


def health(number: int, soh_pct: float, std_pct: float = 1.0, cell: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "cell_id": f"P/01/0{cell + 1}", "pack_id": "P", "series_index": cell, "as_of_date": day(number),
        "soh_pct": soh_pct, "soh_std_pct": std_pct, "observations": number + 1, "method_version": "kalman",
        **more,
    }  # fmt: skip


def observed(number: int, *capacity_ah: float | None, hour: int = 8, **more: Any) -> dict[str, Any]:
    at = dt.datetime(2026, 3, 2, hour) + dt.timedelta(days=number)
    return {
        "pack_id": "P", "started_at": at, "ended_at": at + dt.timedelta(hours=1), "method": "rest_to_rest",
        "capacity_ah": list(capacity_ah), "variance_ah2": [0.25] * len(capacity_ah), "charge_ah": 20.0,
        "temperature_mean_c": 20.0, "method_version": "capacity", **more,
    }  # fmt: skip


def point(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in (field.split()[0] for field in POINT.split(", "))}


@pytest.fixture(scope="session")
def told(frame: Callable[..., DataFrame], spark: Any) -> Callable[..., list[dict[str, Any]]]:
    """Changes from days, windows and base, in order of cell and day."""

    def made(
        days: list[dict[str, Any]], seen: Sequence[dict[str, Any]] = (), base: Sequence[dict[str, Any]] = ()
    ) -> list[dict[str, Any]]:
        changes = soh_change(
            frame("gold.cell_health", days), spark.createDataFrame(list(base), BASE),
            frame("gold.capacity_observation", list(seen)), frame("reference.packs", PACKS),
        )  # fmt: skip
        assert schema_problems(changes, SOH_CHANGE) == []
        return [row.asDict(recursive=True) for row in changes.orderBy("cell_id", "as_of_date").collect()]

    return made


def numbers(rows: list[dict[str, Any]]) -> list[tuple[int, int | None]]:
    """Day of each row and the day that it is compared with."""
    return [
        ((r["as_of_date"] - DAY).days, None if r["since_date"] is None else (r["since_date"] - DAY).days)
        for r in rows
    ]


def test_a_jump_is_compared_with_the_day_before_and_a_drift_with_the_last_told_day(told: Any) -> None:
    assert told([]) == []
    levels = [99.0, 99.4, 98.9, 98.4, 98.2, 97.9, 97.7]
    rows = told([health(n, soh) for n, soh in enumerate(levels)])
    # Exactly 0.5 is no move; 98.4 is 0.6 below the first day, 97.7 another 0.7 below that.
    assert numbers(rows) == [(0, None), (3, 0), (6, 3)]
    assert [r["change_pct"] for r in rows] == [None, *map(pytest.approx, (-0.6, -0.7))]
    jump = told([health(0, 99.0), health(1, 99.2), health(2, 98.6)])
    assert numbers(jump) == [(0, None), (2, 1)]


LEVELS = st.lists(st.integers(-12, 12).map(lambda tenths: 95.0 + tenths / 10), min_size=1, max_size=25)


@settings(max_examples=5)
@given(st.lists(LEVELS, min_size=8, max_size=8), st.integers(0, 24))
def test_no_move_above_half_a_point_goes_untold_and_going_on_gives_what_one_run_gives(
    told: Any, histories: list[list[float]], split: int
) -> None:
    days = [health(n, soh, cell=c) for c, levels in enumerate(histories) for n, soh in enumerate(levels)]
    whole = told(days)
    by_day = {(r["cell_id"], r["as_of_date"]): r for r in whole}
    assert all(r["reasons"] for r in whole)
    for c, levels in enumerate(histories):
        cell, level = f"P/01/0{c + 1}", levels[0]
        assert (cell, day(0)) in by_day
        for n in range(1, len(levels)):
            if abs(levels[n] - levels[n - 1]) > MIN_CHANGE_PCT or abs(levels[n] - level) > MIN_CHANGE_PCT:
                assert abs(by_day[cell, day(n)]["change_pct"]) > MIN_CHANGE_PCT
                level = levels[n]
            else:
                assert (cell, day(n)) not in by_day
    early = [d for d in days if d["as_of_date"] < day(split)]
    base = [
        {
            "cell_id": cell,
            "level": point(next(d for d in early if by_cell(d, last_told(whole, cell, split)))),
            "previous": point([d for d in early if d["cell_id"] == cell][-1]),
        }
        for cell in {d["cell_id"] for d in early}
    ]
    late = told([d for d in days if d["as_of_date"] >= day(split)], base=base)
    assert late == [r for r in whole if r["as_of_date"] >= day(split)]


def last_told(rows: list[dict[str, Any]], cell: str, split: int) -> dict[str, Any]:
    return [r for r in rows if r["cell_id"] == cell and r["as_of_date"] < day(split)][-1]


def by_cell(row: dict[str, Any], other: dict[str, Any]) -> bool:
    return (row["cell_id"], row["as_of_date"]) == (other["cell_id"], other["as_of_date"])


def test_the_windows_of_the_cell_since_the_day_before_are_named_with_what_they_say(told: Any) -> None:
    noon = observed(3, 46.0, 45.0, hour=12, variance_ah2=[1.0, 1.0])
    seen = [observed(0, 49.0, 49.0), observed(3, 47.0, None), noon]
    rows = told([health(0, 98.0), health(3, 95.0, 0.5), health(3, 90.0, cell=1)], seen)
    first, second, other = rows
    assert (first["reasons"], first["change_pct"], first["innovation_pct"]) == (
        ["first_estimate", "new_window"], None, None,
    )  # fmt: skip
    assert [w["started_at"].hour for w in second["windows"]] == [8, 12]
    assert [(w["capacity_ah"], w["capacity_std_ah"]) for w in second["windows"]] == [(47.0, 0.5), (46.0, 1.0)]
    assert second["reasons"] == ["beyond_interval", "wide_interval_narrowed", "new_window"]
    assert second["observed_soh_pct"] == pytest.approx(2 * (4 * 47 + 46) / 5)
    assert second["expected_fade_pct"] == pytest.approx(0.018)
    assert second["innovation_pct"] == pytest.approx(2 * (4 * 47 + 46) / 5 - (98.0 - 0.018))
    assert (second["new_observations"], second["silent_days"]) == (3, 3)
    assert [w["capacity_ah"] for w in other["windows"]] == [45.0]


@pytest.mark.parametrize(
    ("days", "windows", "code"),
    [
        ([health(89, 97.6), health(90, 97.4)], [observed(90, 48.7)], "expected_fade"),
        ([health(28, 97.0)], [observed(28, 48.7)], "silent_period"),
        ([health(2, 97.0)], [observed(2, 48.0, method="full_discharge")], "new_capacity_test"),
        ([health(2, 97.0)], [observed(2, 48.0, temperature_mean_c=4.0)], "cold_windows"),
        ([health(2, 97.0, method_version="kalman-9")], [observed(2, 48.0)], "method_changed"),
        ([health(2, 97.0)], [observed(2, None, 48.0)], "no_window_stands"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_reason_has_its_case(told: Any, days: Any, windows: Any, code: str) -> None:
    row = told([health(0, 98.0), *days], windows)[-1]
    assert code in row["reasons"]
    assert row["reasons"] == sorted(row["reasons"], key=list(REASONS).index)
    others = {"expected_fade", "silent_period", "cold_windows", "method_changed", "no_window_stands"} - {code}
    assert not others & set(row["reasons"])


def test_a_test_overrules_windows_and_only_the_sharpest_windows_are_named(told: Any) -> None:
    many = [
        observed(1, 48.0, hour=h, variance_ah2=[0.01 * (h + 1)], temperature_mean_c=10.0 + h)
        for h in range(MOST_WINDOWS + 4)
    ]
    row = told([health(0, 98.0), health(1, 96.0)], many)[-1]
    assert [w["started_at"].hour for w in row["windows"]] == list(range(MOST_WINDOWS))
    assert row["window_temperature_c"] == pytest.approx(10.0 + (MOST_WINDOWS + 3) / 2)
    tested = told([health(0, 98.0), health(1, 96.0)], [*many, observed(1, 45.0, method="full_discharge")])[-1]
    assert tested["observed_soh_pct"] == pytest.approx(90.0)


def test_a_drift_names_the_windows_of_its_last_four_weeks(told: Any) -> None:
    days = [health(n, 98.0 - 0.01 * n) for n in range(0, 60, 3)]
    row = told(days, [observed(n, 48.0) for n in range(0, 60, 3)])[-1]
    assert numbers([row]) == [(51, 0)]
    assert [(w["started_at"].date() - DAY).days for w in row["windows"]] == list(
        range(51 - WINDOW_DAYS + 1, 52, 3)
    )
    assert row["fade_share_pct"] == pytest.approx(60.0)
