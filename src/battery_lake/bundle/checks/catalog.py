"""Schemas, volumes, tables and grants: what the lake's contracts know and what positions need."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from battery_lake.bundle.checks.look import line, maps, resources
from battery_lake.bundle.faults import Fault
from battery_lake.bundle.tree import Map, Mark, Seq
from battery_lake.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from battery_lake.bundle.load import Bundle

VOLUME: Final = re.compile(r"/Volumes/([^/]*)/([^/]*)/([^/]*)")
OPEN: Final = frozenset({"gold"})
"""Layers that analysts may read: the others hold positions in what vehicles sent."""

READERS: Final = "battery_analysts"
EVERYONE: Final = ("account users", "users")


def names(bundle: Bundle) -> Iterator[Fault]:
    """Schemas are the layers of the contracts; volumes and tables that are named exist."""
    catalog = str(bundle.variables.get("catalog"))
    layers = {table.layer for table in TABLES.values()}
    schemas = dict(resources(bundle, "schemas"))
    for layer in sorted(layers - {str(schema.get("name")) for schema in schemas.values()}):
        yield _fault(bundle.where("resources", "schemas"), f"there is no schema for {layer}", f"add {layer}:")
    for schema in schemas.values():
        if schema.get("name") not in layers:
            what = f"no table is in a schema {schema.get('name')}"
            yield _fault(line(schema, "name"), what, f"schemas are {', '.join(sorted(layers))}")
    for kind in ("schemas", "volumes", "registered_models"):
        for _, resource in resources(bundle, kind):
            if resource.get("catalog_name") != catalog:
                what = f"catalog {resource.get('catalog_name')} is not the lake's, {catalog}"
                yield _fault(line(resource, "catalog_name"), what, "write ${var.catalog}")
            if kind != "schemas" and resource.get("schema_name") not in layers:
                what = f"there is no schema {resource.get('schema_name')}"
                yield _fault(line(resource, "schema_name"), what, "write ${resources.schemas.NAME.name}")
    for _, job in resources(bundle, "jobs"):
        yield from _tables(job, catalog)
        yield from _volumes(bundle, job)


def _tables(job: Map, catalog: str) -> Iterator[Fault]:
    trigger = job.get("trigger")
    update = trigger.get("table_update") if isinstance(trigger, Map) else None
    tables = update.get("table_names") if isinstance(update, Map) else None
    for name, mark in zip(tables, tables.marks, strict=True) if isinstance(tables, Seq) else ():
        owner, _, table = str(name).partition(".")
        if owner != catalog or table not in TABLES:
            yield _fault(
                mark, f"there is no table {name}", "write ${var.catalog}. and a table of docs/tables.md"
            )


def _volumes(bundle: Bundle, job: Map) -> Iterator[Fault]:
    known = {
        f"/Volumes/{v.get('catalog_name')}/{v.get('schema_name')}/{v.get('name')}"
        for _, v in resources(bundle, "volumes")
    }
    for task in maps(job, "tasks"):
        part = task.get("spark_python_task")
        words = part.get("parameters") if isinstance(part, Map) else None
        for word, mark in zip(words, words.marks, strict=True) if isinstance(words, Seq) else ():
            found = VOLUME.search(str(word))
            if found and found[0] not in known:
                yield _fault(
                    mark, f"{found[0]} is no volume of this bundle", f"there are {', '.join(sorted(known))}"
                )


def grants(bundle: Bundle) -> Iterator[Fault]:
    """Grants by layer: analysts see gold only, nobody gets everything, every schema says who may read."""
    for kind in ("schemas", "volumes", "registered_models"):
        for key, resource in resources(bundle, kind):
            entries = maps(resource, "grants")
            if kind == "schemas" and not entries:
                yield _fault(resource.mark, f"nobody may read {key}", "add grants:")
            for entry in entries:
                yield from _grant(kind, resource, entry)


def _grant(kind: str, resource: Map, entry: Map) -> Iterator[Fault]:
    who, layer = str(entry.get("principal")), resource.get("name" if kind == "schemas" else "schema_name")
    privileges: list[Any] = entry.get("privileges") or []
    if who in EVERYONE:
        yield _fault(line(entry, "principal"), f"{layer} would be open to everybody", "name a group")
    if who == READERS and layer not in OPEN:
        what = f"{layer} holds positions and raw messages: analysts may not read it"
        yield _fault(line(entry, "principal"), what, "take the grant out")
    for word in set(privileges) & {"ALL_PRIVILEGES", "MANAGE"}:
        if who in {READERS, "battery_engineers"}:
            yield _fault(
                line(entry, "privileges"), f"{who} would have {word} on {layer}", "name what is needed"
            )
    if kind == "schemas" and "SELECT" in privileges and "USE_SCHEMA" not in privileges:
        yield _fault(line(entry, "privileges"), f"{who} may select but not use {layer}", "add USE_SCHEMA")


def _fault(mark: Mark, what: str, remedy: str) -> Fault:
    return Fault(mark, what, remedy, "catalog")
