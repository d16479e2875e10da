"""Management commands: those that make a database, and those that show it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from battery_lake.local.kusto.errors import RefusalError, syntax, unknown
from battery_lake.local.kusto.frames import Answer
from battery_lake.local.kusto.parsing import NAME, block, columns, docstrings, properties
from battery_lake.local.kusto.query import bare
from battery_lake.local.kusto.show import show
from battery_lake.local.kusto.store import StoredFunction, StoredTable, StoredView

if TYPE_CHECKING:
    from collections.abc import Callable

    from battery_lake.local.kusto.store import Store

    Action = Callable[[Store, re.Match[str]], str]

_DONE: Final = {"EntityName": "string", "EntityType": "string", "Command": "string"}
_WITH: Final = r"(?:with\s*\((?P<with>(?:[^\"()]|\"(?:[^\"\\]|\\.)*\")*)\)\s*)?"
_NEWEST: Final = re.compile(
    rf"(?P<source>\w+)\s*\|\s*summarize\s+arg_max\(\s*(?P<newest>{NAME})\s*,\s*\*\s*\)\s*by\s+(?P<keys>[^|]+)"
)
_JSON_POLICIES: Final = {"ingestionbatching", "update"}


def manage(store: Store, text: str, database: str, resources: list[list[str]]) -> Answer:
    """Carry out a command.

    Parameters
    ----------
    store
        The database.
    text
        The command.
    database
        Its name.
    resources
        What ``.get ingestion resources`` answers: rows of kind and address.

    Raises
    ------
    RefusalError
        It cannot be carried out.
    """
    command = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE).strip()
    if command == ".get ingestion resources":
        return Answer({"ResourceTypeName": "string", "StorageRoot": "string"}, resources)
    if command == ".get kusto identity token":
        return Answer({"AuthorizationContext": "string"}, [["local"]])
    if command.startswith(".show"):
        return show(store, command, database)
    for pattern, action in _ACTIONS:
        if found := pattern.fullmatch(command):
            with store.lock:
                name = action(store, found)
                store.save()
            return Answer(_DONE, [[name, action.__name__.removeprefix("_"), command.split("(")[0].strip()]])
    raise syntax(f"the stand-in does not know the command {command[:120]!r}")


def _table(store: Store, found: re.Match[str]) -> str:
    """``.create-merge table``: made, or given the columns that it lacks."""
    name, told = bare(found["name"]), properties(found["with"])
    stored = store.tables.setdefault(name, StoredTable({}))
    for column, kind in columns(found["columns"]).items():
        if stored.columns.setdefault(column, kind) != kind:
            raise RefusalError(f"Column '{column}' of '{name}' is {stored.columns[column]}, not {kind}")
    stored.folder = told.get("folder", stored.folder)
    stored.docstring = told.get("docstring", stored.docstring)
    return name


def _column_docstrings(store: Store, found: re.Match[str]) -> str:
    name = bare(found["name"])
    said = docstrings(found["said"])
    if missing := set(said) - set(store.table(name).columns):
        raise unknown("column", min(missing))
    store.table(name).docstrings |= said
    return name


def _mapping(store: Store, found: re.Match[str]) -> str:
    """A mapping: every column that it names is one of the table."""
    name = bare(found["name"])
    entries = _json(block(found["mapping"]))
    for entry in entries:
        column = entry.get("Column") or entry.get("column")
        if column not in store.table(name).columns:
            raise unknown("column", str(column))
    store.table(name).mappings[f"{found['kind'].lower()}/{found['mapping_name']}"] = entries
    return name


def _policy(store: Store, found: re.Match[str]) -> str:
    """A policy is kept as it was given; retention, caching and security are not carried out here."""
    name, policy = bare(found["name"]), found["policy"].lower()
    if found["entity"] == "table":
        entity: StoredTable | StoredView = store.table(name)
    elif name in store.views:
        entity = store.views[name]
    else:
        raise unknown("materialized view", name)
    if policy in _JSON_POLICIES:
        told = _json(block(found["rest"]))
        for each in told if policy == "update" else ():
            store.table(str(each.get("Source")))
    entity.policies[policy] = found["rest"].strip()
    return name


def _view(store: Store, found: re.Match[str]) -> str:
    """A materialized view; only those that keep the newest row of every key are run here."""
    name, told, query = bare(found["name"]), properties(found["with"]), found["query"].strip()
    newest = _NEWEST.fullmatch(query)
    source = bare(found["source"])
    if newest is None or newest["source"] != source:
        raise RefusalError(
            f"the stand-in keeps only views 'T | summarize arg_max(x, *) by ...', not {query!r}"
        )
    keys = [bare(key) for key in newest["keys"].split(",")]
    for column in (*keys, bare(newest["newest"])):
        if column not in store.table(source).columns:
            raise unknown("column", column)
    before = store.views.get(name)
    if before is not None and (before.source, before.keys) != (source, keys):
        raise RefusalError(f"The source and the keys of the materialized view '{name}' cannot be altered")
    store.views[name] = StoredView(
        source, query, bare(newest["newest"]), keys, told.get("folder", ""), told.get("docstring", ""),
        before.policies if before else {},
    )  # fmt: skip
    return name


def _function(store: Store, found: re.Match[str]) -> str:
    told = properties(found["with"])
    name = bare(found["name"])
    if name in store.tables or name in store.views:
        raise RefusalError(f"'{name}' is the name of a table or a view already")
    store.functions[name] = StoredFunction(
        found["parameters"].strip(),
        found["body"].strip(),
        told.get("folder", ""),
        told.get("docstring", ""),
    )
    return name


def _clear(store: Store, found: re.Match[str]) -> str:
    """Rows go; a view of them is computed from its table here, so that its own rows go with those."""
    name = bare(found["name"])
    if found["entity"] == "table":
        store.table(name)
        store.clear(name)
    elif name not in store.views:
        raise unknown("materialized view", name)
    return name


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as fault:
        raise syntax(f"no JSON: {fault}") from fault


_ACTIONS: Final[list[tuple[re.Pattern[str], Action]]] = [
    (re.compile(pattern, re.DOTALL), action)
    for pattern, action in (
        (rf"\.create-merge\s+table\s+(?P<name>{NAME})\s*\((?P<columns>[^()]*)\)\s*{_WITH}", _table),
        (
            rf"\.alter-merge\s+table\s+(?P<name>{NAME})\s+column-docstrings\s*\((?P<said>.*)\)",
            _column_docstrings,
        ),
        (
            (
                rf"\.create-or-alter\s+table\s+(?P<name>{NAME})\s+ingestion\s+(?P<kind>\w+)\s+mapping\s+"
                r"[\"'](?P<mapping_name>\w+)[\"'](?P<mapping>.*)"
            ),
            _mapping,
        ),
        (
            (
                rf"\.alter(?:-merge)?\s+(?P<entity>table|materialized-view)\s+(?P<name>{NAME})\s+policy\s+"
                r"(?P<policy>\w+)\s+(?P<rest>.+)"
            ),
            _policy,
        ),
        (
            (
                rf"\.create-or-alter\s+materialized-view\s+{_WITH}(?P<name>{NAME})\s+on\s+table\s+"
                rf"(?P<source>{NAME})\s*\{{(?P<query>.*)\}}"
            ),
            _view,
        ),
        (
            (
                rf"\.create-or-alter\s+function\s+{_WITH}(?P<name>{NAME})\s*\((?P<parameters>[^{{]*?)\)\s*"
                r"\{(?P<body>.*)\}"
            ),
            _function,
        ),
        (rf"\.clear\s+(?P<entity>table|materialized-view)\s+(?P<name>{NAME})\s+data", _clear),
    )
]
