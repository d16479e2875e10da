"""The semantic model of Power BI, in TMDL: a star, with the key figures as measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from battery_lake.serving.kpis import dax
from battery_lake.serving.powerbi_names import (
    DATE,
    MODEL_TABLES,
    POSITION,
    POSITION_COLUMNS,
    RELATIONSHIPS,
    stable_id,
    title_of,
)
from battery_lake.tables.kpis import ALL_KPIS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from battery_lake.serving.powerbi_names import ModelTable
    from battery_lake.tables.kpis import Kpi
    from battery_lake.tables.model import Column

ROLE: Final = "Fleet"
ACCESS: Final = "Access"
PARAMETERS: Final = {
    "ServerHostname": ("adb-0000000000000000.0.azuredatabricks.net", "Host of the SQL warehouse."),
    "HttpPath": ("/sql/1.0/warehouses/0000000000000000", "HTTP path of the SQL warehouse."),
    "Catalog": ("main", "Catalog of the lake."),
    "Schema": ("gold", "Schema of the tables that are read."),
}
_TYPES: Final = {
    "string": "string", "boolean": "boolean", "int": "int64", "bigint": "int64", "double": "decimal",
    "timestamp": "dateTime", "date": "dateTime",
}  # fmt: skip
_CALENDAR: Final = (
    ("date", "dateTime", "yyyy-mm-dd", "The day."),
    ("year", "int64", "0", "Its year."),
    ("month", "int64", "0", "Number of its month."),
    ("month_name", "string", "", "Name of its month."),
    ("quarter", "int64", "0", "Its quarter."),
)


def rendered() -> dict[str, str]:
    """Return every file of the model by its path below the definition."""
    found = {
        "database.tmdl": "database\n\tcompatibilityLevel: 1601\n",
        "model.tmdl": _model(),
        "expressions.tmdl": "\n".join(map(_parameter, PARAMETERS)),
        "relationships.tmdl": "\n".join(_relationship(*each) for each in RELATIONSHIPS),
        f"roles/{ROLE}.tmdl": _role(),
        f"tables/{DATE}.tmdl": _calendar(),
        f"tables/{ACCESS}.tmdl": _access(),
    }
    return found | {f"tables/{each.title}.tmdl": _table(each) for each in MODEL_TABLES}


def measures(of: ModelTable) -> list[Kpi]:
    """Return the key figures that are measures of a table."""
    return [kpi for kpi in ALL_KPIS if kpi.table.name == of.contract.name]


def quoted(name: str) -> str:
    """Return a name as TMDL takes it.

    Examples
    --------
    >>> quoted("Pack"), quoted("Pack Health")
    ('Pack', "'Pack Health'")
    """
    return name if name.isalnum() else "'" + name.replace("'", "''") + "'"


def _model() -> str:
    titles = [DATE, ACCESS, *(each.title for each in MODEL_TABLES)]
    lines = [
        "model Model",
        "\tculture: en-US",
        "\tdefaultPowerBIDataSourceVersion: powerBI_V3",
        "\tdiscourageImplicitMeasures",
        "\tsourceQueryCulture: en-US",
        "",
        "\tannotation __PBI_TimeIntelligenceEnabled = 0",
        "",
        *(f"ref table {quoted(title)}" for title in titles),
        "",
        f"ref role {ROLE}",
    ]
    return "\n".join(lines) + "\n"


def _parameter(name: str) -> str:
    value, said = PARAMETERS[name]
    meta = 'meta [IsParameterQuery=true, Type="Text", IsParameterQueryRequired=true]'
    return f'/// {said}\nexpression {name} = "{value}" {meta}\n\tlineageTag: {stable_id("parameter", name)}\n'


def _relationship(fact: str, column: str, dimension: str, target: str) -> str:
    to = "Date" if dimension == DATE else title_of(target)
    return (
        f"relationship {stable_id('relationship', fact, column)}\n"
        f"\tfromColumn: {quoted(fact)}.{quoted(title_of(column))}\n"
        f"\ttoColumn: {quoted(dimension)}.{quoted(to)}\n"
    )


def _role() -> str:
    """Who is in the role sees the models of packs that the table of access names for him, else nothing."""
    mine = f"CALCULATETABLE(VALUES({ACCESS}[Model]), {ACCESS}[User] = USERPRINCIPALNAME())"
    filters = [
        f"\n\ttablePermission {quoted(title)} = {quoted(title)}[Model] IN {mine}\n"
        for title in ("Pack", "Fleet Daily", "Fleet Now")
    ]
    own = f"\n\ttablePermission {ACCESS} = {ACCESS}[User] = USERPRINCIPALNAME()\n"
    said = f"/// Sees the packs of the models that the table {ACCESS} names for the user.\n"
    return f"{said}role {ROLE}\n\tmodelPermission: read\n{''.join(filters)}{own}"


def _table(of: ModelTable) -> str:
    head = [
        f"/// {of.contract.grain}",
        f"table {quoted(of.title)}",
        f"\tlineageTag: {stable_id('table', of.title)}",
    ]
    parts = [_measure(of, kpi) for kpi in measures(of)]
    parts += [_column(of, column) for column in of.columns]
    if of.title == "Vehicle":
        parts += [_column(of, POSITION.column_by_name[name]) for name in POSITION_COLUMNS]
    return "\n".join(["\n".join(head), *parts, _partition(of)])


def _measure(of: ModelTable, kpi: Kpi) -> str:
    number = "#,0" + (f".{'0' * kpi.decimals}" if kpi.decimals else "")
    unit = f' "{kpi.unit}"' if kpi.unit not in {"", "packs", "messages"} else ""
    return (
        f"\n\t/// {kpi.description}\n\tmeasure {quoted(kpi.title)} = {dax(kpi, of.title, title_of)}\n"
        f"\t\tformatString: {number}{unit}\n\t\tdisplayFolder: Key figures\n"
        f"\t\tlineageTag: {stable_id('measure', kpi.name)}"
    )


def _column(of: ModelTable, column: Column) -> str:
    kind = _TYPES[column.type]
    lines = [
        f"\n\t/// {column.comment}",
        f"\tcolumn {quoted(title_of(column.name))}",
        f"\t\tdataType: {kind}",
    ]
    if column.name == of.key:
        lines.append("\t\tisKey")
    if column.name in of.hidden:
        lines.append("\t\tisHidden")
    shown = {"decimal": "#,0.00", "int64": "#,0", "dateTime": "yyyy-mm-dd"}.get(kind)
    if column.type == "timestamp":
        shown = "yyyy-mm-dd hh:nn"
    if shown:
        lines.append(f"\t\tformatString: {shown}")
    if column.name in POSITION_COLUMNS:
        lines.append(f"\t\tdataCategory: {column.name.capitalize()}")
    lines += [
        f"\t\tlineageTag: {stable_id('column', of.title, column.name)}",
        "\t\tsummarizeBy: none",
        f"\t\tsourceColumn: {column.name}",
    ]
    return "\n".join(lines)


def _partition(of: ModelTable) -> str:
    steps = [
        "Source = Databricks.Catalogs(ServerHostname, HttpPath, null)",
        'Lake = Source{[Name = Catalog, Kind = "Database"]}[Data]',
        'Tables = Lake{[Name = Schema, Kind = "Schema"]}[Data]',
        f'Rows = Tables{{[Name = "{of.contract.short_name}", Kind = "Table"]}}[Data]',
        f"Kept = Table.SelectColumns(Rows, {{{_listed(c.name for c in of.columns)}}})",
    ]
    last = "Kept"
    if of.title == "Vehicle":
        steps += [
            f'Places = Tables{{[Name = "{POSITION.short_name}", Kind = "Table"]}}[Data]',
            (
                'Joined = Table.NestedJoin(Kept, {"vehicle_id"}, Places, {"vehicle_id"}, "p",'
                " JoinKind.LeftOuter)"
            ),
            f'Placed = Table.ExpandTableColumn(Joined, "p", {{{_listed(POSITION_COLUMNS)}}})',
        ]
        last = "Placed"
    return _m(of.title, of.mode, steps, last)


def _m(title: str, mode: str, steps: list[str], last: str) -> str:
    listed = ",\n".join(f"\t\t\t\t\t{step}" for step in steps)
    return (
        f"\n\tpartition {quoted(title)} = m\n\t\tmode: {mode}\n\t\tsource =\n"
        f"\t\t\t\tlet\n{listed}\n\t\t\t\tin\n\t\t\t\t\t{last}\n"
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _calendar() -> str:
    """Days from the source itself, so that the calendar can be asked beside imported and remote tables."""
    query = (
        "SELECT date, year(date) AS year, month(date) AS month, date_format(date, 'MMM') AS month_name,"
        " quarter(date) AS quarter FROM (SELECT explode(sequence(DATE'2015-01-01',"
        " make_date(year(current_date()) + 1, 12, 31))) AS date)"
    )
    steps = [
        "Source = Databricks.Catalogs(ServerHostname, HttpPath, null)",
        'Lake = Source{[Name = Catalog, Kind = "Database"]}[Data]',
        f'Days = Value.NativeQuery(Lake, "{query}", null, [EnableFolding = true])',
    ]
    parts = [f"/// A day.\ntable {DATE}\n\tlineageTag: {stable_id('table', DATE)}\n\tdataCategory: Time"]
    for name, kind, shown, said in _CALENDAR:
        title = title_of(name)
        lines = [f"\n\t/// {said}", f"\tcolumn {quoted(title)}", f"\t\tdataType: {kind}"]
        lines += ["\t\tisKey"] if name == "date" else []
        lines += [f"\t\tformatString: {shown}"] if shown else []
        lines += [f"\t\tlineageTag: {stable_id('column', DATE, name)}", "\t\tsummarizeBy: none"]
        lines += [f"\t\tsourceColumn: {name}"]
        lines += ["\t\tsortByColumn: Month"] if name == "month_name" else []
        parts.append("\n".join(lines))
    return "\n".join([*parts, _m(DATE, "dual", steps, "Days")])


def _access() -> str:
    """Users and the models that they may see: empty until somebody fills it, so nobody sees anything."""
    columns = [
        f"\n\t/// {said}\n\tcolumn {name}\n\t\tdataType: string\n\t\tisHidden\n"
        f"\t\tlineageTag: {stable_id('column', ACCESS, name)}\n\t\tsummarizeBy: none\n"
        f"\t\tsourceColumn: {name}"
        for name, said in (("User", "Sign-in name."), ("Model", "A model of packs that the user may see."))
    ]
    steps = ["Rows = #table(type table [User = text, Model = text], {})"]
    head = (
        f"/// Which user may see which model: for the role {ROLE}.\ntable {ACCESS}\n\tisHidden\n"
        f"\tlineageTag: {stable_id('table', ACCESS)}"
    )
    return "\n".join([head, *columns, _m(ACCESS, "import", steps, "Rows")])
