"""Key figures of the lake, and the files that dashboards are opened with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from battery_lake.cli.base import AsJson, app, options

if TYPE_CHECKING:
    from battery_lake.lake.access import Lake
    from battery_lake.tables.model import Table


@app.command(epilog="Examples: battery-lake kpis | battery-lake kpis --json")
def kpis(context: typer.Context, json: AsJson = False) -> None:
    """Bring the tables of key figures up to date, then show every key figure of the fleet."""
    from battery_lake.cli.show import as_json, as_table
    from battery_lake.log import configure
    from battery_lake.pipelines.registry import run_job
    from battery_lake.tables.kpis import ALL_KPIS, tables_of_kpis

    chosen = options(context)
    configure(chosen.verbosity)
    lake = chosen.lake()
    run_job("kpis", lake)
    values: dict[str, Any] = {}
    for table in tables_of_kpis():
        values |= _row(lake, table)
    if json:
        as_json([
            {"kpi": k.name, "title": k.title, "value": values[k.name], "unit": k.unit, "grain": k.grain}
            for k in ALL_KPIS
        ])
        return
    rows = [(k.title, _shown(values[k.name], k.decimals), k.unit, k.name, k.description) for k in ALL_KPIS]
    as_table("", ("key figure", "value", "unit", "name", "meaning"), rows)


def _row(lake: Lake, table: Table) -> dict[str, Any]:
    """All key figures of a table, by name."""
    from battery_lake.serving.kpis import sql_of_table

    found = lake.spark.sql(sql_of_table(table, lake.identifier)).first()
    return found.asDict() if found else {}


def _shown(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:,.{decimals}f}"


@app.command(
    epilog="Examples: battery-lake dashboards |"
    " battery-lake dashboards --folder /tmp/assets --catalog battery_prod"
)
def dashboards(
    folder: Annotated[Path, typer.Option(help="Where the folders of files go.")] = Path(),
    catalog: Annotated[str, typer.Option(help="Catalog of the metric views.")] = "main",
) -> None:
    """Write the files of Grafana, Power BI, AI/BI and Data Explorer that the contracts give."""
    from battery_lake.serving.assets import rendered

    for name, text in rendered(catalog).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        typer.echo(str(file))
