"""The one door to a table: everything that is wrong with a frame is said at once, before it is written."""

import pytest
from chispa import assert_df_equality

from battery_lake.errors import ContractError
from battery_lake.lake.conform import conform
from battery_lake.lake.write import insert_missing, upsert
from battery_lake.tables.registry import TABLES


def test_missing_extra_wrongly_typed_columns_and_null_keys_are_one_error(spark, toy):
    rows = [("p", None, "90", 1), (None, None, "91", 2), ("q", 3, "92", 3)]
    wrong = spark.createDataFrame(rows, "pack_id string, place int, soh_pct string, colour int")
    with pytest.raises(ContractError) as caught:
        conform(wrong, toy)
    assert caught.value.what == "a frame for ops.toy does not fit its contract"
    assert set(caught.value.why.split("; ")) == {
        "flags is missing",
        "seen_at is missing",
        "colour is not in the contract",
        "soh_pct is string, not double",
        "pack_id is null in 1 rows",
        "place is null in 2 rows",
    }
    assert caught.value.remedy == "`battery-lake tables ops.toy` shows the contract"


def test_columns_are_put_in_the_order_of_the_contract(spark, toy):
    rows = [("p", 1, 90.0, ["x"], None)]
    declared = spark.createDataFrame(rows, toy.fields)
    shuffled = declared.select(*reversed(declared.columns))
    assert_df_equality(conform(shuffled, toy), declared, ignore_nullable=True)


def test_an_empty_frame_of_the_declared_form_fits_every_table(spark):
    for contract in TABLES.values():
        empty = spark.createDataFrame([], contract.fields)
        assert conform(empty, contract).columns == list(contract.column_names)


@pytest.mark.parametrize(("writer", "column"), [(insert_missing, "place"), (upsert, "flags")])
def test_a_null_that_the_write_meets_is_named_and_nothing_is_written(toy_lake, toy, writer, column):
    row = {"pack_id": "p", "place": 1, "soh_pct": 1.0, "flags": [], "seen_at": None, column: None}
    good = {"pack_id": "p", "place": 2, "soh_pct": 1.0, "flags": [], "seen_at": None}
    frame = toy_lake.spark.createDataFrame([good, row], toy.fields)
    with pytest.raises(ContractError) as caught:
        writer(toy_lake, toy.name, frame)
    assert caught.value.what == "rows for ops.toy were refused"
    assert caught.value.why == f"null in ops.toy.{column}"
    assert toy_lake.read(toy.name).isEmpty()
