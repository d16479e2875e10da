"""As much of TMDL as our own files use: objects by their indentation, with their properties."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_KINDS = "table|column|measure|partition|relationship|role|tablePermission|expression"
_OBJECT = re.compile(rf"({_KINDS})\s+('(?:[^']|'')+'|[\w-]+)(?:\s*=\s*(.*))?$")


@dataclass
class Node:
    """An object: what it is, its name, what stands behind its equals sign, its properties and parts."""

    kind: str
    name: str
    value: str
    said: str
    properties: dict[str, str] = field(default_factory=dict)
    parts: list[Node] = field(default_factory=list)

    def all(self, kind: str) -> Iterator[Node]:
        """Return its parts of a kind."""
        return (part for part in self.parts if part.kind == kind)


def read(text: str) -> list[Node]:
    """Return the objects of a file."""
    found: list[Node] = []
    open_: list[tuple[int, Node]] = []
    said = ""
    for line in text.splitlines():
        depth, stripped = len(line) - len(line.lstrip("\t")), line.strip()
        if stripped.startswith("///"):
            said = stripped.removeprefix("///").strip()
        elif match := _OBJECT.match(stripped) if depth < 2 else None:
            while open_ and open_[-1][0] >= depth:
                open_.pop()
            kind, name, value = match.groups()
            node = Node(kind, name.strip("'").replace("''", "'"), value or "", said)
            (open_[-1][1].parts if open_ else found).append(node)
            open_.append((depth, node))
            said = ""
        elif stripped and open_ and depth == open_[-1][0] + 1:
            key, _, value = stripped.partition(":")
            open_[-1][1].properties[key] = value.strip()
    return found
