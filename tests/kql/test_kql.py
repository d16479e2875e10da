"""The database in Data Explorer: the files are the contracts', and Microsoft's parser takes all of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.errors import ContractError
from battery_lake.serving.explorer import DELETED, PUSHED, VERSION, Pushed, kusto_type, tables, views
from battery_lake.serving.kql import FOLDERS, assets, commands, literal, rendered, scripts
from battery_lake.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable

HAND_WRITTEN = "functions"


def on_disk() -> dict[str, str]:
    return {
        path.relative_to(assets()).as_posix(): path.read_text(encoding="utf-8")
        for path in assets().rglob("*.kql")
    }


def declared() -> dict[str, Any]:
    return {"tables": tables(), "views": views()}


def renamed(contract: str, before: str, after: str) -> Pushed:
    """A pushed table, one of whose columns has another name."""
    pushed = PUSHED[contract]
    columns = tuple(replace(c, name=after) if c.name == before else c for c in pushed.contract.columns)
    return replace(pushed, contract=replace(pushed.contract, columns=columns))


def test_the_committed_files_are_those_that_the_contracts_give() -> None:
    committed = {name: text for name, text in on_disk().items() if not name.startswith(HAND_WRITTEN)}
    assert committed == rendered(), "run `battery-lake adx render`"


def test_every_script_is_run_tables_first_and_policies_last() -> None:
    folders = [name.split("/")[0] for name in scripts()]
    assert sorted(scripts()) == sorted(on_disk())
    assert folders == sorted(folders, key=FOLDERS.index)


def test_every_command_may_be_given_again() -> None:
    again = (".create-merge ", ".create-or-alter ", ".alter ", ".alter-merge ")
    given_once = [
        command for text in scripts().values() for command in commands(text) if not command.startswith(again)
    ]
    assert given_once == []


def test_no_position_leaves_the_lake_but_for_readers_of_positions() -> None:
    open_ = {
        c.name for pushed in PUSHED.values() if not pushed.restricted for c in pushed.columns if c.personal
    }
    assert open_ == set()
    restricted = [pushed for pushed in PUSHED.values() if any(c.personal for c in pushed.columns)]
    assert restricted
    for pushed in restricted:
        policy = rendered()[f"policies/{pushed.name}.kql"]
        for name in (pushed.landing, pushed.latest):
            assert (
                f'{name} policy row_level_security enable "{name} | where may_see_{pushed.name}()"' in policy
            )
        assert "{\n    false\n}" in policy, "nobody sees them unless the settings say who"


def test_who_may_see_positions_is_text_and_no_code() -> None:
    planted = 'aadgroup=x") or true or current_principal_is_member_of("'
    policy = rendered(planted)["policies/vehicle_position.kql"]
    assert f"current_principal_is_member_of({literal(planted)})" in policy


@given(st.text())
def test_a_literal_is_one_string_with_the_same_text(text: str) -> None:
    quoted = literal(text)
    assert json.loads(quoted) == text
    assert "\n" not in quoted


def test_every_mapping_takes_every_column_of_its_table() -> None:
    for pushed in PUSHED.values():
        script = rendered()[f"tables/{pushed.name}.kql"]
        mapped = json.loads(script.split('mapping "lake" ```')[1].split("```")[0])
        assert [entry["Column"] for entry in mapped] == list(tables()[pushed.landing])
        assert [entry["Properties"]["Path"] for entry in mapped] == [
            f"$.{name}" for name in tables()[pushed.landing]
        ]


def test_the_newest_change_of_every_key_is_what_a_view_shows() -> None:
    for pushed in PUSHED.values():
        assert set(views()[pushed.latest]) == set(tables()[pushed.landing])
        assert list(views()[pushed.latest])[: len(pushed.contract.key)] == list(pushed.contract.key)
        assert {VERSION.name, DELETED.name}.isdisjoint(pushed.contract.column_names)


def test_every_type_of_a_pushed_table_has_one_in_data_explorer() -> None:
    kinds = {kusto_type(c.type) for name in PUSHED for c in TABLES[name].columns}
    assert kinds <= {"string", "bool", "int", "long", "real", "datetime", "dynamic"}
    with pytest.raises(ContractError, match="binary"):
        kusto_type("binary")


def test_microsofts_parser_takes_every_command_and_binds_every_name(judge: Callable[..., Any]) -> None:
    assert judge() == []


def test_a_column_that_is_renamed_in_the_contract_alone_is_found(
    judge: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that are rendered follow by themselves; those that are written by hand turn red."""
    monkeypatch.setitem(PUSHED, "gold.pack_health", renamed("gold.pack_health", "soh_min_pct", "soh_low_pct"))
    found = judge(schema=declared())
    blamed = {finding["name"] for finding in found if "soh_min_pct" in finding["message"]}
    assert blamed == {
        f"functions/{name}.kql" for name in ("fleet_soh", "rul_due", "twin_against_lake", "twin_graph_health")
    }


def test_faults_within_policies_and_views_are_found_too(judge: Callable[..., Any]) -> None:
    good = rendered()
    planted = {
        "update": good["policies/rest_voltage.kql"].replace(
            "rest_voltage_of_telemetry()", "rest_voltage_of_telemetry() | project-away sequence"
        ),
        "secured": commands(good["policies/vehicle_position.kql"])[1].replace(
            "where may_see", "where may_sea"
        ),
        "view": commands(good["views/alert.kql"])[0].replace(
            "by pack_id, cell_id, code", "by pack_id, cell_id"
        ),
        "syntax": ".create-merge table broken (a string)\n",
        "query": "pack_health | where soh_min_pct < 80 | project pack, soh_min_pct",
    }
    found = judge(planted)
    assert {finding["name"] for finding in found} == set(planted)
    assert any("rest_voltage has (" in finding["message"] for finding in found)


def test_a_renamed_column_changes_what_is_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other way round: the files no longer equal what the contract gives."""
    monkeypatch.setitem(PUSHED, "gold.alert", renamed("gold.alert", "severity", "grade"))
    changed = {name for name, text in rendered().items() if on_disk().get(name) != text}
    assert changed == {"tables/alert.kql", "views/alert.kql"}
