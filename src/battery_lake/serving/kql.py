"""The commands that make the database in Data Explorer, rendered from the contracts.

Every command may be given again: nothing is lost and nothing is there twice.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from battery_lake.errors import SetupError
from battery_lake.serving.explorer import DELETED, OTHER, PUSHED, VERSION, kusto_type
from battery_lake.serving.kpis import kql_functions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from battery_lake.serving.explorer import OtherTable, Pushed

FOLDERS: Final = ("tables", "views", "functions", "kpis", "policies")
"""Folders of scripts in the order in which they are run; ``functions`` is written by hand."""
MAPPING: Final = "lake"
"""Name of the mapping of every table: column by column, by name."""

_KEYWORDS: Final = frozenset({"flags", "kind"})
_HEADER: Final = "// Rendered from the contracts by `battery-lake adx render`; change those.\n\n"
_BATCHING: Final = {
    "MaximumBatchingTimeSpan": "00:05:00",
    "MaximumNumberOfItems": 500,
    "MaximumRawDataSizeMB": 1024,
}
_NOBODY: Final = "false"


def rendered(position_readers: str = "") -> dict[str, str]:
    """Return the text of every rendered script, by its path below ``kql``.

    Parameters
    ----------
    position_readers
        Who may see positions: a principal such as ``aadgroup=name@example.org``; empty: nobody.
    """
    found = {f"tables/{pushed.name}.kql": _landing(pushed) for pushed in PUSHED.values()}
    found |= {f"tables/{other.name}.kql": _other(other) for other in OTHER}
    found |= {f"views/{pushed.name}.kql": _view(pushed) for pushed in PUSHED.values()}
    found |= kql_functions()
    for pushed in PUSHED.values():
        if pushed.restricted:
            found[f"policies/{pushed.name}.kql"] = _row_level_security(pushed, position_readers)
    found["policies/rest_voltage.kql"] = _update_policy(
        "rest_voltage", PUSHED["silver.telemetry"].landing, "rest_voltage_of_telemetry()"
    )
    return {name: _HEADER + text for name, text in sorted(found.items())}


def scripts(position_readers: str = "") -> dict[str, str]:
    """Return every script in the order in which they are run, by its path below ``kql``.

    Parameters
    ----------
    position_readers
        As of :func:`rendered`.
    """
    by_hand = {
        f"functions/{path.name}": path.read_text(encoding="utf-8")
        for path in (assets() / "functions").glob("*.kql")
    }
    found = rendered(position_readers) | by_hand
    return {
        name: found[name] for folder in FOLDERS for name in sorted(found) if name.startswith(f"{folder}/")
    }


def assets() -> Path:
    """Return the folder ``kql``: beside the sources, or in the installed package.

    Raises
    ------
    SetupError
        It is in neither place.
    """
    package = Path(__file__).parents[1]
    for folder in (package.parents[1] / "kql", package / "kql"):
        if (folder / "functions").is_dir():
            return folder
    raise SetupError("The folder kql is missing.", remedy="install battery_lake again")


def commands(script: str) -> list[str]:
    r"""Return the commands of a script: each begins with a dot in the first column.

    Examples
    --------
    >>> commands("// one\n.show tables\n\n.show version\n")
    ['.show tables', '.show version']
    """
    text = re.sub(r"^//.*\n", "", script, flags=re.MULTILINE)
    return [command.strip() for command in re.split(r"^(?=\.)", text, flags=re.MULTILINE) if command.strip()]


def literal(text: str) -> str:
    r"""Return a string literal of KQL.

    Examples
    --------
    >>> literal('say "a"')
    '"say \\"a\\""'
    """
    return json.dumps(text, ensure_ascii=False)


def name_of(column: str) -> str:
    """Return a column's name as KQL takes it: a word of the language is bracketed.

    Examples
    --------
    >>> name_of("pack_id"), name_of("kind")
    ('pack_id', "['kind']")
    """
    return f"['{column}']" if column in _KEYWORDS else column


def _landing(pushed: Pushed) -> str:
    """The table that takes the changes of a contract, its mapping and its policies."""
    columns = [(c.name, kusto_type(c.type), c.comment) for c in pushed.landing_columns]
    grain = f"A change of {pushed.contract.name}: {pushed.contract.grain}"
    arrives = (
        f".alter table {pushed.landing} policy streamingingestion enable"
        if pushed.streaming
        else f".alter table {pushed.landing} policy ingestionbatching ```{json.dumps(_BATCHING)}```"
    )
    # Streams are taken as JSON, not as Parquet.
    format_ = "json" if pushed.streaming else "parquet"
    mapping = _mapping(pushed.landing, format_, [name for name, *_ in columns])
    kept = _kept(pushed.landing, pushed.keep_days, pushed.hot_days)
    return _joined(_table(pushed.landing, grain, columns), mapping, *kept, arrives)


def _other(other: OtherTable) -> str:
    kept = _kept(other.name, other.keep_days, other.hot_days)
    return _joined(_table(other.name, other.grain, other.columns), *kept)


def _table(name: str, grain: str, columns: Iterable[tuple[str, str, str]]) -> str:
    """Create a table, or add the columns that it lacks, and say what each is."""
    listed = list(columns)
    typed = ",\n".join(f"    {name_of(column)}: {kind}" for column, kind, _ in listed)
    said = ",\n".join(f"    {name_of(column)}: {literal(comment)}" for column, _, comment in listed)
    return (
        f'.create-merge table {name} (\n{typed}\n) with (folder = "lake", docstring = {literal(grain)})\n\n'
        f".alter-merge table {name} column-docstrings (\n{said}\n)"
    )


def _mapping(table: str, format_: str, columns: Iterable[str]) -> str:
    each = ",\n".join(
        "    " + json.dumps({"Column": column, "Properties": {"Path": f"$.{column}"}}) for column in columns
    )
    return f'.create-or-alter table {table} ingestion {format_} mapping "{MAPPING}" ```\n[\n{each}\n]\n```'


def _kept(table: str, keep_days: int, hot_days: int) -> tuple[str, str]:
    return (
        f".alter-merge table {table} policy retention softdelete = {keep_days}d recoverability = enabled",
        f".alter table {table} policy caching hot = {hot_days}d",
    )


def _view(pushed: Pushed) -> str:
    """The newest change of every key, and the function that shows the lake's table."""
    properties = ["autoUpdateSchema = true"]
    if pushed.lookback_days:
        properties.append(f"lookback = {pushed.lookback_days}d")
    if pushed.restricted:
        properties.append("allowMaterializedViewsWithoutRowLevelSecurity = true")
    said = literal(f"The newest change of every key of {pushed.contract.name}; deleted rows too.")
    properties += ['folder = "lake"', f"docString = {said}"]
    keys = ", ".join(map(name_of, pushed.contract.key))
    columns = ",\n        ".join(name_of(column.name) for column in pushed.columns)
    grain = literal(f"{pushed.contract.name}: {pushed.contract.grain}")
    return _joined(
        f".create-or-alter materialized-view with ({', '.join(properties)})\n"
        f"{pushed.latest} on table {pushed.landing}\n"
        f"{{\n    {pushed.landing}\n    | summarize arg_max({VERSION.name}, *) by {keys}\n}}",
        f'.create-or-alter function with (folder = "lake", docstring = {grain}, view = true)\n'
        f"{pushed.name}()\n"
        f"{{\n    {pushed.latest}\n    | where not({DELETED.name})\n    | project\n        {columns}\n}}",
    )


def _row_level_security(pushed: Pushed, readers: str) -> str:
    """Who may see the rows of a table; the view first: a table refuses while a view of it lies open."""
    name = f"may_see_{pushed.name}"
    may = f"current_principal_is_member_of({literal(readers)})" if readers else _NOBODY
    said = literal(f"Whether who asks may see rows of {pushed.contract.name}.")
    view, source = pushed.latest, pushed.landing
    return _joined(
        f'.create-or-alter function with (folder = "lake", docstring = {said})\n{name}()\n{{\n    {may}\n}}',
        f'.alter materialized-view {view} policy row_level_security enable "{view} | where {name}()"',
        f'.alter table {source} policy row_level_security enable "{source} | where {name}()"',
    )


def _update_policy(target: str, source: str, query: str) -> str:
    policy = {
        "IsEnabled": True,
        "Source": source,
        "Query": query,
        "IsTransactional": True,
        "PropagateIngestionProperties": False,
    }
    return _joined(f".alter table {target} policy update ```\n[\n    {json.dumps(policy)}\n]\n```")


def _joined(*parts: str) -> str:
    return "\n\n".join(parts) + "\n"
