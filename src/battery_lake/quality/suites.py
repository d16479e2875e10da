"""Suites from disk: the JSON that Great Expectations writes and reads."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from battery_lake.errors import SuiteError
from battery_lake.tables.registry import TABLES

MESSAGE: Final = "silver.message"
"""The suite whose expectations are the rules of silver."""
PARAMETER: Final = "$PARAMETER"
"""Key of an argument that stands for a setting: ``{"$PARAMETER": name}``."""
SEVERITIES: Final = ("critical", "warning", "info")


@dataclass(frozen=True, slots=True)
class Expectation:
    """One expectation of a suite.

    Parameters
    ----------
    type
        Name that Great Expectations has for it.
    kwargs
        Its arguments; ``{"$PARAMETER": name}`` stands for a setting.
    severity
        critical, warning or info.
    meta
        ``code``, ``why`` and what else belongs to it.
    """

    type: str
    kwargs: dict[str, Any]
    severity: str
    meta: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Suite:
    """A suite.

    Parameters
    ----------
    name
        Of the file too.
    expectations
        In order.
    meta
        ``table`` that is checked; ``columns``: SQL of what the expectations ask about beside the table's own
        columns; ``rows``: ``all`` where not only what is new is looked at.
    tree
        As Great Expectations reads it.
    """

    name: str
    expectations: tuple[Expectation, ...]
    meta: dict[str, Any] = field(default_factory=dict)
    tree: dict[str, Any] = field(default_factory=dict)

    @property
    def asked(self) -> set[str]:
        """The columns that the expectations ask about."""
        named = ("column", "column_A", "column_B")
        single = {e.kwargs[name] for e in self.expectations for name in named if name in e.kwargs}
        return single.union(*(e.kwargs.get("column_list", ()) for e in self.expectations))


def folder() -> Path:
    """Return the folder of the suites: beside the installed package's code, or the repository's own."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "expectations"
    return installed if installed.is_dir() else package.parents[1] / "expectations"


@cache
def read_suite(name: str) -> Suite:
    """Read one suite.

    Raises
    ------
    SuiteError
        The file is missing or is no suite.
    """
    path = folder() / f"{name}.json"
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        expectations = tuple(_expectation(given, path) for given in tree["expectations"])
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise SuiteError(
            f"{path} is no suite", why=f"{type(fault).__name__}: {fault}", remedy="compare it with the others"
        ) from fault
    return Suite(name, expectations, tree.get("meta") or {}, tree)


def table_suites() -> tuple[Suite, ...]:
    """Return the suites of tables, by name.

    Raises
    ------
    SuiteError
        One is no suite, or names no table.
    """
    suites = [read_suite(path.stem) for path in sorted(folder().glob("*.json")) if path.stem != MESSAGE]
    for suite in suites:
        if suite.meta.get("table") not in TABLES:
            raise SuiteError(
                f"the suite {suite.name} names no table",
                why=f"meta has table {suite.meta.get('table')}",
                remedy="name one of `battery-lake tables`",
            )
    return tuple(suites)


def _expectation(given: dict[str, Any], path: Path) -> Expectation:
    severity = given.get("severity", "critical")
    meta = given.get("meta") or {}
    if severity not in SEVERITIES or not meta.get("code") or not meta.get("why"):
        raise SuiteError(
            f"{path}: {given['type']} cannot be used",
            why=f"severity {severity}, meta {meta}",
            remedy=f"severity is one of {', '.join(SEVERITIES)}; meta needs code and why",
        )
    return Expectation(given["type"], given["kwargs"], severity, meta)
