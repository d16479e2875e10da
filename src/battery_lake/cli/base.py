"""The command line's root: options that stand before every command."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

import battery_lake

if TYPE_CHECKING:
    from battery_lake.lake.access import Lake
    from battery_lake.settings import Origins, Settings

app = typer.Typer(
    name="battery-lake",
    help="Battery telemetry in, state of health and remaining life of every cell out.",
    epilog="Start with `battery-lake demo`, or bring your own: `battery-lake reference load --help`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result for machines.")]
"""The option of every command whose result a program may want."""


@dataclass(slots=True)
class Options:
    """What stands before the command."""

    config: str = ""
    pairs: tuple[str, ...] = ()
    verbosity: int = 0
    debug: bool = False

    def settings(self) -> tuple[Settings, Origins]:
        """Read the settings, the command line last."""
        from pathlib import Path

        from battery_lake.settings import load

        return load(self.pairs, config=Path(self.config) if self.config else None)

    def lake(self) -> Lake:
        """Start Spark and open the lake."""
        from battery_lake.lake.access import Lake
        from battery_lake.session import spark_session

        settings, _ = self.settings()
        if self.verbosity >= 0 and sys.stderr.isatty():
            typer.echo("starting Spark", err=True)  # seconds in which nothing else is to be seen
        return Lake(spark_session(settings), settings)


def options(context: typer.Context) -> Options:
    """Return what stood before the command."""
    found = context.find_object(Options)
    assert found is not None
    return found


def _version(asked: bool) -> None:
    if asked:
        typer.echo(battery_lake.__version__)
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    config: Annotated[str, typer.Option(help="Settings file; else battery_lake.toml here.")] = "",
    pairs: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set one setting; may be repeated.")
    ] = None,
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="Say more on stderr.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors on stderr.")] = False,
    debug: Annotated[bool, typer.Option(help="Show the stack trace of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Battery telemetry in, state of health and remaining life of every cell out."""
    del version
    verbosity = -1 if quiet else verbose
    context.obj = Options(config, tuple(pairs or ()), verbosity, debug)
