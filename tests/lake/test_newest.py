"""The newest row before a day is found however old it is, and files that cannot hold it are not read."""

import datetime as dt

import pytest

from battery_lake.lake.access import Lake
from battery_lake.lake.create import ensure
from battery_lake.lake.newest import newest_before
from battery_lake.lake.reach import reach
from battery_lake.lake.write import upsert
from battery_lake.settings import load

DAY, NAME = dt.date(2026, 3, 2), "gold.pack_health"
ROWS = [("A", -900), ("B", -900), ("A", -200), ("A", -20), ("B", -20), ("A", 0), ("L", -900)]


def day(number):
    return DAY + dt.timedelta(days=number)


@pytest.fixture(scope="module")
def told(spark, frame, tmp_path_factory):
    """A table with a file for every row."""
    settings, _ = load([f"home={tmp_path_factory.mktemp('newest')}"], environment={})
    lake = Lake(spark, settings)
    ensure(lake, [NAME])
    for pack_id, number in ROWS:
        rows = [{"pack_id": pack_id, "as_of_date": day(number), "soh_min_pct": float(number), "alerts": [],
                 "method_version": "m"}]  # fmt: skip
        upsert(lake, NAME, frame(NAME, rows))
    return lake


def firsts(lake, **numbers):
    rows = [(pack_id, day(number)) for pack_id, number in numbers.items()]
    return lake.spark.createDataFrame(rows, "pack_id string, first_date date")


def found(lake, **numbers):
    wanted = firsts(lake, **numbers)
    starts = reach(wanted.withColumnRenamed("first_date", "from_at"))
    rows = newest_before(lake, NAME, wanted, starts, ["soh_min_pct"], "test").collect()
    return {row.pack_id: row.row.soh_min_pct for row in rows}


def test_it_is_found_near_far_and_further_and_a_new_pack_has_none(told):
    assert found(told, A=0, B=-20, L=5, NEW=0) == {"A": -20.0, "B": -900.0, "L": -900.0}
    assert found(told, A=-20, NEW=-20) == {"A": -200.0}


def test_files_that_are_older_or_of_other_packs_are_not_read(told, without_files):
    with without_files(told, NAME, "as_of_date", day(-100), "B") as files:
        assert files == 3
        assert found(told, A=5, B=5, NEW=5) == {"A": 0.0, "B": -20.0}
        # One that starts long ago makes nobody else's history be read.
        assert found(told, A=5, L=-800) == {"A": 0.0, "L": -900.0}


def test_bounds_hold_for_every_row_from_its_packs_start_on_and_for_few_files(told):
    starts = reach(firsts(told, A=-10, B=-20, L=-950, K=-940).withColumnRenamed("first_date", "from_at"))
    rows = told.read(NAME).where(starts.days("as_of_date"))
    assert {(row.pack_id, row.as_of_date) for row in rows.collect()} == {
        ("A", day(-20)), ("B", day(-20)), ("A", day(0)), ("L", day(-900)),
    }  # fmt: skip
    assert len(rows.inputFiles()) == 4
    assert reach(firsts(told, A=0).where("false").withColumnRenamed("first_date", "from_at")) is None
