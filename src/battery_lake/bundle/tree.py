"""YAML files as trees in which every value knows its file and line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from battery_lake.errors import BundleError
from battery_lake.yaml_text import TextLoader

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Place = tuple[str | int, ...]
"""Keys that lead to a value."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A line of a file; the file is named from the bundle's root."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class Map(dict[str, Any]):
    """A mapping; ``mark`` is where it begins, ``marks`` where each key stands."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.marks: dict[str, Mark] = {}

    def put(self, key: str, value: Any, mark: Mark) -> None:
        """Set a key and where it stands."""
        self[key] = value
        self.marks[key] = mark


class Seq(list[Any]):
    """A list; ``mark`` is where it begins, ``marks`` where each item does."""

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.marks: list[Mark] = []

    def add(self, value: Any, mark: Mark) -> None:
        """Append an item and where it stands."""
        self.append(value)
        self.marks.append(mark)


def read(path: Path, root: Path) -> Map:
    """Read a YAML file.

    Parameters
    ----------
    path, root
        The file, and the folder from which marks name it.

    Raises
    ------
    BundleError
        It cannot be read, is no YAML, holds no mapping, or a key stands twice in it.
    """
    file = path.relative_to(root).as_posix()
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=TextLoader)
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 1
        raise BundleError(f"{file}:{line}: no YAML: {fault.problem}", remedy="mend the line") from fault
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as fault:
        raise BundleError(f"{file}:1: cannot be read", why=str(fault), remedy="check the file") from fault
    if node is None:
        return Map(Mark(file, 1))
    tree = _tree(node, file)
    if not isinstance(tree, Map):
        raise BundleError(f"{file}:1: no keys and values", remedy="begin with resources:, say")
    return tree


def _tree(node: yaml.Node, file: str) -> Any:
    mark = Mark(file, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        items = Seq(mark)
        for item in node.value:
            items.add(_tree(item, file), Mark(file, item.start_mark.line + 1))
        return items
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, file, mark)
    return TextLoader("").construct_object(node)


def _mapping(node: yaml.MappingNode, file: str, mark: Mark) -> Map:
    found = Map(mark)
    inherited: list[Map] = []
    for key_node, value_node in node.value:
        at = Mark(file, key_node.start_mark.line + 1)
        value = _tree(value_node, file)
        key = str(key_node.value)
        if key_node.tag == "tag:yaml.org,2002:merge":
            inherited += value if isinstance(value, Seq) else [value]
            continue
        if key in found:
            raise BundleError(
                f"{at}: the key {key} stands twice", why=f"first {found.marks[key]}", remedy="keep one"
            )
        found.put(key, value, at)
    for below in inherited:
        for key, value in below.items():
            if key not in found:
                found.put(key, value, below.marks[key])
    return found


def merge(below: Any, above: Any) -> Any:
    """Lay one tree over another: mappings are joined, lists follow each other, single values are replaced."""
    if isinstance(below, Map) and isinstance(above, Map):
        joined = Map(below.mark)
        for tree in (below, above):
            for key, value in tree.items():
                inner = merge(joined[key], value) if key in joined else value
                # What is joined began where it was first written; what is replaced stands where it is now.
                is_joined = key in joined and inner is not value
                joined.put(key, inner, joined.marks[key] if is_joined else tree.marks[key])
        return joined
    if isinstance(below, Seq) and isinstance(above, Seq):
        items = Seq(below.mark)
        for sequence in (below, above):
            for value, mark in zip(sequence, sequence.marks, strict=True):
                items.add(value, mark)
        return items
    return above


def at(tree: Any, place: Place) -> Any:
    """Return what stands at a place, None if nothing does."""
    for key in place:
        if isinstance(tree, Map) and key in tree:
            tree = tree[str(key)]
        elif isinstance(tree, Seq) and isinstance(key, int) and key < len(tree):
            tree = tree[key]
        else:
            return None
    return tree


def mark_of(tree: Map, place: Place) -> Mark:
    """Return where a place stands, or the nearest thing around it."""
    found, here = tree.mark, tree
    for key in place:
        inner: Any = at(here, (key,))
        if inner is None and not (isinstance(here, Map) and key in here):
            break
        found = here.marks[key]  # type: ignore[index]
        here = inner
    return found


def walk(tree: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Give every value below a tree with its place, outer ones first."""
    items: Any = tree.items() if isinstance(tree, Map) else enumerate(tree) if isinstance(tree, Seq) else ()
    for key, value in items:
        yield (*place, key), value
        yield from walk(value, (*place, key))


def plain(tree: Any) -> Any:
    """Return a tree as dicts and lists."""
    if isinstance(tree, Map):
        return {key: plain(value) for key, value in tree.items()}
    if isinstance(tree, Seq):
        return [plain(value) for value in tree]
    return tree
