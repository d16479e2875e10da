"""JSON Patch as the service applies it: add, replace and remove.

References
----------
RFC 6902, JavaScript Object Notation (JSON) Patch; RFC 6901, JSON Pointer.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from battery_lake.local.twins.errors import MalformedError, invalid_patch

if TYPE_CHECKING:
    from collections.abc import Sequence

OPERATIONS: Final = ("add", "replace", "remove")


@dataclass(frozen=True, slots=True)
class Step:
    """One operation.

    Parameters
    ----------
    operation
        add, replace or remove.
    path
        The pointer's parts.
    value
        What is put there.
    """

    operation: str
    path: tuple[str, ...]
    value: Any = None

    @property
    def pointer(self) -> str:
        """The path as it was written."""
        return "".join(f"/{part.replace('~', '~0').replace('/', '~1')}" for part in self.path)


def read(document: object, prefix: Sequence[str] = ()) -> list[Step]:
    """Read a patch document.

    Parameters
    ----------
    document
        The request's JSON.
    prefix
        Parts that stand before every path: a component's name.

    Raises
    ------
    ServiceError
        It is no patch document, or has an operation that the service does not take.
    """
    if not isinstance(document, list):
        raise MalformedError("", "The JSON patch document is malformed and cannot be parsed.")
    steps = []
    for number, item in enumerate(document):
        if not isinstance(item, dict):
            raise MalformedError(
                f"[{number}]",
                f'Error converting value "{item}" to type'
                f" 'Microsoft.AspNetCore.JsonPatch.Operations.Operation'. Path '[{number}]'.",
            )
        steps.append(_step(item, tuple(prefix)))
    return steps


def apply(steps: Sequence[Step], target: dict[str, Any], *, by_segment: bool = False) -> dict[str, Any]:
    """Apply a patch to a copy.

    Parameters
    ----------
    steps
        In order.
    target
        The document.
    by_segment
        How a missing place is told: by its last part, as for relationships, or by the whole path.

    Raises
    ------
    ServiceError
        A place is not there.
    """
    patched = copy.deepcopy(target)
    for step in steps:
        try:
            _apply(step, patched)
        except (KeyError, IndexError, TypeError, ValueError):
            missing = (
                f"The target location specified by path segment '{step.path[-1]}' was not found."
                if by_segment
                else f"{step.pointer} was not found."
            )
            raise invalid_patch(missing) from None
    return patched


def _step(item: dict[str, Any], prefix: tuple[str, ...]) -> Step:
    operation, path = item.get("op"), item.get("path")
    if not operation:
        raise invalid_patch("Parameter op must not be empty.")
    if operation not in OPERATIONS:
        raise invalid_patch(f"Unsupported operation type {operation}.")
    if not isinstance(path, str) or not path.startswith("/"):
        raise invalid_patch("Parameter path must not be empty and must begin with a slash.")
    if operation != "remove" and item.get("value") is None:
        raise invalid_patch(f"Operation {operation} on {path} must have a value.")
    parts = tuple(part.replace("~1", "/").replace("~0", "~") for part in path[1:].split("/"))
    return Step(operation, (*prefix, *parts), item.get("value"))


def _apply(step: Step, document: dict[str, Any]) -> None:
    parent: Any = document
    for part in step.path[:-1]:
        parent = parent[int(part)] if isinstance(parent, list) else parent[part]
    last = step.path[-1]
    if isinstance(parent, list):
        _apply_to_list(step, parent, last)
    elif not isinstance(parent, dict):
        raise TypeError(last)
    elif step.operation == "add":
        parent[last] = copy.deepcopy(step.value)
    elif last not in parent:
        raise KeyError(last)
    elif step.operation == "replace":
        parent[last] = copy.deepcopy(step.value)
    else:
        del parent[last]


def _apply_to_list(step: Step, parent: list[Any], last: str) -> None:
    place = len(parent) if last == "-" and step.operation == "add" else int(last)
    if place < 0 or place > len(parent) - (step.operation != "add"):
        raise IndexError(last)
    if step.operation == "add":
        parent.insert(place, copy.deepcopy(step.value))
    elif step.operation == "replace":
        parent[place] = copy.deepcopy(step.value)
    else:
        del parent[place]
