"""What dashboards show, declared once: pages of figures, each with its query in KQL and in SQL.

Grafana, Data Explorer's dashboards and AI/BI are rendered from these. ``{since}``, ``{until}`` and ``{pack}``
in KQL stand for what the reader has chosen; ``{layer.table}`` in SQL for the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from battery_lake.serving.kpis import kql_query, sql
from battery_lake.tables.kpis import KPIS

Kind = Literal["stat", "line", "bar", "table"]
ColumnType = Literal["string", "number", "timestamp"]

GRID_WIDTH: Final = 24
"""Columns of the grid in which figures are laid out, as Grafana has it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number, chart or table.

    Parameters
    ----------
    name
        Snake case, unique.
    title, description
        For people.
    kind
        How it is drawn; lines and bars have their first column along the bottom.
    kql, sql
        The query; without SQL it is in Grafana and Data Explorer only.
    columns
        What the queries give: name and type, in order.
    unit, decimals
        Of its numbers.
    low, high
        Where a number turns yellow and red: falling if ``low`` is the larger one. Both or none.
    width, height
        Of :data:`GRID_WIDTH` columns.
    """

    name: str
    title: str
    description: str
    kind: Kind
    kql: str
    sql: str
    columns: tuple[tuple[str, ColumnType], ...]
    unit: str = ""
    decimals: int = 1
    low: float | None = None
    high: float | None = None
    width: int = 12
    height: int = 8


@dataclass(frozen=True, slots=True)
class Page:
    """A dashboard, or a page of one.

    Parameters
    ----------
    name
        Snake case, unique.
    title, description
        For people.
    figures
        In reading order.
    of_pack
        Whether the reader chooses a pack.
    """

    name: str
    title: str
    description: str
    figures: tuple[Figure, ...]
    of_pack: bool = False


def _stat(name: str, low: float | None = None, high: float | None = None) -> Figure:
    """A key figure as one number."""
    kpi = KPIS[name]
    return Figure(
        name, kpi.title, kpi.description, "stat", kql_query(kpi), sql(kpi, "{{{}}}".format),
        (("value", "number"),), kpi.unit, kpi.decimals, low, high, width=4, height=4,
    )  # fmt: skip


_DAYS: Final = "| where as_of_date between ({since} .. {until})"

SOH_BY_DAY: Final = Figure(
    "soh_by_day", "SOH by day and model", "SOH of the median cell, of the median pack of a model.", "line",
    f"fleet_daily {_DAYS} | project as_of_date, soh_pct_p50, model | order by as_of_date asc",
    "SELECT as_of_date, soh_pct_p50, model FROM {gold.fleet_daily} ORDER BY as_of_date",
    (("as_of_date", "timestamp"), ("soh_pct_p50", "number"), ("model", "string")), "%",
)  # fmt: skip
WEAKEST_PACKS: Final = Figure(
    "weakest_packs", "Weakest packs", "With interval, evidence, outlook and end of warranty.", "table",
    "pack_now | where isnotnull(soh_min_pct) | top 50 by soh_min_pct asc"
    " | project pack_id, model, soh_min_pct, soh_interval_pct, recent_observations, rul_days_p05,"
    " rul_days_p50, warranty_until",
    "SELECT pack_id, model, soh_min_pct, soh_interval_pct, recent_observations, rul_days_p05, rul_days_p50,"
    " warranty_until FROM {gold.pack_now} WHERE soh_min_pct IS NOT NULL ORDER BY soh_min_pct LIMIT 50",
    (("pack_id", "string"), ("model", "string"), ("soh_min_pct", "number"), ("soh_interval_pct", "number"),
     ("recent_observations", "number"), ("rul_days_p05", "number"), ("rul_days_p50", "number"),
     ("warranty_until", "timestamp")),
)  # fmt: skip
OPEN_ALERTS: Final = Figure(
    "open_alerts", "Open alerts", "What has been raised and not cleared.", "table",
    "alert | where isnull(cleared_at) | project raised_at, severity, pack_id, cell_id, code, evidence"
    " | order by raised_at desc | take 200",
    "SELECT raised_at, severity, pack_id, cell_id, code, evidence FROM {gold.alert}"
    " WHERE cleared_at IS NULL ORDER BY raised_at DESC LIMIT 200",
    (("raised_at", "timestamp"), ("severity", "string"), ("pack_id", "string"), ("cell_id", "string"),
     ("code", "string"), ("evidence", "string")),
)  # fmt: skip
EXPOSED_PACKS: Final = Figure(
    "exposed_packs", "Packs exposed in warranty", "Pessimistic RUL ends before the warranty does.",
    "table",
    "pack_now | where warranty_exposed == 1 | top 200 by rul_days_p05 asc"
    " | project pack_id, model, warranty_until, rul_days_p05, rul_days_p50, soh_min_pct, soh_interval_pct,"
    " recent_observations",
    "SELECT pack_id, model, warranty_until, rul_days_p05, rul_days_p50, soh_min_pct, soh_interval_pct,"
    " recent_observations FROM {gold.pack_now} WHERE warranty_exposed = 1 ORDER BY rul_days_p05 LIMIT 200",
    (("pack_id", "string"), ("model", "string"), ("warranty_until", "timestamp"), ("rul_days_p05", "number"),
     ("rul_days_p50", "number"), ("soh_min_pct", "number"), ("soh_interval_pct", "number"),
     ("recent_observations", "number")),
)  # fmt: skip
FAST_BY_MODEL: Final = Figure(
    "fast_by_model", "Fast-charge share by model", KPIS["fast_charge_share"].description, "bar",
    "pack_now | summarize fast = sum(recent_fast_charges), charges = sum(recent_charges) by model"
    " | where charges > 0 | project model, share_pct = 100.0 * fast / charges",
    "SELECT model, 100.0 * SUM(recent_fast_charges) / SUM(recent_charges) AS share_pct FROM {gold.pack_now}"
    " GROUP BY model HAVING SUM(recent_charges) > 0",
    (("model", "string"), ("share_pct", "number")), "%",
)  # fmt: skip
HARDEST_USED: Final = Figure(
    "hardest_used", "Hardest-used packs", "By time at 45 °C or more, then by time at an SOC above 90 %.",
    "table",
    "pack_now | where recent_s > 0 | project pack_id, model, hot_pct = 100.0 * recent_hot_s / recent_s,"
    " full_pct = 100.0 * recent_full_s / recent_s, recent_charges, recent_fast_charges,"
    " efc | order by hot_pct desc, full_pct desc | take 50",
    "SELECT pack_id, model, 100.0 * recent_hot_s / recent_s AS hot_pct,"
    " 100.0 * recent_full_s / recent_s AS full_pct, recent_charges, recent_fast_charges, efc"
    " FROM {gold.pack_now} WHERE recent_s > 0 ORDER BY hot_pct DESC, full_pct DESC LIMIT 50",
    (("pack_id", "string"), ("model", "string"), ("hot_pct", "number"), ("full_pct", "number"),
     ("recent_charges", "number"), ("recent_fast_charges", "number"), ("efc", "number")), width=12,
)  # fmt: skip
MESSAGES_BY_DAY: Final = Figure(
    "messages_by_day", "Messages by day", "Looked at, and refused.", "line",
    f"message_daily {_DAYS} | project as_of_date, rows_in, rows_refused | order by as_of_date asc",
    "SELECT as_of_date, rows_in, rows_refused FROM {gold.message_daily} ORDER BY as_of_date",
    (("as_of_date", "timestamp"), ("rows_in", "number"), ("rows_refused", "number")), decimals=0,
)  # fmt: skip
REFUSED_BY_DAY: Final = Figure(
    "refused_by_day", "Quarantine rate by day", KPIS["quarantine_rate"].description, "line",
    f"message_daily {_DAYS} | where rows_in > 0 | project as_of_date,"
    " refused_pct = 100.0 * rows_refused / rows_in | order by as_of_date asc",
    "SELECT as_of_date, 100.0 * rows_refused / NULLIF(rows_in, 0) AS refused_pct FROM {gold.message_daily}"
    " ORDER BY as_of_date",
    (("as_of_date", "timestamp"), ("refused_pct", "number")), "%", decimals=2,
)  # fmt: skip
SILENT: Final = Figure(
    "silent_packs", "Longest silent", "Packs by the end of their newest session.", "table",
    "pack_now | where isnotnull(last_seen_at) | top 50 by last_seen_at asc"
    " | project pack_id, vehicle_id, model, last_seen_at",
    "SELECT pack_id, vehicle_id, model, last_seen_at FROM {gold.pack_now} WHERE last_seen_at IS NOT NULL"
    " ORDER BY last_seen_at LIMIT 50",
    (("pack_id", "string"), ("vehicle_id", "string"), ("model", "string"), ("last_seen_at", "timestamp")),
)  # fmt: skip
SOH_OF_PACK: Final = Figure(
    "soh_of_pack", "SOH of the pack", "Weakest, median and best cell.", "line",
    f'pack_health | where pack_id == "{{pack}}" {_DAYS}'
    " | project as_of_date, soh_min_pct, soh_median_pct, soh_max_pct | order by as_of_date asc",
    "",
    (("as_of_date", "timestamp"), ("soh_min_pct", "number"), ("soh_median_pct", "number"),
     ("soh_max_pct", "number")), "%",
)  # fmt: skip
CELLS_OF_PACK: Final = Figure(
    "cells_of_pack", "Cells now", "SOH of every cell in series order.", "bar",
    'cell_current | where pack_id == "{pack}" | order by series_index asc | project cell_id, soh_pct', "",
    (("cell_id", "string"), ("soh_pct", "number")), "%",
)  # fmt: skip
SESSIONS_OF_PACK: Final = Figure(
    "sessions_of_pack", "Sessions", "The newest first.", "table",
    'session | where pack_id == "{pack}" and started_at between ({since} .. {until}) | project started_at,'
    " ['kind'], duration_s, charge_ah, soc_start_pct, soc_end_pct, temperature_max_c, distance_km"
    " | order by started_at desc | take 200",
    "",
    (("started_at", "timestamp"), ("kind", "string"), ("duration_s", "number"), ("charge_ah", "number"),
     ("soc_start_pct", "number"), ("soc_end_pct", "number"), ("temperature_max_c", "number"),
     ("distance_km", "number")), width=24,
)  # fmt: skip

PAGES: Final = (
    Page(
        "fleet", "Battery fleet", "How healthy is the fleet, and what needs attention.",
        (
            _stat("packs"), _stat("packs_below_eol", 1, 5), _stat("packs_ending_in_year", 1, 5),
            _stat("soh_median", 90, 80), _stat("soh_p10", 85, 80), _stat("soh_weakest_cell", 85, 80),
            _stat("soh_loss_per_year"), _stat("rul_days_p50"), _stat("rul_days_p05"),
            _stat("soh_spread", 3, 5), _stat("imbalance_p95", 20, 50), _stat("interval_width", 4, 8),
            SOH_BY_DAY, WEAKEST_PACKS, OPEN_ALERTS,
        ),
    ),
    Page(
        "warranty", "Battery warranty", "Which packs may end before their warranty does; evidence.",
        (
            _stat("warranty_exposure", 1, 5), _stat("observations_30_days"), _stat("rul_efc_p50"),
            _stat("rul_efc_p05"), _stat("rul_km_p50"), _stat("rul_km_p05"), EXPOSED_PACKS,
        ),
    ),
    Page(
        "charging", "Battery use", "How packs are charged, and how hot and how full they stand.",
        (
            _stat("fast_charge_share"), _stat("hot_share", 1, 5), _stat("full_share", 20, 40),
            _stat("charge_efficiency"), _stat("cohort_percentile"), FAST_BY_MODEL, HARDEST_USED,
        ),
    ),
    Page(
        "quality", "Battery data quality", "What arrives, what is refused, who is silent.",
        (
            _stat("messages"), _stat("quarantine_rate", 1, 5), _stat("days_since_last_message", 2, 7),
            MESSAGES_BY_DAY, REFUSED_BY_DAY, SILENT,
        ),
    ),
    Page(
        "pack", "Battery pack", "One pack: its cells, its history, its sessions.",
        (SOH_OF_PACK, CELLS_OF_PACK, SESSIONS_OF_PACK), of_pack=True,
    ),
)  # fmt: skip
"""Pages in reading order."""


def laid_out(figures: tuple[Figure, ...]) -> list[tuple[Figure, int, int]]:
    """Return each figure with its column and row in the grid: side by side as far as there is room."""
    placed, column, row, tallest = [], 0, 0, 0
    for figure in figures:
        if column + figure.width > GRID_WIDTH:
            column, row, tallest = 0, row + tallest, 0
        placed.append((figure, column, row))
        column, tallest = column + figure.width, max(tallest, figure.height)
    return placed
