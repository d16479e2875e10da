"""The reference files of simulated and replayed packs."""

import csv
import datetime as dt

from battery_lake.simulate.reference import Assignment, PackReference, write_reference
from battery_lake.tables.reference import PACK_ASSIGNMENT, PACKS


def test_the_files_have_the_contracts_columns_but_for_the_curves_points(tmp_path):
    write_reference(tmp_path, [], [])
    for name, table in (("packs.csv", PACKS), ("pack_assignment.csv", PACK_ASSIGNMENT)):
        header = (tmp_path / name).read_text("utf-8").strip().split(",")
        assert set(header) == {column.name for column in table.columns} - {"ocv_soc_frac", "ocv_v"}


def test_times_end_in_z_and_the_unknown_is_empty(tmp_path):
    pack = PackReference("P00001", "NMC", 96, 150.0, warranty_from=dt.date(2024, 2, 29))
    zone = dt.timezone(dt.timedelta(hours=2))
    write_reference(
        tmp_path, [pack], [Assignment("P00001", "V00001", dt.datetime(2024, 2, 29, 2, tzinfo=zone))]
    )
    with (tmp_path / "packs.csv").open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    assert row["warranty_from"] == "2024-02-29"
    assert row["rated_capacity_ah"] == "150.0"
    assert not row["eol_soh_pct"]
    with (tmp_path / "pack_assignment.csv").open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    assert row["valid_from"] == "2024-02-29T00:00:00Z"
    assert not row["valid_to"]
