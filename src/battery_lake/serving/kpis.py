"""Key figures in the languages that ask for them: Spark's and DuckDB's SQL, KQL, DAX, metric views."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from battery_lake.tables.kpis import ALL_KPIS, tables_of_kpis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from battery_lake.tables.kpis import Kpi
    from battery_lake.tables.model import Table

METRIC_VIEW_VERSION: Final = 1.1
"""Version of the YAML: display names and formats need it, and Databricks Runtime 17.3."""

_SQL: Final = {"sum": "SUM", "average": "AVG", "min": "MIN", "max": "MAX"}
_DAX: Final = {"sum": "SUM", "average": "AVERAGE", "min": "MIN", "max": "MAX"}
_KQL: Final = {"sum": "sum", "average": "avg", "min": "min", "max": "max"}
_DIMENSION_TYPES: Final = frozenset({"string", "date"})


def sql_expression(kpi: Kpi) -> str:
    """Return the aggregate in SQL, for Spark and DuckDB alike.

    Examples
    --------
    >>> from battery_lake.tables.kpis import KPIS
    >>> sql_expression(KPIS["soh_spread"]), sql_expression(KPIS["quarantine_rate"])
    ('AVG(soh_spread_pct)', '100.0 * SUM(rows_refused) / NULLIF(SUM(rows_in), 0)')
    """
    if kpi.aggregate == "share":
        return f"100.0 * SUM({kpi.column}) / NULLIF(SUM({kpi.over}), 0)"
    if kpi.aggregate == "range":
        return f"MAX({kpi.column}) - MIN({kpi.column})"
    return f"{_SQL[kpi.aggregate]}({kpi.column})"


def sql(kpi: Kpi, named: Callable[[str], str] = str, by: Sequence[str] = ()) -> str:
    """Return the query whose column ``value`` is the key figure.

    Parameters
    ----------
    kpi
        The key figure.
    named
        How the query calls a table of the lake, ``layer.table``.
    by
        Columns: a row each.
    """
    where = " AND ".join(f"{column} = '{value}'" for column, value in kpi.where)
    listed = ", ".join(by)
    return (
        f"SELECT {listed + ', ' if by else ''}{sql_expression(kpi)} AS value FROM {named(kpi.table.name)}"
        f"{' WHERE ' + where if where else ''}{' GROUP BY ' + listed if by else ''}"
    )


def sql_of_table(table: Table, named: Callable[[str], str] = str, by: Sequence[str] = ()) -> str:
    """Return one query with all key figures of a table, a column each.

    Parameters
    ----------
    table
        The table.
    named, by
        As of :func:`sql`.
    """
    own = [kpi for kpi in ALL_KPIS if kpi.table is table]
    listed = ", ".join(by)
    columns = ",\n  ".join([*by, *(f"{sql_expression(kpi)} AS {kpi.name}" for kpi in own)])
    where = {f"{column} = '{value}'" for kpi in own for column, value in kpi.where}
    condition = f"\nWHERE {' AND '.join(sorted(where))}" if where else ""
    groups = f"\nGROUP BY {listed}" if by else ""
    return f"SELECT\n  {columns}\nFROM {named(table.name)}{condition}{groups}"


def kql_expression(kpi: Kpi) -> str:
    """Return the aggregate in KQL; unlike SQL's, its sum of nothing is 0.

    Examples
    --------
    >>> from battery_lake.tables.kpis import KPIS
    >>> kql_expression(KPIS["soh_spread"])
    'avg(soh_spread_pct)'
    """
    if kpi.aggregate == "share":
        over = f"todouble(sum({kpi.over}))"
        return f"iff({over} == 0.0, real(null), 100.0 * todouble(sum({kpi.column})) / {over})"
    if kpi.aggregate == "range":
        return f"max({kpi.column}) - min({kpi.column})"
    return f"{_KQL[kpi.aggregate]}({kpi.column})"


def kql_query(kpi: Kpi) -> str:
    """Return the query whose column ``value`` is the key figure."""
    where = "".join(f" | where {column} == {json.dumps(value)}" for column, value in kpi.where)
    return f"{kpi.table.short_name}{where} | summarize value = {kql_expression(kpi)}"


def kql_functions() -> dict[str, str]:
    """Return scripts by path below ``kql``: the key figures of each table, and a list of all of them."""
    found = {}
    for table in tables_of_kpis():
        own = [kpi for kpi in ALL_KPIS if kpi.table is table]
        where = "".join(
            f"\n    | where {condition}"
            for condition in dict.fromkeys(f"{c} == {json.dumps(v)}" for kpi in own for c, v in kpi.where)
        )
        each = ",\n        ".join(f"{kpi.name} = {kql_expression(kpi)}" for kpi in own)
        body = f"    {table.short_name}{where}\n    | summarize\n        {each}"
        said = f"Key figures of {table.name}, a column each."
        found[f"kpis/{table.short_name}_kpis.kql"] = _function(f"{table.short_name}_kpis", said, body)
    listed = "    union\n    " + ",\n    ".join(map(_kql_row, ALL_KPIS))
    return found | {"kpis/kpis.kql": _function("kpis", "Every key figure of the fleet, a row each.", listed)}


def _kql_row(kpi: Kpi) -> str:
    name, title, unit = (json.dumps(text, ensure_ascii=False) for text in (kpi.name, kpi.title, kpi.unit))
    return (
        f"({kql_query(kpi)} | project kpi = {name}, title = {title}, value = todouble(value), unit = {unit})"
    )


def _function(name: str, said: str, body: str) -> str:
    made = f'.create-or-alter function with (folder = "kpis", docstring = {json.dumps(said)})'
    return f"{made}\n{name}()\n{{\n{body}\n}}\n"


def dax(kpi: Kpi, table: str, column: Callable[[str], str]) -> str:
    """Return the measure in DAX: an aggregate of columns, DIVIDE and CALCULATE, nothing else.

    Parameters
    ----------
    kpi
        The key figure.
    table
        Name of its table in the model.
    column
        How the model calls a column.
    """

    def of(function: str, name: str) -> str:
        return f"{function}('{table}'[{column(name)}])"

    if kpi.aggregate == "share":
        made = f"100 * DIVIDE({of('SUM', kpi.column)}, {of('SUM', kpi.over)})"
    elif kpi.aggregate == "range":
        made = f"{of('MAX', kpi.column)} - {of('MIN', kpi.column)}"
    else:
        made = of(_DAX[kpi.aggregate], kpi.column)
    filters = "".join(f", '{table}'[{column(name)}] = {json.dumps(value)}" for name, value in kpi.where)
    return f"CALCULATE({made}{filters})" if filters else made


def metric_view(table: Table, source: str) -> dict[str, Any]:
    """Return the metric view of a table's key figures, as its YAML's tree.

    Parameters
    ----------
    table
        The table.
    source
        Full name of the table in Unity Catalog.

    References
    ----------
    Databricks, "Agent metadata in metric views": ``display_name``, ``comment``, ``format``.
    """
    own = [kpi for kpi in ALL_KPIS if kpi.table is table]
    where = dict.fromkeys(f"{column} = '{value}'" for kpi in own for column, value in kpi.where)
    measured = {name for kpi in own for name in (kpi.column, kpi.over)}
    dimensions = [
        {"name": c.name, "expr": c.name, "comment": c.comment}
        for c in table.columns
        if c.type in _DIMENSION_TYPES and c.name not in measured
    ]
    measures = [
        {
            "name": kpi.name,
            "expr": sql_expression(kpi),
            "display_name": kpi.title,
            "comment": f"{kpi.description} [{kpi.unit or '1'}]",
            "format": {"type": "number", "decimal_places": {"type": "exact", "places": kpi.decimals}},
        }
        for kpi in own
    ]
    tree: dict[str, Any] = {"version": METRIC_VIEW_VERSION, "source": source, "comment": table.grain}
    if where:
        tree["filter"] = " AND ".join(where)
    return tree | {"dimensions": dimensions, "measures": measures}
