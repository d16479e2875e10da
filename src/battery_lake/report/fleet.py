"""Charts of the fleet: the distribution of SOH by model and chemistry, and its course over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pandas as pd

from battery_lake.report.chart import (
    Chart,
    Spec,
    band_mark,
    day_axis,
    line_mark,
    pct_axis,
    records,
    spec,
    tooltip,
)
from battery_lake.report.text import date, number, span

if TYPE_CHECKING:
    from battery_lake.report.data import ReportData

HEIGHT: Final = 190
GROUPS: Final = 6
"""Most groups of model and chemistry that are drawn."""


def groups(soh_histogram: pd.DataFrame) -> list[tuple[str, str]]:
    """Return the groups of model and chemistry that are drawn, the one with most cells first; '' for null."""
    cells = soh_histogram.fillna({"model": "", "chemistry": ""})
    sizes = cells.groupby(["model", "chemistry"])["cells"].sum().sort_values(ascending=False, kind="stable")
    return [(str(model), str(chemistry)) for model, chemistry in sizes.index[:GROUPS]]


def groups_left_out(data: ReportData) -> int:
    """Return how many groups are not drawn."""
    cells = data.soh_histogram.fillna({"model": "", "chemistry": ""})
    return max(0, len(cells[["model", "chemistry"]].drop_duplicates()) - GROUPS)


def fleet_charts(data: ReportData) -> list[Chart]:
    """Return two charts a group: its cells by SOH, and its packs over time."""
    charts: list[Chart] = []
    for index, group in enumerate(groups(data.soh_histogram)):
        charts += [_histogram(data, group, index), _ribbon(data, group, index)]
    return charts


def _label(group: tuple[str, str]) -> str:
    """Return how a group is called."""
    return ", ".join(part for part in group if part) or "model not given"


def _of(frame: pd.DataFrame, group: tuple[str, str]) -> pd.DataFrame:
    """Return the rows of a group."""
    named = frame.fillna({"model": "", "chemistry": ""})
    return named[(named["model"] == group[0]) & (named["chemistry"] == group[1])]


def _histogram(data: ReportData, group: tuple[str, str], index: int) -> Chart:
    """Return the distribution of a group's cells."""
    rows = _of(data.soh_histogram, group).sort_values("soh_bin_pct")
    rows = rows.assign(soh_end_pct=rows["soh_bin_pct"] + 1)
    cells = int(rows["cells"].sum())
    mode = rows.loc[pd.to_numeric(rows["cells"]).idxmax()]
    alt = (
        f"{number(cells)} cells; SOH from {number(rows['soh_bin_pct'].min())} to"
        f" {number(rows['soh_end_pct'].max())} %; most lie at"
        f" {span(mode['soh_bin_pct'], mode['soh_end_pct'])} % ({number(mode['cells'])} cells)."
    )
    tips = tooltip(("soh_bin_pct", "SOH from [%]", ".0f"), ("cells", "cells", ",.0f"))
    bars: Spec = {
        "mark": {"type": "bar", "style": "count", "binSpacing": 1},
        "encoding": {
            "x": {
                "field": "soh_bin_pct",
                "bin": {"binned": True, "step": 1},
                "title": "SOH now [%]",
                "axis": {"labelOverlap": True, "labelSeparation": 4},
            },
            "x2": {"field": "soh_end_pct"},
            "y": {"field": "cells", "type": "quantitative", "title": "cells", "axis": {"tickMinStep": 1}},
            "tooltip": tips,
        },
    }
    values = records(rows, ("soh_bin_pct", "soh_end_pct", "cells"))
    return Chart(
        f"histogram_{index}", f"{_label(group)}: cells by SOH", alt, spec([bars], height=HEIGHT, rows=values)
    )


def _ribbon(data: ReportData, group: tuple[str, str], index: int) -> Chart:
    """Return the quantiles of a group's packs over time."""
    name, title = f"ribbon_{index}", f"{_label(group)}: packs over time"
    rows = _of(data.fleet_daily, group).dropna(subset=["soh_pct_p50"]).sort_values("as_of_date")
    if rows.empty:
        return Chart(name, title, absent="No daily fleet figures of this group yet.")
    newest = rows.iloc[-1]
    alt = (
        f"On {date(newest['as_of_date'])}, {number(newest['vehicles'])} packs: median SOH"
        f" {number(newest['soh_pct_p50'], 1)} %, 10 to 90 % of packs"
        f" {span(newest['soh_pct_p10'], newest['soh_pct_p90'], 1)} %, weakest cell"
        f" {number(newest['soh_min_pct'], 1)} %."
    )
    columns = ("as_of_date", "vehicles", "soh_pct_p10", "soh_pct_p50", "soh_pct_p90", "soh_min_pct")
    return Chart(
        name, title, alt, spec(_ribbon_layers(len(rows)), height=HEIGHT, rows=records(rows, columns))
    )


def _ribbon_layers(days: int) -> list[Spec]:
    """Return the layers of band, median and weakest cell."""
    tips = tooltip(
        ("as_of_date", "day", "%Y-%m-%d"), ("vehicles", "packs", ",.0f"), ("soh_pct_p10", "10 % [%]", ".1f"),
        ("soh_pct_p50", "median [%]", ".1f"), ("soh_pct_p90", "90 % [%]", ".1f"),
        ("soh_min_pct", "weakest cell [%]", ".1f"),
    )  # fmt: skip
    x = day_axis()
    return [
        {
            "mark": band_mark(days),
            "encoding": {"x": x, "y": pct_axis("soh_pct_p10", "SOH [%]"), "y2": {"field": "soh_pct_p90"}},
        },
        {
            "mark": line_mark("median", days),
            "encoding": {"x": x, "y": pct_axis("soh_pct_p50", "SOH [%]")},
        },
        {
            "mark": line_mark("weakest", days),
            "encoding": {"x": x, "y": pct_axis("soh_min_pct", "SOH [%]")},
        },
        {
            "mark": {"type": "rule", "opacity": 0},
            "encoding": {"x": x, "tooltip": tips},
        },
    ]
