"""The pieces that commands are put together from: names, lists of columns, properties, literals."""

from __future__ import annotations

import json
import re
from typing import Final

from battery_lake.local.kusto.errors import RefusalError, syntax
from battery_lake.local.kusto.query import bare
from battery_lake.local.kusto.values import ARROW

STRING: Final = r'"(?:[^"\\]|\\.)*"'
NAME: Final = r"(?:\w+|\[['\"][\w -]+['\"]\])"
_ALIASES: Final = {"double": "real", "boolean": "bool", "date": "datetime"}
_PROPERTY: Final = re.compile(rf"(\w+)\s*=\s*({STRING}|[\w.]+)")
_COLUMN: Final = re.compile(rf"({NAME})\s*:\s*(\w+)")
_DOCSTRING: Final = re.compile(rf"({NAME})\s*:\s*({STRING})")
_BLOCK: Final = re.compile(r"```(.*)```", re.DOTALL)


def properties(text: str | None) -> dict[str, str]:
    """Return what stands within ``with (...)``, by its name in lower case.

    Examples
    --------
    >>> properties('folder = "lake", autoUpdateSchema = true')
    {'folder': 'lake', 'autoupdateschema': 'true'}
    """
    return {name.lower(): unquoted(value) for name, value in _PROPERTY.findall(text or "")}


def columns(text: str) -> dict[str, str]:
    """Return columns with their types.

    Raises
    ------
    RefusalError
        The list cannot be read, or a type is unknown.

    Examples
    --------
    >>> columns("pack_id: string, ['kind']: string")
    {'pack_id': 'string', 'kind': 'string'}
    """
    found: dict[str, str] = {}
    for each in text.split(","):
        column = _COLUMN.fullmatch(each.strip())
        if column is None:
            raise syntax(f"no column: {each.strip()!r}")
        kind = _ALIASES.get(column[2], column[2])
        if kind not in ARROW:
            raise RefusalError(f"Semantic error: '{column[2]}' is no type that the stand-in keeps")
        found[bare(column[1])] = kind
    return found


def docstrings(text: str) -> dict[str, str]:
    """Return what is said of each column."""
    return {bare(name): unquoted(said) for name, said in _DOCSTRING.findall(text)}


def block(text: str) -> str:
    """Return what stands between triple back-ticks, or the literal that a text is.

    Raises
    ------
    RefusalError
        It is neither.
    """
    text = text.strip()
    if found := _BLOCK.fullmatch(text):
        return found[1].strip()
    if re.fullmatch(STRING, text) or (len(text) > 1 and text[0] == text[-1] == "'"):
        return unquoted(text)
    raise syntax(f"a string literal is needed: {text[:80]!r}")


def unquoted(text: str) -> str:
    """Return the text of a literal; what is no literal stays as it is."""
    if text.startswith('"'):
        return str(json.loads(text))
    return text[1:-1] if text.startswith("'") else text
