"""How the database differs from what the contracts say, and making it so."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from battery_lake.errors import ContractError
from battery_lake.sinks.retry import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Columns = dict[str, str]
Action = Literal["create", "add", "change", "conflict"]

_FUNCTION = re.compile(
    r"\.create-or-alter\s+function\s+(?:with\s*\((?:[^\"()]|\"(?:[^\"\\]|\\.)*\")*\)\s*)?"
    r"(?P<name>\w+)\s*\((?P<parameters>[^{]*?)\)\s*\{(?P<body>.*)\}",
    re.DOTALL,
)


class Explorer(Protocol):
    """A database that commands can be given to."""

    database: str

    def manage(self, command: str) -> list[dict[str, Any]]:
        """Carry out a command."""


@dataclass(frozen=True, slots=True)
class Change:
    """A difference.

    Parameters
    ----------
    action
        ``conflict`` where no command makes it so without losing rows.
    kind
        table, column, view or function.
    name
        Of what differs.
    detail
        What there is, and what there should be.
    """

    action: Action
    kind: str
    name: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Structure:
    """Tables and views with their columns and types; functions with parameters and body."""

    tables: Mapping[str, Columns]
    views: Mapping[str, Columns]
    functions: Mapping[str, str]


def declared_functions(commands: Iterable[str]) -> dict[str, str]:
    """Return the functions that commands make, in the form in which they are compared."""
    found = filter(None, map(_FUNCTION.fullmatch, commands))
    return {each["name"]: _comparable(each["parameters"], each["body"]) for each in found}


def stored(client: Explorer) -> Structure:
    """Ask a database what it holds.

    Raises
    ------
    RefusedError
        The service refuses.
    RemoteError
        The service does not answer.
    """
    rows = client.manage(".show database schema as json")
    told = json.loads(next(iter(rows[0].values())))["Databases"]
    held = told.get(client.database) or next(iter(told.values()))
    functions = {
        name: _comparable(str(each["Parameters"]).strip()[1:-1], str(each["Body"]).strip()[1:-1])
        for name, each in _listed(held, "Functions")
    }
    return Structure(
        {name: _columns(each) for name, each in _listed(held, "Tables")},
        {name: _columns(each) for name, each in _listed(held, "MaterializedViews")},
        functions,
    )


def plan(declared: Structure, held: Structure) -> list[Change]:
    """Return how a database differs from what is declared; what else it holds is nobody's business here.

    Parameters
    ----------
    declared
        What it should hold.
    held
        What it holds.
    """
    changes = []
    for name, columns in declared.tables.items():
        if name not in held.tables:
            changes.append(Change("create", "table", name, f"{len(columns)} columns"))
        else:
            changes += _column_changes(name, columns, held.tables[name])
    for name, columns in declared.views.items():
        if name not in held.views:
            changes.append(Change("create", "view", name))
        elif set(columns) != set(held.views[name]):
            missing = ", ".join(sorted(set(columns) - set(held.views[name])))
            changes.append(Change("change", "view", name, f"lacks {missing}" if missing else "other columns"))
    for name, text in declared.functions.items():
        if name not in held.functions:
            changes.append(Change("create", "function", name))
        elif held.functions[name] != text:
            changes.append(Change("change", "function", name))
    return changes


def apply(client: Explorer, commands: Iterable[str], changes: Iterable[Change]) -> int:
    """Give every command, in order; each may be given again.

    Parameters
    ----------
    client
        The database.
    commands
        All of them: policies and mappings are set anew too.
    changes
        What :func:`plan` found.

    Returns
    -------
    int
        How many commands were carried out.

    Raises
    ------
    ContractError
        Something differs that no command mends, or the service refuses a command.
    RemoteError
        The service does not answer.
    """
    conflicts = [change for change in changes if change.action == "conflict"]
    if conflicts:
        raise ContractError(
            f"{len(conflicts)} differences of the database cannot be mended in place",
            why="; ".join(f"{each.name}: {each.detail}" for each in conflicts[:5]),
            remedy="rename the table in Data Explorer, apply again, and push anew",
        )
    count = 0
    for command in commands:
        try:
            client.manage(command)
        except RefusedError as fault:
            raise ContractError(
                f"Data Explorer refuses {command.splitlines()[0][:100]!r}", why=str(fault)
            ) from fault
        count += 1
    return count


def _column_changes(table: str, declared: Columns, held: Columns) -> list[Change]:
    changes = []
    for column, kind in declared.items():
        if column not in held:
            changes.append(Change("add", "column", f"{table}.{column}", kind))
        elif held[column] != kind:
            detail = f"is {held[column]}, should be {kind}"
            changes.append(Change("conflict", "column", f"{table}.{column}", detail))
    return changes


def _listed(held: dict[str, Any], kind: str) -> list[tuple[str, dict[str, Any]]]:
    return sorted((held.get(kind) or {}).items())


def _columns(entity: dict[str, Any]) -> Columns:
    return {column["Name"]: column["CslType"] for column in entity["OrderedColumns"]}


def _comparable(parameters: str, body: str) -> str:
    """Spaces and line ends count for nothing: the service keeps them or not."""
    return " ".join(f"({parameters}) {{{body}}}".split()).replace("{ ", "{").replace(" }", "}")
