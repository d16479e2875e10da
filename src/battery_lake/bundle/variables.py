"""Variables of a bundle: declared once, given a value by the caller, the target, or their default."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from battery_lake.bundle.tree import Map, Mark, Seq

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def assign(tree: Map, chosen: Map, given: Mapping[str, str], fault: Callable[[Mark, str, str], None]) -> None:
    """Put a ``value`` into every variable of a tree.

    Parameters
    ----------
    tree
        The configuration; its ``variables`` are changed.
    chosen
        The target.
    given
        Values that the caller gives; they win over the target's, those over defaults.
    fault
        Told of a variable that has no value, is unknown, or is not of its type.
    """
    declared = tree.get("variables") or Map(tree.mark)
    tree.put("variables", declared, tree.marks.get("variables", tree.mark))
    overrides = chosen.get("variables") or Map(chosen.mark)
    for name in overrides:
        if name not in declared:
            fault(overrides.marks[name], f"variable {name} is not declared", _near(name, declared))
    for name in given:
        if name not in declared:
            fault(declared.mark, f"variable {name}, which was given, is not declared", _near(name, declared))
    for name in list(declared):
        entry = declared[name] if isinstance(declared[name], Map) else Map(declared.marks[name])
        copy = Map(entry.mark)
        for key, inner in entry.items():
            copy.put(key, inner, entry.marks[key])
        declared[name] = copy
        value, mark = _value(copy, declared.marks[name])
        if overrides.get(name) is not None:
            value, mark = _override(overrides[name], overrides.marks[name])
        if name in given:
            value, mark = given[name], declared.marks[name]
        _check(name, copy, value, mark, fault)
        copy.pop("default", None)
        copy.pop("lookup", None)
        if value is not None:
            copy.put("value", value, mark)


def _value(entry: Map, mark: Mark) -> tuple[Any, Mark]:
    if entry.get("default") is not None:
        return entry["default"], entry.marks["default"]
    return _lookup(entry, mark)


def _override(override: Any, mark: Mark) -> tuple[Any, Mark]:
    """What a target says of a variable: its value, or a mapping with default or lookup in it."""
    if isinstance(override, Map) and set(override) & {"default", "lookup"}:
        return _value(override, mark)
    return override, mark


def _lookup(entry: Map, mark: Mark) -> tuple[Any, Mark]:
    lookup = entry.get("lookup")
    if not isinstance(lookup, Map) or len(lookup) != 1:
        return None, mark
    kind, name = next(iter(lookup.items()))
    return f"${{lookup.{kind}.{name}}}", lookup.marks[kind]


def _check(name: str, entry: Map, value: Any, mark: Mark, fault: Callable[[Mark, str, str], None]) -> None:
    if value is None:
        fault(
            mark,
            f"variable {name} has no value in this target",
            "give it a default, or a value in the target",
        )
    several = isinstance(value, Map | Seq)
    if several and entry.get("type") != "complex":
        fault(mark, f"variable {name} is not of type complex and yet is no single value", "add type: complex")
    whole = isinstance(value, str) and value.startswith("${") and value.endswith("}")
    if entry.get("type") == "complex" and value is not None and not several and not whole:
        fault(mark, f"variable {name} is of type complex and yet is a single value", "take type: complex off")
    if "type" in entry and entry["type"] != "complex":
        fault(entry.marks["type"], f"variables have no type {entry['type']}", "complex, or none")


def _near(name: str, declared: Map) -> str:
    near = difflib.get_close_matches(name, declared, n=1)
    return f"did you mean {near[0]}?" if near else "declare it under variables:"
