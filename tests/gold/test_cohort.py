"""Where a pack stands among packs like it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

import pytest
from pyspark.sql import functions as F

from battery_lake.gold.cohort import MIN_PACKS, cohort_percentile
from battery_lake.gold.fleet_daily import FRESH_DAYS

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

DAY = dt.date(2026, 3, 2)
SPRING, AUTUMN = dt.date(2024, 3, 1), dt.date(2024, 7, 1)


def day(number: int) -> dt.date:
    return DAY + dt.timedelta(days=number)


def pack(number: int, since: dt.date | None = SPRING, model: str | None = "M") -> dict[str, Any]:
    return {"pack_id": f"P{number:02}", "model": model, "chemistry": "NMC", "warranty_from": since}


@pytest.fixture(scope="module")
def places(frame: Callable[..., DataFrame]) -> Callable[..., dict[tuple[str, int], float]]:
    """Percentile by pack and day, from SOH by pack and day."""

    def made(
        packs: list[dict[str, Any]], health: dict[tuple[str, int], float], first: int = 0, last: int = 99
    ) -> dict[tuple[str, int], float]:
        rows = [{"pack_id": p, "as_of_date": day(n), "soh_median_pct": soh} for (p, n), soh in health.items()]
        days = {"first_date": F.lit(day(first)), "last_date": F.lit(day(last))}
        found = cohort_percentile(
            frame("gold.pack_health", rows), frame("reference.packs", packs).withColumns(days)
        )
        return {(r.pack_id, (r.as_of_date - DAY).days): r.cohort_percentile_pct for r in found.collect()}

    return made


def test_a_pack_stands_above_the_share_of_the_others_that_are_lower(places: Any) -> None:
    packs = [pack(n) for n in range(MIN_PACKS + 1)]
    found = places(packs, {(f"P{n:02}", 0): 90.0 + n for n in range(MIN_PACKS + 1)})
    assert found == {(f"P{n:02}", 0): 10.0 * n for n in range(MIN_PACKS + 1)}
    equal = places(packs, {(f"P{n:02}", 0): 90.0 if n < 9 else 99.0 for n in range(MIN_PACKS + 1)})
    assert set(equal.values()) == {0.0, 90.0}


def test_too_few_or_unlike_packs_are_no_cohort(places: Any) -> None:
    few = [pack(n) for n in range(MIN_PACKS - 1)]
    health = {(f"P{n:02}", 0): 90.0 + n for n in range(MIN_PACKS)}
    assert places(few, health) == {}
    for odd in (pack(9, AUTUMN), pack(9, None), pack(9, model="N"), pack(9, model=None)):
        assert places([*few, odd], health) == {}
    assert len(places([*few, pack(9)], health)) == MIN_PACKS


def test_others_stand_with_their_newest_row_while_it_is_fresh(places: Any) -> None:
    packs = [pack(n) for n in range(MIN_PACKS)]
    health = {(f"P{n:02}", 0): 90.0 + n for n in range(MIN_PACKS)}
    later = {("P00", 20): 99.5, ("P01", FRESH_DAYS): 80.0, ("P02", FRESH_DAYS + 1): 80.0}
    found = places(packs, health | later, first=1)
    # On the day after the last fresh one only P00, P01 and P02 are left.
    assert found == {("P00", 20): 100.0, ("P01", FRESH_DAYS): 0.0}
    assert places(packs, health | later, first=21, last=FRESH_DAYS) == {("P01", FRESH_DAYS): 0.0}
