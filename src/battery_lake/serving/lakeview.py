"""The AI/BI dashboard of Databricks, and the metric views beside it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

import yaml

from battery_lake.serving.figures import GRID_WIDTH, PAGES, Figure, Page, laid_out
from battery_lake.serving.kpis import metric_view
from battery_lake.tables.kpis import tables_of_kpis
from battery_lake.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable

WIDTH: Final = 6
"""Columns of the grid of an AI/BI page."""
_VERSIONS: Final = {"counter": 2, "line": 3, "bar": 3, "table": 2}
_WIDGETS: Final = {"stat": "counter", "line": "line", "bar": "bar", "table": "table"}
_SCALES: Final = {"timestamp": "temporal", "number": "quantitative", "string": "categorical"}
_TABLE_TYPES: Final = {"timestamp": "datetime", "number": "float", "string": "string"}
CATALOG: Final = "main"
"""Catalog of the lake in the committed files."""


def rendered(catalog: str = CATALOG) -> dict[str, str]:
    """Return every file by its path below ``dashboards``.

    Parameters
    ----------
    catalog
        Where metric views are made and what they read: a view's source has to name it.
    """
    return {
        "battery_lake.lvdash.json": json.dumps(dashboard(), indent=2, ensure_ascii=False) + "\n",
        "metric_views.sql": metric_views(catalog),
    }


def metric_views(catalog: str) -> str:
    """Return the statements that make a metric view of every table of key figures.

    Parameters
    ----------
    catalog
        Of the lake.

    References
    ----------
    Databricks, "Use SQL to create and manage metric views".
    """
    statements = ["-- Rendered from the contracts by `battery-lake dashboards --catalog NAME`; change those."]
    for table in tables_of_kpis():
        name = f"{catalog}.{table.name}"
        tree = yaml.safe_dump(metric_view(table, name), sort_keys=False, allow_unicode=True, width=110)
        statements.append(
            f"CREATE OR REPLACE VIEW {name}_kpis\nWITH METRICS\nLANGUAGE YAML\nAS $$\n{tree}$$;"
        )
    return "\n\n".join(statements) + "\n"


def queries(named: Callable[[str], str]) -> dict[str, str]:
    """Return the query of every dataset by its name.

    Parameters
    ----------
    named
        How a query calls a table of the lake.
    """
    names = {name: named(name) for name in TABLES}
    return {figure.name: _with_tables(figure.sql, names) for page in _pages() for figure in _shown(page)}


def dashboard() -> dict[str, Any]:
    """Return the dashboard; tables are told by schema and name, the bundle gives the catalog.

    References
    ----------
    Databricks Asset Bundles, "dashboard": ``file_path``, ``dataset_catalog``.
    """
    titles = {figure.name: figure.title for page in _pages() for figure in _shown(page)}
    datasets = [
        {"name": _id("dataset", name), "displayName": titles[name], "queryLines": [text]}
        for name, text in queries(str).items()
    ]
    return {"datasets": datasets, "pages": [_page(page) for page in _pages()]}


def _pages() -> list[Page]:
    return [page for page in PAGES if _shown(page)]


def _shown(page: Page) -> tuple[Figure, ...]:
    return tuple(figure for figure in page.figures if figure.sql)


def _with_tables(text: str, names: dict[str, str]) -> str:
    for name, called in names.items():
        text = text.replace(f"{{{name}}}", called)
    return text


def _page(page: Page) -> dict[str, Any]:
    shrink = GRID_WIDTH // WIDTH
    layout = [
        {
            "widget": _widget(page, figure),
            "position": {
                "x": x // shrink, "y": y // 2, "width": max(figure.width // shrink, 1),
                "height": max(figure.height // 2, 1),
            },
        }
        for figure, x, y in laid_out(_shown(page))
    ]  # fmt: skip
    return {
        "name": _id("page", page.name), "displayName": page.title, "pageType": "PAGE_TYPE_CANVAS",
        "layout": layout,
    }  # fmt: skip


def _widget(page: Page, figure: Figure) -> dict[str, Any]:
    fields = [{"name": name, "expression": f"`{name}`"} for name, _ in figure.columns]
    query = {"datasetName": _id("dataset", figure.name), "fields": fields, "disaggregated": True}
    kind = _WIDGETS[figure.kind]
    return {
        "name": _id(page.name, figure.name),
        "queries": [{"name": "main_query", "query": query}],
        "spec": {
            "version": _VERSIONS[kind], "widgetType": kind, "encodings": _encodings(figure),
            "frame": {
                "showTitle": True, "title": figure.title, "showDescription": True,
                "description": figure.description,
            },
        },
    }  # fmt: skip


def _encodings(figure: Figure) -> dict[str, Any]:
    if figure.kind == "stat":
        return {"value": {"fieldName": "value", "displayName": f"{figure.title} [{figure.unit or '1'}]"}}
    if figure.kind == "table":
        return {
            "columns": [
                {"fieldName": name, "title": name, "displayName": name, "type": _TABLE_TYPES[kind],
                 "visible": True, "order": place}
                for place, (name, kind) in enumerate(figure.columns)
            ]
        }  # fmt: skip
    (first, kind), *rest = figure.columns
    axes: dict[str, Any] = {"x": _axis(first, kind)}
    numbers = [name for name, kind in rest if kind == "number"]
    if len(numbers) == 1:
        axes["y"] = _axis(numbers[0], "number")
    else:
        fields = [{"fieldName": name, "displayName": name} for name in numbers]
        axes["y"] = {"scale": {"type": "quantitative"}, "fields": fields}
    for name, kind in rest:
        if kind == "string":
            axes["color"] = _axis(name, kind)
    return axes


def _axis(name: str, kind: str) -> dict[str, Any]:
    return {"fieldName": name, "scale": {"type": _SCALES[kind]}, "displayName": name}


def _id(*parts: str) -> str:
    """Eight digits that stay: AI/BI names its parts so."""
    return hashlib.sha256("/".join(parts).encode()).hexdigest()[:8]
