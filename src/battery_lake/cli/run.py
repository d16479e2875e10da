"""Commands that move data: one step of the way each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from battery_lake.cli.base import AsJson, app, options

if TYPE_CHECKING:
    from battery_lake.pipelines.model import RunResult

reference = typer.Typer(
    no_args_is_help=True, help="Packs, their OCV curves, and the vehicles that carry them."
)
quarantine = typer.Typer(no_args_is_help=True, help="Messages that were refused.")
app.add_typer(reference, name="reference")
app.add_typer(quarantine, name="quarantine")


def _job(context: typer.Context, name: str, *, json: bool) -> None:
    from battery_lake.cli.show import ConsoleProgress, as_json, as_table
    from battery_lake.log import configure
    from battery_lake.pipelines.registry import run_job

    chosen = options(context)
    configure(chosen.verbosity)
    results: list[RunResult] = run_job(name, chosen.lake(), ConsoleProgress(quiet=chosen.verbosity < 0))
    if json:
        as_json(results)
        return
    columns = ("pipeline", "batches", "rows in", "kept", "refused", "duplicate", "seconds")
    rows = [
        (
            r.pipeline, r.batches, r.counts.rows_in, r.counts.rows_kept, r.counts.rows_refused,
            r.counts.rows_duplicate, round(r.seconds, 1),
        )
        for r in results
    ]  # fmt: skip
    as_table("", columns, rows)


@app.command(
    epilog="Examples: battery-lake ingest | battery-lake --set source.landing=/data/hub ingest --json"
)
def ingest(context: typer.Context, json: AsJson = False) -> None:
    """Take new landing files into bronze."""
    _job(context, "ingest", json=json)


@app.command(epilog="Examples: battery-lake refine | battery-lake -v refine --json")
def refine(context: typer.Context, json: AsJson = False) -> None:
    """Take new bronze messages into silver, or into quarantine with the reason."""
    _job(context, "refine", json=json)


@app.command(epilog="Examples: battery-lake health | battery-lake --set health.min_rest_s=3600 health --json")
def health(context: typer.Context, json: AsJson = False) -> None:
    """Take new silver messages into sessions, capacities, health and life of every cell, and the fleet."""
    _job(context, "health", json=json)


@app.command(
    epilog="Examples: battery-lake maintain | battery-lake maintain --table gold.cell_health |"
    " ... --set maintenance.retention_days=7 maintain --json"
)
def maintain(
    context: typer.Context,
    table: Annotated[list[str] | None, typer.Option(help="Only this table; may be repeated.")] = None,
    json: AsJson = False,
) -> None:
    """Join small files, remove files that no kept version needs, tell statistics anew."""
    from battery_lake.cli.show import ConsoleProgress, as_json, as_table
    from battery_lake.log import configure
    from battery_lake.pipelines.maintain import maintain_tables

    chosen = options(context)
    configure(chosen.verbosity)
    progress = ConsoleProgress(quiet=chosen.verbosity < 0)
    done = maintain_tables(chosen.lake(), progress, tuple(table or ()))
    if json:
        as_json(done)
        return
    rows = [(d.table, d.files_before, d.files_after, d.bytes_after) for d in done]
    as_table("", ("table", "files before", "files after", "bytes"), rows)


@app.command(
    epilog="Examples: battery-lake backfill --from 2026-03-01 |"
    " battery-lake backfill --from 2026-03-01 --to 2026-03-31 --vehicles V1,V2 --json"
)
def backfill(
    context: typer.Context,
    first: Annotated[str, typer.Option("--from", help="First day, as 2026-03-01.")],
    last: Annotated[str, typer.Option("--to", help="Last day; else the first.")] = "",
    vehicles: Annotated[str, typer.Option(help="Vehicles, commas; else all.")] = "",
    json: AsJson = False,
) -> None:
    """Tell days anew, from silver to the fleet, after settings, reference data or methods changed."""
    from battery_lake.cli.show import ConsoleProgress, as_json, as_table
    from battery_lake.log import configure
    from battery_lake.pipelines.backfill import Wanted
    from battery_lake.pipelines.backfill import backfill as run

    chosen = options(context)
    configure(chosen.verbosity)
    wanted = Wanted.read(first, last, vehicles)
    results = run(chosen.lake(), wanted, ConsoleProgress(quiet=chosen.verbosity < 0))
    if json:
        as_json(results)
        return
    rows = [(r.pipeline, r.counts.rows_in, round(r.seconds, 1)) for r in results]
    as_table("", ("pipeline", "rows changed", "seconds"), rows)


@reference.command(
    "load", epilog="Examples: battery-lake reference load ./reference | ... load /data/packs --json"
)
def reference_load(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Holds packs and pack_assignment as .csv or .parquet.")],
    json: AsJson = False,
) -> None:
    """Load packs and assignments; rows with a known key are replaced, nothing is deleted."""
    from battery_lake.cli.show import as_json, as_table
    from battery_lake.pipelines.reference import load_reference

    changed = load_reference(options(context).lake(), folder)
    if json:
        as_json(changed)
    else:
        as_table("", ("table", "new or changed rows"), changed.items())


@quarantine.command(
    "list", epilog="Examples: battery-lake quarantine list | battery-lake quarantine list --json"
)
def quarantine_list(context: typer.Context, json: AsJson = False) -> None:
    """Count refused messages by reason and device."""
    from pyspark.sql import functions as F

    from battery_lake.cli.show import as_json, as_table
    from battery_lake.lake.look import looking_at

    lake = options(context).lake()
    rows = (
        looking_at(lake)("silver.quarantine")
        .select("device_id", "refused_at", F.explode("reasons").alias("r"))
        .groupBy("r.code", "device_id")
        .agg(
            F.count(F.lit(1)).alias("messages"),
            F.max("refused_at").alias("last_at"),
            F.min("r.detail").alias("example"),
        )
        .orderBy(F.col("messages").desc(), "code", "device_id")
        .limit(1000)
        .collect()
    )
    if json:
        as_json([row.asDict() for row in rows])
    else:
        columns = ("reason", "device", "messages", "last refused at", "example")
        as_table("", columns, [(r.code, r.device_id, r.messages, r.last_at, r.example) for r in rows])


@quarantine.command(
    "replay", epilog="Examples: battery-lake quarantine replay --reason unknown_pack | ... replay"
)
def quarantine_replay(
    context: typer.Context,
    reason: Annotated[
        list[str] | None, typer.Option(help="Only messages with this reason; may be repeated.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Check refused messages again, after reference data was mended; valid ones go to silver."""
    from battery_lake.cli.show import as_json
    from battery_lake.pipelines.replay import replay_quarantine

    counts = replay_quarantine(options(context).lake(), tuple(reason or ()))
    if json:
        as_json(counts)
    else:
        typer.echo(f"{counts.rows_in:,} messages looked at, {counts.rows_kept:,} are in silver now")
