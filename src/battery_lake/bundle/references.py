"""What ``${...}`` stands for: values of the configuration now, identities of the workspace later."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from battery_lake.bundle.tree import Map, Mark, Place, Seq, at

if TYPE_CHECKING:
    from collections.abc import Callable

PATTERN: Final = re.compile(r"\$\{([A-Za-z][\w-]*(?:\.[A-Za-z_][\w-]*|\[\d+\])*)\}")
"""A reference as the documentation writes it."""

_LATER: Final = re.compile(r"\$\{(resources|lookup|bundle)\.([^.}]+)\.([^}]+)\}")


@dataclass(frozen=True, slots=True)
class Later:
    """Something that only a workspace knows.

    ``resources``: the field (``id``, mostly) of the resource ``name`` of ``kind`` of this bundle.
    ``lookup``: the id of something of ``kind`` (``service_principal``) that is called ``name``.
    ``bundle``: a fact of the deployment, ``kind`` git and ``name`` commit, say.
    """

    source: Literal["resources", "lookup", "bundle"]
    kind: str
    name: str
    field: str = "id"


class Reference(str):
    """A text in which something stands that only a workspace knows; the text itself keeps the ``${...}``."""

    __slots__ = ()

    @property
    def laters(self) -> tuple[Later, ...]:
        """What has to be known, in the order of the text."""
        return tuple(map(_later, _LATER.finditer(self)))

    def filled(self, find: Callable[[Later], Any]) -> Any:
        """Return the value once it is known: a single reference as it is found, others within the text."""
        whole = _LATER.fullmatch(self)
        if whole:
            return find(_later(whole))
        return _LATER.sub(lambda match: str(find(_later(match))), self)


def _later(match: re.Match[str]) -> Later:
    source, kind, rest = match.groups()
    if source == "resources":
        name, _, field = rest.partition(".")
        return Later("resources", kind, name, field)
    return Later("lookup" if source == "lookup" else "bundle", kind, rest)


def is_later(text: str) -> bool:
    """Return whether something in a text has to wait for a workspace."""
    return _LATER.search(text) is not None


def parts(dotted: str) -> Place:
    """Return the place that a dotted path names: ``a.b[0]`` is ``("a", "b", 0)``."""
    return tuple(
        int(word[1:-1]) if word.startswith("[") else word for word in re.findall(r"[^.\[]+|\[\d+\]", dotted)
    )


class Filler:
    """Puts values in the place of references.

    Parameters
    ----------
    root
        The configuration; what references name is looked up here.
    now
        First words of the references that are to be filled; others stay.
    fault
        Told where a reference leads nowhere, why, and what to do.
    """

    def __init__(self, root: Map, now: frozenset[str], fault: Callable[[Mark, str, str], None]) -> None:
        self._root = root
        self._now = now
        self._fault = fault
        self._open: list[str] = []

    def fill(self, value: Any, mark: Mark) -> Any:
        """Return a value with its references filled; ``mark`` is where it stands."""
        if isinstance(value, Map):
            filled = Map(value.mark)
            for key, inner in value.items():
                filled.put(key, self.fill(inner, value.marks[key]), value.marks[key])
            return filled
        if isinstance(value, Seq):
            items = Seq(value.mark)
            for inner, at_ in zip(value, value.marks, strict=True):
                items.add(self.fill(inner, at_), at_)
            return items
        return self._text(value, mark) if isinstance(value, str) and "${" in value else value

    def _text(self, text: str, mark: Mark) -> Any:
        whole = PATTERN.fullmatch(text)
        if whole:
            return self._found(whole[1], text, mark)
        rest = _LATER.sub("", PATTERN.sub("", text))
        if "${" in rest:
            self._fault(mark, f"{text!r} holds a reference that cannot be read", "write ${var.name}")
            return text
        return PATTERN.sub(lambda match: self._inner(match[1], match[0], mark), text)

    def _inner(self, dotted: str, text: str, mark: Mark) -> str:
        found = self._found(dotted, text, mark)
        if isinstance(found, Map | Seq):
            self._fault(
                mark, f"{text} is no single value: it cannot stand within a text", "let it stand alone"
            )
            return text
        return str(found).lower() if isinstance(found, bool) else str(found)

    def _found(self, dotted: str, text: str, mark: Mark) -> Any:
        place = parts(dotted)
        if place[0] not in self._now or (place[:2] == ("bundle", "git") and at(self._root, place) is None):
            return text
        if dotted in self._open:
            self._fault(
                mark, f"{text} leads back to itself: {' -> '.join([*self._open, dotted])}", "cut the circle"
            )
            return text
        self._open.append(dotted)
        try:
            return self._value(place, text, mark)
        finally:
            self._open.pop()

    def _value(self, place: Place, text: str, mark: Mark) -> Any:
        of_resource = place[0] == "resources" and len(place) > len(("resources", "kind", "name"))
        if of_resource and at(self._root, place[:3]) is not None:
            found = at(self._root, place)
            return text if found is None else self.fill(found, mark)
        # ${var.x} is what the documentation calls the short form of ${variables.x.value}.
        where = (
            ("variables", place[1], "value", *place[2:]) if place[0] == "var" and len(place) > 1 else place
        )
        found = at(self._root, where)
        if found is None:
            self._fault(mark, f"{text} stands for nothing", self._remedy(place))
            return text
        return self.fill(found, mark)

    def _remedy(self, place: Place) -> str:
        if place[0] == "var":
            known = ", ".join(sorted(at(self._root, ("variables",)) or ()))
            return f"give it a value, or take one of {known}" if known else "declare it under variables:"
        if place[0] == "resources":
            kind = place[1] if len(place) > 1 else ""
            known = ", ".join(sorted(at(self._root, ("resources", kind)) or ()))
            return f"{kind} of this bundle are {known}" if known else f"the bundle has no {kind}"
        return "see the substitutions in the documentation of bundles"
