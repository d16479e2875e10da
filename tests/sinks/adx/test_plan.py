"""What the database lacks is found, mended, and then no longer found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from battery_lake.errors import ContractError
from battery_lake.serving.explorer import PUSHED
from battery_lake.sinks.adx.client import ExplorerClient
from battery_lake.sinks.adx.plan import Change, apply, plan, stored

from .conftest import all_commands, declared

if TYPE_CHECKING:
    from collections.abc import Iterator

    from battery_lake.local.kusto import KustoStandIn


@pytest.fixture
def database(plain: KustoStandIn) -> Iterator[ExplorerClient]:
    with ExplorerClient(plain.address, plain.database) as client:
        yield client


def test_an_empty_database_lacks_everything_and_nothing_after_apply(database: ExplorerClient) -> None:
    changes = plan(declared(), stored(database))
    assert {change.action for change in changes} == {"create"}
    assert len(changes) == sum(map(len, (declared().tables, declared().views, declared().functions)))
    assert apply(database, all_commands(), changes) == len(all_commands())
    assert plan(declared(), stored(database)) == []


def test_a_new_column_is_added_and_another_type_is_a_conflict(database: ExplorerClient) -> None:
    apply(database, all_commands(), [])
    more = {**declared().tables["alert_change"], "extra_pct": "real"}
    grown = replace(declared(), tables={**declared().tables, "alert_change": more})
    assert plan(grown, stored(database)) == [Change("add", "column", "alert_change.extra_pct", "real")]
    other = {**declared().tables["alert_change"], "severity": "long"}
    changed = replace(declared(), tables={**declared().tables, "alert_change": other})
    conflicts = plan(changed, stored(database))
    assert conflicts == [Change("conflict", "column", "alert_change.severity", "is string, should be long")]
    with pytest.raises(ContractError, match="is string, should be long"):
        apply(database, all_commands(), conflicts)


def test_what_somebody_changed_by_hand_is_found_and_restored(database: ExplorerClient) -> None:
    apply(database, all_commands(), [])
    database.manage(".create-or-alter function alert() { alert_latest | take 10 }")
    database.manage(".create-merge table not_ours (a: string)")
    assert plan(declared(), stored(database)) == [Change("change", "function", "alert")]
    apply(database, all_commands(), [])
    assert plan(declared(), stored(database)) == []
    assert "not_ours" in stored(database).tables


def test_a_command_that_the_service_refuses_is_named(database: ExplorerClient) -> None:
    with pytest.raises(ContractError, match=r"refuses '.nonsense'"):
        apply(database, [".nonsense"], [])


def test_every_pushed_table_is_among_what_is_declared() -> None:
    assert {pushed.landing for pushed in PUSHED.values()} <= set(declared().tables)
    assert {pushed.name for pushed in PUSHED.values()} <= set(declared().functions)
