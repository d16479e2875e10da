"""The ``battery-lake`` command: all commands together, and one way to end on an error."""

from __future__ import annotations

import sys

import typer

from battery_lake.cli import demo, look, run
from battery_lake.cli.base import app
from battery_lake.errors import BatteryLakeError

INTERRUPTED = 130
"""Exit code after Ctrl-C."""

COMMANDS = (demo, look, run)
"""Modules that add their commands to the app when they are imported."""


def main() -> None:
    """Run the command line; an error prints what, why and what to do, and sets the exit code."""
    debug = "--debug" in sys.argv
    try:
        # Typer hands over the code of an early end, 130 after Ctrl-C, instead of raising.
        code = app(standalone_mode=False) or 0
    except BatteryLakeError as fault:
        if debug:
            raise
        typer.echo(f"error: {fault}", err=True)
        sys.exit(fault.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except Exception as fault:  # the last net: everything foreseen is a BatteryLakeError
        usage = getattr(fault, "show", None)
        if usage is not None:  # click's own: a wrong option, a missing argument
            usage()
            sys.exit(2)
        if debug:
            raise
        first = next((line for line in str(fault).splitlines() if line.strip()), "")
        typer.echo(
            f"error: {type(fault).__name__}: {first[:500]}\ndo:  --debug shows the whole trace", err=True
        )
        sys.exit(1)
    if code == INTERRUPTED:
        typer.echo("interrupted; run the same command again and it goes on", err=True)
    sys.exit(code)
