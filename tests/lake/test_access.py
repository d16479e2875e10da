"""Addresses, checkpoints, and reading by others than Spark."""

# ruff: noqa: DTZ001 - Spark hands over UTC without a zone

import datetime as dt
import shutil

import pyarrow as pa
from deltalake import DeltaTable

from battery_lake.lake.create import ensure
from battery_lake.lake.write import upsert
from battery_lake.tables.registry import TABLES


def test_the_generation_stays_until_the_checkpoint_is_gone(lake):
    first = lake.generation("refine")
    assert lake.generation("refine") == first
    assert lake.generation("ingest") != first
    shutil.rmtree(lake.checkpoint("refine"))
    assert lake.generation("refine") != first


def test_a_gold_table_opens_without_spark(lake, frame):
    name = "gold.session"
    contract = TABLES[name]
    samples = {
        "string": "x",
        "timestamp": dt.datetime(2026, 1, 2, 3, 4, 5, 678901),
        "double": 1.5,
        "int": 3,
        "array<double>": [1.5, None],
        "array<float>": [1.5, None],
        "array<int>": [3, None],
    }
    row = {column.name: samples[column.type] for column in contract.columns}
    ensure(lake, [name])
    upsert(lake, name, frame(name, [row]))
    upsert(lake, name, frame(name, [row | {"method_version": "next"}]))  # a rewrite and a change file

    read = DeltaTable(lake.path(name)).to_pyarrow_table()
    assert read.column_names == list(contract.column_names)
    (found,) = read.to_pylist()
    expected = row | {"method_version": "next"}
    stamps = [n for n, c in contract.column_by_name.items() if c.type == "timestamp"]
    assert all(found.pop(n) == expected.pop(n).replace(tzinfo=dt.UTC) for n in stamps)
    assert found == expected
    assert all(pa.types.is_timestamp(read.schema.field(n).type) for n in stamps)
