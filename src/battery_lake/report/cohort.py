"""The chart of packs beside their like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from battery_lake.report.chart import Chart, Spec, pct_axis, records, spec, tooltip
from battery_lake.report.text import number

if TYPE_CHECKING:
    from battery_lake.report.data import ReportData

ROW_PX: Final = 22
PACKS: Final = 25
"""Most packs that are drawn, those furthest behind their like first."""

MIN_PACKS: Final = 3
"""Fewer packs have no quantiles that say something."""

COLUMNS: Final = (
    "pack_id", "soh_median_pct", "soh_p10_pct", "soh_p50_pct", "soh_p90_pct", "packs", "model", "sold",
)  # fmt: skip


def cohort_chart(data: ReportData) -> Chart:
    """Return every named pack as a point before the range of its cohort."""
    name, title = "cohorts", "Packs against their like"
    known = data.cohorts[data.cohorts["packs"].fillna(0) >= MIN_PACKS].head(PACKS)
    if known.empty:
        absent = (
            f"No pack named here has a cohort: at least {MIN_PACKS} packs of one model and chemistry, sold in"
            " one half-year (warranty_from in reference.packs)."
        )
        return Chart(name, title, absent=absent)
    first = known.iloc[0]
    behind = int((known["soh_median_pct"] < known["soh_p10_pct"]).sum())
    alt = (
        f"{number(len(known))} packs; {number(behind)} of them lie below a tenth of their like. Furthest"
        f" behind: {first['pack_id']}, {number(first['soh_median_pct'], 1)} % against a median of"
        f" {number(first['soh_p50_pct'], 1)} % over {number(first['packs'])} packs."
    )
    height = ROW_PX * len(known)
    return Chart(name, title, alt, spec(_layers(), height=height, rows=records(known, COLUMNS)))


def _layers() -> list[Spec]:
    tips = tooltip(
        ("pack_id", "pack", ""), ("soh_median_pct", "SOH, median cell [%]", ".1f"),
        ("soh_p10_pct", "cohort: 10 % [%]", ".1f"), ("soh_p50_pct", "cohort: median [%]", ".1f"),
        ("soh_p90_pct", "cohort: 90 % [%]", ".1f"), ("packs", "cohort: packs", ",.0f"),
        ("model", "model", ""), ("sold", "sold", ""),
    )  # fmt: skip
    y: Spec = {"field": "pack_id", "type": "nominal", "sort": None, "title": None}
    title = "SOH of the median cell [%]"
    return [
        {
            "mark": {"type": "bar", "style": "band", "height": ROW_PX // 2},
            "encoding": {
                "y": y,
                "x": pct_axis("soh_p10_pct", title),
                "x2": {"field": "soh_p90_pct"},
                "tooltip": tips,
            },
        },
        {
            "mark": {"type": "tick", "style": "middle"},
            "encoding": {"y": y, "x": pct_axis("soh_p50_pct", title)},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 70, "style": "own"},
            "encoding": {"y": y, "x": pct_axis("soh_median_pct", title), "tooltip": tips},
        },
    ]
