"""The ``battery-lake`` command: all commands together, and one way to end on an error."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import typer

from battery_lake.cli import (
    adx,
    bundle,
    bundle_run,
    demo,
    explain,
    forget,
    kpis,
    local,
    look,
    making,
    mapping,
    model,
    pack_list,
    passport,
    quality,
    reports,
    run,
    twins,
)
from battery_lake.cli.base import app
from battery_lake.errors import BatteryLakeError

if TYPE_CHECKING:
    from types import FrameType

INTERRUPTED = 130
"""Exit code after Ctrl-C."""

COMMANDS = (
    bundle,
    bundle_run,
    demo,
    look,
    explain,
    run,
    forget,
    quality,
    adx,
    making,
    mapping,
    model,
    pack_list,
    local,
    twins,
    passport,
    reports,
    kpis,
)
"""Modules that add their commands to the app when they are imported."""


def main() -> None:
    """Run the command line; an error prints what, why and what to do, and sets the exit code."""
    before = signal.signal(signal.SIGINT, _interrupted)
    try:
        _run(debug="--debug" in sys.argv)
    finally:
        signal.signal(signal.SIGINT, before)


def _run(*, debug: bool) -> None:
    try:
        # Typer hands over the code of an early end instead of raising.
        code = app(standalone_mode=False) or 0
    except BatteryLakeError as fault:
        if debug:
            raise
        typer.echo(f"error: {fault}", err=True)
        sys.exit(fault.exit_code)
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
    sys.exit(code)


def _interrupted(_signal: int, _frame: FrameType | None) -> None:
    """End at once on Ctrl-C, as kill -9 would: what is written is safe; Java ends with its stdin.

    An exception instead would come up within a call to Java, whose connection does not outlive that.
    """
    os.write(sys.stderr.fileno(), b"interrupted; run the same command again and it goes on\n")
    os._exit(INTERRUPTED)
