"""What a target's mode and presets do to resources, and what a bundle says once for all of them."""

from __future__ import annotations

import re
from typing import Any, Final

from battery_lake.bundle.tree import Map, Mark, Seq, at

NAMED: Final = {
    "jobs": "name", "pipelines": "name", "models": "name", "clusters": "cluster_name",
    "sql_warehouses": "name", "dashboards": "display_name", "alerts": "display_name",
}  # fmt: skip
"""Kinds whose names get the prefix as it is, and the field."""

PLAIN_NAMED: Final = ("registered_models", "schemas", "model_serving_endpoints")
"""Kinds whose names take letters, digits and underscores only."""

LEVELS: Final = {
    "jobs": {"CAN_MANAGE": "CAN_MANAGE", "CAN_VIEW": "CAN_VIEW", "CAN_RUN": "CAN_MANAGE_RUN"},
    "dashboards": {"CAN_MANAGE": "CAN_MANAGE", "CAN_VIEW": "CAN_READ"},
}
"""What a level of the bundle's permissions is for resources of a kind."""

DEVELOPMENT_RUNS: Final = 4
"""Runs of a job at once in development, where the job does not say."""


def workspace(tree: Map, user: str) -> None:
    """Put the user and the documented default paths into ``workspace``.

    Parameters
    ----------
    tree
        The configuration; changed.
    user
        Name of who deploys, mostly an address.
    """
    if not isinstance(tree.get("workspace"), Map):
        tree.put("workspace", Map(tree.mark), tree.mark)
    section: Map = tree["workspace"]
    who = Map(section.mark)
    short = re.sub(r"\W", "_", user.partition("@")[0])
    for key, value in (("userName", user), ("short_name", short)):
        who.put(key, value, section.mark)
    section.put("current_user", who, section.mark)
    root = "/Workspace/Users/${workspace.current_user.userName}/.bundle/${bundle.name}/${bundle.target}"
    for key, value in (
        ("root_path", root),
        ("file_path", "${workspace.root_path}/files"),
        ("artifact_path", "${workspace.root_path}/artifacts"),
        ("state_path", "${workspace.root_path}/state"),
        ("resource_path", "${workspace.root_path}/resources"),
    ):
        if section.get(key) is None:
            section.put(key, value, section.mark)
    if str(section["root_path"]).startswith("~/"):
        section["root_path"] = (
            "/Workspace/Users/${workspace.current_user.userName}" + section["root_path"][1:]
        )


def apply(tree: Map) -> None:
    """Apply presets, ``run_as`` and ``permissions`` of the bundle to its resources.

    Development, by its mode: names with ``[dev user]`` before them, schedules paused, a tag ``dev``.

    Parameters
    ----------
    tree
        The configuration, its variables filled; changed.
    """
    said = tree.get("presets") or Map(tree.mark)
    short = str(at(tree, ("workspace", "current_user", "short_name")))
    developing = at(tree, ("bundle", "mode")) == "development"
    prefix = said.get("name_prefix", f"[dev {short}] " if developing else "") or ""
    tags = dict(said.get("tags") or {}) | ({"dev": short} if developing else {})
    pause = said.get("trigger_pause_status", "PAUSED" if developing else None)
    runs = said.get("jobs_max_concurrent_runs", DEVELOPMENT_RUNS if developing else None)
    for kind, key in NAMED.items():
        for resource in _all(tree, kind):
            _prefix(resource, key, prefix)
    skip = at(tree, ("experimental", "skip_name_prefix_for_schema")) is True
    for kind in PLAIN_NAMED:
        for resource in () if kind == "schemas" and skip else _all(tree, kind):
            _prefix(resource, "name", _plain(prefix))
    for job in _all(tree, "jobs"):
        _job(job, tags, pause, runs)
    _everywhere(tree)


def _job(job: Map, tags: dict[str, Any], pause: str | None, runs: int | None) -> None:
    for key, value in tags.items():
        _default(_inner(job, "tags"), key, value)
    if runs:
        _default(job, "max_concurrent_runs", runs)
    if "queue" not in job:  # on for every job unless switched off, says the documentation
        _inner(job, "queue").put("enabled", True, job.mark)
    for kind in ("schedule", "continuous", "trigger"):
        if pause and isinstance(job.get(kind), Map):
            _default(job[kind], "pause_status", pause)


def _everywhere(tree: Map) -> None:
    """``run_as`` and ``permissions`` of the bundle for every resource that takes them."""
    run_as, permissions = tree.get("run_as"), tree.get("permissions")
    if not isinstance(permissions, Seq):
        permissions = Seq(tree.mark)
    for job in _all(tree, "jobs"):
        if run_as is not None and "run_as" not in job:
            job.put("run_as", run_as, tree.marks["run_as"])
    for kind, levels in LEVELS.items():
        for resource in _all(tree, kind):
            for number, permission in enumerate(permissions):
                level = levels.get(str(at(permission, ("level",))))
                if level is None:
                    continue
                entry = Map(permissions.marks[number])
                for key, value in permission.items():
                    entry.put(key, level if key == "level" else value, permission.marks[key])
                _list(resource, "permissions").add(entry, permissions.marks[number])


def _all(tree: Map, kind: str) -> list[Map]:
    found = at(tree, ("resources", kind))
    return [entry for entry in found.values() if isinstance(entry, Map)] if isinstance(found, Map) else []


def _prefix(resource: Map, key: str, prefix: str) -> None:
    if prefix and isinstance(resource.get(key), str):
        resource[key] = prefix + resource[key]


def _plain(prefix: str) -> str:
    """``[dev ann] `` as ``dev_ann_``."""
    words = re.sub(r"\W+", "_", prefix).strip("_").lower()
    return f"{words}_" if words else ""


def _default(target: Map, key: str, value: Any) -> None:
    if target.get(key) is None:
        target.put(key, value, target.mark)


def _inner(target: Map, key: str) -> Map:
    if not isinstance(target.get(key), Map):
        target.put(key, Map(target.mark), target.mark)
    inner: Map = target[key]
    return inner


def _list(target: Map, key: str) -> Seq:
    if not isinstance(target.get(key), Seq):
        target.put(key, Seq(Mark(target.mark.file, target.mark.line)), target.mark)
    inner: Seq = target[key]
    return inner
