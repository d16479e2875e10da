"""Charts of one pack: every cell in its place, and what the pack did in the newest weeks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from battery_lake.report.chart import Chart, Spec, records, spec, tooltip, utc
from battery_lake.report.data import INTERVAL_SIGMAS
from battery_lake.report.text import date, number

if TYPE_CHECKING:
    from battery_lake.report.data import ReportData

ROW_HEIGHT: Final = 30
DAY_HEIGHT: Final = 17
LONGEST_ROW: Final = 24
WRAPPED_ROW: Final = 12
KINDS: Final = ("drive", "charge", "rest")
THICKNESS: Final = (9, 13, 3)
"""Heights of the bars of a drive, a charge and a rest: the kind can be read without colour. [px]"""


def cell_map(data: ReportData) -> Chart:
    """Return the cells of the focus pack, modules by cells, with SOH as shade and as number."""
    title = (
        f"{data.focus_pack_id}: state of health of every cell" if data.focus_pack_id else "Cells of a pack"
    )
    cells = cell_grid(data.pack_cells)
    if cells.empty:
        return Chart("cell_map", title, absent="No cell has a health estimate yet.")
    weakest, best = cells.loc[cells["soh_pct"].idxmin()], cells.loc[cells["soh_pct"].idxmax()]
    alt = (
        f"{len(cells)} cells in {cells['row'].nunique()} rows. Weakest: {weakest['cell_id']} with"
        f" {number(weakest['soh_pct'], 1)} % (framed); best: {best['cell_id']} with"
        f" {number(best['soh_pct'], 1)} %; median {number(cells['soh_pct'].median(), 1)} %."
    )
    rows = records(cells, ("cell_id", "row", "column", "soh_pct", "low_pct", "high_pct", "shade", "weakest"))
    whole = spec(_cell_layers(cells), height=ROW_HEIGHT * cells["row"].nunique(), rows=rows)
    return Chart("cell_map", title, alt, whole)


def cell_grid(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the cells with an SOH and their place in the map.

    Returns
    -------
    pandas.DataFrame
        The cells with row (a module, or a stretch of the string where modules are not given), column,
        low_pct and high_pct (90 % interval), shade (0 for the best cell, 1 for the weakest), weakest.
    """
    cells = cells.dropna(subset=["soh_pct"]).sort_values("series_index")
    if cells.empty:
        return cells.assign(row="", column=0, low_pct=0.0, high_pct=0.0, shade=0.0, weakest=False)
    soh_pct, half = pd.to_numeric(cells["soh_pct"]), INTERVAL_SIGMAS * pd.to_numeric(cells["soh_std_pct"])
    place = cells["cell_id"].str.extract(r"/(\d+)/(\d+)$").astype(int)
    row, column = "module " + place[0].astype(str).str.zfill(2), place[1]
    if place[1].max() > LONGEST_ROW:
        index = pd.to_numeric(cells["series_index"]).astype(int)
        start = index // WRAPPED_ROW * WRAPPED_ROW + 1
        row = "cells " + start.astype(str).str.zfill(3) + " on"
        column = index % WRAPPED_ROW + 1
    breadth = max(float(soh_pct.max() - soh_pct.min()), 1e-9)
    return cells.assign(
        soh_pct=soh_pct, row=row, column=column, low_pct=soh_pct - half, high_pct=soh_pct + half,
        shade=(soh_pct.max() - soh_pct) / breadth, weakest=cells.index == soh_pct.idxmin(),
    )  # fmt: skip


def _cell_layers(cells: pd.DataFrame) -> list[Spec]:
    """Return shades, numbers and the frame of the weakest cell."""
    tips = tooltip(("cell_id", "cell", ""), ("soh_pct", "SOH [%]", ".2f"), ("low_pct", "5 %", ".2f"),
                   ("high_pct", "95 %", ".2f"))  # fmt: skip
    rising = [float(cells["soh_pct"].min()), float(cells["soh_pct"].max())]
    place = {
        "x": {
            "field": "column",
            "type": "ordinal",
            "title": "cell within the row",
            "axis": {"labelAngle": 0},
        },
        "y": {"field": "row", "type": "ordinal", "title": None},
    }
    shade = {"field": "soh_pct", "type": "quantitative", "title": "SOH [%]",
             "scale": {"domain": rising, "range": "heatmap", "zero": False, "interpolate": "rgb"},
             "legend": {"format": ".1f", "tickCount": 4}}  # fmt: skip
    number_of = {"field": "soh_pct", "type": "quantitative", "format": ".1f"}
    return [
        {"mark": {"type": "rect", "style": "cell"}, "encoding": {**place, "color": shade, "tooltip": tips}},
        {
            "transform": [{"filter": "datum.shade <= ink_split"}],
            "mark": {"type": "text", "style": "on-strong"},
            "encoding": {**place, "text": number_of},
        },
        {
            "transform": [{"filter": "datum.shade > ink_split"}],
            "mark": {"type": "text", "style": "on-weak"},
            "encoding": {**place, "text": number_of},
        },
        {
            "transform": [{"filter": "datum.weakest"}],
            "mark": {"type": "rect", "style": "framed", "filled": False},
            "encoding": place,
        },
    ]


def session_chart(data: ReportData) -> Chart:
    """Return the focus pack's sessions: one line a day, midnight to midnight, with the day's charge."""
    title = f"{data.focus_pack_id}: sessions" if data.focus_pack_id else "Sessions of a pack"
    if data.sessions.empty:
        return Chart("sessions", title, absent="No session of this pack yet.")
    pieces, days = session_pieces(data.sessions), day_charge(data.sessions)
    counts = data.sessions["kind"].value_counts()
    alt = (
        f"From {date(days['day'].min())} to {date(days['day'].max())}: {counts.get('charge', 0)} charges,"
        f" {counts.get('drive', 0)} drives, {counts.get('rest', 0)} rests; charged"
        f" {number(days['in_ah'].sum())} Ah, discharged {number(-days['out_ah'].sum())} Ah."
        " Thick bars are charges, middle ones drives, thin ones rests; the numbers at the right are the"
        " charge in and out of each day."
    )
    # Every day has a line, so that a day without a session shows as one.
    every_day = [date(day) for day in pd.date_range(days["day"].min(), days["day"].max(), freq="D")]
    y = {"field": "day", "type": "ordinal", "title": None, "scale": {"domain": every_day}}
    axes: tuple[Spec | None, ...] = ({}, None, None)  # one axis for the three
    layers = [
        _bars(kind, height, {**y, "axis": axis})
        for kind, height, axis in zip(KINDS, THICKNESS, axes, strict=True)
    ]
    columns = ("day", "from_h", "to_h", "kind", "charge_ah", "started_at", "ended_at", "soc")
    height = DAY_HEIGHT * len(every_day)
    whole = spec([*layers, _day_numbers(days, y)], height=height, rows=records(pieces, columns))
    whole["resolve"] = {"axis": {"y": "independent"}}
    return Chart("sessions", title, alt, whole)


def session_pieces(sessions: pd.DataFrame) -> pd.DataFrame:
    """Return the sessions cut at midnight UTC.

    Returns
    -------
    pandas.DataFrame
        Columns day (text), from_h, to_h [h], kind, charge_ah (of the whole session), started_at,
        ended_at, soc.
    """
    pieces: list[dict[str, Any]] = []
    for _, session in sessions.iterrows():
        start, end = utc(session["started_at"]), utc(session["ended_at"])
        soc = f"{number(session['soc_start_pct'])} to {number(session['soc_end_pct'])} %"
        # A session that ends at midnight has nothing on the day that begins then.
        last = max(start, end - pd.Timedelta(microseconds=1)).normalize()
        for day in pd.date_range(start.normalize(), last, freq="D"):
            from_h = max(0.0, (start - day) / pd.Timedelta(hours=1))
            to_h = min(24.0, (end - day) / pd.Timedelta(hours=1))
            pieces.append(
                {"day": date(day), "from_h": from_h, "to_h": to_h, "kind": session["kind"], "soc": soc,
                 "charge_ah": session["charge_ah"], "started_at": start, "ended_at": end}
            )  # fmt: skip
    return pd.DataFrame(pieces)


def day_charge(sessions: pd.DataFrame) -> pd.DataFrame:
    """Return the charge in and out a day, booked on the day a session ends: day, in_ah, out_ah, label."""
    charge_ah = pd.to_numeric(sessions["charge_ah"]).fillna(0.0)
    frame = pd.DataFrame({
        "day": [date(utc(end)) for end in sessions["ended_at"]],
        "in_ah": charge_ah.clip(lower=0.0).to_numpy(),
        "out_ah": charge_ah.clip(upper=0.0).to_numpy(),
    })
    days = frame.groupby("day", as_index=False).sum()
    labels = [
        f"+{number(taken)} / {number(given)} Ah"
        for taken, given in zip(days["in_ah"], days["out_ah"], strict=True)
    ]
    return days.assign(label=labels)


def _bars(kind: str, height: int, y: Spec) -> Spec:
    """Return the bars of one kind of session."""
    tips = tooltip(
        ("kind", "kind", ""), ("started_at", "from", "%Y-%m-%d %H:%M"), ("ended_at", "to", "%Y-%m-%d %H:%M"),
        ("charge_ah", "charge [Ah]", "+.1f"), ("soc", "SOC", ""),
    )  # fmt: skip
    hours = {"field": "from_h", "type": "quantitative", "title": "hour of the day, UTC",
             "scale": {"domain": [0, 24], "nice": False},
             "axis": {"values": [0, 3, 6, 9, 12, 15, 18, 21, 24]}}  # fmt: skip
    color = {"field": "kind", "type": "nominal", "title": None,
             "scale": {"domain": list(KINDS), "range": "category"}}  # fmt: skip
    return {
        "transform": [{"filter": f"datum.kind === '{kind}'"}],
        "mark": {"type": "bar", "height": height},
        "encoding": {
            "x": hours,
            "x2": {"field": "to_h"},
            "y": y,
            "color": color,
            "tooltip": tips,
        },
    }


def _day_numbers(days: pd.DataFrame, y: Spec) -> Spec:
    """Return the charge of each day as the labels of an axis at the right, which has room at any width."""
    labels = json.dumps(dict(zip(days["day"], days["label"], strict=True)), ensure_ascii=False)
    axis = {"orient": "right", "domain": False, "ticks": False, "title": None,
            "labelExpr": f"{labels}[datum.value] || ''"}  # fmt: skip
    return {
        "data": {"values": records(days, ("day",))},
        "mark": {"type": "point", "opacity": 0},
        "encoding": {"y": {**y, "axis": axis}},
    }
