"""Writers converge: what is written again changes nothing, and only what differs is a change."""

# ruff: noqa: DTZ001 - Spark hands over UTC without a zone

import datetime as dt

import pytest
from chispa import assert_df_equality
from deltalake import DeltaTable
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from battery_lake.lake.changes import changes, hull
from battery_lake.lake.scratch import kept
from battery_lake.lake.sql import instant, quoted
from battery_lake.lake.write import DELETED, delete, insert_missing, upsert

EARLY, LATE = dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 2)
FIRST = [("a", 1, 90.0, ["x"], EARLY), ("a", 2, None, [], EARLY), ("b", 1, float("nan"), ["y", None], LATE)]


@pytest.fixture
def rows(toy_lake, toy):
    def build(*tuples):
        return toy_lake.spark.createDataFrame(list(tuples), toy.fields)

    return build


@pytest.fixture
def filled(toy_lake, toy, rows):
    assert insert_missing(toy_lake, toy.name, rows(*FIRST)) == 3
    return toy_lake


def changed_since(lake, name, version):
    """What the change feed tells after a version: kind of change, key."""
    if DeltaTable(lake.path(name)).version() <= version:
        return set()
    feed = lake.spark.read.option("readChangeFeed", "true").option("startingVersion", version + 1)
    found = feed.format("delta").load(lake.path(name)).collect()
    return {(r["_change_type"], r.pack_id, r.place) for r in found}


def same(lake, name, expected):
    assert_df_equality(
        lake.read(name),
        expected,
        ignore_nullable=True,
        ignore_metadata=True,
        ignore_row_order=True,
        allow_nan_equality=True,
    )


def test_inserting_what_is_there_already_changes_nothing(filled, toy, rows):
    version = DeltaTable(filled.path(toy.name)).version()
    other = ("a", 1, 11.0, ["other"], LATE)
    assert insert_missing(filled, toy.name, rows(other, *FIRST[1:])) == 0
    assert insert_missing(filled, toy.name, rows(("c", 1, 1.0, [], None), FIRST[0])) == 1
    same(filled, toy.name, rows(*FIRST, ("c", 1, 1.0, [], None)))
    assert changed_since(filled, toy.name, version) == {("insert", "c", 1)}


def test_an_upsert_leaves_alone_what_is_equal_nulls_and_nan_included(filled, toy, rows):
    version = DeltaTable(filled.path(toy.name)).version()
    assert upsert(filled, toy.name, rows(*FIRST)) == 0
    assert changed_since(filled, toy.name, version) == set()

    assert upsert(filled, toy.name, rows(FIRST[0], ("a", 2, 80.0, [], EARLY), ("c", 9, 1.0, [], None))) == 2
    assert changed_since(filled, toy.name, version) == {
        ("update_preimage", "a", 2),
        ("update_postimage", "a", 2),
        ("insert", "c", 9),
    }


def test_an_upsert_deletes_the_keys_that_are_marked_and_minds_no_unknown_ones(filled, toy, rows):
    version = DeltaTable(filled.path(toy.name)).version()
    frame = rows(("b", 1, None, [], None), ("z", 1, None, [], None), ("a", 1, 1.0, ["n"], None))
    marked = frame.selectExpr("*", f"pack_id != 'a' AS {DELETED}")
    assert upsert(filled, toy.name, marked) == 2
    same(filled, toy.name, rows(("a", 1, 1.0, ["n"], None), FIRST[1]))
    assert ("delete", "b", 1) in changed_since(filled, toy.name, version)


def test_only_if_guards_updates_and_within_shields_other_rows(filled, toy, rows):
    older = dt.datetime(2025, 1, 1)
    stale, newer = ("a", 1, 1.0, [], older), ("a", 2, 2.0, [], LATE)
    assert upsert(filled, toy.name, rows(stale, newer), only_if="s.seen_at >= t.seen_at") == 1
    same(filled, toy.name, rows(FIRST[0], newer, FIRST[2]))
    within = f"t.pack_id = {quoted('a')} AND t.seen_at <= {instant(EARLY)}"
    assert insert_missing(filled, toy.name, rows(FIRST[0]), within=within) == 0


def test_delete_takes_the_listed_keys(filled, toy, rows):
    assert delete(filled, toy.name, rows(FIRST[0], FIRST[0], ("z", 1, None, [], None))) == 1
    same(filled, toy.name, rows(*FIRST[1:]))


def test_every_change_comes_in_the_stream_of_changes_and_its_hull_is_per_pack(filled, toy, rows):
    upsert(filled, toy.name, rows(("a", 1, 1.0, [], LATE)))
    seen = []

    def look(frame, _batch_id):
        seen.extend(hull(frame, frame.seen_at, frame.seen_at).collect())

    query = (
        changes(filled, toy.name)
        .writeStream.foreachBatch(look)
        .option("checkpointLocation", filled.checkpoint("look"))
        .trigger(availableNow=True)
        .start()
    )
    query.awaitTermination()
    spans = {pack: {(r.low, r.high) for r in seen if r.pack_id == pack} for pack in ("a", "b")}
    assert spans == {"a": {(EARLY, LATE)}, "b": {(LATE, LATE)}}


def test_what_is_kept_is_read_from_where_it_was_written(filled, rows):
    twice = kept(filled, "test", rows(*FIRST))
    assert_df_equality(twice, rows(*FIRST), ignore_row_order=True, allow_nan_equality=True)
    assert [r.place for r in kept(filled, "test", rows(("n", 7, None, [], None))).collect()] == [7]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), max_size=20)
)
def test_any_text_survives_being_written_into_sql(spark, texts):
    literals = ", ".join(quoted(text) for text in texts)
    assert list(spark.sql(f"SELECT array({literals}) AS a").collect()[0].a) == texts
