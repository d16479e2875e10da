"""Data Explorer's types, and values of Arrow brought into them and out of them."""

from __future__ import annotations

import json
import math
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from battery_lake.local.kusto.errors import RefusalError

DATETIME: Final = pa.timestamp("us", tz="UTC")
ARROW: Final[dict[str, pa.DataType]] = {
    "string": pa.string(),
    "bool": pa.bool_(),
    "int": pa.int32(),
    "long": pa.int64(),
    "real": pa.float64(),
    "datetime": DATETIME,
    "dynamic": pa.string(),
}
"""How a column of a type is stored; a dynamic value as its JSON."""
SYSTEM: Final = {
    "string": "System.String",
    "bool": "System.SByte",
    "int": "System.Int32",
    "long": "System.Int64",
    "real": "System.Double",
    "datetime": "System.DateTime",
    "dynamic": "System.Object",
}
"""Name of a type in answers that speak .NET."""

Columns = dict[str, str]
"""Columns of a table: name to type."""


def schema(columns: Columns) -> pa.Schema:
    """Return how a table is stored."""
    return pa.schema([(name, ARROW[kind]) for name, kind in columns.items()])


def conform(given: pa.Table, columns: Columns, paths: dict[str, str]) -> pa.Table:
    """Return rows in the form of a table; what they lack is null.

    Parameters
    ----------
    given
        Rows as a file has them.
    columns
        Of the table.
    paths
        For each column of the table the column of the file.

    Raises
    ------
    RefusalError
        A value cannot be brought into its column's type.
    """
    made = []
    for name, kind in columns.items():
        source = paths.get(name)
        if source is None or source not in given.column_names:
            made.append(pa.nulls(given.num_rows, ARROW[kind]))
            continue
        try:
            made.append(_cast(given.column(source), kind))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as fault:
            raise RefusalError(
                f"Column '{name}' takes {kind}: {fault}", code="Stream_WrongNumberOfFields"
            ) from fault
    return pa.Table.from_arrays(made, schema=schema(columns))


def _cast(column: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
    if kind == "dynamic":
        return pa.chunked_array([pa.array([_as_json(v) for v in column.to_pylist()], pa.string())])
    if kind == "datetime":
        if pa.types.is_string(column.type):
            column = pc.replace_substring_regex(column, pattern="Z$", replacement="+00:00")
        elif pa.types.is_date(column.type):
            column = column.cast(pa.timestamp("us"))
        if pa.types.is_timestamp(column.type) and column.type.tz is None:
            return pc.assume_timezone(column.cast(pa.timestamp("us")), timezone="UTC")
    return column.cast(ARROW[kind])


def _as_json(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            return json.dumps(value)
        return value
    return json.dumps(_plain(value), default=str)


def _plain(value: Any) -> Any:
    """A value that JSON can say: what is no number is null, a map is an object."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, list):
        if value and all(isinstance(each, tuple) for each in value):
            return {str(key): _plain(inner) for key, inner in value}
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value


def rows(table: pa.Table, columns: Columns) -> list[list[Any]]:
    """Return rows as an answer carries them."""
    listed = [
        [_said(value, kind) for value in table.column(name).to_pylist()] for name, kind in columns.items()
    ]
    return [list(row) for row in zip(*listed, strict=True)] if listed else []


def _said(value: Any, kind: str) -> Any:
    if value is None:
        return None
    if kind == "datetime":
        return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond:06d}0Z"
    if kind == "dynamic":
        return json.loads(value)
    if kind == "real" and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value
