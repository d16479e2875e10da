"""Key figures: every language says the same, and what it says is what gold holds."""

from __future__ import annotations

import datetime as dt
import re
import statistics
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pytest
import yaml
from deltalake import DeltaTable

from battery_lake.pipelines.registry import run_job
from battery_lake.serving.kpis import dax, metric_view, sql, sql_of_table
from battery_lake.serving.lakeview import metric_views
from battery_lake.tables.kpis import ALL_KPIS, KPIS, Kpi, tables_of_kpis

if TYPE_CHECKING:
    from battery_lake.lake.access import Lake

TOLERANCE = 1e-9
EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001


@pytest.fixture(scope="module")
def stored(kpi_lake: Lake) -> dict[str, list[dict[str, Any]]]:
    """The tables of key figures, read without Spark."""
    return {
        t.name: DeltaTable(kpi_lake.path(t.name)).to_pyarrow_table().to_pylist() for t in tables_of_kpis()
    }


@pytest.fixture(scope="module")
def spoken(kpi_lake: Lake) -> dict[str, dict[str, float | None]]:
    """Every key figure as Spark and as DuckDB compute it."""
    database = duckdb.connect()
    names = {}
    for table in tables_of_kpis():
        arrow = DeltaTable(kpi_lake.path(table.name)).to_pyarrow_table()
        names[table.name] = table.short_name
        database.register(table.short_name, arrow)
    spark = {}
    for table in tables_of_kpis():
        spark |= kpi_lake.spark.sql(sql_of_table(table, kpi_lake.identifier)).collect()[0].asDict()
    duck = {k.name: database.execute(sql(k, names.__getitem__)).fetchone()[0] for k in ALL_KPIS}
    return {"Spark": spark, "DuckDB": duck}


def by_hand(kpi: Kpi, rows: list[dict[str, Any]]) -> float | None:
    """The key figure in plain Python: the meaning that the other languages have to meet."""
    mine = [row for row in rows if all(row[column] == value for column, value in kpi.where)]
    values = [row[kpi.column] for row in mine if row[kpi.column] is not None]
    if kpi.aggregate == "share":
        return 100.0 * sum(values) / sum(row[kpi.over] for row in mine if row[kpi.over] is not None)
    if kpi.aggregate == "range":
        return max(values) - min(values)
    return {"sum": sum, "average": statistics.fmean, "min": min, "max": max}[kpi.aggregate](values)


def test_parity_of_every_key_figure(spoken: Any, stored: Any) -> None:
    """`python -m pytest -s tests/serving/test_kpis.py -k parity` prints the table."""
    rows = [
        (k, by_hand(k, stored[k.table.name]), spoken["Spark"][k.name], spoken["DuckDB"][k.name])
        for k in ALL_KPIS
    ]
    sys.stdout.write(f"\n{'key figure':<24}{'gold':>18}{'Spark':>18}{'DuckDB':>18}{'difference':>12}\n")
    for kpi, *said in rows:
        numbers = [float(value) for value in said]
        gap = max(numbers) - min(numbers)
        told = "".join(f"{n:>18.9f}" for n in numbers)
        sys.stdout.write(f"{kpi.name:<24}{told}{gap:>12.1e}\n")
        assert gap <= TOLERANCE * max(1.0, abs(numbers[0])), kpi.name
        assert numbers[0] != 0 or kpi.name == "packs_ending_in_year", f"{kpi.name} shows nothing here"


def test_rows_of_packs_say_what_the_rows_that_they_come_from_say(stored: Any, gold_rows: Any) -> None:
    packs = {row["pack_id"]: row for row in stored["gold.pack_now"]}
    assert len(packs) == 12
    nine = packs["P09"]
    assert (nine["model"], nine["chemistry"], nine["vehicle_id"], nine["packs"]) == ("A", "NMC", "V09", 1)
    cells = [row for row in gold_rows["gold.cell_current"] if row["pack_id"] == "P09"]
    assert nine["soh_min_pct"] == min(c["soh_pct"] for c in cells)
    assert nine["rul_km_p05"] == min(c["rul_km_p05"] for c in cells)
    assert nine["soh_interval_pct"] == pytest.approx(2 * 1.645 * 0.7, abs=1e-12)
    assert nine["yearly_loss_pct"] == pytest.approx((0.009 + 0.004) / 2 * 365.25, abs=1e-12)
    assert nine["eol_soh_pct"] == 82.0
    assert nine["below_eol"] == int(nine["soh_min_pct"] < 82.0) == 1
    assert nine["recent_observations"] == 2  # the third is 45 days old
    assert (nine["recent_charges"], nine["recent_fast_charges"]) == (
        2,
        1,
    )  # 55 A into 50 Ah; 120 days ago is long
    assert (nine["recent_s"], nine["recent_hot_s"], nine["recent_full_s"]) == (14_400.0, 3_600.0, 3_600.0)
    last = max(row["ended_at"] for row in gold_rows["gold.session"] if row["pack_id"] == "P09")
    assert nine["last_seen_days"] == pytest.approx((last - EPOCH) / dt.timedelta(days=1), abs=1e-9)
    assert nine["warranty_until"] == dt.date(2031, 1, 31)


def test_what_is_not_known_counts_nowhere(stored: Any) -> None:
    packs = {row["pack_id"]: row for row in stored["gold.pack_now"]}
    silent = packs["P11"]
    assert (silent["as_of_date"], silent["soh_min_pct"], silent["below_eol"]) == (None, None, None)
    assert silent["recent_charges"] == 2
    assert silent["ends_in_year"] == 0
    assert packs["P10"]["warranty_exposed"] is None
    assert packs["P00"]["censored"]
    assert packs["P00"]["warranty_exposed"] == 0
    exposed = {name for name, row in packs.items() if row["warranty_exposed"]}
    known = [row for row in packs.values() if row["warranty_until"] and row["rul_days_p05"] is not None]
    assert exposed == {
        row["pack_id"]
        for row in known
        if not row["censored"]
        and row["as_of_date"] + dt.timedelta(days=row["rul_days_p05"]) < row["warranty_until"]
    }
    assert exposed


def test_quantiles_are_those_of_the_packs(stored: Any) -> None:
    fleet = {(row["model"], row["chemistry"]): row for row in stored["gold.fleet_now"]}
    assert set(fleet) == {("A", "NMC"), ("unknown", "NMC"), ("all", "all")}
    soh = [row["soh_median_pct"] for row in stored["gold.pack_now"] if row["soh_median_pct"] is not None]
    whole = fleet["all", "all"]
    assert whole["packs"] == 12
    assert [whole[f"soh_pct_p{q}"] for q in (10, 50, 90)] == pytest.approx(
        list(np.percentile(soh, (10, 50, 90)))
    )


def test_only_messages_of_the_judging_pipeline_count(stored: Any) -> None:
    first, second = sorted(stored["gold.message_daily"], key=lambda row: row["as_of_date"])
    assert (first["rows_in"], first["rows_refused"], second["rows_in"]) == (100, 5, 500)
    assert second["lag_s"] == 33.0


def test_a_run_with_nothing_new_writes_nothing(kpi_lake: Lake) -> None:
    def versions() -> list[int]:
        return [DeltaTable(kpi_lake.path(t.name)).version() for t in tables_of_kpis()]

    before = versions()
    (result,) = run_job("kpis", kpi_lake)
    assert (versions(), result.counts.rows_in) == (before, 0)


def test_a_changed_reference_moves_its_pack_alone(kpi_lake: Lake) -> None:
    before = DeltaTable(kpi_lake.path("gold.pack_now")).version()
    kpi_lake.spark.sql(
        f"UPDATE {kpi_lake.identifier('reference.packs')} SET warranty_years = 8.5 WHERE pack_id = 'P03'"
    )
    run_job("kpis", kpi_lake)
    feed = kpi_lake.spark.read.option("readChangeFeed", "true").option("startingVersion", before + 1)
    changed = (
        feed.format("delta").load(kpi_lake.path("gold.pack_now")).where("_change_type = 'update_postimage'")
    )
    assert [(r.pack_id, r.warranty_until) for r in changed.collect()] == [("P03", dt.date(2030, 7, 31))]


# --- the languages that are not run here ---------------------------------------------------------------


@pytest.mark.parametrize("kpi", ALL_KPIS, ids=lambda kpi: kpi.name)
def test_dax_has_few_functions_and_knows_its_columns(kpi: Kpi) -> None:
    text = dax(kpi, "T", lambda name: name.upper())
    assert set(re.findall(r"([A-Z]+)\(", text)) <= {"SUM", "AVERAGE", "MIN", "MAX", "DIVIDE", "CALCULATE"}
    assert set(re.findall(r"'T'\[(\w+)\]", text)) <= {name.upper() for name in kpi.table.column_names}
    assert text.count("(") == text.count(")")


def test_metric_views_have_every_key_figure_once() -> None:
    views = [metric_view(table, f"c.{table.name}") for table in tables_of_kpis()]
    assert sorted(m["name"] for view in views for m in view["measures"]) == sorted(KPIS)
    assert [view["filter"] for view in views if "filter" in view] == ["model = 'all' AND chemistry = 'all'"]


def test_metric_views_are_made_in_and_of_the_catalog_that_is_named() -> None:
    text = metric_views("battery_prod")
    bodies = re.findall(
        r"CREATE OR REPLACE VIEW (\S+)_kpis\nWITH METRICS\nLANGUAGE YAML\nAS \$\$\n(.*?)\$\$;",
        text,
        re.DOTALL,
    )
    assert [name for name, _ in bodies] == [f"battery_prod.{table.name}" for table in tables_of_kpis()]
    for name, body in bodies:
        assert yaml.safe_load(body)["source"] == name


def test_a_key_figure_of_a_column_that_is_not_there_cannot_be_declared() -> None:
    with pytest.raises(ValueError, match=r"gold.pack_now has no \['soh_pct'\]"):
        replace(KPIS["soh_spread"], column="soh_pct")
    with pytest.raises(ValueError, match="a share, and nothing else"):
        replace(KPIS["soh_spread"], over="packs")
