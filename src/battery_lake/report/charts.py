"""All charts of the report, in the order of the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from battery_lake.report.cohort import cohort_chart
from battery_lake.report.fleet import fleet_charts
from battery_lake.report.history import outlook_charts, soh_charts
from battery_lake.report.pack import cell_map, session_chart

if TYPE_CHECKING:
    from battery_lake.report.chart import Chart
    from battery_lake.report.data import ReportData


def charts(data: ReportData) -> dict[str, list[Chart]]:
    """Return the charts by section of the page: cohorts, fleet, cells, pack, sessions.

    Parameters
    ----------
    data
        What the report shows; nothing is read beyond it.
    """
    # Side by side: how a cell aged, and what was foretold of it.
    cells = [chart for pair in zip(soh_charts(data), outlook_charts(data), strict=True) for chart in pair]
    return {
        "cohorts": [cohort_chart(data)],
        "fleet": fleet_charts(data),
        "cells": cells,
        "pack": [cell_map(data)],
        "sessions": [session_chart(data)],
    }
