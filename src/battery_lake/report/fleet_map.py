"""The map of the fleet: what stands in each square, in the form that the page's script draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from battery_lake.report import text
from battery_lake.report.outlines import outlines
from battery_lake.report.table import number, numeric, table, words

if TYPE_CHECKING:
    import pandas as pd

    from battery_lake.report.data import ReportData
    from battery_lake.report.table import Column, Table

LISTED = 10


def map_data(data: ReportData) -> dict[str, Any]:
    """Return outlines, and squares of latitude, longitude, vehicles, packs below end of life, and words.

    Parameters
    ----------
    data
        What the report shows, with at least one square.
    """
    places = data.positions
    latitudes, longitudes = (places[name].astype(float).tolist() for name in ("latitude", "longitude"))
    squares = [
        [row["latitude"], row["longitude"], int(row["vehicles"]), int(row["below"]), _said(row)]
        for _, row in places.iterrows()
    ]
    return {"lines": outlines(latitudes, longitudes), "squares": squares}


def map_words(data: ReportData) -> str:
    """Return what the map shows, in words and numbers."""
    places = data.positions
    most, below = places.iloc[0], text.number((places["below"] > 0).sum())
    return (
        f"{text.number(places['vehicles'].sum())} vehicles in {text.number(len(places))} squares of"
        f" {text.number(most['cell_size_km'])} km; most in one: {text.number(most['vehicles'])}, near"
        f" {_place(most)}. Squares with a pack below its end of life: {below}."
    )


def squares(data: ReportData) -> Table:
    """Return the squares with most vehicles."""
    columns: list[Column] = [
        words("Square around", "place"),
        number("Vehicles", "vehicles"),
        number("Below end of life", "below"),
        number("Lowest SOH [%]", "soh_min_pct", 1),
        numeric("Last heard of, UTC", lambda row: text.instant(row["measured_at"])),
    ]
    listed = data.positions.head(LISTED)
    named = listed.assign(place=[_place(row) for _, row in listed.iterrows()])
    caption = f"Squares with most vehicles, {text.number(len(named))} of {text.number(len(data.positions))}"
    return table(caption, columns, named, "No vehicle has told where it is.")


def _said(row: pd.Series[Any]) -> str:
    below = f"; below end of life: {text.number(row['below'])}" if row["below"] else ""
    return (
        f"vehicles: {text.number(row['vehicles'])}{below}; lowest SOH: {text.number(row['soh_min_pct'], 1)} %"
    )


def _place(row: pd.Series[Any]) -> str:
    """Return the middle of a square: north or south, east or west."""
    north, east = float(row["latitude"]), float(row["longitude"])
    return (
        f"{text.number(abs(north), 2)}° {'N' if north >= 0 else 'S'},"
        f" {text.number(abs(east), 2)}° {'E' if east >= 0 else 'W'}"
    )
