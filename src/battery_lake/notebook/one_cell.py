"""One cell from what its sessions said to the estimate: observations, and the filter's SOH through them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.report.chart import Chart, Spec, day_axis, pct_axis, records, spec
from battery_lake.report.data import INTERVAL_SIGMAS
from battery_lake.report.text import date, number

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from pyspark.sql import DataFrame

MOST: Final = 400
"""So many observations are drawn, the newest ones."""

MARGIN_PCT: Final = 6.0
"""The chart reaches so far beyond the estimates; what lies beyond is cut off. [%]"""

METHODS: Final = ("rest_to_rest", "full_discharge")
HEIGHT: Final = 280


def observations(read: Callable[[str], DataFrame], cell_id: str) -> pd.DataFrame:
    """Return what sessions said of one cell's capacity.

    Parameters
    ----------
    read
        Gives a table of the lake by its name.
    cell_id
        The cell.

    Returns
    -------
    pandas.DataFrame
        Columns as_of_date, method, soh_pct, soh_std_pct, soc_start_pct, soc_end_pct,
        temperature_mean_c; the newest first.
    """
    cell = read("gold.cell_current").where(F.col("cell_id") == cell_id).select("pack_id", "series_index")
    rated = read("reference.packs").select("pack_id", "rated_capacity_ah")
    place, per_cent = F.col("series_index"), 100.0 / F.col("rated_capacity_ah")
    found: pd.DataFrame = (
        read("gold.capacity_observation")
        .join(cell.join(rated, on="pack_id"), on="pack_id")
        .where(F.col("capacity_ah")[place].isNotNull())
        .select(
            F.to_date("ended_at").alias("as_of_date"),
            "method",
            (F.col("capacity_ah")[place] * per_cent).alias("soh_pct"),
            (F.sqrt(F.col("variance_ah2")[place]) * per_cent).alias("soh_std_pct"),
            "soc_start_pct",
            "soc_end_pct",
            "temperature_mean_c",
        )
        .orderBy(F.desc("ended_at"), "method")
        .limit(MOST)
        .toArrow()
        .to_pandas()
    )
    return found


def observed_chart(cell_id: str, seen: pd.DataFrame, health: pd.DataFrame) -> Chart:
    """Return the observations with their intervals, and the estimate with its interval through them.

    Parameters
    ----------
    cell_id
        The cell.
    seen
        By :func:`observations`.
    health
        Days with ``as_of_date``, ``soh_pct``, ``soh_std_pct`` of the cell.
    """
    title = f"{cell_id}: what sessions said, and the estimate"
    if seen.empty or health.empty:
        return Chart("observed", title, absent="Nothing was observed of this cell yet.")
    seen, health = _bounded(seen), _bounded(health)
    newest = health.sort_values("as_of_date").iloc[-1]
    alt = (
        f"{len(seen)} observations from {date(seen['as_of_date'].min())} to {date(seen['as_of_date'].max())},"
        f" with {number(seen['soh_std_pct'].median(), 1)} points of standard deviation in the median. The"
        f" estimate: {number(newest['soh_pct'], 1)} % SOH, with {number(newest['soh_std_pct'], 1)} points."
    )
    scale = [health["soh_pct"].min() - MARGIN_PCT, health["soh_pct"].max() + MARGIN_PCT]
    whole = spec([*_observed(seen, scale), *_estimated(health, scale)], height=HEIGHT)
    return Chart("observed", title, alt, whole)


def _bounded(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with their 90 % interval."""
    half = INTERVAL_SIGMAS * rows["soh_std_pct"]
    return rows.assign(low_pct=rows["soh_pct"] - half, high_pct=rows["soh_pct"] + half)


def _observed(seen: pd.DataFrame, scale: list[float]) -> list[Spec]:
    """Points, one shape a method, and their intervals."""
    rows = records(seen, ("as_of_date", "method", "soh_pct", "low_pct", "high_pct"))
    low, middle = (pct_axis(name, "SOH [%]", domain=scale) for name in ("low_pct", "soh_pct"))
    known = [method for method in METHODS if (seen["method"] == method).any()]
    legend = {"title": None, "symbolOpacity": 1}
    by_method = {"field": "method", "type": "nominal", "scale": {"domain": known}, "legend": legend}
    interval = {"x": day_axis(), "y": low, "y2": {"field": "high_pct"}, "color": by_method}
    point = {"x": day_axis(), "y": middle, "color": by_method, "shape": by_method}
    return [
        {
            "data": {"values": rows},
            "mark": {"type": "rule", "opacity": 0.25, "clip": True},
            "encoding": interval,
        },
        {
            "data": {"values": rows},
            "mark": {"type": "point", "filled": True, "size": 18, "opacity": 0.6, "clip": True},
            "encoding": point,
        },
    ]


def _estimated(health: pd.DataFrame, scale: list[float]) -> list[Spec]:
    """The estimate and its interval, over the observations."""
    rows = records(health, ("as_of_date", "soh_pct", "low_pct", "high_pct"))
    low, middle = (pct_axis(name, "SOH [%]", domain=scale) for name in ("low_pct", "soh_pct"))
    return [
        {
            "data": {"values": rows},
            "mark": {"type": "area", "style": "band", "clip": True},
            "encoding": {"x": day_axis(), "y": low, "y2": {"field": "high_pct"}},
        },
        {
            "data": {"values": rows},
            "mark": {"type": "line", "style": "limit-label", "strokeWidth": 2, "clip": True},
            "encoding": {"x": day_axis(), "y": middle},
        },
    ]
