"""The order of a run's tasks, whether one runs, what a run came to, and what references stand for.

References
----------
Azure Databricks documentation: "Configure task dependencies" (run if), "Dynamic value references".
"""

from __future__ import annotations

import re
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, Final

from battery_lake.local.workspace.errors import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SUCCESS: Final = "SUCCESS"
GOOD: Final = frozenset({SUCCESS, "EXCLUDED"})
"""Results that count as success where leaves are looked at."""

FAILED: Final = frozenset({"FAILED", "TIMEDOUT", "UPSTREAM_FAILED"})
CANCELED: Final = frozenset({"CANCELED", "UPSTREAM_CANCELED"})
REFERENCE: Final = re.compile(r"\{\{\s*([a-z_]+(?:\.(?:[A-Za-z0-9_\-]+|`[^`]+`))+)\s*\}\}")
KNOWN: Final = ("job.", "task.", "tasks.", "workspace.", "backfill.", "input.")
"""Namespaces: a reference into one of these that does not exist is an error, any other text is text."""


def in_order(tasks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the tasks, each after those that it depends on.

    Raises
    ------
    RefusalError
        A key stands twice, a dependency is none of the tasks, or they go in a circle.
    """
    by_key = {task["task_key"]: dict(task) for task in tasks}
    if len(by_key) < len(tasks):
        raise invalid("The task keys are not unique")
    graph: dict[str, list[str]] = {}
    for key, task in by_key.items():
        graph[key] = [one["task_key"] for one in task.get("depends_on") or ()]
        for upstream in graph[key]:
            if upstream not in by_key:
                raise invalid(f"Invalid dependency: task '{key}' depends on the unknown task '{upstream}'")
    try:
        return [by_key[key] for key in TopologicalSorter(graph).static_order()]
    except CycleError as fault:
        raise invalid(f"The task dependencies form a cycle: {' -> '.join(fault.args[1])}") from fault


def kept_from_running(task: Mapping[str, Any], results: Mapping[str, str]) -> str:
    """Return with which result a task ends without running; empty: it runs.

    Parameters
    ----------
    task
        With ``depends_on`` and ``run_if``.
    results
        Result of every task before it.
    """
    before = [results[one["task_key"]] for one in task.get("depends_on") or ()]
    if not before:
        return ""
    if all(result == "EXCLUDED" for result in before):
        return "EXCLUDED"
    failed = [result in FAILED for result in before]
    done = [result == SUCCESS for result in before]
    condition = task.get("run_if") or "ALL_SUCCESS"
    if condition in {"AT_LEAST_ONE_FAILED", "ALL_FAILED"}:
        return "" if (all(failed) if condition == "ALL_FAILED" else any(failed)) else "EXCLUDED"
    met = {
        "ALL_SUCCESS": all(result in GOOD for result in before),
        "AT_LEAST_ONE_SUCCESS": any(done),
        "NONE_FAILED": not any(failed) and any(done),
        "ALL_DONE": True,
    }[condition]
    if met:
        return ""
    return "UPSTREAM_CANCELED" if any(result in CANCELED for result in before) else "UPSTREAM_FAILED"


def outcome(tasks: Sequence[Mapping[str, Any]], results: Mapping[str, str]) -> str:
    """Return the result of a run: its leaves decide."""
    upstream = {one["task_key"] for task in tasks for one in task.get("depends_on") or ()}
    leaves = [results[task["task_key"]] for task in tasks if task["task_key"] not in upstream]
    if any(result in CANCELED for result in results.values()):
        return "CANCELED"
    if not all(result in GOOD for result in leaves):
        return "FAILED"
    return SUCCESS if all(result in GOOD for result in results.values()) else "SUCCESS_WITH_FAILURES"


def filled(value: Any, values: Mapping[str, str]) -> Any:
    """Return a parameter with every reference in the place of what it stands for.

    Parameters
    ----------
    value
        Text, or lists and dictionaries that hold text.
    values
        By reference: ``job.parameters.vehicles`` say.

    Raises
    ------
    RefusalError
        A reference into a known namespace stands for nothing.
    """
    if isinstance(value, dict):
        return {key: filled(inner, values) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, values) for inner in value]
    if not isinstance(value, str):
        return value

    def stands_for(found: re.Match[str]) -> str:
        name = found[1].replace("`", "")
        if name in values:
            return values[name]
        if name.startswith(KNOWN):
            raise invalid(f"The reference {found[0]} cannot be resolved")
        return found[0]

    return REFERENCE.sub(stands_for, value)
