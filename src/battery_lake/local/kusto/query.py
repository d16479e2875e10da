"""Queries: a table, a view or a function without parameters, through the few operators that are run here."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from battery_lake.local.kusto.errors import RefusalError, syntax, unknown
from battery_lake.local.kusto.frames import Answer
from battery_lake.local.kusto.values import rows

if TYPE_CHECKING:
    from collections.abc import Callable

    from battery_lake.local.kusto.store import Store, StoredView
    from battery_lake.local.kusto.values import Columns

Part = tuple[pa.Table, "Columns"]

_NAME: Final = r"(?:\w+|\['\w+'\])"
_SOURCE: Final = re.compile(rf"({_NAME})\s*(\(\s*\))?")
_EQUALS: Final = re.compile(rf"({_NAME})\s*==\s*(.+)", re.DOTALL)
_NOT: Final = re.compile(rf"not\s*\(\s*({_NAME})\s*\)")
_ORDER: Final = re.compile(rf"by\s+({_NAME})\s*(asc|desc)?")


def run(store: Store, text: str) -> Answer:
    """Run a query.

    Parameters
    ----------
    store
        The database.
    text
        The query.

    Raises
    ------
    RefusalError
        A name is unknown, or an operator is not run here.
    """
    part, columns = evaluate(store, text, frozenset())
    return Answer(columns, rows(part, columns))


def evaluate(store: Store, text: str, within: frozenset[str]) -> Part:
    """Return what a query gives; ``within`` names the functions that asked for it.

    Raises
    ------
    RefusalError
        As :func:`run`.
    """
    without_comments = re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE).strip().rstrip(";")
    first, *stages = [stage.strip() for stage in _stages(without_comments)]
    part = _source(store, first, within)
    for stage in stages:
        operator, rest = [*stage.split(None, 1), "", ""][:2]
        if operator not in _OPERATORS:
            raise syntax(f"the stand-in does not run '{operator}'; it checks no query either")
        part = _OPERATORS[operator](part, rest.strip())
    return part


def newest_rows(part: Part, view: StoredView) -> Part:
    """Return, of rows with the same key, the one with the greatest value: keys first, then that value."""
    table, columns = part
    order = [(name, "ascending") for name in view.keys] + [(view.newest, "descending")]
    table = table.take(pc.sort_indices(table, sort_keys=order))
    places = table.select(view.keys).append_column("place", pa.array(range(table.num_rows), pa.int64()))
    first = places.group_by(view.keys, use_threads=False).aggregate([("place", "min")])
    table = table.take(first.column("place_min"))
    names = [*view.keys, view.newest]
    names += [name for name in columns if name not in names]
    return table.select(names), {name: columns[name] for name in names}


def bare(name: str) -> str:
    """Return a name without its brackets."""
    return name.strip().removeprefix("['").removesuffix("']")


def _source(store: Store, text: str, within: frozenset[str]) -> Part:
    found = _SOURCE.fullmatch(text)
    if found is None:
        raise syntax(f"no table, view or function without parameters: {text[:80]!r}")
    name = bare(found[1])
    if not found[2] and name in store.tables:
        return store.rows(name), dict(store.tables[name].columns)
    if not found[2] and name in store.views:
        view = store.views[name]
        return newest_rows((store.rows(view.source), dict(store.tables[view.source].columns)), view)
    if name not in store.functions:
        raise unknown("table or column expression", name)
    function = store.functions[name]
    if function.parameters or name in within:
        raise RefusalError(f"Semantic error: SEM0219: the stand-in does not call '{name}'")
    return evaluate(store, function.body, within | {name})


def _stages(text: str) -> list[str]:
    """Cut at the bars that stand outside string literals."""
    stages, start, quote, previous = [], 0, "", ""
    for place, char in enumerate(text):
        if quote:
            quote = "" if char == quote and previous != "\\" else quote
        elif char in "\"'":
            quote = char
        elif char == "|":
            stages.append(text[start:place])
            start = place + 1
        previous = char
    return [*stages, text[start:]]


def _count(part: Part, _rest: str) -> Part:
    return pa.table({"Count": pa.array([part[0].num_rows], pa.int64())}), {"Count": "long"}


def _take(part: Part, rest: str) -> Part:
    if not rest.isdigit():
        raise syntax(f"take needs a number: {rest!r}")
    return part[0].slice(0, int(rest)), part[1]


def _where(part: Part, rest: str) -> Part:
    table, columns = part
    if found := _NOT.fullmatch(rest):
        name = _known(columns, found[1])
        return table.filter(pc.invert(table.column(name)), null_selection_behavior="drop"), columns
    if found := _EQUALS.fullmatch(rest):
        name = _known(columns, found[1])
        wanted = pa.scalar(_value(found[2].strip())).cast(table.schema.field(name).type)
        return table.filter(pc.equal(table.column(name), wanted)), columns
    raise syntax(f"the stand-in runs only 'where not(column)' and 'where column == literal', not {rest!r}")


def _project(part: Part, rest: str) -> Part:
    table, columns = part
    names = [_known(columns, each) for each in rest.split(",")]
    return table.select(names), {name: columns[name] for name in names}


def _order(part: Part, rest: str) -> Part:
    found = _ORDER.fullmatch(rest)
    if found is None:
        raise syntax(f"the stand-in sorts by one column: {rest!r}")
    table, columns = part
    direction = "ascending" if found[2] == "asc" else "descending"
    return table.take(pc.sort_indices(table, sort_keys=[(_known(columns, found[1]), direction)])), columns


_OPERATORS: Final[dict[str, Callable[[Part, str], Part]]] = {
    "count": _count,
    "take": _take,
    "limit": _take,
    "where": _where,
    "project": _project,
    "sort": _order,
    "order": _order,
}


def _known(columns: Columns, name: str) -> str:
    found = bare(name)
    if found not in columns:
        raise unknown("scalar expression", found)
    return found


def _value(text: str) -> Any:
    """A literal: a string, a number, true or false, ``datetime(...)``."""
    if found := re.fullmatch(r"datetime\((.+?)\)", text):
        return found[1].replace("Z", "+00:00")
    if text.startswith("'") and text.endswith("'"):
        text = json.dumps(text[1:-1])
    try:
        return json.loads(text)
    except ValueError as fault:
        raise syntax(f"no literal: {text!r}") from fault
