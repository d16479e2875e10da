"""How the pictures look, and what recurs in them: the report's colours on a card of its own ground."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

import altair as alt
import numpy as np
import vl_convert

from battery_lake.report import theme

if TYPE_CHECKING:
    from pathlib import Path

    from battery_lake.cells.arrays import Floats

COLOUR: Final = theme.PALETTES["light"]
# Beside text on a dark page a picture without a ground would be dark on dark.
CONFIG: Final[dict[str, Any]] = theme.chart_config("light") | {
    "background": COLOUR["card"],
    "padding": 12,
    # Every label names its font; the report's own list of fonts would be half of the file.
    "font": "sans-serif",
    # Alternative texts stand in the documents; one a point would make large files.
    "aria": False,
    "title": {"color": COLOUR["ink"], "fontSize": 12, "fontWeight": "bold", "anchor": "start"},
    "concat": {"spacing": 24},
    "axisX": {"tickCount": 6},
    # So that panels side by side, and one below the other, start on one line.
    "axisY": {"minExtent": 44, "labelFlush": True, "tickCount": 5},
}
WIDTH: Final = 310
HEIGHT: Final = 170
MOST_POINTS: Final = 180
"""Longer series are thinned to so many points: more is not to be seen, and makes large files."""

Panel = alt.LayerChart | alt.FacetChart
"""Layers over each other, as Altair types them."""

DIGITS: Final = 4
NEEDLESS: Final = re.compile(r'(?<=\.\d\d)\d+| (?:opacity="1"|stroke-width="0")')
"""Less than a hundredth of a pixel, and what is so anyhow."""

DOT: Final = r'<path transform="translate\([^"]*\)" d="M%s,0A[^"]*" fill="%s"/>'
FIRST_DOT, LIKE_IT = DOT % ("([0-9.]+)", "(#[0-9a-f]+)"), DOT % (r"\1", r"\2")
DOTS: Final = re.compile(f"{FIRST_DOT}(?:{LIKE_IT})+")


def save(chart: alt.TopLevelMixin, file: Path) -> None:
    """Write a picture as SVG.

    Parameters
    ----------
    chart
        The picture.
    file
        Where to.
    """
    spec = chart.to_dict()
    # Altair's own defaults would overrule these.
    spec["config"] = CONFIG
    svg = re.sub(r"<[^>]+>", lambda tag: NEEDLESS.sub("", tag[0]), vl_convert.vegalite_to_svg(spec))
    file.write_text(DOTS.sub(_joined, svg) + "\n", encoding="utf-8")


def _joined(dots: re.Match[str]) -> str:
    """Dots of one size and colour as one path of round ends: a ninth of the bytes."""
    place = "".join(f"M{at}h.01" for at in re.findall(r"translate\(([^)]*)\)", dots[0]))
    wide = 2.0 * float(dots[1])
    return f'<path d="{place}" stroke="{dots[2]}" stroke-width="{wide:.2f}" stroke-linecap="round"/>'


def thinned(count: int, most: int = MOST_POINTS) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return which of so many rows are drawn: first, last and evenly between.

    Parameters
    ----------
    count
        Rows there are.
    most
        Rows to draw at most.
    """
    return np.unique(np.linspace(0, max(count - 1, 0), min(count, most)).round().astype(np.int64))


def rows(**columns: Any) -> alt.InlineData:
    """Return columns of one length as the data of a chart, rounded, what is not a number as null.

    Parameters
    ----------
    **columns
        Values by name.
    """
    lists = {name: np.asarray(values).tolist() for name, values in columns.items()}
    return alt.InlineData(
        values=[
            {name: _plain(value) for name, value in zip(lists, row, strict=True)}
            for row in zip(*lists.values(), strict=True)
        ]
    )


def _plain(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    return round(value, DIGITS) if math.isfinite(value) else None


def named(layer: alt.Chart, names: dict[str, str], name: str) -> alt.Chart:
    """Return a layer in its colour, with its line in a legend that all layers share.

    Parameters
    ----------
    layer
        The layer.
    names
        Every layer's name and colour.
    name
        This layer's.
    """
    scale = alt.Scale(domain=list(names), range=list(names.values()))
    legend = alt.Legend(title=None, labelLimit=300, symbolOpacity=1, symbolStrokeWidth=2)
    found: alt.Chart = layer.transform_calculate(layer=f"'{name}'").encode(
        alt.Color("layer:N", scale=scale, legend=legend)
    )
    return found


def limit(at: float, text: str) -> Panel:
    """Return a dashed level with its name.

    Parameters
    ----------
    at
        Where on the y axis.
    text
        Its name.
    """
    base = alt.Chart(rows(y=[at], text=[text])).encode(y="y:Q")
    label = base.mark_text(style="limit-label", align="left", dx=4, dy=-6).encode(
        x=alt.value(0), text="text:N"
    )
    return alt.layer(base.mark_rule(style="limit"), label)


MEASURED: Final = "measured capacity"
ESTIMATE: Final = "estimate"
INTERVAL: Final = "its 90 % interval"
TRACKED: Final = {MEASURED: COLOUR["weak"], ESTIMATE: COLOUR["accent"], INTERVAL: "#c4d9ea"}


def tracked(
    title: str,
    x_title: str,
    measured: tuple[Floats, Floats],
    estimate: tuple[Floats, Floats, Floats, Floats],
    y_domain: tuple[float, float],
) -> Panel:
    """Return one cell's measured capacity and its estimate over life.

    Parameters
    ----------
    title
        The cell.
    x_title
        What x is.
    measured
        x and SOH. [%]
    estimate
        x, SOH, and the ends of its interval. [%]
    y_domain
        Ends of the y axis. [%]
    """
    known, told = thinned(measured[0].size), thinned(estimate[0].size)
    points = alt.Chart(rows(x=measured[0][known], y=measured[1][known]))
    names = ("x", "y", "low", "high")
    line = alt.Chart(rows(**{name: part[told] for name, part in zip(names, estimate, strict=True)}))
    x = alt.X("x:Q", title=x_title, scale=alt.Scale(zero=False, nice=False))
    y_scale = alt.Scale(domain=y_domain)
    y, low = (alt.Y(f"{name}:Q", title="SOH [%]", scale=y_scale) for name in ("y", "low"))
    chart: Panel = alt.layer(
        named(line.mark_area(opacity=1).encode(x, low, alt.Y2("high")), TRACKED, INTERVAL),
        named(line.mark_line(strokeWidth=1.5).encode(x, y), TRACKED, ESTIMATE),
        named(
            points.mark_point(filled=True, size=9, opacity=1, strokeWidth=0).encode(x, y), TRACKED, MEASURED
        ),
    ).properties(title=title, width=WIDTH, height=HEIGHT)
    return chart
