"""Between Arrow and NumPy: whole packs however the batches fall, lists as matrices, nulls as NaN."""

import datetime as dt

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lake.gold import arrow

PACKS = st.lists(
    st.tuples(st.text("ab", min_size=1, max_size=2), st.integers(1, 5)), max_size=6, unique_by=lambda p: p[0]
)


@settings(deadline=None)
@given(PACKS, st.data())
def test_packs_come_whole_and_in_order_however_they_are_cut(packs, data):
    ids = [pack_id for pack_id, count in packs for _ in range(count)]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(ids)), max_size=6)))
    whole = pa.RecordBatch.from_pydict({"pack_id": pa.array(ids, pa.string()), "n": list(range(len(ids)))})
    batches = [whole.slice(a, b - a) for a, b in zip([0, *cuts], [*cuts, len(ids)], strict=True)]
    tables = list(arrow.whole_packs(batches))
    assert [n for table in tables for n in table.column("n").to_pylist()] == list(range(len(ids)))
    seen = [set(table.column("pack_id").to_pylist()) for table in tables]
    assert sum(map(len, seen)) == len({pack_id for pack_id, _ in packs})


VALUE = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.lists(VALUE, max_size=4)), min_size=1, max_size=8), st.integers(0, 4))
def test_a_list_column_is_a_matrix_and_what_does_not_fit_is_nan(rows, width):
    table = pa.table({"x": pa.array(rows, pa.list_(pa.float64()))})
    expected = [
        [np.nan if v is None else v for v in row]
        if row is not None and len(row) == width
        else [np.nan] * width
        for row in rows
    ]
    found = arrow.matrix(table, "x", width)
    assert found.shape == (len(rows), width)
    np.testing.assert_array_equal(found, np.array(expected, dtype=float).reshape(len(rows), width))

    mean, highest = arrow.list_reduced(table, "x")
    for row, of_mean, of_highest in zip(rows, mean, highest, strict=True):
        known = [v for v in row or () if v is not None]
        if known:
            assert of_highest == max(known)
            np.testing.assert_allclose(of_mean, sum(known) / len(known), rtol=1e-9, atol=1e-300)
        else:
            assert np.isnan(of_mean)
            assert np.isnan(of_highest)


@settings(deadline=None)
@given(st.lists(VALUE, max_size=8))
def test_numbers_go_both_ways_with_null_as_nan(values):
    table = pa.table({"x": pa.array(values, pa.float64())})
    assert arrow.numbers(arrow.floats(table, "x")).to_pylist() == values


def test_matrices_come_back_as_lists_and_no_columns_as_null():
    assert arrow.lists(np.array([[1.0, np.nan], [3.0, 4.0]])).to_pylist() == [[1.0, None], [3.0, 4.0]]
    assert arrow.lists(np.zeros((2, 0))).to_pylist() == [None, None]
    assert arrow.lists(np.array([[1.0, np.nan]]), pa.int32()).to_pylist() == [[1, None]]


def test_times_are_seconds_to_the_microsecond_and_codes_name_their_values():
    at = dt.datetime(2026, 3, 2, 1, 2, 3, 456789, tzinfo=dt.UTC)
    table = pa.table({"t": pa.array([at, None], pa.timestamp("us", "UTC")), "p": ["b", "a"]})
    found = arrow.seconds(table, "t")
    assert found[0] == at.timestamp()
    assert np.isnan(found[1])
    index, names = arrow.codes(table, "p")
    assert [names[i] for i in index] == ["b", "a"]
