"""What the demo prints at its end: every number comes from the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from battery_lake.cli.packs import half_interval, outlook, plain_rows
from battery_lake.cli.show import as_table

if TYPE_CHECKING:
    from pathlib import Path

    from battery_lake.lake.access import Lake
    from battery_lake.pipelines.model import RunResult
    from battery_lake.report.data import ReportData

SHOWN = 8


def summary(lake: Lake, told: ReportData, results: list[RunResult], report: Path) -> dict[str, Any]:
    """Gather the summary.

    Parameters
    ----------
    lake
        The tables.
    told
        What the report shows.
    results
        What the pipelines did in this run.
    report
        The report's file.
    """
    home = lake.settings.home.absolute()
    return {
        "messages": {"kept": told.totals.messages_kept, "refused": told.totals.messages_refused},
        "packs": told.totals.packs,
        "cells": told.totals.cells,
        "worst_packs": plain_rows(told.worst_packs.head(SHOWN)),
        "worst_cells": plain_rows(told.worst_cells.head(SHOWN)),
        "accuracy": plain_rows(told.accuracy),
        "sinks": plain_rows(told.sinks),
        "rows_this_run": {result.pipeline: result.counts.rows_in for result in results},
        "seconds_this_run": {result.pipeline: round(result.seconds, 1) for result in results},
        "home": str(home),
        "lake": str(home / "lake"),
        "truth": str(home / "truth"),
        "report": str(report.absolute()),
    }


def print_summary(outcome: dict[str, Any]) -> None:
    """Print the summary for people."""
    columns = ("pack", "model", "weakest SOH %", "±90 %", "median SOH %", "EFC", "RUL p05..p50..p95 days")
    rows = [
        (
            row["pack_id"], row["model"], row["soh_min_pct"], half_interval(row), row["soh_median_pct"],
            row["efc"], outlook(row),
        )
        for row in outcome["worst_packs"]
    ]  # fmt: skip
    as_table("worst packs", columns, rows)
    cells = [
        (
            row["cell_id"], row["soh_pct"], half_interval(row), row["capacity_ah"], row["observations"],
            outlook(row),
        )
        for row in outcome["worst_cells"]
    ]  # fmt: skip
    as_table(
        "\nworst cells",
        ("cell", "SOH %", "±90 %", "capacity Ah", "observations", "RUL p05..p50..p95 days"),
        cells,
    )
    errors = [
        (row["set_name"], row["cells"], row["rows"], row["mae_pct"], row["rmse_pct"], row["covered_pct"])
        for row in outcome["accuracy"]
    ]
    as_table(
        "\nSOH in gold.cell_health against the truth, in points of SOH",
        ("set", "cells", "rows", "MAE", "RMSE", "90 % intervals that hold it, %"),
        errors,
    )
    if outcome["sinks"]:
        held = [(row["sink"], row["what"], row["number"], row["newest"]) for row in outcome["sinks"]]
        as_table("\nread back from the sinks", ("sink", "what", "number", "newest"), held)
    messages = outcome["messages"]
    of_worst = [f"{words} {row['pack_id']}" for row in outcome["worst_packs"][:1]
                for words in ("explain", "report certificate")]  # fmt: skip
    as_table(
        f"\n{messages['kept']:,} messages in silver, {messages['refused']:,} in quarantine;"
        f" {outcome['cells']:,} cells of {outcome['packs']:,} packs in gold",
        ("where", "path"),
        [(name, outcome[name]) for name in ("lake", "truth", "report")],
    )
    as_table(
        "\nnext",
        ("",),
        [(f"battery-lake {words}",) for words in ("packs", *of_worst, "kpis", "status")],
    )
