"""Dashboards: their files, and whether tables and columns in their SQL are those of the contracts."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from sqlglot import exp, parse_one
from sqlglot.errors import OptimizeError, SqlglotError
from sqlglot.optimizer.qualify import qualify

from battery_lake.bundle.checks.look import line, resources
from battery_lake.bundle.faults import Fault
from battery_lake.bundle.tree import Mark
from battery_lake.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from battery_lake.bundle.load import Bundle
    from battery_lake.bundle.tree import Map

DIALECT: Final = "databricks"
REMEDY: Final = "docs/tables.md lists tables and columns; `battery-lake dashboards` renders the file anew"
_COLUMN: Final = re.compile(r"Column '([^']+)' could not be resolved|Unknown column: (\S+)")


def columns(bundle: Bundle) -> Iterator[Fault]:
    """Datasets ask for tables and columns that there are, widgets for what their dataset gives."""
    for _, resource in resources(bundle, "dashboards"):
        file, mark = str(resource.get("file_path", "")).removeprefix("./"), line(resource, "file_path")
        path = bundle.root / file
        if not file or not path.is_file():
            yield _fault(mark, f"{file or 'its file'} is not there", "name the .lvdash.json with file_path:")
            continue
        text = path.read_text(encoding="utf-8")
        try:
            tree = json.loads(text)
        except json.JSONDecodeError as fault:
            yield _fault(Mark(file, fault.lineno), f"no JSON: {fault.msg}", "mend the line")
            continue
        yield from _Board(file, text, tree, _catalog(bundle, resource)).faults()


def _catalog(bundle: Bundle, resource: Map) -> str:
    return str(resource.get("dataset_catalog") or bundle.variables.get("catalog"))


class _Board:
    """A dashboard's file: its datasets, and what each gives."""

    def __init__(self, file: str, text: str, tree: dict[str, Any], catalog: str) -> None:
        self.file, self.text, self.catalog = file, text, catalog
        self.datasets: list[dict[str, Any]] = tree.get("datasets") or []
        self.pages: list[dict[str, Any]] = tree.get("pages") or []
        self.given: dict[str, set[str]] = {}

    def faults(self) -> Iterator[Fault]:
        """Faults of datasets, then of the widgets that show them."""
        for dataset in self.datasets:
            yield from self._dataset(dataset)
        for page in self.pages:
            for place in page.get("layout") or ():
                yield from self._widget(place.get("widget") or {})

    def _dataset(self, dataset: dict[str, Any]) -> Iterator[Fault]:
        lines = dataset.get("queryLines") or [dataset.get("query", "")]
        title = dataset.get("displayName") or dataset.get("name")
        try:
            tree = parse_one("".join(lines), dialect=DIALECT)
        except SqlglotError as fault:
            yield self._at(lines[0], f"{title}: no SQL: {_first(fault)}", "mend the query")
            return
        unknown = [*self._unknown(tree)]
        for name in unknown:
            yield self._at(_holding(lines, name), f"{title}: there is no table {name}", REMEDY)
        if unknown:
            return
        try:
            found = qualify(tree, schema=_schema(), dialect=DIALECT)
        except OptimizeError as fault:
            named = _COLUMN.search(str(fault))
            column = (named[1] or named[2]) if named else ""
            what = f"there is no column {column}" if column else _first(fault)
            yield self._at(_holding(lines, column), f"{title}: {what}", REMEDY)
            return
        names = {name for query in found.find_all(exp.Query) for name in query.named_selects}
        # What groups are chosen by is not judged there: a column without a table, and no name of the query's.
        for column in {each.name for each in found.find_all(exp.Column) if not each.table} - names:
            yield self._at(_holding(lines, column), f"{title}: there is no column {column}", REMEDY)
        if isinstance(found, exp.Query):
            self.given[str(dataset.get("name"))] = set(found.named_selects)

    def _unknown(self, tree: exp.Expr) -> Iterator[str]:
        """Tables that no contract declares; the catalog is taken off those that name the right one."""
        own = {cte.alias for cte in tree.find_all(exp.CTE)}
        for table in tree.find_all(exp.Table):
            if not table.db and table.name in own:
                continue
            name = f"{table.db}.{table.name}" if table.db else table.name
            if name not in TABLES or table.catalog not in {"", self.catalog}:
                yield f"{table.catalog}.{name}" if table.catalog else name
            table.set("catalog", None)

    def _widget(self, widget: dict[str, Any]) -> Iterator[Fault]:
        names: set[str] = set()
        for query in (entry.get("query") or {} for entry in widget.get("queries") or ()):
            dataset = str(query.get("datasetName"))
            title = ((widget.get("spec") or {}).get("frame") or {}).get("title") or widget.get("name")
            if dataset not in {str(each.get("name")) for each in self.datasets}:
                yield self._at(dataset, f"{title}: there is no dataset {dataset}", "name one of datasets")
                continue
            for field in query.get("fields") or ():
                names.add(str(field.get("name")))
                asked = str(field.get("expression"))
                for column in parse_one(asked, dialect=DIALECT).find_all(exp.Column):
                    if dataset in self.given and column.name not in self.given[dataset]:
                        what = f"{title}: its dataset gives no column {column.name}"
                        yield self._at(asked, what, f"it gives {', '.join(sorted(self.given[dataset]))}")
        for shown in _shown((widget.get("spec") or {}).get("encodings")):
            if shown not in names:
                what = f"{widget.get('name')}: it shows {shown}, which its query has not"
                yield self._at(shown, what, f"it has {', '.join(sorted(names))}")

    def _at(self, said: str, what: str, remedy: str) -> Fault:
        """A fault on the line on which a text stands; the first line where it stands nowhere."""
        written = (json.dumps(said, ensure_ascii=plain) for plain in (False, True))
        place = max(self.text.find(text) for text in written)
        return _fault(Mark(self.file, self.text.count("\n", 0, max(place, 0)) + 1), what, remedy)


def _shown(encodings: Any) -> Iterator[str]:
    """Names of the fields that a widget shows, wherever they stand."""
    if isinstance(encodings, dict):
        if isinstance(encodings.get("fieldName"), str):
            yield encodings["fieldName"]
        for inner in encodings.values():
            yield from _shown(inner)
    elif isinstance(encodings, list):
        for inner in encodings:
            yield from _shown(inner)


def _schema() -> dict[str, Any]:
    """Tables by schema with their columns' types, as sqlglot takes them."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for table in TABLES.values():
        types = {column.name: column.type for column in table.columns}
        found.setdefault(table.layer, {})[table.short_name] = types
    return found


def _holding(lines: list[str], word: str) -> str:
    """The line of a query that holds a word; else its first."""
    return next((text for text in lines if word and word in text), lines[0])


def _first(fault: Exception) -> str:
    return re.sub(r"\x1b\[\d*m", "", str(fault)).splitlines()[0].split(" but got ")[0]


def _fault(mark: Mark, what: str, remedy: str) -> Fault:
    return Fault(mark, what, remedy, "dashboards")
