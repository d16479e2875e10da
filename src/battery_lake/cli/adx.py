"""Commands for Data Explorer: its scripts, what it lacks, and what is pushed into it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from battery_lake.cli.base import AsJson, app, options

if TYPE_CHECKING:
    from battery_lake.settings import Settings
    from battery_lake.sinks.adx.plan import Change, Structure

adx = typer.Typer(no_args_is_help=True, help="Data Explorer: plan, apply, push.")
app.add_typer(adx, name="adx")

Tables = Annotated[list[str] | None, typer.Option("--table", help="Only this table; may be repeated.")]


@adx.command("render", epilog="Examples: battery-lake adx render | battery-lake adx render --folder /tmp/kql")
def render(
    context: typer.Context,
    folder: Annotated[Path, typer.Option(help="Where the scripts go.")] = Path("kql"),
) -> None:
    """Write the scripts that the contracts give; those written by hand stay as they are."""
    from battery_lake.serving.kql import rendered

    settings, _ = options(context).settings()
    for name, text in rendered(settings.adx.position_readers).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        typer.echo(str(file))


@adx.command("plan", epilog="Examples: battery-lake adx plan | battery-lake adx plan --json")
def plan(context: typer.Context, json: AsJson = False) -> None:
    """Show how the database differs from what the contracts say; nothing is changed."""
    from battery_lake.cli.show import as_json

    changes = _changes(options(context).settings()[0])
    if json:
        as_json(changes)
    else:
        _print(changes)


@adx.command(
    "apply", epilog="Examples: battery-lake adx apply | battery-lake --set adx.database=test adx apply"
)
def apply(context: typer.Context, json: AsJson = False) -> None:
    """Make tables, mappings, views, functions and policies; what is there stays, with its rows."""
    from battery_lake.cli.show import as_json
    from battery_lake.pipelines.push_adx import explorer
    from battery_lake.sinks.adx import plan as adx_plan

    settings, _ = options(context).settings()
    changes = _changes(settings)
    with explorer(settings) as client:
        done = adx_plan.apply(client, _commands(settings), changes)
    if json:
        as_json({"commands": done, "changes": changes})
        return
    _print(changes)
    typer.echo(f"{done} commands carried out")


@adx.command(
    "push",
    epilog="Examples: battery-lake adx push | ... push --since 2026-01-01 --until 2026-02-01 |"
    " ... push --table cell_health --anew | ... push --refused",
)
def push(
    context: typer.Context,
    table: Tables = None,
    since: Annotated[str | None, typer.Option(help="Send rows from this day on once more.")] = None,
    until: Annotated[str | None, typer.Option(help="Up to this day, it not included.")] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Empty the tables there and send all rows.")] = False,
    refused: Annotated[bool, typer.Option("--refused", help="Send what was refused once more.")] = False,
    json: AsJson = False,
) -> None:
    """Send what has changed since the last push; what comes twice is taken once."""
    from functools import partial

    from battery_lake.cli.show import as_json, as_table
    from battery_lake.log import configure
    from battery_lake.pipelines import push_adx

    chosen = options(context)
    configure(chosen.verbosity)
    first, end = _day(since, "since"), _day(until, "until")
    if anew + refused + (first is not None or end is not None) > 1:
        raise typer.BadParameter("--anew, --refused and days do not go together")
    send = push_adx.push_anew if anew else push_adx.push_refused if refused else push_adx.push
    if first is not None or end is not None:
        send = partial(push_adx.push_days, since=first or dt.date.min, until=end or dt.date.max)
    settings, _ = chosen.settings()
    with push_adx.explorer(settings) as client:
        lake = chosen.lake()
        tables = push_adx.pushed_tables(lake, tuple(table or ()))
        counts = {pushed.name: send(lake, client, pushed) for pushed in tables}
    if json:
        as_json({name: {"rows": c.rows_in, "refused": c.rows_refused} for name, c in counts.items()})
    else:
        rows = [(name, c.rows_in, c.rows_refused) for name, c in counts.items()]
        as_table("", ("table", "rows sent", "refused"), rows)


def _changes(settings: Settings) -> list[Change]:
    from battery_lake.pipelines.push_adx import explorer
    from battery_lake.sinks.adx.plan import plan, stored

    with explorer(settings) as client:
        return plan(_declared(settings), stored(client))


def _declared(settings: Settings) -> Structure:
    from battery_lake.serving.explorer import tables, views
    from battery_lake.sinks.adx.plan import Structure, declared_functions

    return Structure(tables(), views(), declared_functions(_commands(settings)))


def _commands(settings: Settings) -> list[str]:
    from battery_lake.serving.kql import commands, scripts

    return [command for text in scripts(settings.adx.position_readers).values() for command in commands(text)]


def _print(changes: list[Change]) -> None:
    from battery_lake.cli.show import as_table

    if changes:
        as_table(
            "", ("do", "what", "name", "detail"), [(c.action, c.kind, c.name, c.detail) for c in changes]
        )
    else:
        typer.echo("the database is as the contracts say")


def _day(text: str | None, option: str) -> dt.date | None:
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"--{option} {text!r} is no day: 2026-01-31, say") from None
