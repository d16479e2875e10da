"""Ways to the parts of a bundle that several checks look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from battery_lake.bundle.tree import Map, Mark, Seq, at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from battery_lake.bundle.load import Bundle


def resources(bundle: Bundle, kind: str) -> Iterator[tuple[str, Map]]:
    """Give the resources of a kind by their key."""
    found = at(bundle.tree, ("resources", kind))
    for key, value in found.items() if isinstance(found, Map) else ():
        if isinstance(value, Map):
            yield key, value


def maps(tree: Any, key: str) -> list[Map]:
    """Return the mappings in a list that stands under a key; other things are the schema's to refuse."""
    found = tree.get(key) if isinstance(tree, Map) else None
    return [item for item in found if isinstance(item, Map)] if isinstance(found, Seq) else []


def line(tree: Map, key: str) -> Mark:
    """Return where a key stands, or where its mapping begins."""
    return tree.marks.get(key, tree.mark)


def names(items: list[Map], key: str) -> list[str]:
    """Return what each item says under a key."""
    return [str(item[key]) for item in items if key in item]


def serverless(job: Map, task: Map) -> bool:
    """Return whether a task names an environment: serverless compute."""
    return "environment_key" in task and "environments" in job


def number(tree: Map, key: str, default: int = 0) -> int:
    """Return a whole number under a key, the default where there is none."""
    value = tree.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def reached(arrows: Mapping[str, Iterable[str]], start: str) -> set[str]:
    """Return all that arrows lead to from a start; the start too, where they lead back to it."""
    found: set[str] = set()
    waiting = list(arrows.get(start, ()))
    while waiting:
        word = waiting.pop()
        if word not in found:
            found.add(word)
            waiting += arrows.get(word, ())
    return found
