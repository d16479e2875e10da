"""Charts over time of single cells: SOH with its interval, and the fan of the predicted end of life."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from battery_lake.report.chart import Chart, Spec, day_axis, pct_axis, plain, records, spec, tooltip
from battery_lake.report.data import INTERVAL_SIGMAS
from battery_lake.report.text import date, eol_date, is_true, number, rul_interval, soh_interval

if TYPE_CHECKING:
    import datetime as dt

    from battery_lake.report.data import ReportData

SERIES: Final = ("weakest cell", "median cell", "true value")
DASHES: Final = ([1, 0], [6, 3], [2, 2])
SHAPES: Final = ("circle", "square", "triangle-up")
EOL_IN_VIEW_PCT: Final = 8.0
HORIZON_DAYS: Final = 15 * 365.25
HEIGHT: Final = 250


def soh_charts(data: ReportData) -> list[Chart]:
    """Return one chart a featured pack: SOH of its weakest and its median cell, and the truth if known."""
    packs = data.featured.drop_duplicates("pack_id")
    return [_soh_chart(data, pack, index) for index, (_, pack) in enumerate(packs.iterrows())]


def outlook_charts(data: ReportData) -> list[Chart]:
    """Return one chart a featured pack: when its weakest cell was said to end, and on which day."""
    weakest = data.featured[data.featured["role"] == "weakest"].drop_duplicates("pack_id")
    return [_outlook_chart(data, cell, index) for index, (_, cell) in enumerate(weakest.iterrows())]


def soh_rows(data: ReportData, pack_id: str) -> pd.DataFrame:
    """Return estimates and truth of a pack's featured cells as rows of one series each.

    Returns
    -------
    pandas.DataFrame
        Columns cell_id, as_of_date, soh_pct, low_pct, high_pct (90 % interval), series.
    """
    cells = data.featured[data.featured["pack_id"] == pack_id][["cell_id", "role"]]
    health = data.health.merge(cells, on="cell_id")
    half = INTERVAL_SIGMAS * pd.to_numeric(health["soh_std_pct"])
    soh_pct = pd.to_numeric(health["soh_pct"])
    health = health.assign(low_pct=soh_pct - half, high_pct=soh_pct + half, series=health["role"] + " cell")
    truth = data.truth.merge(cells[cells["role"] == "weakest"], on="cell_id").assign(series=SERIES[2])
    columns = ["cell_id", "as_of_date", "soh_pct", "low_pct", "high_pct", "series"]
    parts = [part.reindex(columns=columns) for part in (health, truth) if len(part)]
    return pd.concat(parts) if parts else pd.DataFrame(columns=columns)


def _soh_chart(data: ReportData, pack: pd.Series[Any], index: int) -> Chart:
    """Return the SOH chart of one pack."""
    name, title = f"soh_{index}", f"{pack['pack_id']}: state of health"
    rows = soh_rows(data, pack["pack_id"])
    if rows.empty:
        return Chart(name, title, absent="No health estimate of this pack yet.")
    eol_pct = float(pack["eol_soh_pct"])
    layers = _soh_layers([series for series in SERIES if (rows["series"] == series).any()])
    if float(rows["soh_pct"].min()) < eol_pct + EOL_IN_VIEW_PCT:
        layers += _eol_rule(eol_pct)
    columns = ("cell_id", "as_of_date", "soh_pct", "low_pct", "high_pct", "series")
    return Chart(
        name, title, _soh_alt(data, pack, rows), spec(layers, height=HEIGHT, rows=records(rows, columns))
    )


def _soh_layers(present: list[str]) -> list[Spec]:
    """Return bands, lines and points; dash and shape say the same as the colour."""
    tips = tooltip(
        ("series", "series", ""), ("cell_id", "cell", ""), ("as_of_date", "day", "%Y-%m-%d"),
        ("soh_pct", "SOH [%]", ".2f"), ("low_pct", "5 %", ".2f"), ("high_pct", "95 %", ".2f"),
    )  # fmt: skip

    def by_series(values: list[Any] | str) -> Spec:
        scale = {"domain": list(SERIES), "range": values}
        legend = {"title": None, "values": present, "symbolSize": 70, "symbolOpacity": 1}
        return {"field": "series", "type": "nominal", "scale": scale, "legend": legend}

    color = by_series("category")
    soh = {"x": day_axis(), "y": pct_axis("soh_pct", "SOH [%]"), "color": color}
    interval = {
        "x": day_axis(),
        "y": pct_axis("low_pct", "SOH [%]"),
        "y2": {"field": "high_pct"},
        "color": color,
    }
    known = [{"filter": "isValid(datum.low_pct)"}]
    dashed = {**soh, "strokeDash": by_series(list(DASHES))}
    shaped = {**soh, "shape": by_series(list(SHAPES)), "tooltip": tips}
    return [
        {"mark": {"type": "area", "opacity": 0.22}, "transform": known, "encoding": interval},
        {"mark": {"type": "line", "strokeWidth": 2}, "encoding": dashed},
        {"mark": {"type": "point", "filled": True, "size": 14}, "encoding": shaped},
    ]


def _eol_rule(eol_pct: float) -> list[Spec]:
    """Return the horizontal rule at the end of life and its label."""
    values = {"values": [{"eol_pct": eol_pct, "label": f"end of life {number(eol_pct)} %"}]}
    y = pct_axis("eol_pct", "SOH [%]")
    return [
        {"data": values, "mark": {"type": "rule", "style": "limit"}, "encoding": {"y": y}},
        {
            "data": values,
            "mark": {"type": "text", "style": "limit-label", "align": "left", "dx": 4, "dy": -6},
            "encoding": {"y": y, "x": {"value": 0}, "text": {"field": "label"}},
        },
    ]


def _soh_alt(data: ReportData, pack: pd.Series[Any], rows: pd.DataFrame) -> str:
    """Return what the SOH chart says, in words."""
    newest = data.health.sort_values("as_of_date").drop_duplicates("cell_id", keep="last")
    newest = data.featured[data.featured["pack_id"] == pack["pack_id"]].merge(newest, on="cell_id")
    parts = [
        f"{row['role']} cell {row['cell_id']}: {number(row['soh_pct'], 1)} % SOH on"
        f" {date(row['as_of_date'])}, 90 % interval {soh_interval(row['soh_pct'], row['soh_std_pct'])} %"
        for _, row in newest.iterrows()
    ]
    first, last = rows["as_of_date"].min(), rows["as_of_date"].max()
    known = " The true value is drawn too." if (rows["series"] == SERIES[2]).any() else ""
    return f"From {date(first)} to {date(last)}; {'; '.join(parts)}.{known}"


def outlook_rows(data: ReportData, cell_id: str) -> pd.DataFrame:
    """Return the predicted day of end of life of a cell by the day of prediction.

    Returns
    -------
    pandas.DataFrame
        Columns as_of_date, early, median, late (days on which life ends; capped at the horizon), censored.
    """
    rows = data.outlook[data.outlook["cell_id"] == cell_id].dropna(subset=["rul_days_p50"])
    days = pd.to_datetime(rows["as_of_date"])
    ends = {
        name: days + pd.to_timedelta(pd.to_numeric(rows[column]).clip(0.0, HORIZON_DAYS), unit="D")
        for name, column in (("early", "rul_days_p05"), ("median", "rul_days_p50"), ("late", "rul_days_p95"))
    }
    return pd.DataFrame({"as_of_date": days, **ends, "censored": rows["censored"].map(is_true)})


def _outlook_chart(data: ReportData, cell: pd.Series[Any], index: int) -> Chart:
    """Return the fan of one cell."""
    name, title = f"outlook_{index}", f"{cell['cell_id']}: predicted end of life"
    rows = outlook_rows(data, cell["cell_id"])
    if rows.empty:
        return Chart(name, title, absent="No outlook of this cell yet: it needs more observations.")
    rows, cut_at = _readable(rows)
    # A layer without a row would make Vega warn of axes without an extent.
    layers = [] if rows["censored"].all() else _fan()
    layers += [_lower_bounds()] if rows["censored"].any() else []
    layers += [*_today_line(rows), *_true_end(data, cell)]
    values = records(rows, ("as_of_date", "early", "median", "late", "censored"))
    newest = data.outlook[data.outlook["cell_id"] == cell["cell_id"]].sort_values("as_of_date").iloc[-1]
    censored = newest["censored"]
    alt = (
        f"On {date(newest['as_of_date'])} the end of life was expected on"
        f" {eol_date(newest['as_of_date'], newest['rul_days_p50'], censored)}; remaining life 90 % interval"
        f" {rul_interval(newest['rul_days_p05'], newest['rul_days_p95'], censored)} days."
    )
    if cut_at is not None:
        alt += f" What reaches beyond {date(cut_at)} is drawn up to there."
    return Chart(name, title, alt, spec(layers, height=HEIGHT, rows=values))


def _readable(rows: pd.DataFrame) -> tuple[pd.DataFrame, pd.Timestamp | None]:
    """Cut what lies far beyond the medians, which a band to the horizon would press flat; and where."""
    seen = rows[~rows["censored"]]
    first, last = rows["as_of_date"].min(), rows["as_of_date"].max()
    latest = max(last, seen["median"].max()) if len(seen) else last
    top = latest + max(last - first, pd.Timedelta(days=90))
    if not (rows[["early", "median", "late"]] > top).any(axis=None):
        return rows, None
    return rows.assign(**{name: rows[name].clip(upper=top) for name in ("early", "median", "late")}), top


def _end_axis(field: str) -> Spec:
    """Return the y channel of the day on which life ends."""
    return {"field": field, "type": "temporal", "title": "predicted end of life",
            "scale": {"type": "utc"}, "axis": {"format": "%Y-%m", "tickCount": 6}}  # fmt: skip


def _fan() -> list[Spec]:
    """Return band and median of the days on which an end is in sight."""
    tips = tooltip(
        ("as_of_date", "predicted on", "%Y-%m-%d"), ("early", "5 %", "%Y-%m-%d"),
        ("median", "median", "%Y-%m-%d"), ("late", "95 %", "%Y-%m-%d"),
    )  # fmt: skip
    seen = [{"filter": "!datum.censored"}]
    x = day_axis(title="day of the prediction")
    return [
        {
            "transform": seen,
            "mark": {"type": "area", "style": "band"},
            "encoding": {"x": x, "y": _end_axis("early"), "y2": {"field": "late"}},
        },
        {
            "transform": seen,
            "mark": {"type": "line", "style": "median", "point": {"filled": True, "size": 18}},
            "encoding": {"x": x, "y": _end_axis("median"), "tooltip": tips},
        },
    ]


def _lower_bounds() -> Spec:
    """Return the arrows of the days on which no end is in sight: not before this day."""
    tips = tooltip(("as_of_date", "predicted on", "%Y-%m-%d"), ("early", "not before", "%Y-%m-%d"))
    return {
        "transform": [{"filter": "datum.censored"}],
        "mark": {"type": "point", "style": "bound", "shape": "triangle-up", "filled": True, "size": 40},
        "encoding": {"x": day_axis(), "y": _end_axis("early"), "tooltip": tips},
    }


def _today_line(rows: pd.DataFrame) -> list[Spec]:
    """Return the line on which the predicted day is the day of the prediction, and its label."""
    first, last = plain(rows["as_of_date"].min()), plain(rows["as_of_date"].max())
    line = {"values": [{"as_of_date": first, "end": first}, {"as_of_date": last, "end": last}]}
    label = {"values": [{"as_of_date": last, "end": last, "label": "today"}]}
    encoding = {"x": day_axis(), "y": _end_axis("end")}
    return [
        {"data": line, "mark": {"type": "line", "style": "limit"}, "encoding": encoding},
        {
            "data": label,
            "mark": {"type": "text", "style": "limit-label", "align": "right", "dy": -8},
            "encoding": {**encoding, "text": {"field": "label"}},
        },
    ]


def true_end(data: ReportData, cell: pd.Series[Any]) -> dt.date | None:
    """Return the first day on which the true SOH of a cell lies below its end of life; None if unknown."""
    truth = data.truth[data.truth["cell_id"] == cell["cell_id"]]
    over = truth[pd.to_numeric(truth["soh_pct"]) < float(cell["eol_soh_pct"])]
    return None if over.empty else pd.Timestamp(over["as_of_date"].min()).date()


def _true_end(data: ReportData, cell: pd.Series[Any]) -> list[Spec]:
    """Return the horizontal rule at the true end of life and its label, where it is known."""
    end = true_end(data, cell)
    if end is None:
        return []
    values = {"values": [{"end": plain(end), "label": f"true end {date(end)}"}]}
    return [
        {"data": values, "mark": {"type": "rule", "style": "truth"}, "encoding": {"y": _end_axis("end")}},
        {
            "data": values,
            "mark": {"type": "text", "style": "limit-label", "align": "left", "dx": 4, "dy": 12},
            "encoding": {"y": _end_axis("end"), "x": {"value": 0}, "text": {"field": "label"}},
        },
    ]
