"""Reading the report's data from a lake: every selection is made and bounded in Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from pyspark.sql import functions as F

import battery_lake
from battery_lake.report.data import ReportData, Totals, empty_frame
from battery_lake.report.fleet import groups
from battery_lake.report.load_alerts import alert_counts, open_alerts
from battery_lake.report.load_cells import (
    accuracy,
    described_packs,
    featured_cells,
    histories,
    soh_histogram,
    worst_cells,
    worst_packs,
)
from battery_lake.report.load_changes import load_changes
from battery_lake.report.load_cohorts import cohorts
from battery_lake.report.load_map import positions
from battery_lake.report.load_ops import (
    batches,
    data_gaps,
    flags,
    fleet_daily,
    newest_observed_pct,
    refusals,
    sessions,
)
from battery_lake.report.selection import WEAKEST
from battery_lake.sections import AlertSettings

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Mapping, Sequence

    from pyspark.sql import DataFrame

    from battery_lake.report.selection import Selection

    Read = Callable[[str], DataFrame]

VERSIONS: Final = 10
ALERT_LIMITS: Final = AlertSettings()


def load(
    read: Read,
    *,
    generated_at: dt.datetime,
    location: str,
    truth: DataFrame | None = None,
    selection: Selection = WEAKEST,
    eol_soh_pct: float = 80.0,
    sinks: Sequence[Mapping[str, Any]] = (),
    alert_limits: AlertSettings = ALERT_LIMITS,
) -> ReportData:
    """Return what the report shows of a lake.

    Parameters
    ----------
    read
        Gives a table of the lake by its name, ``gold.cell_current`` say; an empty frame where nothing has
        been written yet.
    generated_at
        The present; UTC, aware.
    location
        Where the lake lies, for the reader.
    truth
        True SOH where it is known: columns set_name, cell_id, as_of_date, soh_pct [%];
        one row a cell and day.
    selection
        Which packs, and how much of each.
    eol_soh_pct
        End of life of packs that name none. [%]
    sinks
        What the sinks said that they hold: sink, what, number, newest.
    alert_limits
        Limits of alerts by chemistry, to be named beside them.
    """
    packs = described_packs(read("reference.packs"), eol_soh_pct)
    cells = read("gold.cell_current").join(packs, on="pack_id", how="left")
    cells = cells.fillna({"is_single": False, "eol_soh_pct": eol_soh_pct})
    totals, ranked = _ranked(read, cells, selection)
    pack_rows = worst_packs(read("gold.pack_health"), ranked, selection.packs)
    featured, pack_cells = featured_cells(cells, pack_rows, selection)
    focus_pack_id = str(featured["pack_id"].iloc[0]) if len(featured) else None
    health, outlook, true_soh = histories(read, truth, featured, selection.points)
    histogram = soh_histogram(cells)
    ranked_packs = ranked.select("pack_id", "model", "eol_soh_pct").distinct()
    changes, came, changed = load_changes(read, ranked_packs, selection.earlier_days, totals.newest_date)
    alerts = open_alerts(read("gold.alert"), packs, alert_limits)
    named = [str(pack_id) for frame in (pack_rows, alerts, came, changed) for pack_id in frame["pack_id"]]
    return ReportData(
        generated_at=generated_at,
        location=location,
        version=battery_lake.__version__,
        method_versions=_versions(cells),
        totals=totals,
        focus_pack_id=focus_pack_id,
        worst_packs=pack_rows,
        worst_cells=worst_cells(ranked, selection.cells),
        featured=featured,
        health=health,
        truth=true_soh,
        outlook=outlook,
        pack_cells=pack_cells,
        soh_histogram=histogram,
        fleet_daily=fleet_daily(read("gold.fleet_daily"), groups(histogram), selection.points),
        changes=changes,
        alert_counts=alert_counts(read("gold.alert")),
        alerts=alerts,
        alert_changes=came,
        pack_changes=changed,
        cohorts=cohorts(read("gold.pack_health"), packs, list(dict.fromkeys(named))),
        positions=positions(read("gold.vehicle_position"), read("gold.vehicle_status"), packs),
        **_quality(read, selection),
        sessions=sessions(read("gold.session"), focus_pack_id, selection.session_days),
        accuracy=empty_frame("accuracy") if truth is None else accuracy(read("gold.cell_health"), truth),
        sinks=pd.DataFrame(list(sinks)) if sinks else empty_frame("sinks"),
    )


def _quality(read: Read, selection: Selection) -> dict[str, pd.DataFrame]:
    """Return the frames of what was processed, refused, flagged and lost, by their names."""
    return {
        "batches": batches(read("ops.batch")),
        "refusals": refusals(read("silver.quarantine")),
        "flags": flags(read("silver.telemetry"), selection.flag_days),
        "data_gaps": data_gaps(read("ops.data_gap")),
    }


def _ranked(read: Read, cells: DataFrame, selection: Selection) -> tuple[Totals, DataFrame]:
    """Return the totals and the cells that they are of: those in packs of several cells, if there are any."""
    below, in_sight = F.col("soh_pct") < F.col("eol_soh_pct"), ~F.col("censored")
    by_kind = {
        bool(row["is_single"]): row
        for row in cells
        .where("soh_pct IS NOT NULL")
        .groupBy("is_single")
        .agg(
            F.count("cell_id").alias("cells"),
            F.countDistinct("pack_id").alias("packs"),
            F.count(F.when(below, 1)).alias("cells_below_eol"),
            F.count(F.when(in_sight, 1)).alias("cells_in_sight"),
            F.percentile_approx("soh_pct", 0.5).alias("soh_median_pct"),
            F.min("soh_pct").alias("soh_min_pct"),
            F.max("as_of_date").alias("newest_date"),
        )
        .collect()
    }
    several = False in by_kind
    counted: dict[str, Any] = by_kind[not several].asDict() if by_kind else {}
    counted.pop("is_single", None)
    totals = Totals(
        vehicles=_vehicles(read("reference.pack_assignment")),
        single_cells=by_kind[True]["packs"] if several and True in by_kind else 0,
        messages_kept=read("silver.telemetry").count(),
        messages_refused=read("silver.quarantine").count(),
        flag_days=selection.flag_days,
        observed_pct=newest_observed_pct(read("gold.fleet_daily")),
        **counted,
    )
    return totals, cells.where(~F.col("is_single")) if several else cells


def _vehicles(pack_assignment: DataFrame) -> int:
    """Return how many vehicles carry a pack now."""
    return pack_assignment.where("valid_to IS NULL").select("vehicle_id").distinct().count()


def _versions(cells: DataFrame) -> tuple[str, ...]:
    """Return the versions of methods and models that made the cells' rows."""
    names = F.explode(F.array("method_version", "model_version")).alias("name")
    rows = cells.select(names).where("name IS NOT NULL").distinct().orderBy("name").limit(VERSIONS).collect()
    return tuple(str(row["name"]) for row in rows)
