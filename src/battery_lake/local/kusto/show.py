"""Commands that show the database."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import battery_lake
from battery_lake.local.kusto.errors import syntax, unknown
from battery_lake.local.kusto.frames import Answer
from battery_lake.local.kusto.parsing import NAME, unquoted
from battery_lake.local.kusto.query import bare, newest_rows
from battery_lake.local.kusto.values import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from battery_lake.local.kusto.store import Extent, Store
    from battery_lake.local.kusto.values import Columns

_VERSION: Final = {
    "BuildVersion": "string",
    "BuildTime": "datetime",
    "ServiceType": "string",
    "ProductVersion": "string",
}
_EXTENTS: Final = {
    "ExtentId": "string",
    "DatabaseName": "string",
    "TableName": "string",
    "MaxCreatedOn": "datetime",
    "OriginalSize": "real",
    "ExtentSize": "real",
    "RowCount": "long",
    "MinCreatedOn": "datetime",
    "Tags": "string",
}
_TABLES: Final = {"TableName": "string", "DatabaseName": "string", "Folder": "string", "DocString": "string"}
_FAILURES: Final = {
    "OperationId": "string",
    "Database": "string",
    "Table": "string",
    "FailedOn": "datetime",
    "IngestionSourcePath": "string",
    "Details": "string",
    "FailureKind": "string",
    "ErrorCode": "string",
    "ShouldRetry": "bool",
}
_POLICY: Final = {"PolicyName": "string", "EntityName": "string", "Policy": "string"}
_HAS: Final = re.compile(r"where\s+tags\s+(has|contains)\s+(\"[^\"]*\"|'[^']*')")


def show(store: Store, command: str, database: str) -> Answer:
    """Carry out a command that begins with ``.show``.

    Parameters
    ----------
    store
        The database.
    command
        The command.
    database
        Its name.

    Raises
    ------
    RefusalError
        It is none that is known here, or what it asks for is not there.
    """
    for pattern, action in _SHOWN:
        if found := re.fullmatch(pattern, command, re.DOTALL):
            return action(store, found, database)
    raise syntax(f"the stand-in does not know the command {command[:120]!r}")


def _version(_store: Store, _found: re.Match[str], _database: str) -> Answer:
    version = battery_lake.__version__
    return Answer(_VERSION, [[version, "2026-01-01T00:00:00Z", "Engine", f"battery_lake {version}"]])


def _tables(store: Store, _found: re.Match[str], database: str) -> Answer:
    rows = [[name, database, t.folder, t.docstring] for name, t in sorted(store.tables.items())]
    return Answer(_TABLES, rows)


def _extents(store: Store, found: re.Match[str], database: str) -> Answer:
    """``has`` here looks for the whole tag, ``contains`` for a part of one."""
    name = bare(found["name"])
    store.table(name)
    extents = store.extents(name)
    if found["where"]:
        asked = _HAS.fullmatch(found["where"].strip())
        if asked is None:
            raise syntax("extents are filtered by 'where tags has \"...\"'")
        wanted = unquoted(asked[2])
        fits = (lambda tag: tag == wanted) if asked[1] == "has" else (lambda tag: wanted in tag)
        extents = [extent for extent in extents if any(map(fits, extent.tags))]
    return Answer(_EXTENTS, [_extent(extent, database) for extent in extents])


def _failures(store: Store, _found: re.Match[str], _database: str) -> Answer:
    told = [{**each, "FailureKind": each["FailureStatus"]} for each in store.failures()]
    return Answer(_FAILURES, [[each[column] for column in _FAILURES] for each in told])


def _extent(extent: Extent, database: str) -> list[Any]:
    size, at = float(extent.path.stat().st_size), f"{extent.created_at:%Y-%m-%dT%H:%M:%S.%f}0Z"
    tags = "\r\n".join(extent.tags)
    return [extent.extent_id, database, extent.table, at, size, size, extent.row_count, at, tags]


def _policy(store: Store, found: re.Match[str], database: str) -> Answer:
    name, policy = bare(found["name"]), found["policy"].lower()
    if found["entity"] == "table":
        kept = store.table(name).policies
    elif name in store.views:
        kept = store.views[name].policies
    else:
        raise unknown("materialized view", name)
    return Answer(_POLICY, [[policy, f"[{database}].[{name}]", kept.get(policy, "null")]])


def _mappings(store: Store, found: re.Match[str], _database: str) -> Answer:
    rows = []
    for known, entries in sorted(store.table(bare(found["name"])).mappings.items()):
        kind, name = known.split("/")
        rows.append([name, kind, json.dumps(entries)])
    return Answer({"Name": "string", "Kind": "string", "Mapping": "string"}, rows)


def _schema(store: Store, _found: re.Match[str], database: str) -> Answer:
    tables = {
        name: {
            "Name": name,
            "Folder": stored.folder,
            "DocString": stored.docstring,
            "OrderedColumns": _columns(stored.columns, stored.docstrings),
        }
        for name, stored in store.tables.items()
    }
    views = {}
    for name, view in store.views.items():
        source = store.table(view.source)
        _, columns = newest_rows((store.rows(view.source).slice(0, 0), dict(source.columns)), view)
        views[name] = {"Name": name, "Folder": view.folder, "OrderedColumns": _columns(columns, {})}
    functions = {
        name: {
            "Name": name,
            "Parameters": f"({stored.parameters})",
            "Body": f"{{{stored.body}}}",
            "Folder": stored.folder,
            "DocString": stored.docstring,
        }
        for name, stored in store.functions.items()
    }
    told = {"Name": database, "Tables": tables, "MaterializedViews": views, "Functions": functions}
    return Answer({"DatabaseSchema": "string"}, [[json.dumps({"Databases": {database: told}})]])


def _columns(columns: Columns, docstrings: dict[str, str]) -> list[dict[str, str]]:
    return [
        {"Name": name, "Type": SYSTEM[kind], "CslType": kind, "DocString": docstrings.get(name, "")}
        for name, kind in columns.items()
    ]


_SHOWN: Final[list[tuple[str, Callable[[Store, re.Match[str], str], Answer]]]] = [
    (r"\.show\s+version", _version),
    (r"\.show\s+tables", _tables),
    (r"\.show\s+ingestion\s+failures", _failures),
    (rf"\.show\s+table\s+(?P<name>{NAME})\s+extents\s*(?P<where>where\s.+)?", _extents),
    (rf"\.show\s+(?P<entity>table|materialized-view)\s+(?P<name>{NAME})\s+policy\s+(?P<policy>\w+)", _policy),
    (rf"\.show\s+table\s+(?P<name>{NAME})\s+ingestion\s+mappings", _mappings),
    (rf"\.show\s+database(?:\s+{NAME})?\s+schema\s+as\s+json", _schema),
]
