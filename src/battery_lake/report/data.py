"""What the report shows, as bounded pandas frames and a few totals.

Nothing here reads a lake or draws: :mod:`battery_lake.report.load` fills it, the chart modules read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Final

import pandas as pd

from battery_lake.errors import ContractError

if TYPE_CHECKING:
    import datetime as dt

INTERVAL_SIGMAS: Final = 1.645
"""Half of a normal 90 % interval, in standard deviations."""

SILENT_DAYS: Final = 7
"""A pack is silent that was last heard of so long before the one that was heard of last. [d]"""

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "worst_packs": (
        "pack_id", "model", "chemistry", "as_of_date", "soh_min_pct", "soh_std_pct", "soh_median_pct",
        "weakest_cell_id", "efc", "rul_days_p05", "rul_days_p50", "rul_days_p95",
        "censored", "eol_soh_pct", "warranty_until", "cohort_percentile_pct", "alerts",
    ),
    "worst_cells": (
        "cell_id", "pack_id", "model", "as_of_date", "soh_pct", "soh_std_pct", "capacity_ah",
        "resistance_mohm", "efc", "observations", "rul_days_p05", "rul_days_p50", "rul_days_p95", "censored",
        "eol_date_p50", "eol_soh_pct",
    ),
    "featured": ("cell_id", "pack_id", "role", "model", "chemistry", "eol_soh_pct"),
    "health": ("cell_id", "as_of_date", "soh_pct", "soh_std_pct"),
    "truth": ("cell_id", "as_of_date", "soh_pct"),
    "outlook": ("cell_id", "as_of_date", "rul_days_p05", "rul_days_p50", "rul_days_p95", "censored"),
    "pack_cells": ("cell_id", "series_index", "soh_pct", "soh_std_pct", "rul_days_p50", "censored"),
    "soh_histogram": ("model", "chemistry", "soh_bin_pct", "cells"),
    "fleet_daily": (
        "as_of_date", "model", "chemistry", "vehicles", "soh_pct_p10", "soh_pct_p50", "soh_pct_p90",
        "soh_min_pct",
    ),
    "batches": (
        "pipeline", "batches", "rows_in", "rows_kept", "rows_refused", "rows_duplicate", "lag_s",
        "finished_at",
    ),
    "refusals": ("code", "messages", "devices"),
    "flags": ("code", "messages"),
    "data_gaps": ("hub", "partition_id", "from_sequence_number", "to_sequence_number", "reason", "found_at"),
    "sessions": (
        "started_at", "ended_at", "kind", "duration_s", "charge_ah", "energy_wh", "soc_start_pct",
        "soc_end_pct", "temperature_mean_c", "distance_km", "gaps",
    ),
    "sinks": ("sink", "what", "number", "newest"),
    "alert_counts": ("severity", "code", "alerts", "packs"),
    "alerts": (
        "severity", "pack_id", "cell_id", "code", "raised_at", "evidence", "model", "chemistry", "limit",
    ),
    "alert_changes": (
        "what", "severity", "pack_id", "cell_id", "code", "raised_at", "cleared_at", "evidence",
    ),
    "pack_changes": (
        "pack_id", "model", "before_date", "as_of_date", "soh_before_pct", "soh_pct", "eol_soh_pct", "is_new",
        "is_below", "is_moved", "is_silent", "last_seen_at", "reasons",
    ),
    "cohorts": (
        "pack_id", "model", "chemistry", "sold", "packs", "as_of_date", "soh_median_pct", "soh_p10_pct",
        "soh_p50_pct", "soh_p90_pct", "cohort_percentile_pct",
    ),
    "positions": (
        "latitude", "longitude", "cell_size_km", "vehicles", "below", "soh_min_pct", "measured_at",
    ),
    "accuracy": ("set_name", "cells", "rows", "mae_pct", "rmse_pct", "covered_pct"),
}  # fmt: skip
"""Columns that each frame of :class:`ReportData` must have, by the frame's name."""


@dataclass(frozen=True, slots=True)
class Totals:
    """The lake in numbers; None where the lake does not tell.

    Parameters
    ----------
    vehicles
        Vehicles with an assigned pack.
    packs, cells
        Packs of several cells with an estimate, and their cells; all packs where none has several.
    single_cells
        Packs of one cell besides: laboratory cells, which the other totals leave out.
    cells_below_eol
        Cells whose SOH lies below their pack's end of life.
    cells_in_sight
        Cells whose end of life is in sight: the outlook is not censored.
    soh_median_pct, soh_min_pct
        Median and lowest SOH over all cells. [%]
    messages_kept, messages_refused
        Rows of silver.telemetry and of silver.quarantine.
    flag_days
        Newest days of telemetry that the flags were counted in. [d]
    observed_pct
        Share of session time sampled without gaps on the fleet's newest day. [%]
    newest_date
        Day of the newest evidence.
    """

    vehicles: int = 0
    packs: int = 0
    cells: int = 0
    single_cells: int = 0
    cells_below_eol: int = 0
    cells_in_sight: int = 0
    soh_median_pct: float | None = None
    soh_min_pct: float | None = None
    messages_kept: int = 0
    messages_refused: int = 0
    flag_days: int = 0
    observed_pct: float | None = None
    newest_date: dt.date | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """What became different since an earlier day, counted over all packs that the report ranks.

    Parameters
    ----------
    since
        The day whose end is compared with; None where no earlier day is known that has newer evidence.
    asked
        The newest earlier day that was known, whether or not anything is newer.
    raised, cleared
        Alerts that were raised since, and those of before that were cleared since.
    moved
        Packs whose weakest cell's SOH moved by more than half a point.
    below
        Packs whose weakest cell fell below its end of life.
    silent
        Packs that were heard of then and are silent now.
    new
        Packs without an estimate then.
    """

    since: dt.date | None = None
    asked: dt.date | None = None
    raised: int = 0
    cleared: int = 0
    moved: int = 0
    below: int = 0
    silent: int = 0
    new: int = 0


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything the report shows; any frame may be empty.

    Column names and units are those of the gold, silver and ops contracts
    (:mod:`battery_lake.tables`); :data:`COLUMNS` lists them. What is particular to the report:

    Parameters
    ----------
    generated_at
        When the lake was read; UTC, aware.
    location
        Where the lake lies: its folder or its catalog.
    version
        Version of battery_lake.
    method_versions
        Versions of methods and models that the shown rows name.
    totals
        The lake in numbers.
    worst_packs
        Newest row of gold.pack_health of the weakest packs of several cells, worst first; ``soh_std_pct``
        is the weakest cell's, ``alerts`` a text, ``warranty_until`` a date or null.
    worst_cells
        The weakest cells of gold.cell_current in packs of several cells, worst first.
    featured
        One row a cell whose history is drawn, in the order of drawing; ``role`` is weakest or median.
    health, outlook
        gold.cell_health of the featured cells, gold.cell_life of the weakest ones; thinned evenly.
    truth
        True SOH of the featured cells, where it is known.
    focus_pack_id
        The pack shown cell by cell and session by session; None in an empty lake.
    pack_cells, sessions
        Cells of that pack now; its sessions of the newest weeks.
    soh_histogram
        Cells a bin of one percentage point (``soh_bin_pct`` is the lower edge), by model and chemistry.
    fleet_daily
        gold.fleet_daily of the largest groups.
    batches
        ops.batch summed a pipeline; ``lag_s`` and ``finished_at`` of the newest batch.
    refusals
        Refused messages by reason; a message with two reasons counts in both.
    flags
        Messages that were kept with a flag, by flag, over the newest ``totals.flag_days`` days.
    data_gaps
        Newest rows of ops.data_gap.
    accuracy
        Error of soh_pct against the truth a set: MAE and RMSE in percentage points, share of 90 %
        intervals that hold the truth.
    changes
        How much is different from an earlier day.
    alert_changes, pack_changes
        The alerts and packs that are: ``what`` is raised, raised and cleared, or cleared; SOH is that of the
        weakest cell, ``reasons`` those of gold.soh_change for it.
    alert_counts, alerts
        Open rows of gold.alert, counted by severity and code, and the worst of them; ``limit`` says in words
        what raises the code.
    cohorts
        Packs that other frames name, beside the packs of their model, chemistry and half-year of sale:
        median-cell SOH, and quantiles of it over the cohort.
    positions
        Squares in which vehicles were last, the one with most vehicles first: how many, how many of them with
        a pack below its end of life, the lowest SOH, the newest instant. No vehicle is named.
    sinks
        What the sinks say that they hold: ``number`` of what, and its ``newest`` day or instant; no number
        where a sink did not answer, and the reason in the place of the newest.

    Raises
    ------
    ContractError
        A frame lacks a column.
    """

    generated_at: dt.datetime
    location: str
    version: str
    method_versions: tuple[str, ...]
    totals: Totals
    focus_pack_id: str | None
    worst_packs: pd.DataFrame
    worst_cells: pd.DataFrame
    featured: pd.DataFrame
    health: pd.DataFrame
    truth: pd.DataFrame
    outlook: pd.DataFrame
    pack_cells: pd.DataFrame
    soh_histogram: pd.DataFrame
    fleet_daily: pd.DataFrame
    batches: pd.DataFrame
    refusals: pd.DataFrame
    flags: pd.DataFrame
    data_gaps: pd.DataFrame
    sessions: pd.DataFrame
    accuracy: pd.DataFrame
    sinks: pd.DataFrame = field(default_factory=lambda: empty_frame("sinks"))
    changes: Changes = Changes()
    alert_counts: pd.DataFrame = field(default_factory=lambda: empty_frame("alert_counts"))
    alerts: pd.DataFrame = field(default_factory=lambda: empty_frame("alerts"))
    alert_changes: pd.DataFrame = field(default_factory=lambda: empty_frame("alert_changes"))
    pack_changes: pd.DataFrame = field(default_factory=lambda: empty_frame("pack_changes"))
    cohorts: pd.DataFrame = field(default_factory=lambda: empty_frame("cohorts"))
    positions: pd.DataFrame = field(default_factory=lambda: empty_frame("positions"))

    def __post_init__(self) -> None:
        for name, wanted in COLUMNS.items():
            missing = [column for column in wanted if column not in getattr(self, name).columns]
            if missing:
                raise ContractError(f"the report's frame {name} lacks columns", why=", ".join(missing))


def empty_frame(name: str) -> pd.DataFrame:
    """Return the frame of that name in :data:`COLUMNS` without rows."""
    return pd.DataFrame({column: pd.Series(dtype="object") for column in COLUMNS[name]})


def frame_names() -> tuple[str, ...]:
    """Return the names of the frames of :class:`ReportData`, in its order."""
    return tuple(one.name for one in fields(ReportData) if one.name in COLUMNS)
