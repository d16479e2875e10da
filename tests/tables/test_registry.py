"""Contracts: complete, consistent, and found by name."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lake.errors import ContractError
from battery_lake.tables.model import Column, Table, key
from battery_lake.tables.registry import TABLES, table

DESIGNED = {
    "bronze.telemetry",
    "silver.telemetry", "silver.telemetry_part", "silver.quarantine", "silver.signal_fault",
    "reference.packs", "reference.pack_assignment",
    "gold.session", "gold.capacity_observation", "gold.cell_state", "gold.cell_health", "gold.cell_life",
    "gold.soh_change", "gold.cell_current", "gold.pack_health", "gold.alert", "gold.vehicle_status",
    "gold.cell_deviation", "gold.alert_state", "gold.day_estimate", "gold.ageing_state",
    "gold.vehicle_position",
    "gold.fleet_daily", "gold.battery_passport", "gold.pack_now", "gold.fleet_now",
    "gold.message_daily", "gold.data_quality",
    "ops.batch", "ops.data_gap", "ops.delivery_failure",
}  # fmt: skip


def test_every_table_of_the_design_is_declared_and_no_other():
    assert set(TABLES) == DESIGNED


@pytest.mark.parametrize("contract", TABLES.values(), ids=TABLES)
def test_a_contract_is_complete(contract):
    assert contract.grain.endswith(".")
    assert contract.key
    assert [c.name for c in contract.columns if not c.comment.strip()] == []
    assert [name for name in contract.key if contract.column_by_name[name].nullable] == []
    assert len(contract.cluster_by) <= 4
    assert contract.name == f"{contract.layer}.{contract.short_name}"
    assert contract.fields.count(",") >= len(contract.columns) - 1


def test_where_a_person_was_is_marked_wherever_it_is_stored():
    marked = {f"{t.name}.{c.name}" for t in TABLES.values() for c in t.columns if c.personal}
    stored = {
        f"{t.name}.{c.name}"
        for t in TABLES.values()
        for c in t.columns
        if c.name in {"latitude", "longitude"}
    }
    assert marked == stored


def test_one_name_has_one_type_and_instants_are_named_for_it():
    types = {}
    for contract in TABLES.values():
        for column in contract.columns:
            types.setdefault(column.name, set()).add(column.type)
    # per cell in arrays, plain where a row is a cell
    arrays = {"capacity_ah", "soh_pct", "observations", "fade_pct_per_day"}
    several = {name: kinds for name, kinds in types.items() if len(kinds) > 1 and name not in arrays}
    assert several.pop("alerts") == {"int", "array<string>"}  # counted for the fleet, listed for a pack
    assert several.pop("batch_id") == {"string", "bigint"}  # a check may look at no batch of a stream
    # codes of why a SOH moved; why a message was refused has details
    assert several.pop("reasons") == {"array<string>", "array<struct<code:string,detail:string>>"}
    assert several == {}
    instants = {name for name, kinds in types.items() if "timestamp" in kinds}
    assert {name for name in instants if not name.endswith("_at")} == {"valid_from", "valid_to"}


def test_a_misspelt_table_names_the_nearest_one():
    with pytest.raises(ContractError) as caught:
        table("gold.cell_helth")
    assert caught.value.what == "no table is named gold.cell_helth"
    assert caught.value.remedy == "did you mean gold.cell_health?"


@settings(deadline=None)
@given(st.text(max_size=30).filter(lambda name: name not in TABLES))
def test_any_other_name_is_refused_with_a_hint(name):
    with pytest.raises(ContractError) as caught:
        table(name)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"columns": (key("a", "int", "A."), Column("a", "int", "B."))}, "declared twice"),
        ({"key": ("b",)}, r"names no column: \['b'\]"),
        ({"cluster_by": ("c",)}, r"names no column: \['c'\]"),
        ({"columns": (Column("a", "int", "A."),)}, "nullable=False"),
        ({"cluster_by": ("a", "a", "a", "a", "a")}, "4 columns at most"),
    ],
)
def test_a_contract_that_contradicts_itself_cannot_be_declared(change, said):
    good = {"name": "gold.x", "grain": "X.", "columns": (key("a", "int", "A."),), "key": ("a",)}
    Table(**good)
    with pytest.raises(ValueError, match=said):
        Table(**{**good, **change})
