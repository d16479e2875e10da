"""Commands that look; the one thing that they change is a stream's place, when `doctor` is told to."""

from __future__ import annotations

from json import loads
from re import sub
from typing import Annotated, Any

import typer

from battery_lake.cli.base import AsJson, app, options


@app.command(
    epilog="Examples: battery-lake doctor | battery-lake doctor --source | ... doctor --move-to earliest |"
    """ ... doctor --move-to '{"0": 1200}' --yes"""
)
def doctor(
    context: typer.Context,
    fetch: Annotated[bool, typer.Option(help="Fetch the Delta jars if they are missing.")] = False,
    source: Annotated[
        bool, typer.Option("--source", help="Look at where the messages come from, not at the machine.")
    ] = False,
    move_to: Annotated[
        str,
        typer.Option(
            metavar="POSITION",
            help="Rewrite the stream's place in the hub, the old one kept: earliest, latest, a time, or"
            " numbers by partition.",
        ),
    ] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Rewrite without asking.")] = False,
    json: AsJson = False,
) -> None:
    """Check the machine and the settings, or why the source's stream stands still; say how to mend it."""
    from battery_lake.cli.doctor import Verdict, examine, render
    from battery_lake.cli.doctor_source import doctor_source
    from battery_lake.cli.show import as_json

    if source or move_to:
        doctor_source(options(context), move_to, yes=yes, json=json)
        return
    findings = examine(lambda: options(context).settings()[0], fetch=fetch)
    if json:
        as_json(findings)
    else:
        typer.echo(render(findings))
    if any(finding.verdict is Verdict.FAIL for finding in findings):
        raise typer.Exit(1)


@app.command(
    epilog="Examples: battery-lake settings | battery-lake --set spark.master=local[4] settings --json"
)
def settings(context: typer.Context, json: AsJson = False) -> None:
    """Show every setting, its value, and where the value came from."""
    from battery_lake.cli.show import as_json, as_table
    from battery_lake.settings import known_keys

    values, origins = options(context).settings()
    rows = []
    for key, meaning in known_keys().items():
        value: Any = values
        for part in key.split("."):
            value = getattr(value, part)
        rows.append((
            key,
            value if isinstance(value, int | float) else str(value),
            origins.get(key, "default"),
            meaning,
        ))
    if json:
        as_json([dict(zip(("key", "value", "origin", "meaning"), row, strict=True)) for row in rows])
    else:
        as_table("", ("key", "value", "origin", "meaning"), rows)


@app.command(
    epilog="Examples: battery-lake tables | battery-lake tables gold.cell_health | ... tables --lineage"
)
def tables(
    name: Annotated[str, typer.Argument(help="One table, layer.name; else all.")] = "",
    lineage: Annotated[
        bool, typer.Option("--lineage", help="Which pipeline reads and writes which table.")
    ] = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="All of it as the page docs/tables.md.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Show the tables' contracts."""
    from battery_lake.cli.show import as_json, as_table
    from battery_lake.tables.registry import TABLES, table

    if markdown:
        from battery_lake.pipelines.registry import PIPELINES
        from battery_lake.serving.markdown import tables_page

        typer.echo(tables_page(TABLES.values(), PIPELINES.values()), nl=False)
    elif lineage:
        from battery_lake.pipelines.registry import PIPELINES

        edges = [
            (p.name, ", ".join(p.reads) or "landing files", ", ".join(p.writes)) for p in PIPELINES.values()
        ]
        if json:
            as_json([dict(zip(("pipeline", "reads", "writes"), edge, strict=True)) for edge in edges])
        else:
            as_table("", ("pipeline", "reads", "writes"), edges)
    elif name:
        contract = table(name)
        columns = [
            (c.name, _brief(c.type), "no" if c.nullable else "yes", c.comment) for c in contract.columns
        ]
        if json:
            as_json(contract)
        else:
            as_table(f"{contract.name}: {contract.grain}\nkey: {', '.join(contract.key)}",
                     ("column", "type", "required", "meaning"), columns)  # fmt: skip
    elif json:
        as_json(list(TABLES.values()))
    else:
        as_table(
            "",
            ("table", "columns", "one row is"),
            [(t.name, len(t.columns), t.grain) for t in TABLES.values()],
        )


def _brief(type_: str) -> str:
    """Return a type without the fields of its structs: those are in --json and docs/tables.md."""
    return sub(r"struct<.*>", "struct<...>", type_).replace("array<struct<...>", "array<struct<...>>")


@app.command(epilog="Examples: battery-lake status | battery-lake status --json")
def status(context: typer.Context, json: AsJson = False) -> None:
    """Show what stands in the lake and what each pipeline did last."""
    from pyspark.sql import functions as F

    from battery_lake.cli.show import as_json, as_table
    from battery_lake.lake.create import exists
    from battery_lake.tables.registry import TABLES

    lake = options(context).lake()
    rows = [(name, lake.read(name).count()) for name in TABLES if exists(lake, name)]
    pipelines: list[dict[str, Any]] = []
    if exists(lake, "ops.batch"):
        sums = [F.sum(c).alias(c) for c in ("rows_in", "rows_kept", "rows_refused", "rows_duplicate")]
        done = lake.read("ops.batch").groupBy("pipeline")
        pipelines = [
            row.asDict()
            for row in done
            .agg(F.count(F.lit(1)).alias("batches"), *sums, F.max("finished_at").alias("last_at"))
            .orderBy("last_at")
            .collect()
        ]
    if json:
        as_json({"tables": dict(rows), "pipelines": pipelines})
        return
    as_table("", ("table", "rows"), rows)
    if pipelines:
        as_table("\npipelines", tuple(pipelines[0]), [tuple(row.values()) for row in pipelines])


ALERTS_SHOWN = 1_000
"""So many alerts are shown at most, the worst first."""


@app.command(epilog="Examples: battery-lake alerts | battery-lake alerts P00017 | battery-lake alerts --json")
def alerts(
    context: typer.Context,
    pack: Annotated[str, typer.Argument(help="One pack; else all.")] = "",
    json: AsJson = False,
) -> None:
    """Show the alerts that are open, the worst first."""
    from pyspark.sql import functions as F

    from battery_lake.cells.alerts import SEVERITIES
    from battery_lake.cli.show import as_json, as_table
    from battery_lake.lake.create import exists

    lake = options(context).lake()
    columns = ("severity", "pack_id", "cell_id", "code", "raised_at", "evidence")
    rows: list[dict[str, Any]] = []
    if exists(lake, "gold.alert"):
        worst = F.array_position(F.lit(list(SEVERITIES)), F.col("severity"))
        is_open = F.col("cleared_at").isNull() & ((F.col("pack_id") == pack) | F.lit(not pack))
        listed = (
            lake
            .read("gold.alert")
            .where(is_open)
            .orderBy(worst.desc(), F.desc("raised_at"), "cell_id", "code")
        )
        rows = [row.asDict() for row in listed.select(*columns).limit(ALERTS_SHOWN).collect()]
    if json:
        as_json([row | {"evidence": loads(row["evidence"])} for row in rows])
    elif rows:
        as_table("", columns, [tuple(row.values()) for row in rows])
    else:
        typer.echo("no alert is open")
