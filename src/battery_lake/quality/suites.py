"""Suites from disk: the JSON that Great Expectations writes and reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from battery_lake.errors import BatteryLakeError

MESSAGE: Final = "silver.message"
"""The suite whose expectations are the rules of silver."""
SEVERITIES: Final = ("critical", "warning", "info")


class SuiteError(BatteryLakeError):
    """A suite cannot be read, or asks something that cannot be answered."""

    exit_code = 2


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
    """A suite: its name, and its expectations in order."""

    name: str
    expectations: tuple[Expectation, ...]


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
    return Suite(name, expectations)


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
