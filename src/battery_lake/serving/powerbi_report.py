"""The report of Power BI, in PBIR: pages of visuals on the semantic model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from battery_lake.serving.powerbi_names import BY_CONTRACT, stable_id, title_of
from battery_lake.tables.kpis import KPIS

SCHEMAS: Final = "https://developer.microsoft.com/json-schemas/fabric/item/report/definition"
WIDTH, HEIGHT = 1280, 720
MARGIN: Final = 12
THEME: Final = "CY24SU10"
"""The base theme that Power BI brings; its look is the reader's."""


@dataclass(frozen=True, slots=True)
class Visual:
    """A visual of a page.

    Parameters
    ----------
    name
        Unique on its page.
    kind
        Power BI's type of visual.
    title
        For people; the alt text begins with it.
    says
        The rest of the alt text: what is seen.
    fields
        Role to fields: ``kpi:name`` for a measure, ``Table.column`` for a column of a contract.
    place
        Left, top, width and height. [px]
    """

    name: str
    kind: str
    title: str
    says: str
    fields: tuple[tuple[str, tuple[str, ...]], ...]
    place: tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class ReportPage:
    """A page; ``drill`` is the column that leads to it from others."""

    name: str
    title: str
    visuals: tuple[Visual, ...]
    drill: str = ""


def _cards(*names: str, top: int = 60) -> tuple[Visual, ...]:
    """Key figures side by side."""
    width = (WIDTH - MARGIN) // len(names) - MARGIN
    return tuple(
        Visual(
            name, "cardVisual", KPIS[name].title, KPIS[name].description, (("Data", (f"kpi:{name}",)),),
            (MARGIN + place * (width + MARGIN), top, width, 100),
        )
        for place, name in enumerate(names)
    )  # fmt: skip


def _slicers() -> tuple[Visual, ...]:
    return tuple(
        Visual(
            f"by_{column}", "slicer", title_of(column), "Chooses packs.", (("Values", (f"Pack.{column}",)),),
            (MARGIN + place * 212, 8, 200, 48),
        )
        for place, column in enumerate(("model", "chemistry"))
    )  # fmt: skip


_HALF: Final = (WIDTH - 3 * MARGIN) // 2
_LEFT, _RIGHT = (MARGIN, 284, _HALF, 424), (2 * MARGIN + _HALF, 284, _HALF, 424)
_LOW_LEFT, _LOW_RIGHT = (MARGIN, 172, _HALF, 536), (2 * MARGIN + _HALF, 172, _HALF, 536)

PAGES: Final = (
    ReportPage("fleet", "Fleet overview", (
        *_slicers(),
        *_cards("packs", "packs_below_eol", "packs_ending_in_year", "soh_median", "soh_p10",
                "soh_weakest_cell"),
        *_cards("soh_spread", "soh_loss_per_year", "rul_days_p50", "rul_days_p05", "imbalance_p95",
                "interval_width", top=172),
        Visual("soh_by_day", "lineChart", "SOH by day", "A line for each model: SOH of its median pack.",
               (("Category", ("Date.date",)), ("Y", ("max:Fleet Daily.soh_pct_p50",)),
                ("Series", ("Fleet Daily.model",))), _LEFT),
        Visual("map", "azureMap", "Where vehicles are", "A dot for each vehicle, at a coarse place.",
               (("Category", ("Vehicle.vehicle_id",)), ("Y", ("Vehicle.latitude",)),
                ("X", ("Vehicle.longitude",)), ("Tooltips", ("min:Vehicle.soh_min_pct",))), _RIGHT),
    )),
    ReportPage("warranty", "Warranty", (
        *_slicers(),
        *_cards("warranty_exposure", "observations_30_days", "rul_efc_p50", "rul_efc_p05", "rul_km_p50",
                "rul_km_p05"),
        Visual("exposed", "tableEx", "Packs, warranty and evidence",
               "A row for each pack: end of warranty, outlook, SOH with the width of its interval, evidence.",
               (("Values", ("Pack.pack_id", "Pack.model", "Pack.warranty_until", "kpi:warranty_exposure",
                            "kpi:rul_days_p05", "kpi:rul_days_p50", "kpi:soh_weakest_cell",
                            "kpi:interval_width", "kpi:observations_30_days")),),
               (MARGIN, 172, WIDTH - 2 * MARGIN, 536)),
    )),
    ReportPage("pack", "Pack", (
        *_cards("soh_weakest_cell", "interval_width", "soh_loss_per_year", "rul_days_p50", "rul_days_p05",
                "cohort_percentile"),
        Visual("cells", "pivotTable", "Cells", "A cell of the table for each cell of the pack: its SOH.",
               (("Rows", ("Cell Now.cell_id",)),
                ("Values", ("min:Cell Now.soh_pct", "max:Cell Now.soh_std_pct"))),
               (MARGIN, 172, 300, 536)),
        Visual("soh", "lineChart", "SOH", "Weakest, median and best cell by day.",
               (("Category", ("Date.date",)),
                ("Y", ("min:Pack Health.soh_min_pct", "min:Pack Health.soh_median_pct",
                       "max:Pack Health.soh_max_pct"))), (324, 172, WIDTH - 336, 262)),
        Visual("sessions", "tableEx", "Sessions", "Drives, charges and rests.",
               (("Values", ("Session.started_at", "Session.kind", "Session.soc_start_pct",
                            "Session.soc_end_pct", "Session.temperature_max_c", "Session.distance_km")),),
               (324, 446, WIDTH - 336, 262)),
    ), drill="Pack.pack_id"),
    ReportPage("charging", "Charging behaviour", (
        *_slicers(),
        *_cards("fast_charge_share", "hot_share", "full_share", "charge_efficiency"),
        Visual("fast", "clusteredColumnChart", "Fast-charge share by model", "A column for each model.",
               (("Category", ("Pack.model",)), ("Y", ("kpi:fast_charge_share",))), _LOW_LEFT),
        Visual("hardest", "tableEx", "Use by pack", "Heat, high SOC, fast charges and cycles of each pack.",
               (("Values", ("Pack.pack_id", "Pack.efc", "kpi:hot_share", "kpi:full_share",
                            "kpi:fast_charge_share", "kpi:charge_efficiency")),), _LOW_RIGHT),
    )),
    ReportPage("quality", "Data quality", (
        *_cards("messages", "quarantine_rate", "days_since_last_message"),
        Visual("by_day", "lineChart", "Quarantine rate by day", "Share of messages that were refused.",
               (("Category", ("Date.date",)), ("Y", ("kpi:quarantine_rate",))), _LOW_LEFT),
        Visual("silent", "tableEx", "Vehicles by last message", "When each vehicle was seen last.",
               (("Values", ("Vehicle.vehicle_id", "Vehicle.state", "Vehicle.last_seen_at")),), _LOW_RIGHT),
    )),
)  # fmt: skip


def rendered() -> dict[str, str]:
    """Return every file of the report by its path below the definition."""
    found = {
        "version.json": _json({"$schema": _schema("versionMetadata", "1.0.0"), "version": "2.0.0"}),
        "report.json": _json(_report()),
        "pages/pages.json": _json({
            "$schema": _schema("pagesMetadata", "1.0.0"),
            "pageOrder": [_id(page.name) for page in PAGES],
            "activePageName": _id(PAGES[0].name),
        }),
    }
    for page in PAGES:
        folder = f"pages/{_id(page.name)}"
        found[f"{folder}/page.json"] = _json(_page(page))
        for order, visual in enumerate(page.visuals):
            name = _id(page.name, visual.name)
            found[f"{folder}/visuals/{name}/visual.json"] = _json(_visual(visual, name, order))
    return found


def _report() -> dict[str, Any]:
    version = {"visual": "1.8.97", "report": "2.0.97", "page": "1.3.97"}
    theme = {"name": THEME, "reportVersionAtImport": version, "type": "SharedResources"}
    return {"$schema": _schema("report", "3.0.0"), "themeCollection": {"baseTheme": theme}}


def _page(page: ReportPage) -> dict[str, Any]:
    tree: dict[str, Any] = {
        "$schema": _schema("page", "2.0.0"), "name": _id(page.name), "displayName": page.title,
        "displayOption": "FitToPage", "height": HEIGHT, "width": WIDTH,
    }  # fmt: skip
    if page.drill:
        field, _ = _field(page.drill)
        name = _id(page.name, "filter")
        tree["filterConfig"] = {
            "filters": [{"name": name, "field": field, "type": "Categorical", "howCreated": "Drillthrough"}]
        }
        tree["pageBinding"] = {
            "name": _id(page.name, "binding"), "type": "Drillthrough",
            "parameters": [{"name": _id(page.name, "parameter"), "boundFilter": name, "fieldExpr": field}],
        }  # fmt: skip
        tree["type"] = "Drillthrough"
        tree["visibility"] = "HiddenInViewMode"
    return tree


def _visual(visual: Visual, name: str, order: int) -> dict[str, Any]:
    left, top, width, height = visual.place
    shaded = {"objects": _shaded(visual)} if visual.kind == "pivotTable" else {}
    state = {role: {"projections": [_projection(text) for text in texts]} for role, texts in visual.fields}
    return {
        "$schema": _schema("visualContainer", "2.1.0"), "name": name,
        "position": {
            "x": left, "y": top, "z": 1000 * order, "width": width, "height": height,
            "tabOrder": 1000 * order,
        },
        "visual": {
            "visualType": visual.kind, "query": {"queryState": state}, **shaded,
            "visualContainerObjects": {
                "title": [{"properties": {"show": _literal("true"), "text": _text(visual.title)}}],
                "general": [{"properties": {"altText": _text(f"{visual.title}. {visual.says}")}}],
            },
            "drillFilterOtherVisuals": True,
        },
    }  # fmt: skip


def _shaded(visual: Visual) -> dict[str, Any]:
    """A heat map: the lower the first number, the darker its ground; the number stands on it."""
    field, name = _field(dict(visual.fields)["Values"][0])
    colours = {
        end: {"color": {"Literal": {"Value": f"'{colour}'"}}}
        for end, colour in (("min", "#E8A27C"), ("max", "#FFFFFF"))
    }
    rule = {"FillRule": {"Input": field, "FillRule": {"linearGradient2": colours}}}
    selector = {"data": [{"dataViewWildcard": {"matchingOption": 1}}], "metadata": name}
    ground = {"backColor": {"solid": {"color": {"expr": rule}}}}
    return {"values": [{"properties": ground, "selector": selector}]}


def _projection(text: str) -> dict[str, Any]:
    field, name = _field(text)
    return {"field": field, "queryRef": name, "nativeQueryRef": name.split(".", 1)[1].rstrip(")")}


def _field(text: str) -> tuple[dict[str, Any], str]:
    """The field's expression, and what a query calls it."""
    if text.startswith("kpi:"):
        kpi = KPIS[text.removeprefix("kpi:")]
        table = BY_CONTRACT[kpi.table.name].title
        return {"Measure": {"Expression": _of(table), "Property": kpi.title}}, f"{table}.{kpi.title}"
    function, _, rest = text.rpartition(":")
    table, column = rest.split(".")
    property_ = title_of(column)
    field = {"Column": {"Expression": _of(table), "Property": property_}}
    if not function:
        return field, f"{table}.{property_}"
    return (
        {"Aggregation": {"Expression": field, "Function": {"min": 3, "max": 4}[function]}},
        f"{function.capitalize()}({table}.{property_})",
    )


def _of(table: str) -> dict[str, Any]:
    return {"SourceRef": {"Entity": table}}


def _literal(value: str) -> dict[str, Any]:
    return {"expr": {"Literal": {"Value": value}}}


def _text(text: str) -> dict[str, Any]:
    return _literal("'" + text.replace("'", "''") + "'")


def _schema(part: str, version: str) -> str:
    return f"{SCHEMAS}/{part}/{version}/schema.json"


def _id(*parts: str) -> str:
    """Twenty digits, as Power BI names pages and visuals."""
    return stable_id("report", *parts).replace("-", "")[:20]


def _json(tree: dict[str, Any]) -> str:
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"
