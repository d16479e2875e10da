"""What every table of the report shares: its form, and how a frame's rows become texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from battery_lake.report import text

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

Read = Callable[["pd.Series[Any]"], str]


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column.

    Parameters
    ----------
    label
        Its words.
    numeric, verdict, link
        Whether its cells are numbers (to the right), verdicts, or names that lead to the pack.
    """

    label: str
    numeric: bool = False
    verdict: bool = False
    link: bool = False


Column = tuple[Head, Read]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts.

    Parameters
    ----------
    caption
        What the table shows.
    heads
        One head a column.
    rows
        Texts, as many a row as there are heads.
    absent
        What is said in place of an empty table.
    levels
        One level a row (bad, watch, good) where a column is a verdict.
    anchors
        One anchor a row where others lead to it; empty: none.
    targets
        One anchor a row where a column leads somewhere; an empty one: that row does not.
    """

    caption: str
    heads: tuple[Head, ...]
    rows: list[list[str]]
    absent: str
    levels: list[str] = field(default_factory=list)
    anchors: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)


def table(
    caption: str, columns: Sequence[Column], frame: pd.DataFrame, absent: str, **of_rows: list[str]
) -> Table:
    """Return a table of a frame; ``of_rows`` are levels, anchors and targets."""
    heads = tuple(head for head, _ in columns)
    # Object columns keep integers and nulls apart, which a row of floats would not.
    rows = [[read(row) for _, read in columns] for _, row in frame.astype("object").iterrows()]
    return Table(caption, heads, rows, absent, **of_rows)


def numeric(label: str, read: Read) -> Column:
    """Return a column of numbers."""
    return Head(label, numeric=True), read


def number(label: str, name: str, digits: int = 0) -> Column:
    """Return a column of one of the frame's numbers."""
    return numeric(label, lambda row: text.number(row[name], digits))


def counts(*names: str) -> list[Column]:
    """Return columns of counts, headed by their names in words."""
    return [number(name.replace("_", " ").capitalize(), name) for name in names]


def words(label: str, *names: str) -> Column:
    """Return a column of the frame's texts, those that are there joined by commas."""
    return Head(label), lambda row: joined(*(row[name] for name in names))


def joined(*parts: Any) -> str:
    """Return the parts that are there, with commas."""
    return ", ".join(str(part) for part in parts if not text.is_absent(part) and part) or text.ABSENT


def within(cell_id: Any, pack_id: Any) -> str:
    """Return a cell's place within its pack."""
    return text.ABSENT if text.is_absent(cell_id) else str(cell_id).removeprefix(f"{pack_id}/")
