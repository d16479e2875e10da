"""Commands for Azure Digital Twins: the graph of vehicles, packs and cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from battery_lake.cli.base import AsJson, app, options

if TYPE_CHECKING:
    from battery_lake.lake.access import Lake
    from battery_lake.pipelines.twin_delivery import Outcome

twins = typer.Typer(no_args_is_help=True, help="The graph in Azure Digital Twins.")
app.add_typer(twins, name="twins")

REHEARSED = {"created": "to make", "patched": "to change", "related": "to connect"}
REFUSED = 3
DONE = {"created": "made", "patched": "changed", "related": "connected"}
ALWAYS = {"same": "as they should be", "older": "newer than gold, left alone", "refused": "refused"}


@twins.command("plan", epilog="Examples: battery-lake twins plan | battery-lake twins plan --json")
def plan(context: typer.Context, json: AsJson = False) -> None:
    """Show how the graph differs from gold: models, twins, relationships, properties. Changes nothing."""
    from battery_lake.pipelines.push_twins import bring_about

    _show(bring_about(_lake(context), is_rehearsal=True), REHEARSED, json=json)


@twins.command(
    "apply",
    epilog="Examples: battery-lake twins apply | battery-lake --set twins.layout=cells twins apply --json",
)
def apply(context: typer.Context, json: AsJson = False) -> None:
    """Make the whole graph as gold says: what is missing is made, what differs is changed."""
    from battery_lake.pipelines.push_twins import bring_about

    _show(bring_about(_lake(context), is_rehearsal=False), DONE, json=json)


@twins.command(
    "sync",
    epilog="Examples: battery-lake twins sync | ... sync --retry --json | ... sync --live [--once]",
)
def sync(
    context: typer.Context,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what was refused before.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="The state of vehicles from silver, until Ctrl-C.")
    ] = False,
    once: Annotated[bool, typer.Option("--once", help="With --live: what is new, then end.")] = False,
    json: AsJson = False,
) -> None:
    """Push what has changed in gold since the last time: one patch a twin, none where nothing differs."""
    if (once and not live) or (retry and live):
        raise typer.BadParameter("--once goes with --live, --retry without it")
    if live:
        _follow(context, goes_on=not once, json=json)
        return
    from battery_lake.pipelines.push_twins import synchronise

    _show(synchronise(_lake(context), retries=retry), DONE, json=json)


def _follow(context: typer.Context, *, goes_on: bool, json: bool) -> None:
    """Bring the live state to the twins."""
    from battery_lake.cli.show import ConsoleProgress, as_json
    from battery_lake.pipelines.live_twins import follow

    progress = ConsoleProgress(quiet=options(context).verbosity < 0)
    result = follow(_lake(context), progress, goes_on=goes_on)
    if json:
        as_json(result)
    else:
        counts = result.counts
        typer.echo(
            f"{counts.rows_kept:,} twins changed, {counts.rows_duplicate:,} said the same,"
            f" {counts.rows_refused:,} refused"
        )


@twins.command("load", epilog="Examples: battery-lake twins load | battery-lake twins load --json")
def load(context: typer.Context, json: AsJson = False) -> None:
    """Load the graph into an empty instance by one import job; ends with 3 where that refused something."""
    from battery_lake.cli.show import ConsoleProgress, as_json
    from battery_lake.pipelines.load_twins import load_graph

    progress = ConsoleProgress(quiet=options(context).verbosity < 0)
    loaded = load_graph(_lake(context), progress.say)
    if json:
        as_json(loaded)
    else:
        typer.echo(f"{loaded.twins:,} twins, {loaded.relationships:,} relationships: {loaded.status}")
    for fault in loaded.faults:
        typer.echo(f"refused: {fault}", err=True)
    if loaded.status != "succeeded":
        typer.echo("battery-lake twins apply makes what is missing", err=True)
        raise typer.Exit(REFUSED)


@twins.command(
    "export",
    epilog="Examples: battery-lake twins export --to graph.ndjson | ... export --models --to ontology",
)
def export(
    context: typer.Context,
    to: Annotated[Path, typer.Option(help="File of lines for an import job; with --models, a folder.")],
    models: Annotated[bool, typer.Option("--models", help="Write the interfaces, a file each.")] = False,
) -> None:
    """Write the graph for a bulk import job, or the ontology's interfaces."""
    if models:
        _write_models(to)
        return
    from battery_lake.pipelines.export_twins import export_graph

    export_graph(_lake(context, needs_address=False), to)


def _write_models(folder: Path) -> None:
    import json

    from battery_lake.sinks.twins.ontology import entities, interface

    folder.mkdir(parents=True, exist_ok=True)
    for entity in entities():
        text = json.dumps(interface(entity), indent=2, ensure_ascii=False)
        (folder / f"{entity.name}.json").write_text(f"{text}\n", encoding="utf-8")


def _lake(context: typer.Context, *, needs_address: bool = True) -> Lake:
    """Open the lake with the tables that are read; an address that is missing is told before Spark starts."""
    from battery_lake.lake.create import ensure
    from battery_lake.log import configure
    from battery_lake.pipelines.live_twins import SOURCE
    from battery_lake.pipelines.push_twins import READS
    from battery_lake.pipelines.twin_delivery import address_of
    from battery_lake.tables.ops import BATCH

    chosen = options(context)
    configure(chosen.verbosity)
    if needs_address:
        address_of(chosen.settings()[0])
    lake = chosen.lake()
    ensure(lake, dict.fromkeys((*READS, SOURCE, BATCH.name)))
    return lake


def _show(outcome: Outcome, words: dict[str, str], *, json: bool) -> None:
    from battery_lake.cli.show import as_json, as_table

    if json:
        as_json(outcome)
        return
    rows: list[tuple[str, str, int]] = []
    if outcome.models:
        rows.append(("models", words["created"], outcome.models))
    said = words | ALWAYS
    rows += [("twins", said[name], count) for name, count in sorted(outcome.twins.items())]
    if outcome.extra:
        rows.append(("twins", "that gold does not know", outcome.extra))
    for change in outcome.changes:
        typer.echo(change)
    as_table("", ("what", "how", "number"), rows)
    for refusal in outcome.refused:
        typer.echo(f"refused: {refusal}", err=True)
    for name, versions in outcome.unchecked.items():
        typer.echo(f"{name}: {versions} versions wait for `battery-lake quality` to pass", err=True)
