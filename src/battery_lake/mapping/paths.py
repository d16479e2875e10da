"""Where values stand in a message: paths as text, and the schema that reads them all in one parse."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SEGMENT: Final = re.compile(r"^(?P<name>[^\[\]]+)(?P<index>\[(?:\*|-?\d+)\])?$")
ALL: Final = "*"


@dataclass(frozen=True, slots=True)
class Segment:
    """One step of a path: a field's name; ``index`` picks an item of its list, or ``*`` all of them."""

    name: str
    index: int | str | None = None


def segments(path: str | Iterable[str]) -> tuple[Segment, ...]:
    """Return the steps of a path.

    Parameters
    ----------
    path
        ``data.cells[*].voltage``; as a list where a name itself holds a dot.

    Raises
    ------
    ValueError
        The path is empty or a step cannot be read.

    Examples
    --------
    >>> segments("data.cells[0].v")
    (Segment(name='data', index=None), Segment(name='cells', index=0), Segment(name='v', index=None))
    """
    parts = path.split(".") if isinstance(path, str) else list(path)
    found = []
    for part in parts:
        match = _SEGMENT.match(part) if isinstance(path, str) else None
        if match is None and (isinstance(path, str) or not part):
            raise ValueError(f"{part or 'nothing'!r} is no step of a path")
        if match is None:
            found.append(Segment(part))
            continue
        index = match["index"] and match["index"][1:-1]
        found.append(Segment(match["name"], ALL if index == ALL else int(index) if index else None))
    if not found:
        raise ValueError("the path is empty")
    return tuple(found)


def quoted(name: str) -> str:
    """Return a field's name as SQL reads it."""
    return "`" + name.replace("`", "``") + "`"


@dataclass(slots=True)
class Schema:
    """The fields of a message that are needed, as Spark's ``from_json`` wants them.

    A node is either a leaf with a type, a list of ``items``, or an object of ``fields``.
    """

    type: str = ""
    items: Schema | None = None
    fields: dict[str, Schema] = field(default_factory=dict)

    def add(self, path: tuple[Segment, ...], sql_type: str) -> None:
        """Ask for one more value.

        Raises
        ------
        ValueError
            Another path needs something else at the same place, or a name that differs in case alone.
        """
        node = self
        for place, step in enumerate(path):
            shown = ".".join(part.name for part in path[: place + 1])
            twin = next((n for n in node.fields if n.lower() == step.name.lower() and n != step.name), None)
            if twin is not None:
                raise ValueError(f"{shown} and {twin} differ in case alone")
            if node.type or node.items:
                raise ValueError(f"{shown} is inside what another path reads as a value")
            node = node.fields.setdefault(step.name, Schema())
            if step.index is not None:
                if node.type or node.fields:
                    raise ValueError(f"{shown} is a list here and something else elsewhere")
                node.items = node.items or Schema()
                node = node.items
        if node.fields or node.items or (node.type and node.type != sql_type):
            raise ValueError(f"{'.'.join(part.name for part in path)} is read as two different types")
        node.type = sql_type

    @property
    def ddl(self) -> str:
        """The fields as a schema."""
        return ", ".join(f"{quoted(name)} {node.sql_type}" for name, node in self.fields.items())

    @property
    def sql_type(self) -> str:
        """The type of the node."""
        if self.type:
            return self.type
        if self.items is not None:
            return f"ARRAY<{self.items.sql_type}>"
        inner = ", ".join(f"{quoted(name)}: {node.sql_type}" for name, node in self.fields.items())
        return f"STRUCT<{inner}>"


def access(root: str, path: tuple[Segment, ...]) -> str:
    """Return the SQL that reads a path of a parsed message; null where it is absent."""
    sql = root
    for step in path:
        sql = f"{sql}.{quoted(step.name)}"
        if isinstance(step.index, int):
            place = step.index + 1 if step.index >= 0 else step.index
            sql = f"try_element_at({sql}, {place})"
    return sql


def json_path(path: tuple[Segment, ...]) -> str:
    """Return the path as ``get_json_object`` wants it, within ``$``."""

    def steps() -> Iterator[str]:
        for step in path:
            yield f"['{step.name}']"
            if step.index is not None:
                yield f"[{step.index}]"

    return "".join(steps())
