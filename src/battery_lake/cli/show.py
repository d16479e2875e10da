"""Output of commands: results on stdout, progress on stderr."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from battery_lake.clock import monotonic_s

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WIDE = 160
"""Columns of a table that goes into a pipe or a file."""

GAP = 2
"""Columns between two columns of a table."""

LEAST = 20
"""A last column is cut no shorter."""

STDERR = Console(stderr=True, highlight=False)
STDOUT = Console(highlight=False, soft_wrap=True)


class ConsoleProgress:
    """Tells on stderr what a pipeline has done so far: a line that changes, or plain lines."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.rows: dict[str, int] = {}
        self.began = monotonic_s()

    def batch(self, pipeline: str, batch_id: int, rows: int) -> None:
        """Report a batch that was committed."""
        self.rows[pipeline] = self.rows.get(pipeline, 0) + rows
        self.say(f"  {pipeline:<10} batch {batch_id}: {rows:,} rows, {self.rows[pipeline]:,} in all")

    def say(self, text: str) -> None:
        """Print one line with the time since the start."""
        if not self.quiet:
            STDERR.print(f"[{monotonic_s() - self.began:6.1f} s] {text}", markup=False)


def as_json(value: Any) -> None:
    """Print a value for machines."""
    sys.stdout.write(json.dumps(value, default=_plain, indent=2) + "\n")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)


def as_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows for people."""
    listed = list(rows)
    table = Table(header_style="bold", box=None, pad_edge=False)
    for place, name in enumerate(columns):
        is_number = bool(listed) and all(
            row[place] is None or isinstance(row[place], int | float) for row in listed
        )
        table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    console = STDOUT if sys.stdout.isatty() else Console(width=WIDE, highlight=False)
    cells = [[_text(value) for value in row] for row in listed]
    # Too wide a table loses the ends of its last column, not those of names.
    before = [max(map(len, column)) for column in zip(columns, *cells, strict=True)][:-1]
    room = max(console.width - sum(before) - GAP * len(before), LEAST)
    for row_cells in cells:
        *first, last = row_cells
        table.add_row(*map(escape, first), escape(last if len(last) <= room else f"{last[: room - 1]}…"))
    if title:
        console.print(title, markup=False)
    console.print(table)


def _text(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.2f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return str(value)
