"""Tables from contracts: what Delta stores is what is declared, and only additions are made in place."""

import dataclasses
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from deltalake import DeltaTable

from battery_lake.errors import ContractError
from battery_lake.lake.access import Lake
from battery_lake.lake.create import ddl, ensure, exists
from battery_lake.lake.write import upsert
from battery_lake.settings import load
from battery_lake.tables.model import Column
from battery_lake.tables.registry import TABLES


@pytest.fixture(scope="module")
def whole(spark, tmp_path_factory):
    """A lake with every table of the package."""
    settings, _ = load([f"home={tmp_path_factory.mktemp('whole')}"], environment={})
    lake = Lake(spark, settings)
    ensure(lake, TABLES)
    return lake


@pytest.mark.parametrize("contract", TABLES.values(), ids=TABLES)
def test_a_table_is_stored_as_declared(whole, log, contract):
    (stored,) = log(whole, contract.name, "metaData")
    fields = json.loads(stored["schemaString"])["fields"]
    assert [f["name"] for f in fields] == list(contract.column_names)
    assert [f["metadata"]["comment"] for f in fields] == [c.comment for c in contract.columns]
    assert [f["nullable"] for f in fields] == [c.nullable for c in contract.columns]
    assert stored["description"] == contract.grain
    assert stored["configuration"]["delta.enableChangeDataFeed"] == str(contract.change_feed).lower()
    assert stored["configuration"]["delta.enableDeletionVectors"] == "false"

    clustering = [json.loads(d["configuration"]) for d in log(whole, contract.name, "domainMetadata")]
    clustered = [part[0] for each in clustering for part in each["clusteringColumns"]]
    assert clustered == list(contract.cluster_by)


@pytest.mark.parametrize("contract", TABLES.values(), ids=TABLES)
def test_no_reader_needs_to_know_a_table_feature(whole, log, contract):
    (protocol,) = log(whole, contract.name, "protocol")
    assert protocol["minReaderVersion"] == 1
    assert not protocol.get("readerFeatures")
    assert DeltaTable(whole.path(contract.name)).to_pyarrow_table().column_names == list(
        contract.column_names
    )


def test_spark_reads_the_types_that_are_declared(whole):
    for contract in TABLES.values():
        found = {field.name: field.dataType.simpleString() for field in whole.read(contract.name).schema}
        assert found == {column.name: column.type for column in contract.columns}


def test_creating_again_changes_nothing(whole):
    before = {name: DeltaTable(whole.path(name)).version() for name in TABLES}
    ensure(whole, TABLES)
    assert {name: DeltaTable(whole.path(name)).version() for name in TABLES} == before
    assert set(before.values()) == {0}


def test_a_new_nullable_column_is_added_and_old_rows_hold_null_there(toy_lake, toy, log, monkeypatch):
    assert exists(toy_lake, toy.name)
    row = ("p", 1, 90.0, ["x"], None)
    upsert(toy_lake, toy.name, toy_lake.spark.createDataFrame([row], toy.fields))

    new = Column("efc", "double", "It's new.")
    monkeypatch.setitem(TABLES, toy.name, dataclasses.replace(toy, columns=(*toy.columns, new)))
    ensure(toy_lake, [toy.name])

    assert [tuple(r) for r in toy_lake.read(toy.name).collect()] == [(*row, None)]
    fields = json.loads(log(toy_lake, toy.name, "metaData")[-1]["schemaString"])["fields"]
    assert (fields[-1]["name"], fields[-1]["metadata"]["comment"]) == ("efc", "It's new.")


def test_any_other_change_is_refused_and_every_problem_is_named(toy_lake, toy, monkeypatch):
    columns = (
        *(c for c in toy.columns if c.name not in {"soh_pct", "seen_at"}),
        Column("soh_pct", "string", "Text now."),
        Column("must", "int", "Required.", nullable=False),
    )
    monkeypatch.setitem(TABLES, toy.name, dataclasses.replace(toy, columns=columns))
    with pytest.raises(ContractError) as caught:
        ensure(toy_lake, [toy.name])
    assert caught.value.what == "the stored table ops.toy does not fit its contract"
    assert set(caught.value.why.split("; ")) == {
        "seen_at is stored but not declared",
        "soh_pct is stored as double, declared as string",
        "must is new and cannot be required",
    }
    assert "copy the table" in caught.value.remedy
    assert "must" not in toy_lake.read(toy.name).columns


def test_a_table_that_is_not_there_does_not_exist(lake):
    assert not exists(lake, "gold.session")


def test_in_a_catalog_only_the_address_differs(spark):
    settings, _ = load(["lake.catalog=prod"], environment={})
    lake = Lake(spark, settings)
    assert lake.identifier("gold.session") == "`prod`.`gold`.`session`"
    assert lake.schema("gold.session") == "`prod`.`gold`"
    here = ddl(TABLES["gold.session"], "X")
    assert here.startswith("CREATE TABLE IF NOT EXISTS X (")
    assert "CLUSTER BY (pack_id, started_at)" in here


def test_jobs_that_start_together_create_a_table_once(spark, tmp_path):
    settings, _ = load([f"home={tmp_path}"], environment={})
    lake, start = Lake(spark, settings), threading.Barrier(4)

    def create(_):
        start.wait()
        ensure(lake, ("silver.telemetry", "ops.batch"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(create, range(4)))
    assert exists(lake, "silver.telemetry")
    assert DeltaTable(lake.path("ops.batch")).version() == 0
