"""The report's tables: what stands in each column, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from battery_lake.report import text
from battery_lake.report.alert_tables import alert_changes, alert_counts, alerts
from battery_lake.report.fleet_map import squares
from battery_lake.report.pack_tables import cohorts, pack_anchors, pack_changes
from battery_lake.report.table import Head, counts, joined, number, numeric, table, within

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from battery_lake.report.data import ReportData
    from battery_lake.report.table import Column, Table

LAST_SESSIONS: Final = 20


def tables(data: ReportData) -> dict[str, Table]:
    """Return all tables of the report by name."""
    anchors = pack_anchors(data)
    return {
        "alert_changes": alert_changes(data, anchors),
        "pack_changes": pack_changes(data, anchors),
        "alerts": alerts(data, anchors),
        "alert_counts": alert_counts(data),
        "cohorts": cohorts(data, anchors),
        "packs": worst_packs(data, anchors),
        "cells": worst_cells(data),
        "accuracy": accuracy(data),
        "batches": batches(data),
        "refusals": refusals(data),
        "flags": flags(data),
        "gaps": data_gaps(data),
        "sessions": last_sessions(data),
        "sinks": sinks(data),
        "squares": squares(data),
    }


def worst_packs(data: ReportData, anchors: Mapping[str, str]) -> Table:
    """Return the weakest packs with interval, outlook, warranty and a verdict in words."""
    columns: list[Column] = [
        (Head("Pack", link=True), lambda row: str(row["pack_id"])),
        (Head("Verdict", verdict=True), lambda row: text.pack_status(row)[1]),
        (Head("Model"), lambda row: joined(row["model"], row["chemistry"])),
        (Head("Weakest cell"), lambda row: within(row["weakest_cell_id"], row["pack_id"])),
        number("SOH of it [%]", "soh_min_pct", 1),
        numeric("90 % interval", lambda row: text.soh_interval(row["soh_min_pct"], row["soh_std_pct"])),
        number("SOH median [%]", "soh_median_pct", 1),
        number("EFC", "efc"),
        number("Like packs weaker [%]", "cohort_percentile_pct"),
        *_outlook_columns(),
        (Head("End of life"), _pack_end),
        (Head("Warranty until"), lambda row: text.date(row["warranty_until"])),
        (Head("Alerts"), lambda row: joined(row["alerts"])),
    ]
    levels = [text.pack_status(row)[0] for _, row in data.worst_packs.iterrows()]
    targets = [anchors.get(pack_id, "") for pack_id in data.worst_packs["pack_id"]]
    caption = "Weakest packs, by the SOH of their weakest cell"
    return table(
        caption,
        columns,
        data.worst_packs,
        "No pack has a health estimate yet.",
        levels=levels,
        targets=targets,
    )


def worst_cells(data: ReportData) -> Table:
    """Return the weakest cells with interval and outlook."""
    columns: list[Column] = [
        (Head("Cell"), lambda row: str(row["cell_id"])),
        (Head("Model"), lambda row: joined(row["model"])),
        number("SOH [%]", "soh_pct", 1),
        numeric("90 % interval", lambda row: text.soh_interval(row["soh_pct"], row["soh_std_pct"])),
        number("Capacity [Ah]", "capacity_ah", 2),
        number("Resistance [mΩ]", "resistance_mohm", 2),
        number("EFC", "efc"),
        number("Observations", "observations"),
        *_outlook_columns(),
        (Head("End of life"), _cell_end),
        (Head("As of"), lambda row: text.date(row["as_of_date"])),
    ]
    return table("Weakest cells", columns, data.worst_cells, "No cell has a health estimate yet.")


def accuracy(data: ReportData) -> Table:
    """Return the error against the truth."""
    columns: list[Column] = [
        (Head("Set"), lambda row: str(row["set_name"])),
        number("Cells", "cells"),
        number("Cell days", "rows"),
        number("MAE [pp]", "mae_pct", 2),
        number("RMSE [pp]", "rmse_pct", 2),
        number("90 % intervals that hold the truth [%]", "covered_pct", 1),
    ]
    absent = "No true capacities are known for this lake, so the error cannot be measured here."
    return table("Estimated SOH against the true SOH", columns, data.accuracy, absent)


def batches(data: ReportData) -> Table:
    """Return what each pipeline took, kept, refused and knew already."""
    columns: list[Column] = [
        (Head("Pipeline"), lambda row: str(row["pipeline"])),
        *counts("batches", "rows_in", "rows_kept", "rows_refused", "rows_duplicate"),
        number("Lag of the newest batch [s]", "lag_s"),
        (Head("Newest batch, UTC"), lambda row: text.instant(row["finished_at"])),
    ]
    return table("What the pipelines did", columns, data.batches, "No batch has run yet.")


def sinks(data: ReportData) -> Table:
    """Return what the sinks said that they hold."""
    columns: list[Column] = [
        (Head("Sink"), lambda row: str(row["sink"])),
        (Head("What"), lambda row: str(row["what"])),
        number("Number", "number"),
        (Head("Newest, UTC"), lambda row: str(row["newest"])),
    ]
    return table(
        "Read back from the sinks", columns, data.sinks, "No sink is set: nothing has left the lake."
    )


def refusals(data: ReportData) -> Table:
    """Return the refused messages by reason."""
    columns: list[Column] = [
        (Head("Reason"), lambda row: str(row["code"])),
        *counts("messages", "devices"),
    ]
    caption = "Messages in quarantine, by reason (a message may have several)"
    return table(caption, columns, data.refusals, "No message was refused.")


def flags(data: ReportData) -> Table:
    """Return the kept messages that carry a flag."""
    columns: list[Column] = [(Head("Flag"), lambda row: str(row["code"])), *counts("messages")]
    caption = f"Messages kept with a flag, newest {text.number(data.totals.flag_days)} days of telemetry"
    return table(caption, columns, data.flags, "No message of the newest days carries a flag.")


def data_gaps(data: ReportData) -> Table:
    """Return the ranges of messages that the source no longer had."""
    columns: list[Column] = [
        (Head("Hub"), lambda row: str(row["hub"])),
        (Head("Partition"), lambda row: str(row["partition_id"])),
        *counts("from_sequence_number", "to_sequence_number"),
        (Head("Reason"), lambda row: joined(row["reason"])),
        (Head("Found, UTC"), lambda row: text.instant(row["found_at"])),
    ]
    absent = "No gap: the source still had every message when it was read."
    return table("Messages that the source no longer had", columns, data.data_gaps, absent)


def last_sessions(data: ReportData) -> Table:
    """Return the newest sessions of the focus pack."""
    columns: list[Column] = [
        (Head("Start, UTC"), lambda row: text.instant(row["started_at"])),
        (Head("Kind"), lambda row: str(row["kind"])),
        numeric("Duration [h]", lambda row: text.number(row["duration_s"] / 3600, 1)),
        number("Charge [Ah]", "charge_ah", 1),
        numeric("Energy [kWh]", lambda row: text.number(row["energy_wh"] / 1000, 1)),
        numeric("SOC [%]", lambda row: text.span(row["soc_start_pct"], row["soc_end_pct"])),
        number("Mean temperature [°C]", "temperature_mean_c", 1),
        number("Distance [km]", "distance_km", 1),
        number("Gaps", "gaps"),
    ]
    newest = data.sessions.sort_values("started_at", ascending=False).head(LAST_SESSIONS)
    caption = f"Last sessions of {data.focus_pack_id}" if data.focus_pack_id else "Last sessions"
    return table(caption, columns, newest, "No session of this pack yet.")


def _outlook_columns() -> list[Column]:
    """Return the columns of the remaining useful life."""

    def interval(row: pd.Series[Any]) -> str:
        return text.rul_interval(row["rul_days_p05"], row["rul_days_p95"], row["censored"])

    median = numeric("RUL median [d]", lambda row: text.rul_median(row["rul_days_p50"], row["censored"]))
    return [median, numeric("RUL 90 % interval [d]", interval)]


def _pack_end(row: pd.Series[Any]) -> str:
    """Return the day on which the life of a pack's first cell ends."""
    return text.eol_date(row["as_of_date"], row["rul_days_p50"], row["censored"])


def _cell_end(row: pd.Series[Any]) -> str:
    """Return the day on which the cell's life ends."""
    return "not in sight" if text.is_true(row["censored"]) else text.date(row["eol_date_p50"])
