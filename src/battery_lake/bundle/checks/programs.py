"""What tasks run: files that exist, parameters that the job takes, an order that is the lineage's."""

from __future__ import annotations

import ast
import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from battery_lake.bundle.checks.look import line, maps, names, reached, resources
from battery_lake.bundle.faults import Fault
from battery_lake.bundle.references import Reference
from battery_lake.bundle.tree import Map, Mark, Seq
from battery_lake.errors import BatteryLakeError
from battery_lake.pipelines import registry
from battery_lake.pipelines.arguments import parse

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from battery_lake.bundle.load import Bundle
    from battery_lake.pipelines.model import Pipeline

BESIDE_TABLES: Final = {("train", "promote")}
"""Pipelines of which the second takes from the first what is in no table: a model."""

SECRET: Final = re.compile(r"(?i)(key|password|token|connection_string|secret)[\w.]*=(?!secret:|$|\$\{)\S+")
REQUIREMENT: Final = re.compile(
    r"[A-Za-z0-9][\w.-]*(\[[\w,-]+\])?\s*((===|==|~=|!=|<=|>=|<|>)\s*[\w.*+!-]+\s*,?\s*)+"
)


def files(bundle: Bundle) -> Iterator[Fault]:
    """Files of tasks are there, go into the workspace, and run a job of this package."""
    for _, job in resources(bundle, "jobs"):
        for task in maps(job, "tasks"):
            part = task.get("spark_python_task")
            if not isinstance(part, Map):
                continue
            mark, path = line(part, "python_file"), script(bundle, part)
            if path is None:
                yield _fault(
                    mark, f"{part.get('python_file')} is no file of this bundle", "write ../jobs/NAME.py"
                )
            elif not (bundle.root / path).is_file():
                yield _fault(mark, f"{path} is not there", "paths start at the YAML file that names them")
            elif not _synced(bundle, path):
                yield _fault(mark, f"{path} does not go into the workspace", "add its folder to sync: paths:")
            elif _runs(bundle.root / path) is None:
                yield _fault(mark, f"{path} runs no job of the registry", "see the other files in jobs/")


def script(bundle: Bundle, part: Map) -> str | None:
    """Return the path below the bundle's root of a task's file."""
    prefix = f"{bundle.workspace['file_path']}/"
    text = str(part.get("python_file"))
    return text.removeprefix(prefix) if text.startswith(prefix) else None


def _synced(bundle: Bundle, path: str) -> bool:
    sync = bundle.tree.get("sync")
    paths = sync.get("paths") if isinstance(sync, Map) else None
    folders = [str(folder).strip("./") for folder in paths] if isinstance(paths, Seq) else [""]
    return any(not folder or path == folder or path.startswith(f"{folder}/") for folder in folders)


def _runs(path: Path) -> str | None:
    """The job of the registry that a script calls."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except SyntaxError:
        return None
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "main":
            name = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
            if isinstance(name, str) and name in {*registry.JOBS, *registry.ERRANDS}:
                return name
    return None


def parameters(bundle: Bundle) -> Iterator[Fault]:
    """Parameters of tasks are what the job takes: settings, and its own words."""
    for _, job in resources(bundle, "jobs"):
        defaults = {str(p.get("name")): str(p.get("default", "")) for p in maps(job, "parameters")}
        for task in maps(job, "tasks"):
            part = task.get("spark_python_task")
            words = part.get("parameters") if isinstance(part, Map) else None
            if not isinstance(part, Map) or not isinstance(words, Seq):
                if isinstance(part, Map):
                    yield _fault(
                        part.mark, f"{task.get('task_key')} is told nothing", "parameters: ${var.settings}"
                    )
                continue
            for word, mark in zip(words, words.marks, strict=True):
                if SECRET.search(str(word)):
                    what = "a secret stands in plain text, where everybody reads it who sees the job"
                    yield _fault(mark, what, "write secret:${var.secret_scope}/NAME")
            path = script(bundle, part)
            if path and (bundle.root / path).is_file():
                yield from _parsed(bundle, _Told(task, part, words, defaults), path)


class _Told:
    """What a task's file is told once the run has filled in its own values."""

    def __init__(self, task: Map, part: Map, words: Seq, defaults: dict[str, str]) -> None:
        self.task, self.part, self.marks = task, part, words.marks
        filled = [str(word).replace("{{task.name}}", str(task.get("task_key"))) for word in words]
        self.words = [
            re.sub(r"\{\{job\.parameters\.([\w-]+)\}\}", lambda m: defaults.get(m[1], ""), word)
            for word in filled
        ]


def _parsed(bundle: Bundle, told: _Told, path: str) -> Iterator[Fault]:
    job = _runs(bundle.root / path)
    if job is None:
        return
    errand = registry.ERRANDS.get(job)
    own = errand.own if errand else ()
    prefix = f"--config={bundle.workspace['file_path']}/"
    config = next((word for word in told.words if word.startswith(prefix)), "")
    file = bundle.root / config.removeprefix(prefix)
    if not config:
        yield _fault(told.part.mark, f"{told.task.get('task_key')} has no settings file", "pass --config=")
    elif not file.is_file() or not _synced(bundle, config.removeprefix(prefix)):
        mark = told.marks[told.words.index(config)]
        yield _fault(
            mark, f"{config.removeprefix(prefix)} is not there", "bundles/config has a file a target"
        )
    rest = [word for word in told.words if word != config]
    faulty = False
    for word, mark in zip(told.words, told.marks, strict=True):
        fault = "" if word == config else _refused([word], own)
        faulty = faulty or bool(fault)
        if fault:
            yield _fault(
                mark,
                f"{path} refuses {word.partition('=')[0]}: {fault}",
                "battery-lake settings lists every key",
            )
    if not faulty and file.is_file() and config and (fault := _refused([f"--config={file}", *rest], own)):
        yield _fault(
            Mark(config.removeprefix(prefix), _toml_line(file, fault)), fault, "mend the settings file"
        )
    if not faulty and not errand:
        yield from _chosen(job, told)


def _refused(words: list[str], own: Sequence[str]) -> str:
    try:
        parse(words, own)
    except BatteryLakeError as fault:
        return fault.what
    return ""


def _toml_line(file: Path, fault: str) -> int:
    """The line of the key that a message names."""
    keys = {word.rpartition(".")[2] for word in re.findall(r"[\w.]+", fault)}
    for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        if text.partition("=")[0].strip() in keys:
            return number
    return 1


def _chosen(job: str, told: _Told) -> Iterator[Fault]:
    task = next((word.removeprefix("--task=") for word in told.words if word.startswith("--task=")), "")
    try:
        registry.chosen(job, task)
    except BatteryLakeError as fault:
        yield _fault(line(told.task, "task_key"), fault.what, fault.remedy)


def wheel(bundle: Bundle) -> Iterator[Fault]:
    """The wheel is built anew under another name each time, every task has it, requirements can be read."""
    artifacts = [
        a
        for a in (bundle.tree.get("artifacts") or {}).values()
        if isinstance(a, Map) and a.get("type") == "whl"
    ]
    if not artifacts:
        yield _fault(line(bundle.tree, "artifacts"), "no wheel is built", "add an artifact of type: whl")
    for artifact in artifacts:
        if artifact.get("dynamic_version") is not True:
            what = "clusters keep a wheel whose name they know: the old code would run"
            yield _fault(line(artifact, "dynamic_version"), what, "set dynamic_version: true")
        if not (bundle.root / str(artifact.get("path", ".")) / "pyproject.toml").is_file():
            yield _fault(line(artifact, "path"), "there is no pyproject.toml to build from", "path: .")
        if "uv build" not in str(artifact.get("build")) or "--wheel" not in str(artifact.get("build")):
            yield _fault(
                line(artifact, "build"), "the build makes no wheel under dist", "build: uv build --wheel"
            )
    for _, job in resources(bundle, "jobs"):
        for environment in maps(job, "environments"):
            spec = environment.get("spec")
            yield from _listed(spec.get("dependencies") if isinstance(spec, Map) else None, environment.mark)
        for task in maps(job, "tasks"):
            if "job_cluster_key" in task:
                libraries = maps(task, "libraries")
                whl = [str(library["whl"]) for library in libraries if "whl" in library]
                found = task.get("libraries")
                yield from _wheels(whl, found.mark if isinstance(found, Seq) else task.mark)


def _listed(dependencies: Any, mark: Mark) -> Iterator[Fault]:
    found = dependencies if isinstance(dependencies, Seq) else Seq(mark)
    yield from _wheels([str(text) for text in found if str(text).endswith(".whl")], found.mark)
    for text, at in zip(found, found.marks, strict=True):
        if not str(text).endswith(".whl") and not REQUIREMENT.fullmatch(str(text)):
            yield _fault(at, f"{text} is no requirement with a version", "write name>=1.2, say")


def _wheels(found: list[str], mark: Mark) -> Iterator[Fault]:
    if "./dist/*.whl" not in found:
        yield _fault(mark, "the package itself is not installed there", "add ../dist/*.whl")


def lineage(bundle: Bundle) -> Iterator[Fault]:
    """Tasks wait for those that write what they read, for no others; every pipeline has its task."""
    for name, job in resources(bundle, "jobs"):
        runs = {str(task.get("task_key")): _pipelines(bundle, task) for task in maps(job, "tasks")}
        waits = {
            str(t.get("task_key")): set(names(maps(t, "depends_on"), "task_key")) for t in maps(job, "tasks")
        }
        needs = {key: {other for other in runs if _before(runs[other], runs[key])} for key in runs}
        for task in maps(job, "tasks"):
            key = str(task.get("task_key"))
            if not runs[key]:
                continue
            actual, wanted = reached(waits, key), reached(needs, key)
            for other in sorted(wanted - actual):
                yield _fault(
                    line(task, "depends_on"),
                    f"{name}: {key} does not wait for {other}, whose tables it reads",
                    f"add task_key: {other}",
                )
            for other in sorted(waits[key] - wanted):
                if runs.get(other):
                    yield _fault(
                        line(task, "depends_on"),
                        f"{name}: {key} waits for {other}, of which it reads nothing",
                        f"take {other} out",
                    )
    yield from _everywhere(bundle)


def _everywhere(bundle: Bundle) -> Iterator[Fault]:
    where: dict[str, list[Mark]] = {}
    for _, job in resources(bundle, "jobs"):
        for task in maps(job, "tasks"):
            if "run_job_task" not in task:
                for pipeline in _pipelines(bundle, task):
                    where.setdefault(pipeline.name, []).append(line(task, "task_key"))
    for name in registry.PIPELINES:
        places = where.get(name, [])
        if not places:
            yield _fault(bundle.where("resources", "jobs"), f"no task runs {name}", "add one")
        elif len(places) > 1 and name != "ingest":  # every way of ingesting keeps a place of its own
            yield _fault(
                places[1],
                f"{name} is run by another job too ({places[0]}), and they share a checkpoint",
                "keep one",
            )


def _pipelines(bundle: Bundle, task: Map) -> tuple[Pipeline, ...]:
    """What a task runs, through other jobs too."""
    part = task.get("run_job_task")
    if isinstance(part, Map) and isinstance(part.get("job_id"), Reference):
        jobs = dict(resources(bundle, "jobs"))
        inner = [jobs[later.name] for later in part["job_id"].laters if later.name in jobs]
        return tuple(
            p
            for job in inner
            for t in maps(job, "tasks")
            if "run_job_task" not in t
            for p in _pipelines(bundle, t)
        )
    part = task.get("spark_python_task")
    path = script(bundle, part) if isinstance(part, Map) else None
    runs = _runs(bundle.root / path) if path and (bundle.root / path).is_file() else None
    if runs not in registry.JOBS:
        return ()
    words = [str(word) for word in part.get("parameters") or ()] if isinstance(part, Map) else []
    key = str(task.get("task_key")) if "--task={{task.name}}" in words else ""
    return tuple(p for p in registry.JOBS[runs] if key in {"", p.name})


def _before(first: tuple[Pipeline, ...], second: tuple[Pipeline, ...]) -> bool:
    """Whether something in ``second`` waits for ``first``: it reads, or writes too, what that writes."""
    order = list(registry.PIPELINES)
    return any(
        (a.name, b.name) in BESIDE_TABLES
        or (order.index(a.name) < order.index(b.name) and set(a.writes) & {*b.reads, *b.writes})
        for a in first
        for b in second
    )


def config(bundle: Bundle) -> Iterator[Fault]:
    """Settings files of targets: TOML without secrets, and without what tasks are told anyway."""
    folder = bundle.root / "bundles" / "config"
    for path in sorted(folder.glob("*.toml")):
        file = path.relative_to(bundle.root).as_posix()
        text = path.read_text(encoding="utf-8")
        try:
            tomllib.loads(text)
        except tomllib.TOMLDecodeError as fault:
            found = re.search(r"line (\d+)", str(fault))
            yield _fault(Mark(file, int(found[1]) if found else 1), f"no TOML: {fault}", "mend the line")
        for number, words in enumerate(text.splitlines(), 1):
            if SECRET.search(words.replace(" ", "").replace('"', "")):
                yield _fault(Mark(file, number), "a secret stands in a file", "keep it in the secret scope")


def _fault(mark: Mark, what: str, remedy: str) -> Fault:
    return Fault(mark, what, remedy, "programs")
