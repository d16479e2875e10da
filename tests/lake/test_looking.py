"""Who only looks sees every table as it is declared, and changes nothing."""

from battery_lake.lake.create import exists
from battery_lake.lake.look import looking_at
from battery_lake.tables.registry import table

NAME = "reference.pack_assignment"


def test_a_table_that_nothing_made_is_empty_and_stays_unmade(lake):
    frame = looking_at(lake)(NAME)
    assert frame.columns == list(table(NAME).column_names)
    assert frame.collect() == []
    assert not exists(lake, NAME)


def test_a_column_that_a_table_has_not_gained_yet_is_null_and_is_not_added(lake):
    written = f"CREATE TABLE {lake.identifier(NAME)} USING delta AS SELECT 'V1' vehicle_id, 'P1' pack_id"
    lake.spark.sql(written)
    (row,) = looking_at(lake)(NAME).collect()
    expected = dict.fromkeys(table(NAME).column_names) | {"pack_id": "P1", "vehicle_id": "V1"}
    assert row.asDict() == expected
    assert lake.read(NAME).columns == ["vehicle_id", "pack_id"]
