"""The passport's views by tier, run in Spark as they stand in the file: what each shows and keeps."""

from __future__ import annotations

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import pytest

from .faults import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import DataFrame, SparkSession

SCRIPT = (ROOT / "bundles" / "sql" / "passport_tiers.sql").read_text(encoding="utf-8")
VIEWS = ("passport_public", "passport_legitimate_interest", "passport_authorities")
INDIVIDUAL = {
    "warranty_from",
    "vehicle_id",
    "efc",
    "soce_pct",
    "soh_min_pct",
    "as_of_date",
    "negative_events",
}
"""What concerns one pack: none of it is public."""


def statements() -> list[str]:
    bare = "\n".join(line for line in SCRIPT.splitlines() if not line.startswith("--"))
    return [one.strip() for one in re.split(r";\s*\n", bare) if one.strip()]


@pytest.fixture(scope="module")
def shown(spark: SparkSession, frame: Callable[..., DataFrame]) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """The rows of every view over two packs."""
    packs = [
        {"pack_id": "P1", "model": "Avon 53", "chemistry": "NMC", "cells_in_series": 100, "eol_soh_pct": 80.0,
         "rated_capacity_ah": 150.0, "rated_energy_wh": 54_000.0, "cell_low_v": 3.0, "cell_high_v": 4.2,
         "new_resistance_mohm": 1.5, "warranty_years": 8.0, "warranty_from": dt.date(2025, 1, 1)},
        {"pack_id": "P2", "model": "Avon 53", "chemistry": "NMC", "cells_in_series": 100,
         "rated_capacity_ah": 150.0},
    ]  # fmt: skip
    counters = [
        {"pack_id": pack_id, "as_of_date": dt.date(2026, 1, day), "efc": 10.0 * day, "soce_pct": 100.0 - day,
         "negative_events": {"deep_discharge": day}, "sources": {"efc": "counted"}, "method_version": "p-1"}
        for pack_id in ("P1", "P2") for day in (2, 1)
    ]  # fmt: skip
    tables = {"reference.packs": packs, "gold.battery_passport": counters}
    for schema in ("reference", "gold"):
        spark.sql(f"CREATE DATABASE {schema}")
    try:
        for name, rows in tables.items():
            frame(name, rows).write.format("parquet").saveAsTable(name)
        for statement in statements():
            if statement.startswith("CREATE"):
                spark.sql(statement)
        yield {
            name: [row.asDict(recursive=True) for row in spark.table(f"gold.{name}").collect()]
            for name in VIEWS
        }
    finally:
        for schema in ("reference", "gold"):
            spark.sql(f"DROP DATABASE {schema} CASCADE")


def test_the_public_view_tells_of_the_model_and_of_nothing_that_a_pack_did(shown: Any) -> None:
    first = {row["pack_id"]: row for row in shown["passport_public"]}["P1"]
    assert (first["minimum_voltage_v"], first["maximum_voltage_v"]) == (300.0, 420.0)
    assert (first["nominal_voltage_v"], first["new_pack_resistance_mohm"]) == (360.0, 150.0)
    assert (first["exhausted_soh_pct"], first["warranty_years"]) == (80.0, 8.0)
    assert not INDIVIDUAL & set(first)


def test_who_has_a_legitimate_interest_sees_the_newest_counters_of_every_pack(shown: Any) -> None:
    rows = {row["pack_id"]: row for row in shown["passport_legitimate_interest"]}
    assert set(rows) == {"P1", "P2"}
    assert (rows["P1"]["as_of_date"], rows["P1"]["efc"]) == (dt.date(2026, 1, 2), 20.0)
    assert rows["P1"]["negative_events"] == {"deep_discharge": 2}


def test_authorities_see_how_the_values_of_a_model_are_made_and_no_single_pack(shown: Any) -> None:
    (row,) = shown["passport_authorities"]
    assert (row["model"], row["packs"], row["method_version"]) == ("Avon 53", 2, "p-1")
    assert row["sources"] == {"efc": "counted"}
    assert "pack_id" not in row


def test_every_view_is_for_one_group_which_gets_nothing_else() -> None:
    granted = re.findall(r"GRANT SELECT ON VIEW gold\.(\w+) TO `battery_(\w+)`", SCRIPT)
    assert granted == [(name, name) for name in VIEWS]
    rights = re.findall(r"GRANT (.+?) ON (\w+)", SCRIPT)
    assert set(rights) == {("SELECT", "VIEW"), ("USE SCHEMA", "SCHEMA")}
    assert statements()[0] == "USE CATALOG IDENTIFIER(:catalog)"
