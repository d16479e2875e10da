"""Grafana: dashboards, alert rules and provisioning files, on Data Explorer or through Infinity."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import yaml
from grafana_foundation_sdk.builders import barchart, dashboard, stat, table, timeseries
from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, GridPos, Threshold, ThresholdsMode

from battery_lake.serving.figures import PAGES, Figure, Page, laid_out

EXPLORER: Final = "grafana-azure-data-explorer-datasource"
INFINITY: Final = "yesoreyeram-infinity-datasource"
DATA_SOURCE: Final = "datasource"
"""Name of the dashboards' variable: the reader chooses among the data sources of the type."""
EXPLORER_UID: Final = "battery-lake-explorer"
DATABASE: Final = "battery"
FROM, UNTIL = "datetime(${__from:date:iso})", "datetime(${__to:date:iso})"
_PACKS: Final = "pack_now | project pack_id | order by pack_id asc"
_UNITS: Final = {"%": "percent", "pp": "percent", "d": "d", "km": "lengthkm", "mV": "mvolt"}
_BUILDERS: Final[dict[str, Any]] = {
    "stat": stat.Panel,
    "line": timeseries.Panel,
    "bar": barchart.Panel,
    "table": table.Panel,
}
_HEADER: Final = "# Rendered from the contracts by `battery-lake dashboards`; change those.\n"


@dataclass
class Target(builder.Builder[variants.Dataquery], variants.Dataquery):
    """A query of a data source that the SDK has no builder for."""

    tree: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return what the file has."""
        return self.tree

    def build(self) -> variants.Dataquery:
        """Return itself."""
        return self


@dataclass(frozen=True, slots=True)
class Rule:
    """An alert rule: it is raised for every row that its query gives.

    Parameters
    ----------
    uid, title, summary
        Names, and what to say.
    kql
        The query: a column ``value``, and columns that name who is concerned.
    above
        It is raised where the value lies above.
    wait
        For so long first.
    severity
        warning or critical.
    """

    uid: str
    title: str
    summary: str
    kql: str
    above: float
    wait: str
    severity: str


RULES: Final = (
    Rule("soh_below_eol", "SOH below end of life", "Pack {{ $labels.pack_id }}: the weakest cell is below.",
         "pack_now | where isnotnull(below_eol) | project pack_id, model, value = todouble(below_eol)", 0.5,
         "1h", "critical"),
    Rule("imbalance", "Cells out of balance", "Pack {{ $labels.pack_id }}: {{ $values.A }} mV at rest.",
         "pack_now | where isnotnull(imbalance_mv) | project pack_id, model, value = imbalance_mv", 50.0,
         "1h", "warning"),
    Rule("silent_vehicle", "Vehicle is silent", "Vehicle {{ $labels.vehicle_id }}: no message for days.",
         "vehicle_status | project vehicle_id, value = (now() - last_seen_at) / 1d", 7.0, "1h", "warning"),
    Rule("quarantine_rate", "Many messages are refused", "{{ $values.A }} % of the newest day's messages.",
         "message_daily | where rows_in > 0 | top 1 by as_of_date desc"
         " | project value = 100.0 * rows_refused / rows_in", 5.0, "30m", "warning"),
    Rule("pipeline_lag", "Nothing has been refined for hours", "{{ $values.A }} h since the last batch.",
         "message_daily | summarize last_at = max(finished_at) | project value = (now() - last_at) / 1h",
         26.0, "30m", "critical"),
)  # fmt: skip
"""What somebody must be told. A pipeline that runs once a day may be two hours late."""


def rendered() -> dict[str, str]:
    """Return every file by its path below ``grafana``."""
    found = {}
    for page in PAGES:
        found[f"dashboards/explorer/{page.name}.json"] = _json(board(page, EXPLORER))
        found[f"dashboards/infinity/{page.name}.json"] = _json(board(page, INFINITY))
    found["provisioning/dashboards/battery_lake.yml"] = _yaml(_providers())
    found["provisioning/datasources/battery_lake.yml"] = _yaml(_sources())
    found["provisioning/alerting/battery_lake.yml"] = _yaml(_rules())
    return found


def board(page: Page, plugin: str) -> Any:
    """Return a page as the SDK's dashboard.

    Parameters
    ----------
    page
        The page.
    plugin
        Type of its data source.
    """
    short = "explorer" if plugin == EXPLORER else "infinity"
    made = (
        dashboard
        .Dashboard(page.title)
        .uid(f"battery-lake-{short}-{page.name}".replace("_", "-"))
        .description(page.description)
        .tags(["battery_lake", short])
        .time("now-90d", "now")
        .refresh("1h")
        .readonly()
        .with_variable(dashboard.DatasourceVariable(DATA_SOURCE).label("Data source").type(plugin))
    )
    if plugin == INFINITY:
        made = made.with_variable(_text("cluster", "Cluster", "https://name.region.kusto.windows.net"))
    made = made.with_variable(_text("database", "Database", DATABASE))
    if page.of_pack:
        made = made.with_variable(_packs(plugin))
    for figure, x, y in laid_out(page.figures):
        made = made.with_panel(_panel(figure, plugin, GridPos(h=figure.height, w=figure.width, x=x, y=y)))
    return made.build()


def kql_of(figure: Figure) -> str:
    """Return a figure's query with Grafana's variables in it."""
    return figure.kql.replace("{since}", FROM).replace("{until}", UNTIL).replace("{pack}", "${pack}")


def _panel(figure: Figure, plugin: str, place: GridPos) -> Any:
    made = (
        _BUILDERS[figure.kind]()
        .title(figure.title)
        .description(figure.description)
        .datasource(DataSourceRef(type_val=plugin, uid=f"${{{DATA_SOURCE}}}"))
        .unit(_UNITS.get(figure.unit, "short"))
        .decimals(figure.decimals)
        .grid_pos(place)
        .thresholds(_thresholds(figure))
        .with_target(_target(figure, plugin))
    )
    return made.x_field(figure.columns[0][0]) if figure.kind == "bar" else made


def _thresholds(figure: Figure) -> Any:
    """Green, yellow and red; where less is worse, from red upwards."""
    low, high = figure.low, figure.high
    if low is None or high is None:
        steps = [Threshold(value=None, color="green")]
    elif low <= high:
        steps = [
            Threshold(value=None, color="green"), Threshold(value=low, color="yellow"),
            Threshold(value=high, color="red"),
        ]  # fmt: skip
    else:
        steps = [
            Threshold(value=None, color="red"), Threshold(value=high, color="yellow"),
            Threshold(value=low, color="green"),
        ]  # fmt: skip
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def _target(figure: Figure, plugin: str) -> Target:
    source = {"type": plugin, "uid": f"${{{DATA_SOURCE}}}"}
    # A line of each model comes as one column of names: the plugin turns it into series.
    shape = "time_series" if figure.kind == "line" else "table"
    query = kql_of(figure)
    if plugin == EXPLORER:
        return Target({"refId": "A", "datasource": source, **_explorer(query, "${database}", shape)})
    return Target({"refId": "A", "datasource": source, **_infinity(query, figure.columns)})


def _explorer(query: str, database: str, shape: str) -> dict[str, Any]:
    return {
        "database": database, "query": query, "querySource": "raw", "queryType": "Azure Data Explorer",
        "rawMode": True, "resultFormat": shape, "pluginVersion": "5.0.0",
    }  # fmt: skip


def _infinity(query: str, columns: tuple[tuple[str, str], ...]) -> dict[str, Any]:
    """The REST call that Data Explorer documents: rows are arrays, told by their place."""
    body = json.dumps({"db": "${database}", "csl": query})
    return {
        "type": "json", "source": "url", "format": "table", "parser": "backend",
        "url": "${cluster}/v1/rest/query", "root_selector": "Tables.0.Rows",
        "url_options": {
            "method": "POST", "body_type": "raw", "body_content_type": "application/json", "data": body,
        },
        "columns": [
            {"selector": str(place), "text": name, "type": kind} for place, (name, kind) in enumerate(columns)
        ],
    }  # fmt: skip


def _text(name: str, label: str, value: str) -> Any:
    return dashboard.TextBoxVariable(name).label(label).default_value(value)


def _packs(plugin: str) -> Any:
    """The packs to choose from; through Infinity the reader writes the pack's name."""
    if plugin == INFINITY:
        return _text("pack", "Pack", "")
    source = DataSourceRef(type_val=plugin, uid=f"${{{DATA_SOURCE}}}")
    return dashboard.QueryVariable("pack").label("Pack").datasource(source).query(_PACKS)


def _providers() -> dict[str, Any]:
    provider = {
        "name": "battery_lake", "folder": "Battery", "type": "file", "disableDeletion": True,
        "options": {"path": "$BATTERY_LAKE_DASHBOARDS"},
    }  # fmt: skip
    return {"apiVersion": 1, "providers": [provider]}


def _sources() -> dict[str, Any]:
    """Data Explorer with the identity of the machine or the workload; no secret stands here."""
    explorer = {
        "name": "Battery Data Explorer", "type": EXPLORER, "uid": EXPLORER_UID, "access": "proxy",
        "jsonData": {
            "clusterUrl": "$BATTERY_LAKE_CLUSTER", "defaultDatabase": DATABASE,
            "azureCredentials": {"authType": "msi"},
        },
    }  # fmt: skip
    return {"apiVersion": 1, "datasources": [explorer]}


def _rules() -> dict[str, Any]:
    group = {
        "orgId": 1, "name": "battery_lake", "folder": "Battery", "interval": "5m",
        "rules": [_rule(rule) for rule in RULES],
    }  # fmt: skip
    return {"apiVersion": 1, "groups": [group]}


def _rule(rule: Rule) -> dict[str, Any]:
    asked = {
        "refId": "A", "datasourceUid": EXPLORER_UID, "relativeTimeRange": {"from": 86400, "to": 0},
        "model": {"refId": "A", **_explorer(rule.kql, DATABASE, "table")},
    }  # fmt: skip
    judged = {
        "refId": "B", "datasourceUid": "__expr__",
        "model": {
            "refId": "B", "type": "threshold", "expression": "A",
            "conditions": [{"evaluator": {"type": "gt", "params": [rule.above]}}],
        },
    }  # fmt: skip
    return {
        "uid": f"battery-lake-{rule.uid}".replace("_", "-"), "title": rule.title, "condition": "B",
        "for": rule.wait, "noDataState": "OK", "execErrState": "Error", "data": [asked, judged],
        "labels": {"severity": rule.severity, "product": "battery_lake"},
        "annotations": {"summary": rule.summary},
    }  # fmt: skip


def _json(made: Any) -> str:
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(made) + "\n"


def _yaml(tree: dict[str, Any]) -> str:
    return _HEADER + yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=110)
