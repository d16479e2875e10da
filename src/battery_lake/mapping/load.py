"""Mapping files from disk: YAML to a checked :class:`~battery_lake.mapping.model.Mapping`, lines kept."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from battery_lake.errors import MappingError
from battery_lake.mapping.faults import Place, Source
from battery_lake.mapping.model import Mapping, Part
from battery_lake.mapping.targets import TARGETS
from battery_lake.yaml_text import TextLoader

SHIPPED: Final = Path(__file__).parent / "shipped"
"""Folder of the mappings that come with the package; one is named by its file's stem."""


def shipped_names() -> tuple[str, ...]:
    """Return the names of the mappings that come with the package."""
    return tuple(sorted(path.stem for path in SHIPPED.glob("*.yml")))


def find(name: str) -> Path:
    """Return the file of a mapping that is named by its path, or by a shipped mapping's name.

    Raises
    ------
    MappingError
        Neither is there.
    """
    path = Path(name)
    if path.suffix in {".yml", ".yaml"}:
        if path.is_file():
            return path
        raise MappingError(f"the mapping file {name} is not there", remedy="check refine.mappings")
    shipped = SHIPPED / f"{name}.yml"
    if shipped.is_file():
        return shipped
    near = difflib.get_close_matches(name, shipped_names(), n=1)
    raise MappingError(
        f"there is no mapping {name}",
        why=f"shipped are {', '.join(shipped_names())}; a file of your own ends in .yml",
        remedy=f"did you mean {near[0]}?" if near else "check refine.mappings",
    )


def read(path: Path) -> tuple[Mapping, Source]:
    """Read and check a mapping file.

    Returns
    -------
    tuple
        The mapping, and its source for messages about it.

    Raises
    ------
    MappingError
        The file is no YAML, or says something that a mapping cannot say; the line is named.
    """
    source = Source(path)
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=TextLoader)
    except yaml.MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 1
        source.lines[()] = line
        source.refuse((), f"no YAML: {fault.problem}", "mend the line")
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as fault:
        source.refuse((), f"cannot be read: {fault}", "check the file")
    if not isinstance(node, yaml.MappingNode):
        source.refuse((), "no keys and values", "begin with mapping: and signals:")
    tree = _plain(node, (), source)
    try:
        return Mapping.model_validate(tree), source
    except ValidationError as fault:
        first = fault.errors()[0]
        place = _shown(first["loc"])
        if first["type"] == "extra_forbidden":
            source.refuse(place, "no such key", _nearest(place))
        source.refuse(place, first["msg"][0].lower() + first["msg"][1:])


def _plain(node: yaml.Node, place: Place, source: Source) -> Any:
    """A node's value as plain Python; where it stands is written down."""
    source.lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*place, number), source) for number, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = _scalar(key_node, place, source)
            source.lines[*place, key] = key_node.start_mark.line + 1
            if key in found:
                source.refuse((*place, key), "the key stands twice", "keep one")
            found[key] = _plain(value_node, (*place, key), source)
        return found
    return _scalar(node, place, source)


def _scalar(node: yaml.Node, place: Place, source: Source) -> Any:
    if not isinstance(node, yaml.ScalarNode):
        source.lines[place] = node.start_mark.line + 1
        source.refuse(place, "a key must be a single word or number")
    loader = TextLoader("")
    return loader.construct_object(node)


def _shown(loc: tuple[str | int, ...]) -> Place:
    """Pydantic names the member of a union in a place; the reader never wrote it."""
    unions = {"str", "int", "float", "bool", "list[str]"}
    return tuple(part for part in loc if part not in unions and "[" not in str(part))


def _nearest(place: Place) -> str:
    """Name the key that was meant."""
    known = {name for part in Part.__subclasses__() for name in part.model_fields} | set(TARGETS)
    near = difflib.get_close_matches(str(place[-1]), sorted(known), n=1)
    return f"did you mean {near[0]}?" if near else ""
