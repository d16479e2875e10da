"""Commands for Azure Digital Twins: the graph of vehicles, packs and cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from battery_lake.cli.base import AsJson, app, options

if TYPE_CHECKING:
    from battery_lake.lake.access import Lake
    from battery_lake.pipelines.push_twins import Outcome

twins = typer.Typer(no_args_is_help=True, help="The graph in Azure Digital Twins.")
app.add_typer(twins, name="twins")

REHEARSED = {"created": "to make", "patched": "to change", "related": "to connect"}
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


@twins.command("sync", epilog="Examples: battery-lake twins sync | battery-lake twins sync --retry --json")
def sync(
    context: typer.Context,
    retry: Annotated[bool, typer.Option("--retry", help="Try again what was refused before.")] = False,
    json: AsJson = False,
) -> None:
    """Push what has changed in gold since the last time: one patch a twin, none where nothing differs."""
    from battery_lake.pipelines.push_twins import synchronise

    _show(synchronise(_lake(context), retries=retry), DONE, json=json)


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
    from battery_lake.pipelines.push_twins import READS, address_of
    from battery_lake.tables.ops import BATCH

    chosen = options(context)
    configure(chosen.verbosity)
    if needs_address:
        address_of(chosen.settings()[0])
    lake = chosen.lake()
    ensure(lake, dict.fromkeys((*READS, BATCH.name)))
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
