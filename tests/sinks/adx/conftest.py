"""Data Explorer's stand-in with our database in it, and our client for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from battery_lake.errors import SetupError
from battery_lake.local.kusto import KustoStandIn
from battery_lake.serving.explorer import tables, views
from battery_lake.serving.kql import commands, scripts
from battery_lake.sinks.adx.client import ExplorerClient
from battery_lake.sinks.adx.plan import Structure, declared_functions

if TYPE_CHECKING:
    from collections.abc import Iterator


def all_commands() -> list[str]:
    return [command for text in scripts().values() for command in commands(text)]


def declared() -> Structure:
    return Structure(tables(), views(), declared_functions(all_commands()))


@pytest.fixture
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KustoStandIn]:
    """Without queues: nothing but Python is needed."""
    with KustoStandIn(tmp_path_factory.mktemp("kusto"), queued=False) as standin:
        yield standin


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KustoStandIn]:
    """With queues, and with our tables, views and functions."""
    try:
        made = KustoStandIn(tmp_path_factory.mktemp("kusto"))
    except SetupError as fault:
        pytest.skip(f"needs Node and npm for Azurite: {fault}")
    with made:
        with ExplorerClient(made.address, made.database) as client:
            for command in all_commands():
                client.manage(command)
        yield made


@pytest.fixture
def client(standin: KustoStandIn) -> Iterator[ExplorerClient]:
    with ExplorerClient(standin.address, standin.database, patience_s=20.0) as made:
        yield made
