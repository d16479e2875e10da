"""The dashboard of Data Explorer's own web interface."""

from __future__ import annotations

import json
import uuid
from typing import Any, Final

from battery_lake.serving.figures import GRID_WIDTH, PAGES, Figure, laid_out

SCHEMA: Final = "60"
"""Version of the file's form that the web interface imports."""
CLUSTER: Final = "https://your-cluster.region.kusto.windows.net"
"""Stands in the file: the reader's own goes there."""
_SPACE: Final = uuid.UUID("6f0b7a52-4b43-5f55-9a77-70b9a65cf4c4")
_VISUALS: Final = {"stat": "card", "line": "line", "bar": "bar", "table": "table"}


def rendered() -> dict[str, str]:
    """Return the file by its path below ``dashboards``."""
    return {"data_explorer.json": json.dumps(board(), indent=2, ensure_ascii=False) + "\n"}


def board() -> dict[str, Any]:
    """Return the dashboard: a page each of Grafana's, the same queries."""
    source = _id("source")
    packs = {
        "id": _id("query", "packs"), "dataSource": {"kind": "inline", "dataSourceId": source},
        "text": "pack_now | project pack_id | order by pack_id asc", "usedVariables": [],
    }  # fmt: skip
    tiles, queries = [], [packs]
    for page in PAGES:
        for figure, x, y in laid_out(page.figures):
            tiles.append(_tile(page.name, figure, x, y))
            queries.append({
                "id": _id("query", page.name, figure.name),
                "dataSource": {"kind": "inline", "dataSourceId": source},
                "text": kql_of(figure),
                "usedVariables": _variables(figure),
            })
    return {
        "$schema": f"https://dataexplorer.azure.com/static/d/schema/{SCHEMA}/dashboard.json",
        "id": _id("dashboard"), "eTag": "", "schema_version": SCHEMA, "title": "Battery fleet",
        "tiles": tiles, "queries": queries, "baseQueries": [], "parameters": _parameters(),
        "dataSources": [{
            "id": source, "name": "battery", "kind": "manual-kusto", "scopeId": "kusto",
            "clusterUri": CLUSTER, "database": "battery",
        }],
        "pages": [{"id": _id("page", page.name), "name": page.title} for page in PAGES],
    }  # fmt: skip


def kql_of(figure: Figure) -> str:
    """Return a figure's query with the parameters of the web interface in it."""
    text = figure.kql.replace("{since}", "_startTime").replace("{until}", "_endTime")
    return text.replace('"{pack}"', "_pack")


def _variables(figure: Figure) -> list[str]:
    text = kql_of(figure)
    return [name for name in ("_startTime", "_endTime", "_pack") if name in text]


def _tile(page: str, figure: Figure, x: int, y: int) -> dict[str, Any]:
    return {
        "id": _id("tile", page, figure.name), "title": figure.title, "visualType": _VISUALS[figure.kind],
        "pageId": _id("page", page),
        "queryRef": {"kind": "query", "queryId": _id("query", page, figure.name)},
        "layout": {"x": x, "y": y, "width": min(figure.width, GRID_WIDTH), "height": figure.height},
        "visualOptions": {},
    }  # fmt: skip


def _parameters() -> list[dict[str, Any]]:
    duration = {
        "kind": "duration", "id": _id("parameter", "time"), "displayName": "Time", "description": "",
        "beginVariableName": "_startTime", "endVariableName": "_endTime",
        "defaultValue": {"kind": "dynamic", "count": 90, "unit": "days"}, "showOnPages": {"kind": "all"},
    }  # fmt: skip
    pack = {
        "kind": "string", "id": _id("parameter", "pack"), "displayName": "Pack", "description": "",
        "variableName": "_pack", "selectionType": "scalar", "includeAllOption": False,
        "defaultValue": {"kind": "query-result"},
        "dataSource": {
            "kind": "query", "columns": {"value": "pack_id"},
            "queryRef": {"kind": "query", "queryId": _id("query", "packs")},
        },
        "showOnPages": {
            "kind": "selection", "pageIds": [_id("page", page.name) for page in PAGES if page.of_pack],
        },
    }  # fmt: skip
    return [duration, pack]


def _id(*parts: str) -> str:
    """An identifier that stays."""
    return str(uuid.uuid5(_SPACE, "/".join(parts)))
