"""A small table of the tests' own, and what Delta's log says of a table."""

import json
from pathlib import Path

import pytest

from battery_lake.lake.create import ensure
from battery_lake.tables.model import Column, Table, key
from battery_lake.tables.registry import TABLES

TOY = Table(
    name="ops.toy",
    grain="A reader's toy.",
    columns=(
        key("pack_id", "string", "The pack's name, 'quoted' \\ and all."),
        key("place", "int", "Place."),
        Column("soh_pct", "double", "SOH. [%]"),
        Column("flags", "array<string>", "Flags.", nullable=False),
        Column("seen_at", "timestamp", "When. UTC."),
    ),
    key=("pack_id", "place"),
    cluster_by=("pack_id", "place"),
    change_feed=True,
)


@pytest.fixture
def toy(monkeypatch):
    """The contract of ``ops.toy``, declared for the test."""
    monkeypatch.setitem(TABLES, TOY.name, TOY)
    return TOY


@pytest.fixture
def toy_lake(lake, toy):
    """A lake with an empty ``ops.toy``."""
    ensure(lake, [toy.name])
    return lake


@pytest.fixture(scope="session")
def log():
    """Read the actions of one kind from the Delta log of a table."""

    def actions(lake, name, kind):
        files = sorted((Path(lake.path(name)) / "_delta_log").glob("*.json"))
        lines = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
        return [line[kind] for line in lines if kind in line]

    return actions
