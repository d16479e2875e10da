"""Keys within a job that lead nowhere, and tasks that wait for each other."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from battery_lake.bundle.checks.look import line, maps, names, reached, resources
from battery_lake.bundle.faults import Fault
from battery_lake.bundle.references import Reference
from battery_lake.bundle.tree import Map, Mark, Seq

if TYPE_CHECKING:
    from collections.abc import Iterator

    from battery_lake.bundle.load import Bundle

DYNAMIC: Final = re.compile(r"\{\{\s*([^}]*?)\s*\}\}")
KNOWN_DYNAMIC: Final = re.compile(
    r"(job\.(id|name|run_id|repair_count|start_time\.\w+|trigger\.[\w.]+|parameters\.(?P<parameter>[\w-]+))"
    r"|task\.(name|run_id|execution_count|notebook_path)|workspace\.(id|url)|backfill\.\w+"
    r"|tasks\.(?P<task>[\w-]+)\.(run_id|result_state|error_code|execution_count|values\.[\w-]+))"
)
"""Dynamic value references of jobs, as documented."""

TASK_KINDS: Final = re.compile(r".*_task$")


def keys(bundle: Bundle) -> Iterator[Fault]:
    """Task, cluster, environment and parameter keys that stand twice or lead nowhere."""
    for name, job in resources(bundle, "jobs"):
        tasks = maps(job, "tasks")
        if not tasks:
            yield _fault(job.mark, f"{name} has no tasks", "add tasks:")
        for part, key in (
            ("tasks", "task_key"), ("job_clusters", "job_cluster_key"), ("environments", "environment_key"),
            ("parameters", "name"),
        ):  # fmt: skip
            yield from _twice(maps(job, part), key)
        for task in tasks:
            yield from _task(job, task)
        for part, key in (("job_clusters", "job_cluster_key"), ("environments", "environment_key")):
            for entry in maps(job, part):
                if str(entry.get(key)) not in names(tasks, key):
                    yield _fault(line(entry, key), f"no task of {name} uses {entry.get(key)}", "take it out")


def _twice(items: list[Map], key: str) -> Iterator[Fault]:
    for word, count in Counter(names(items, key)).items():
        if count > 1:
            second = [item for item in items if item.get(key) == word][1]
            yield _fault(line(second, key), f"{key} {word} stands twice", "give each a key of its own")


def _task(job: Map, task: Map) -> Iterator[Fault]:
    tasks = names(maps(job, "tasks"), "task_key")
    for needed in maps(task, "depends_on"):
        word = str(needed.get("task_key"))
        if word not in tasks:
            yield _fault(line(needed, "task_key"), f"there is no task {word} to wait for", _near(word, tasks))
    for part, key in (("job_clusters", "job_cluster_key"), ("environments", "environment_key")):
        known = names(maps(job, part), key)
        if key in task and str(task[key]) not in known:
            yield _fault(line(task, key), f"the job has no {key} {task[key]}", _near(str(task[key]), known))
    kinds = [key for key in task if TASK_KINDS.fullmatch(key)]
    if len(kinds) != 1:
        yield _fault(
            task.mark,
            f"a task does one thing, this one {len(kinds)}",
            "one of spark_python_task, run_job_task",
        )
    compute = [
        key
        for key in ("environment_key", "job_cluster_key", "existing_cluster_id", "new_cluster")
        if key in task
    ]
    if len(compute) > 1:
        yield _fault(line(task, compute[1]), f"{' and '.join(compute)}: two kinds of compute", "keep one")
    if "spark_python_task" in task and not compute:
        yield _fault(
            task.mark, f"{task.get('task_key')} has no compute", "add environment_key: or job_cluster_key:"
        )
    if "environment_key" in task and "libraries" in task:
        what = "serverless compute takes no libraries"
        yield _fault(line(task, "libraries"), what, "put them under dependencies of the environment")


def circles(bundle: Bundle) -> Iterator[Fault]:
    """Tasks that wait for themselves, jobs that start themselves."""
    for _, job in resources(bundle, "jobs"):
        waits = {str(t.get("task_key")): names(maps(t, "depends_on"), "task_key") for t in maps(job, "tasks")}
        for task in maps(job, "tasks"):
            if str(task.get("task_key")) in reached(waits, str(task.get("task_key"))):
                yield _fault(
                    line(task, "depends_on"), f"{task.get('task_key')} waits for itself", "cut the circle"
                )
    starts = {name: [key for _, key in _started(job)] for name, job in resources(bundle, "jobs")}
    for name, job in resources(bundle, "jobs"):
        for mark, key in _started(job):
            if name == key or name in reached(starts, key):
                yield _fault(mark, f"{name} starts itself", "cut the circle")


def _started(job: Map) -> Iterator[tuple[Mark, str]]:
    for task in maps(job, "tasks"):
        part = task.get("run_job_task")
        if isinstance(part, Map) and isinstance(part.get("job_id"), Reference):
            yield from ((part.marks["job_id"], later.name) for later in part["job_id"].laters)


def references(bundle: Bundle) -> Iterator[Fault]:
    """References to other resources that are no job's id, and ids that belong to one workspace only."""
    for _, job in resources(bundle, "jobs"):
        for task in maps(job, "tasks"):
            part = task.get("run_job_task")
            if not isinstance(part, Map) or "job_id" not in part:
                continue
            laters = part["job_id"].laters if isinstance(part["job_id"], Reference) else ()
            if not any(
                (later.source, later.kind, later.field) == ("resources", "jobs", "id") for later in laters
            ):
                what = f"job_id {part['job_id']} is no job of this bundle"
                yield _fault(part.marks["job_id"], what, "write ${resources.jobs.NAME.id}")


def dynamic(bundle: Bundle) -> Iterator[Fault]:
    """``{{...}}`` that no run fills."""
    for name, job in resources(bundle, "jobs"):
        parameters, tasks = names(maps(job, "parameters"), "name"), names(maps(job, "tasks"), "task_key")
        used: set[str] = set()
        for text, mark in _texts(job, job.mark):
            for match in DYNAMIC.finditer(text):
                known = KNOWN_DYNAMIC.fullmatch(match[1])
                if known is None:
                    yield _fault(mark, f"{match[0]} is no value of a run", "see dynamic value references")
                    continue
                used.add(known["parameter"] or "")
                for word, ours in ((known["parameter"], parameters), (known["task"], tasks)):
                    if word and word not in ours:
                        yield _fault(mark, f"{match[0]}: {name} has no {word}", _near(word, ours))
        for parameter in maps(job, "parameters"):
            if parameter.get("name") not in used:
                yield _fault(
                    parameter.mark,
                    f"no task of {name} takes {parameter.get('name')}",
                    "take it out, or pass it on",
                )


def _texts(tree: Any, mark: Mark) -> Iterator[tuple[str, Mark]]:
    if isinstance(tree, Map):
        for key, value in tree.items():
            yield from _texts(value, tree.marks[key])
    elif isinstance(tree, Seq):
        for value, at in zip(tree, tree.marks, strict=True):
            yield from _texts(value, at)
    elif isinstance(tree, str):
        yield tree, mark


def _near(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known) or 'none'}"


def _fault(mark: Mark, what: str, remedy: str) -> Fault:
    return Fault(mark, what, remedy, "wiring")
