"""The query language: from text to a tree.

References
----------
Microsoft, Azure Digital Twins query language reference: SELECT, FROM, JOIN, MATCH and WHERE clauses,
operators and functions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from battery_lake.local.twins.errors import ServiceError

MAX_CHARACTERS: Final = 8_000
MAX_LOGICAL: Final = 50
MAX_IN: Final = 50
MAX_JOINS: Final = 5
TOKEN: Final = re.compile(
    r"\s*(?:(?P<string>'(?:[^'\\]|\\.)*')|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"|(?P<name>\$?[A-Za-z_]\w*)|(?P<sign><>|<=|>=|!=|->|<-|\.\.|[=<>(),.*\[\]:|-]))"
)
COMPARISONS: Final = frozenset({"=", "!=", "<>", "<", "<=", ">", ">="})
FUNCTIONS: Final = frozenset({
    "STARTSWITH", "ENDSWITH", "CONTAINS", "IS_DEFINED", "IS_OF_MODEL", "IS_STRING", "IS_NUMBER", "IS_BOOL",
    "IS_NULL", "IS_OBJECT", "IS_PRIMITIVE", "ARRAY_CONTAINS",
})  # fmt: skip
RESERVED: Final = frozenset({"WHERE", "JOIN", "MATCH", "FROM", "SELECT", "RELATED"})

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Literal:
    """A value that stands in the query."""

    value: Any


@dataclass(frozen=True, slots=True)
class Reference:
    """A property, or a whole twin: names from the collection's on."""

    path: Path


@dataclass(frozen=True, slots=True)
class Call:
    """An operator or a function on its arguments."""

    name: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Join:
    """Twins that a twin is related to: ``JOIN twin RELATED source.name relationship``."""

    twin: str
    source: str
    name: str
    relationship: str


@dataclass(frozen=True, slots=True)
class Hop:
    """One arrow of a pattern, from the twin before it to the twin after it.

    Parameters
    ----------
    relationship
        Variable of the relationship; empty: it has none.
    names
        Names that it may have; empty: any.
    least, most
        How many relationships in a row.
    forward, backward
        Directions that it may have.
    twin
        Variable of the twin after it.
    """

    relationship: str
    names: tuple[str, ...]
    least: int
    most: int
    forward: bool
    backward: bool
    twin: str


@dataclass(slots=True)
class Query:
    """A query.

    Parameters
    ----------
    columns
        What is selected, each with its name; empty: the documents themselves.
    counts
        Whether only their number is asked for.
    top
        So many at most.
    collection
        DIGITALTWINS or RELATIONSHIPS.
    alias
        The collection's variable; empty: names are properties.
    joins, hops
        How further twins are found.
    where
        The condition.
    """

    columns: tuple[tuple[Reference, str], ...] = ()
    counts: bool = False
    top: int | None = None
    collection: str = ""
    alias: str = ""
    joins: tuple[Join, ...] = ()
    hops: tuple[Hop, ...] = ()
    where: Any = None


def fault(text: str, position: int, message: str) -> ServiceError:
    """Return the refusal of a query, as the service words it."""
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1)
    return ServiceError(
        400,
        "SqlQueryError",
        f"SQL query parse failed: SQL Parser Error, Line={line}, Position={column}, Message={message} See"
        " samples in https://aka.ms/adtv2query for the correct syntax.",
    )


class Tokens:
    """The words of a query, taken one after the other.

    Parameters
    ----------
    text
        The query.

    Raises
    ------
    ServiceError
        It is too long, or has a character that the language does not know.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._words: list[tuple[str, str, int]] = []
        if len(text) > MAX_CHARACTERS:
            raise fault(text, 0, f"the query is longer than {MAX_CHARACTERS} characters")
        at, end = 0, len(text.rstrip())
        while at < end:
            found = TOKEN.match(text, at)
            if found is None:
                raise fault(text, at, f"token recognition error at: '{text[at:].strip()[:1]}'")
            kind = str(found.lastgroup)
            self._words.append((kind, found[kind], found.start(kind)))
            at = found.end()
        self._at = 0

    @property
    def next(self) -> str:
        """The next word as it stands; empty at the end."""
        return self._words[self._at][1] if self._at < len(self._words) else ""

    @property
    def kind(self) -> str:
        """What the next word is: string, number, name or sign; empty at the end."""
        return self._words[self._at][0] if self._at < len(self._words) else ""

    def take(self) -> str:
        """Take the next word, whatever it is."""
        word = self.next
        self._at += 1
        return word

    def accept(self, *words: str) -> str:
        """Take the next word if it is one of these, in any case; else return nothing."""
        if self.kind in {"name", "sign"} and self.next.upper() in words:
            return self.take().upper()
        return ""

    def expect(self, word: str) -> None:
        """Take a word that must come now.

        Raises
        ------
        ServiceError
            Another comes.
        """
        if not self.accept(word):
            raise self.wrong(f"missing {word} at '{self.next or '<EOF>'}'")

    def name(self) -> str:
        """Take a name that must come now.

        Raises
        ------
        ServiceError
            Something else comes.
        """
        if self.kind != "name":
            raise self.wrong(f"missing a name at '{self.next or '<EOF>'}'")
        return self.take()

    def number(self) -> int:
        """Take a whole number that must come now.

        Raises
        ------
        ServiceError
            Something else comes.
        """
        if not self.next.isdigit():
            raise self.wrong(f"missing a whole number at '{self.next or '<EOF>'}'")
        return int(self.take())

    def wrong(self, message: str) -> ServiceError:
        """Return the refusal that names the present place."""
        at = self._words[self._at][2] if self._at < len(self._words) else len(self.text)
        return fault(self.text, at, message)
