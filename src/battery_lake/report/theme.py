"""Colours of the page and of its charts, light and dark, from one palette each.

Hues are those of Okabe and Ito, which people with any of the common colour deficiencies tell apart; each
ink has a contrast of at least 4.5 to 1 on its ground.

References
----------
Okabe M., Ito K., Color Universal Design (2008); W3C, WCAG 2.2, success criteria 1.4.1, 1.4.3 and 1.4.11.
"""

from __future__ import annotations

from typing import Any, Final

PALETTES: Final[dict[str, dict[str, str]]] = {
    "light": {
        "page": "#f4f6f9", "card": "#ffffff", "ink": "#1b2430", "soft": "#55606e", "line": "#d5dbe3",
        "accent": "#0b63a5", "weak": "#b8480a", "good": "#0b6e4f", "bad": "#a61b1b", "watch": "#8a5300",
        "heat-0": "#e8eef6", "heat-1": "#f3b567", "heat-2": "#97330d",
        "on-strong": "#000000", "on-weak": "#ffffff",
    },
    "dark": {
        "page": "#10151c", "card": "#18202a", "ink": "#e8edf3", "soft": "#a9b4c1", "line": "#33404e",
        "accent": "#6cb8f0", "weak": "#ffa657", "good": "#5fd3a8", "bad": "#ff9b93", "watch": "#f2c14e",
        "heat-0": "#24303e", "heat-1": "#8a5a22", "heat-2": "#ffc773",
        "on-strong": "#ffffff", "on-weak": "#000000",
    },
}  # fmt: skip
"""Colours by scheme and role."""

INK_SPLIT: Final = {"light": 0.84, "dark": 0.58}
"""Shade of the cell map, 0 for the best cell and 1 for the weakest, above which numbers take ``on-weak``."""

FONT: Final = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif'


def css_variables(scheme: str) -> str:
    """Return the palette of a scheme as CSS custom properties."""
    return " ".join(f"--{role}: {colour};" for role, colour in PALETTES[scheme].items())


def chart_config(scheme: str) -> dict[str, Any]:
    """Return the Vega-Lite configuration of a scheme: what the specifications call by name, in colours."""
    colour = PALETTES[scheme]
    return {
        "background": None,
        "font": FONT,
        "view": {"stroke": None},
        "params": [{"name": "ink_split", "value": INK_SPLIT[scheme]}],
        "axis": {
            "labelColor": colour["soft"], "titleColor": colour["soft"], "gridColor": colour["line"],
            "domainColor": colour["line"], "tickColor": colour["line"], "labelFontSize": 11,
            "titleFontSize": 11, "titleFontWeight": "normal", "gridOpacity": 0.7,
        },
        "legend": {
            "labelColor": colour["ink"], "titleColor": colour["soft"], "labelFontSize": 11,
            "titleFontSize": 11, "titleFontWeight": "normal", "orient": "top", "offset": 6,
        },
        "range": {
            "category": [colour["weak"], colour["accent"], colour["soft"]],
            "heatmap": [colour["heat-2"], colour["heat-1"], colour["heat-0"]],
        },
        "style": _styles(colour),
    }  # fmt: skip


def _styles(colour: dict[str, str]) -> dict[str, Any]:
    """Return the named styles of marks."""
    dashed = {"strokeDash": [5, 4], "strokeWidth": 1.2}
    return {
        "band": {"color": colour["accent"], "fillOpacity": 0.22},
        "median": {"color": colour["accent"], "strokeWidth": 2},
        "middle": {"color": colour["accent"], "thickness": 3},
        "own": {"color": colour["weak"], "opacity": 1},
        "weakest": {"color": colour["weak"], "strokeWidth": 1.6, "strokeDash": [6, 3]},
        "bound": {"color": colour["soft"]},
        "limit": {"color": colour["soft"], **dashed},
        "truth": {"color": colour["good"], "strokeWidth": 1.6},
        "limit-label": {"color": colour["ink"], "fontSize": 11},
        "count": {"color": colour["accent"]},
        "cell": {"stroke": colour["card"], "strokeWidth": 2},
        "framed": {"color": colour["ink"], "strokeWidth": 3},
        "on-strong": {"color": colour["on-strong"], "fontSize": 11},
        "on-weak": {"color": colour["on-weak"], "fontSize": 11},
    }
