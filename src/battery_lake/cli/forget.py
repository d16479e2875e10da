"""The command that deletes a vehicle's data from every layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from battery_lake.cli.base import AsJson, app, options

if TYPE_CHECKING:
    from battery_lake.pipelines.forget import Forgotten


@app.command(
    epilog="Examples: battery-lake forget V00017 | battery-lake forget V00017 --yes |"
    " ... forget V00017 --json"
)
def forget(
    context: typer.Context,
    vehicle: Annotated[str, typer.Argument(help="The vehicle, as the hub names its device.")],
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it rows are only counted.")] = False,
    json: AsJson = False,
) -> None:
    """Delete a vehicle's data from bronze to gold and from the twins; broken off, run it again."""
    from battery_lake.cli.show import ConsoleProgress, as_json, as_table
    from battery_lake.log import configure
    from battery_lake.pipelines.forget import forget as run

    chosen = options(context)
    configure(chosen.verbosity)
    progress = ConsoleProgress(quiet=chosen.verbosity < 0)
    told = run(chosen.lake(), vehicle, progress, is_rehearsal=not yes)
    if json:
        as_json(told)
        return
    rows = list(told.rows.items())
    if told.twins:
        rows.append(("Digital Twins", told.twins))
    as_table("", ("where", "rows deleted" if yes else "rows"), rows)
    _explain(told)


def _explain(told: Forgotten) -> None:
    """What happens to packs, and what is left to do."""
    if told.whose.own:
        typer.echo(f"packs of this vehicle alone, which go whole: {', '.join(told.whose.own)}")
    if told.whose.shared:
        typer.echo(f"packs of others too, told anew from their messages: {', '.join(told.whose.shared)}")
    if not told.deleted:
        typer.echo("nothing was deleted; --yes does it")
    else:
        typer.echo(
            f"older versions can be read until {told.readable_until}; `battery-lake maintain` removes their"
            " files after that"
        )
    if told.purge:
        typer.echo("Data Explorer, at its ingest endpoint, after the next push:")
    for command in told.purge:
        typer.echo(f"  {command}")
