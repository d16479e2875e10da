"""Between Arrow and NumPy: whole packs out of a stream of batches, lists as matrices, NaN as null."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt

    from battery_lake.cells.arrays import Floats, Ints

MICROSECONDS = 1_000_000


def whole_packs(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield tables that hold all rows of their packs; rows must come sorted by pack_id.

    Rows of the last pack of a batch wait for the next batch: memory holds one batch and one pack.

    Yields
    ------
    Table
        All rows of one or more packs.
    """
    waiting: list[pa.RecordBatch] = []
    for batch in batches:
        if batch.num_rows == 0:
            continue
        ids = batch.column("pack_id")
        last = ids[batch.num_rows - 1]
        start_of_last = int(pc.index(ids, last).as_py())
        first_is_last = start_of_last == 0
        if first_is_last and (not waiting or waiting[-1].column("pack_id")[0] == last):
            waiting.append(batch)
            continue
        yield pa.Table.from_batches([*waiting, batch.slice(0, start_of_last)])
        waiting = [batch.slice(start_of_last)]
    if waiting:
        yield pa.Table.from_batches(waiting)


def by_width(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[pa.Table, int]]:
    """Join batches to tables of whole packs that have equally many cells; with how many."""
    for packs in whole_packs(batches):
        width = floats(packs, "cells_in_series")
        for cells in np.unique(width):
            yield packs.filter(pa.array(width == cells)), int(cells)


def days(table: pa.Table, name: str) -> Ints:
    """Return a date column, without null, as days since 1970. [d]."""
    return np.asarray(table.column(name).combine_chunks().cast(pa.int32()).to_numpy(), dtype=np.int64)


def floats(table: pa.Table, name: str) -> Floats:
    """Return a column as float64, null as NaN."""
    column = table.column(name).combine_chunks()
    return np.asarray(pc.fill_null(column.cast(pa.float64()), float("nan")).to_numpy(zero_copy_only=False))


def seconds(table: pa.Table, name: str) -> Floats:
    """Return a timestamp column as seconds since 1970, null as NaN. [s]."""
    column = table.column(name).combine_chunks()
    micros = np.asarray(
        pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False), dtype=np.float64
    )
    return np.where(
        np.asarray(column.is_null().to_numpy(zero_copy_only=False)), np.nan, micros / MICROSECONDS
    )


def matrix(table: pa.Table, name: str, width: int) -> Floats:
    """Return a list column as (rows, width); a list of another length, or null, is a row of NaN."""
    column = table.column(name).combine_chunks()
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False))
    result = np.full((len(column), width), np.nan)
    fits = lengths == width
    if width and fits.any():
        kept = column.filter(pa.array(fits))
        values = pc.fill_null(pc.list_flatten(kept).cast(pa.float64()), float("nan"))
        result[fits] = values.to_numpy(zero_copy_only=False).reshape(-1, width)
    return result


def ragged(table: pa.Table, name: str) -> Floats:
    """Return a list column as (rows, longest); shorter lists end in NaN, null is a row of NaN."""
    column = table.column(name).combine_chunks()
    lengths = np.asarray(pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False))
    result = np.full((len(column), int(lengths.max(initial=0))), np.nan)
    values = pc.fill_null(pc.list_flatten(column).cast(pa.float64()), float("nan"))
    result[np.arange(result.shape[1])[None, :] < lengths[:, None]] = values.to_numpy(zero_copy_only=False)
    return result


def list_reduced(table: pa.Table, name: str) -> tuple[Floats, Floats]:
    """Return the mean and the maximum of each row's list, NaN where it holds no number."""
    column = table.column(name).combine_chunks()
    rows = len(column)
    parents = np.asarray(pc.list_parent_indices(column).to_numpy(zero_copy_only=False), dtype=np.int64)
    values = np.asarray(
        pc.fill_null(pc.list_flatten(column).cast(pa.float64()), float("nan")).to_numpy(zero_copy_only=False)
    )
    good = np.isfinite(values)
    count = np.bincount(parents[good], minlength=rows)
    total = np.bincount(parents[good], weights=values[good], minlength=rows)
    highest = np.full(rows, -np.inf)
    np.maximum.at(highest, parents[good], values[good])
    with np.errstate(invalid="ignore"):
        mean = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return mean, np.where(count > 0, highest, np.nan)


def codes(table: pa.Table, name: str) -> tuple[Ints, list[Any]]:
    """Return a column as numbers of its distinct values, and these values."""
    encoded = table.column(name).combine_chunks().dictionary_encode()
    return np.asarray(
        encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64
    ), encoded.dictionary.to_pylist()


def numbers(values: npt.ArrayLike, type_: pa.DataType | None = None) -> pa.Array:
    """Return an Arrow array, NaN as null."""
    array = np.asarray(values)
    if array.dtype.kind == "f":
        missing = ~np.isfinite(array)
        if type_ is not None and pa.types.is_integer(type_):
            array = np.where(missing, 0, array).astype(np.int64)
        return pa.array(array, mask=missing, type=type_)
    return pa.array(array, type=type_)


def lists(values: Floats, type_: pa.DataType | None = None) -> pa.Array:
    """Return a matrix as lists, one a row, NaN as null; no columns: null lists."""
    rows, width = values.shape
    inner = type_ or pa.float64()
    if width == 0:
        return pa.nulls(rows, pa.list_(inner))
    offsets = np.arange(0, rows * width + 1, width, dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, numbers(values.reshape(-1), inner))


def known_lists(values: Floats) -> pa.Array:
    """Return a matrix as lists, one a row; a row without any number is null."""
    known = pa.array(np.isfinite(values).any(axis=1))
    return pc.if_else(known, lists(values), None)


def structs(column: pa.Array) -> list[dict[str, Any] | None]:
    """Return structs as Python has them, but their lists of numbers as arrays, null in them as NaN."""
    told = np.asarray(column.is_valid().to_numpy(zero_copy_only=False))
    values = {
        field.name: _array_each(pc.struct_field(column, field.name))
        if pa.types.is_list(field.type)
        else pc.struct_field(column, field.name).to_pylist()
        for field in column.type
    }
    return [
        {name: own[row] for name, own in values.items()} if is_told else None
        for row, is_told in enumerate(told.tolist())
    ]


def _array_each(column: pa.Array) -> list[Floats | None]:
    """Return each row's list of numbers as an array; None: the list is null."""
    flat = pc.fill_null(pc.list_flatten(column).cast(pa.float64()), float("nan"))
    own = np.split(np.asarray(flat.to_numpy(zero_copy_only=False)), bounds(column)[1:-1])
    return [part if known else None for part, known in zip(own, column.is_valid().to_pylist(), strict=True)]


def bounds(column: pa.Array) -> Ints:
    """Return where each row's list begins among all lists' items, and where the last one ends."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])


def side_by_side(parts: list[Floats], width: int) -> Floats:
    """Return the k-th rows of all parts in row k, one number or ``width`` a row; NaN where a part has fewer.

    Returns
    -------
    Floats
        Shape ``(rows of the longest, parts x width)``.
    """
    rows = max(len(part) for part in parts)
    result = np.full((rows, len(parts), width), np.nan)
    for place, part in enumerate(parts):
        result[: len(part), place] = part if part.ndim > 1 else part[:, None]
    return result.reshape(rows, len(parts) * width)
