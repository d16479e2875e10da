"""The command that lists packs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from battery_lake.cli.base import AsJson, app, options
from battery_lake.cli.packs import half_interval, outlook, plain_rows

SHOWN = 50


@app.command(
    epilog="Examples: battery-lake packs | battery-lake packs --model 'Tarn 53' |"
    " battery-lake packs --limit 1000 --json"
)
def packs(
    context: typer.Context,
    model: Annotated[str, typer.Option(help="Only packs of this model.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="How many packs at most.")] = SHOWN,
    json: AsJson = False,
) -> None:
    """List the packs, the weakest first; of those without an estimate, why they have none."""
    from battery_lake.cli.show import as_json, as_table
    from battery_lake.lake.look import looking_at
    from battery_lake.report.load_packs import pack_list

    lake = options(context).lake()
    rows = plain_rows(pack_list(looking_at(lake), lake.settings.health.eol_soh_pct, model, limit))
    if json:
        as_json(rows)
    elif not rows:
        typer.echo(f"no pack of model {model}" if model else "no pack: battery-lake reference load --help")
    else:
        as_table("", COLUMNS, [_shown(row) for row in rows])
        if len(rows) == limit:
            typer.echo(f"the weakest {limit:,}: --limit shows more", err=True)


COLUMNS = (
    "pack", "vehicle", "model", "weakest SOH %", "±90 %", "median SOH %", "as of", "RUL p05..p50..p95 days",
    "warranty until", "alerts", "verdict",
)  # fmt: skip


def _shown(row: dict[str, Any]) -> tuple[Any, ...]:
    """A pack as people read it."""
    return (
        row["pack_id"],
        row["vehicle_id"],
        row["model"],
        row["soh_min_pct"],
        half_interval(row),
        row["soh_median_pct"],
        row["as_of_date"],
        outlook(row),
        row["warranty_until"],
        row["open_alerts"],
        row["verdict"],
    )
