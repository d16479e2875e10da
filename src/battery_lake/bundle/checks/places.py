"""Where tasks keep what must outlive them: on volumes, with models in the catalog."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, Final

from battery_lake.bundle.checks.look import maps, resources
from battery_lake.bundle.faults import Fault
from battery_lake.bundle.tree import Map, Mark, Seq

if TYPE_CHECKING:
    from collections.abc import Iterator

    from battery_lake.bundle.load import Bundle

HOME: Final = "home"
FOLDERS: Final = (HOME, "lake.checkpoints", "source.landing", "models.folder")
"""Settings that name a folder; those but home lie under home where they are not set."""

LASTS: Final = re.compile(r"/Volumes/|abfss://")
STORES: Final = ("models.tracking", "models.registry")
CONFIG: Final = "--config="


def places(bundle: Bundle) -> Iterator[Fault]:
    """Folders that tasks are told lie on a volume or in storage; models are registered in the catalog."""
    models = {
        f"{model.get('catalog_name')}.{model.get('schema_name')}.{model.get('name')}"
        for _, model in resources(bundle, "registered_models")
    }
    for _, job in resources(bundle, "jobs"):
        for task in maps(job, "tasks"):
            part = task.get("spark_python_task")
            if isinstance(part, Map) and isinstance(part.get("parameters"), Seq):
                yield from _told(_settings(bundle, part["parameters"]), part.mark, models)


def _settings(bundle: Bundle, words: Seq) -> dict[str, tuple[str, Mark]]:
    """What a task is told, by key, and where: the words of its command line win over its file."""
    found: dict[str, tuple[str, Mark]] = {}
    prefix = f"{CONFIG}{bundle.workspace['file_path']}/"
    for word in map(str, words):
        if word.startswith(prefix):
            found |= _file(bundle, word.removeprefix(prefix))
    for word, mark in zip(words, words.marks, strict=True):
        key, _, value = str(word).removeprefix("--").partition("=")
        found[key] = (value, mark)
    return found


def _file(bundle: Bundle, name: str) -> dict[str, tuple[str, Mark]]:
    """The same of a settings file; one that is none is another check's to tell."""
    try:
        text = (bundle.root / name).read_text(encoding="utf-8")
        tree: dict[str, Any] = tomllib.loads(text)
    except (OSError, tomllib.TOMLDecodeError):
        return {}
    lines = [line.partition("=")[0].strip() for line in text.splitlines()]
    found = {}
    for section, value in tree.items():
        pairs = value.items() if isinstance(value, dict) else [("", value)]
        for key, inner in pairs:
            number = lines.index(key or section) + 1 if (key or section) in lines else 1
            found[f"{section}.{key}" if key else section] = (str(inner), Mark(name, number))
    return found


def _told(told: dict[str, tuple[str, Mark]], mark: Mark, models: set[str]) -> Iterator[Fault]:
    for key in FOLDERS:
        value, at = told.get(key, ("", mark))
        if value and not LASTS.match(value):
            what = f"{key} = {value} lies on the machine that runs the task, and goes with it"
            yield _fault(at, what, "write /Volumes/${var.catalog}/ops/..., a volume of bundles/volumes.yml")
    if not told.get(HOME, ("", mark))[0]:
        yield _fault(
            mark, "the task has no home, and would write beside its file", "pass --home=/Volumes/..."
        )
    for key in STORES:
        value, at = told.get(key, ("", mark))
        if not value or value.startswith("sqlite:"):
            what = f"{key} would be an SQLite file, which a volume cannot hold: it takes whole files only"
            yield _fault(
                at, what, "write databricks for tracking, databricks-uc for registry, in bundles/config"
            )
    value, at = told.get("models.name", ("", mark))
    if value not in models:
        what = f"models are registered as {value or 'battery_rul'}, which the bundle does not make"
        yield _fault(at, what, f"the bundle has {', '.join(sorted(models)) or 'no model'}")


def _fault(mark: Mark, what: str, remedy: str) -> Fault:
    return Fault(mark, what, remedy, "places")
