"""Fields and values that the REST API does not know, by the dataclasses of ``databricks-sdk``."""

from __future__ import annotations

import dataclasses
import difflib
import enum
import functools
import inspect
import types
import typing
from typing import TYPE_CHECKING, Any, Final

from databricks.sdk.service import catalog, dashboards, jobs

from battery_lake.bundle.checks.look import line, maps, resources
from battery_lake.bundle.faults import Fault
from battery_lake.bundle.references import Reference
from battery_lake.bundle.tree import Map, Mark, Seq, plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from battery_lake.bundle.load import Bundle

KINDS: Final = {
    "jobs": jobs.JobSettings,
    "schemas": catalog.SchemasAPI.create,
    "volumes": catalog.VolumesAPI.create,
    "registered_models": catalog.RegisteredModelsAPI.create,
    "dashboards": dashboards.Dashboard,
}
"""Kinds of resources that the bundle has, and what of the SDK takes them."""

LEVELS: Final = {"jobs": jobs.JobPermissionLevel, "dashboards": None}

BUNDLE_ONLY: Final[dict[str, Any]] = {
    "lifecycle": dict[str, Any],
    "file_path": str,
    "dataset_catalog": str,
    "dataset_schema": str,
    "embed_credentials": bool,
    "grants": list[catalog.PrivilegeAssignment],
}
"""Fields of resources that only bundles have."""

TOP: Final = frozenset({
    "bundle", "include", "artifacts", "sync", "variables", "targets", "resources", "permissions", "run_as",
    "workspace", "presets", "experimental", "scripts", "python",
})  # fmt: skip
SECTIONS: Final = {
    "bundle": {"name", "uuid", "databricks_cli_version", "cluster_id", "git", "deployment", "engine"},
    "workspace": {
        "host", "profile", "root_path", "file_path", "artifact_path", "state_path", "resource_path",
        "auth_type", "azure_client_id", "azure_environment", "azure_tenant_id", "azure_workspace_resource_id",
        "client_id",
    },
    "presets": {
        "name_prefix", "tags", "trigger_pause_status", "jobs_max_concurrent_runs",
        "pipelines_development", "source_linked_deployment", "artifacts_dynamic_version",
    },
    "experimental": {
        "skip_name_prefix_for_schema", "python_wheel_wrapper", "use_legacy_run_as", "scripts", "python",
    },
    "sync": {"include", "exclude", "paths"},
    "run_as": {"service_principal_name", "user_name", "group_name"},
}  # fmt: skip
ENTRIES: Final = {
    "artifacts": {"type", "build", "path", "files", "executable", "dynamic_version"},
    "variables": {"default", "description", "lookup", "type"},
    "permissions": {"level", "user_name", "group_name", "service_principal_name"},
}
TARGET: Final = (TOP - {"include", "targets", "scripts", "python"}) | {"default", "mode", "git", "cluster_id"}
BUNDLE_LEVELS: Final = ("CAN_MANAGE", "CAN_VIEW", "CAN_RUN")
"""What the permissions of a bundle may say."""

MODES: Final = ("development", "production")


def bundle_keys(bundle: Bundle) -> Iterator[Fault]:
    """Keys of databricks.yml, its targets and included files that the documentation does not have."""
    yield from _levels(bundle.raw)
    yield from _keys(bundle.raw, TOP)
    yield from _sections(bundle.raw)
    for target in (bundle.raw.get("targets") or {}).values():
        if isinstance(target, Map):
            yield from _levels(target)
            yield from _keys(target, TARGET)
            yield from _sections(target)
            if "mode" in target and target["mode"] not in MODES:
                yield _fault(line(target, "mode"), f"there is no mode {target['mode']}", " or ".join(MODES))


def _levels(tree: Map) -> Iterator[Fault]:
    for entry in maps(tree, "permissions"):
        if entry.get("level") not in BUNDLE_LEVELS:
            what = f"level cannot be {entry.get('level')}"
            yield _fault(line(entry, "level"), what, _near(str(entry.get("level")), BUNDLE_LEVELS))


def _sections(tree: Map) -> Iterator[Fault]:
    for name, known in SECTIONS.items():
        if isinstance(tree.get(name), Map):
            yield from _keys(tree[name], known)
    for name, known in ENTRIES.items():
        section = tree.get(name)
        in_target = name == "variables" and "targets" not in tree  # there, any mapping may be a value
        for entry in (
            section.values() if isinstance(section, Map) else section if isinstance(section, Seq) else ()
        ):
            if isinstance(entry, Map) and not in_target:
                yield from _keys(entry, known)


def _keys(tree: Map, known: set[str] | frozenset[str]) -> Iterator[Fault]:
    for key in tree:
        if key not in known:
            yield _fault(tree.marks[key], f"there is no field {key} here", _near(key, known))


def fields(bundle: Bundle) -> Iterator[Fault]:
    """Unknown and missing fields, wrong types and values of every resource."""
    for kind in bundle.tree.get("resources") or {}:
        if kind not in KINDS:
            mark = line(bundle.tree["resources"], kind)
            yield _fault(mark, f"resources of kind {kind} are not looked at", _near(kind, KINDS))
    for kind, taker in KINDS.items():
        shape = _shape(taker)
        for key, resource in resources(bundle, kind):
            tree = _without(resource, "permissions")
            found = list(_mapping(tree, shape, key))
            found += _permissions(kind, resource)
            yield from found
            if not found and dataclasses.is_dataclass(taker):
                yield from _round_trip(taker, tree, key)


def _round_trip(taker: Any, tree: Map, key: str) -> Iterator[Fault]:
    """What the SDK would send is what is written: the net below the walk over fields."""
    given = _dense({name: value for name, value in plain(tree).items() if name not in BUNDLE_ONLY})
    sent = _dense(taker.from_dict(given).as_dict())
    if sent != given:
        lost = sorted(str(name) for name in set(given) ^ set(sent)) or [
            n for n in given if given[n] != sent[n]
        ]
        yield _fault(
            tree.mark, f"{key} does not come through databricks-sdk unchanged", f"look at {', '.join(lost)}"
        )


def _dense(value: Any) -> Any:
    """A value without empty lists and mappings, which the SDK leaves out."""
    if isinstance(value, dict):
        return {key: inner for key, item in value.items() if (inner := _dense(item)) not in ({}, [])}
    if isinstance(value, Reference):
        return value.filled(lambda _: 1)  # some number that a workspace may give
    return [_dense(item) for item in value] if isinstance(value, list) else value


@functools.cache
def _shape(taker: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """Names and types of fields, and which of them have to be there."""
    if dataclasses.is_dataclass(taker):
        hints = typing.get_type_hints(taker)
        needed = {
            f.name for f in dataclasses.fields(taker)
            if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
        }  # fmt: skip
        return hints | BUNDLE_ONLY, frozenset(needed)
    parameters = [p for p in inspect.signature(taker).parameters.values() if p.name != "self"]
    hints = {name: hint for name, hint in typing.get_type_hints(taker).items() if name != "return"}
    by_default = {"volume_type"}  # the CLI takes MANAGED
    named = {"catalog_name", "schema_name", "name"}  # optional for some calls, never in a bundle
    needed = {p.name for p in parameters if p.default is p.empty or p.name in named} - by_default
    return hints | BUNDLE_ONLY, frozenset(needed)


def _mapping(tree: Map, shape: tuple[dict[str, Any], frozenset[str]], name: str) -> Iterator[Fault]:
    hints, needed = shape
    for key, value in tree.items():
        if key not in hints:
            yield _fault(tree.marks[key], f"there is no field {key} here", _near(key, hints))
        else:
            yield from _value(value, hints[key], tree.marks[key], key)
    for key in sorted(needed - set(tree)):
        yield _fault(tree.mark, f"{name} has no {key}", f"add {key}:")


def _value(value: Any, given: Any, mark: Mark, name: str) -> Iterator[Fault]:
    hint: Any = _inner(given)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(value, Reference) or hint is Any:
        return
    if origin is list:
        if not isinstance(value, Seq):
            yield _fault(mark, f"{name} is no list", "write its items with - before them")
            return
        for item, at in zip(value, value.marks, strict=True):
            yield from _value(item, arguments[0], at, name)
    elif origin is dict:
        if not isinstance(value, Map):
            yield _fault(mark, f"{name} is no mapping", "write key: value below it")
            return
        for key, item in value.items():
            yield from _value(item, arguments[1], value.marks[key], key)
    elif dataclasses.is_dataclass(hint):
        if isinstance(value, Map):
            yield from _mapping(value, _shape(typing.cast("Any", hint)), name)
        else:
            yield _fault(mark, f"{name} is no mapping", "write its fields below it")
    else:
        yield from _single(value, hint, mark, name)


def _single(value: Any, hint: Any, mark: Mark, name: str) -> Iterator[Fault]:
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        known = [str(member.value) for member in hint]
        if value not in known:
            yield _fault(mark, f"{name} cannot be {value}", _near(str(value), known))
    elif hint in {int, float}:
        if isinstance(value, bool) or not isinstance(value, (int, float) if hint is float else int):
            yield _fault(mark, f"{name} = {value!r} is no number", "write a number, without quotes")
    elif hint is bool and not isinstance(value, bool):
        yield _fault(
            mark, f"{name} = {value!r} is neither true nor false", "write true or false, without quotes"
        )
    elif hint is str and not isinstance(value, str):
        yield _fault(
            mark,
            f"{name} is no text",
            f'write "{value}" in quotes' if value is not None else "give it a value",
        )


def _permissions(kind: str, resource: Map) -> list[Fault]:
    found: list[Fault] = []
    enumeration = LEVELS.get(kind)
    for entry in resource.get("permissions") or ():
        if not isinstance(entry, Map):
            continue
        found += _keys(entry, ENTRIES["permissions"])
        known = [str(member.value) for member in enumeration] if enumeration else []
        if known and entry.get("level") not in known:
            found.append(
                _fault(
                    line(entry, "level"),
                    f"level cannot be {entry.get('level')}",
                    _near(str(entry.get("level")), known),
                )
            )
        if len(set(entry) & (ENTRIES["permissions"] - {"level"})) != 1:
            found.append(
                _fault(entry.mark, "a permission is for one user, group or service principal", "name one")
            )
    return found


def _inner(hint: Any) -> Any:
    """``Optional[X]`` as X."""
    if typing.get_origin(hint) in {typing.Union, types.UnionType}:
        return next(part for part in typing.get_args(hint) if part is not type(None))
    return hint


def _without(tree: Map, key: str) -> Map:
    rest = Map(tree.mark)
    for name, value in tree.items():
        if name != key:
            rest.put(name, value, tree.marks[name])
    return rest


def _near(word: str, known: Any) -> str:
    near = difflib.get_close_matches(word, [str(name) for name in known], n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(map(str, known))[:12])}"


def _fault(mark: Mark, what: str, remedy: str) -> Fault:
    return Fault(mark, what, remedy, "schema")
