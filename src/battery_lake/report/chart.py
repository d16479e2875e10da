"""What every chart of the report shares: its form, its data as plain JSON, and its recurring layers."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from battery_lake.report.text import is_absent

if TYPE_CHECKING:
    from collections.abc import Iterable

Spec = dict[str, Any]

SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v6.json"
DIGITS: Final = 3
POINT: Final = {"type": "point", "filled": True, "size": 50, "opacity": 1}
BAR: Final = {"type": "rule", "strokeWidth": 8, "strokeOpacity": 0.22}
UTC_MINUTE: Final = "utcyearmonthdatehoursminutes"
EPOCH: Final = pd.Timestamp("1970-01-01", tz="UTC")


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart and what stands in its place for those who cannot see it.

    Parameters
    ----------
    chart_id
        Name within the page.
    title
        Heading above the chart.
    alt
        What the chart says, in words and numbers.
    spec
        The Vega-Lite specification without colours; None where there is nothing to draw.
    absent
        Why there is nothing to draw.
    """

    chart_id: str
    title: str
    alt: str = ""
    spec: Spec | None = None
    absent: str = ""


def plain(value: Any) -> Any:
    """Return a scalar as JSON knows it: instants and days in milliseconds since 1970, missing as None."""
    if is_absent(value):
        return None
    if isinstance(value, (dt.date, pd.Timestamp, np.datetime64)):
        return int((utc(value) - EPOCH) / pd.Timedelta(milliseconds=1))
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        return round(float(value), DIGITS)
    return str(value)


def utc(value: Any) -> pd.Timestamp:
    """Return a day or instant as an aware timestamp; what has no zone is UTC."""
    stamp = pd.Timestamp(value)
    return stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")


def records(frame: pd.DataFrame, columns: Iterable[str]) -> list[dict[str, Any]]:
    """Return the rows of a frame as JSON objects with the named columns."""
    names = list(columns)
    rows = zip(*(frame[name].tolist() for name in names), strict=True)
    return [dict(zip(names, map(plain, row), strict=True)) for row in rows]


def spec(layers: list[Spec], *, height: int, rows: list[dict[str, Any]] | None = None) -> Spec:
    """Return a layered specification that is as wide as its container."""
    whole: Spec = {
        "$schema": SCHEMA,
        "width": "container",
        "height": height,
        "autosize": {"type": "fit-x", "contains": "padding"},
        "layer": layers,
    }
    return whole if rows is None else {**whole, "data": {"values": rows}}


def line_mark(style: str, days: int) -> Spec:
    """Return the mark of a course over days: of a single day, of which no line can be drawn, a point."""
    return {"type": "line", "style": style} if days > 1 else POINT | {"style": style}


def band_mark(days: int) -> Spec:
    """Return the mark of an interval over days: of a single day a bar."""
    return {"style": "band"} | ({"type": "area"} if days > 1 else BAR)


def day_axis(field: str = "as_of_date", title: str | None = None) -> Spec:
    """Return the x channel of a day; UTC, so that a day is the same day on every desk."""
    return {"field": field, "type": "temporal", "scale": {"type": "utc"}, "title": title,
            "axis": {"format": "%b %Y", "labelOverlap": True, "tickCount": 6}}  # fmt: skip


def pct_axis(field: str, title: str, **scale: Any) -> Spec:
    """Return the y channel of a percentage that need not start at zero."""
    return {"field": field, "type": "quantitative", "title": title, "scale": {"zero": False, **scale}}


def tooltip(*entries: tuple[str, str, str]) -> list[Spec]:
    """Return a tooltip channel from (field, title, format); a format with % is a day's or an instant's."""
    return [
        {"field": field, "title": title, "type": "temporal", "format": form, "timeUnit": UTC_MINUTE}
        if "%" in form
        else {"field": field, "title": title, "type": "quantitative", "format": form}
        if form
        else {"field": field, "title": title, "type": "nominal"}
        for field, title, form in entries
    ]
