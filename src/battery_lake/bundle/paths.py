"""Files that a bundle names: beside the file that names them, in the workspace afterwards."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from battery_lake.bundle.tree import Map, Mark, Seq, at

if TYPE_CHECKING:
    from collections.abc import Callable

REMOTE: Final = ("/", "dbfs:", "abfss:", "${", "s3:", "gs:")
"""How a path begins that is none of the bundle's own."""


def rooted(tree: Map, fault: Callable[[Mark, str, str], None]) -> None:
    """Replace relative paths: those of tasks by their place in the workspace, others by that under the root.

    Parameters
    ----------
    tree
        The configuration; changed.
    fault
        Told of files outside of the root.
    """
    files = str(at(tree, ("workspace", "file_path")))
    for job in (at(tree, ("resources", "jobs")) or {}).values():
        for task in at(job, ("tasks",)) or ():
            _task(task, files, fault)
        for environment in at(job, ("environments",)) or ():
            dependencies = at(environment, ("spec", "dependencies"))
            if isinstance(dependencies, Seq):
                pairs = zip(dependencies, dependencies.marks, strict=True)
                dependencies[:] = [_wheel(text, mark) for text, mark in pairs]
    for dashboard in (at(tree, ("resources", "dashboards")) or {}).values():
        if isinstance(dashboard, Map) and isinstance(dashboard.get("file_path"), str):
            own = _own(dashboard["file_path"], dashboard.marks["file_path"], fault)
            dashboard["file_path"] = dashboard["file_path"] if own is None else f"./{own}"


def _task(task: Any, files: str, fault: Callable[[Mark, str, str], None]) -> None:
    for kind, key in (("spark_python_task", "python_file"), ("notebook_task", "notebook_path")):
        part = at(task, (kind,))
        if isinstance(part, Map) and isinstance(part.get(key), str):
            own = _own(part[key], part.marks[key], fault)
            part[key] = part[key] if own is None else f"{files}/{own}"
    for library in at(task, ("libraries",)) or ():
        if isinstance(library, Map) and isinstance(library.get("whl"), str):
            library["whl"] = _wheel(library["whl"], library.marks["whl"])


def _own(text: str, mark: Mark, fault: Callable[[Mark, str, str], None]) -> str | None:
    """Path from the root of a file that stands relative to the YAML that names it."""
    if text.startswith(REMOTE):
        return None
    path = _from_root(text, mark)
    if path.startswith("../"):
        fault(mark, f"{text} is outside of the bundle", "keep the file within the bundle's folder")
    return path


def _wheel(text: Any, mark: Mark) -> Any:
    """Return a wheel as it lies under the root; a requirement as it is."""
    if not isinstance(text, str) or text.startswith(REMOTE) or not text.endswith(".whl"):
        return text
    return f"./{_from_root(text, mark)}"


def _from_root(text: str, mark: Mark) -> str:
    return os.path.normpath(os.path.join(os.path.dirname(mark.file), text)).replace(os.sep, "/")  # noqa: PTH118, PTH120
