"""The report's tables: what stands in each column, as text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from battery_lake.report import text

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from battery_lake.report.data import ReportData

    Read = Callable[[pd.Series[Any]], str]
    Column = tuple["Head", Read]

LAST_SESSIONS: Final = 20


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a column: its words, and whether its cells are numbers (to the right) or verdicts."""

    label: str
    numeric: bool = False
    verdict: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table of texts.

    Parameters
    ----------
    caption
        What the table shows.
    heads
        One head a column.
    rows
        Texts, as many a row as there are heads.
    absent
        What is said in place of an empty table.
    levels
        One level a row (bad, watch, good) where a column is a verdict.
    """

    caption: str
    heads: tuple[Head, ...]
    rows: list[list[str]]
    absent: str
    levels: list[str] = field(default_factory=list)


def tables(data: ReportData) -> dict[str, Table]:
    """Return all tables of the report by name."""
    return {
        "packs": worst_packs(data),
        "cells": worst_cells(data),
        "accuracy": accuracy(data),
        "batches": batches(data),
        "refusals": refusals(data),
        "flags": flags(data),
        "gaps": data_gaps(data),
        "sessions": last_sessions(data),
        "sinks": sinks(data),
    }


def worst_packs(data: ReportData) -> Table:
    """Return the weakest packs with interval, outlook, warranty and a verdict in words."""
    columns: list[Column] = [
        (Head("Pack"), lambda row: str(row["pack_id"])),
        (Head("Verdict", verdict=True), lambda row: text.pack_status(row)[1]),
        (Head("Model"), lambda row: _joined(row["model"], row["chemistry"])),
        (Head("Weakest cell"), lambda row: _within(row["weakest_cell_id"], row["pack_id"])),
        _number("SOH of it [%]", "soh_min_pct", 1),
        _numeric("90 % interval", lambda row: text.soh_interval(row["soh_min_pct"], row["soh_std_pct"])),
        _number("SOH median [%]", "soh_median_pct", 1),
        _number("EFC", "efc"),
        _number("Like packs weaker [%]", "cohort_percentile_pct"),
        *_outlook_columns(),
        (Head("End of life"), _pack_end),
        (Head("Warranty until"), lambda row: text.date(row["warranty_until"])),
        (Head("Alerts"), lambda row: _joined(row["alerts"])),
    ]
    levels = [text.pack_status(row)[0] for _, row in data.worst_packs.iterrows()]
    caption = "Weakest packs, by the SOH of their weakest cell"
    return _table(caption, columns, data.worst_packs, "No pack has a health estimate yet.", levels)


def worst_cells(data: ReportData) -> Table:
    """Return the weakest cells with interval and outlook."""
    columns: list[Column] = [
        (Head("Cell"), lambda row: str(row["cell_id"])),
        (Head("Model"), lambda row: _joined(row["model"])),
        _number("SOH [%]", "soh_pct", 1),
        _numeric("90 % interval", lambda row: text.soh_interval(row["soh_pct"], row["soh_std_pct"])),
        _number("Capacity [Ah]", "capacity_ah", 2),
        _number("Resistance [mΩ]", "resistance_mohm", 2),
        _number("EFC", "efc"),
        _number("Observations", "observations"),
        *_outlook_columns(),
        (Head("End of life"), _cell_end),
        (Head("As of"), lambda row: text.date(row["as_of_date"])),
    ]
    return _table("Weakest cells", columns, data.worst_cells, "No cell has a health estimate yet.")


def accuracy(data: ReportData) -> Table:
    """Return the error against the truth."""
    columns: list[Column] = [
        (Head("Set"), lambda row: str(row["set_name"])),
        _number("Cells", "cells"),
        _number("Cell days", "rows"),
        _number("MAE [pp]", "mae_pct", 2),
        _number("RMSE [pp]", "rmse_pct", 2),
        _number("90 % intervals that hold the truth [%]", "covered_pct", 1),
    ]
    absent = "No true capacities are known for this lake, so the error cannot be measured here."
    return _table("Estimated SOH against the true SOH", columns, data.accuracy, absent)


def batches(data: ReportData) -> Table:
    """Return what each pipeline took, kept, refused and knew already."""
    columns: list[Column] = [
        (Head("Pipeline"), lambda row: str(row["pipeline"])),
        *_counts("batches", "rows_in", "rows_kept", "rows_refused", "rows_duplicate"),
        _number("Lag of the newest batch [s]", "lag_s"),
        (Head("Newest batch, UTC"), lambda row: text.instant(row["finished_at"])),
    ]
    return _table("What the pipelines did", columns, data.batches, "No batch has run yet.")


def sinks(data: ReportData) -> Table:
    """Return what the sinks said that they hold."""
    columns: list[Column] = [
        (Head("Sink"), lambda row: str(row["sink"])),
        (Head("What"), lambda row: str(row["what"])),
        _number("Number", "number"),
        (Head("Newest, UTC"), lambda row: str(row["newest"])),
    ]
    return _table(
        "Read back from the sinks", columns, data.sinks, "No sink is set: nothing has left the lake."
    )


def refusals(data: ReportData) -> Table:
    """Return the refused messages by reason."""
    columns: list[Column] = [
        (Head("Reason"), lambda row: str(row["code"])),
        *_counts("messages", "devices"),
    ]
    caption = "Messages in quarantine, by reason (a message may have several)"
    return _table(caption, columns, data.refusals, "No message was refused.")


def flags(data: ReportData) -> Table:
    """Return the kept messages that carry a flag."""
    columns: list[Column] = [(Head("Flag"), lambda row: str(row["code"])), *_counts("messages")]
    caption = f"Messages kept with a flag, newest {text.number(data.totals.flag_days)} days of telemetry"
    return _table(caption, columns, data.flags, "No message of the newest days carries a flag.")


def data_gaps(data: ReportData) -> Table:
    """Return the ranges of messages that the source no longer had."""
    columns: list[Column] = [
        (Head("Hub"), lambda row: str(row["hub"])),
        (Head("Partition"), lambda row: str(row["partition_id"])),
        *_counts("from_sequence_number", "to_sequence_number"),
        (Head("Reason"), lambda row: _joined(row["reason"])),
        (Head("Found, UTC"), lambda row: text.instant(row["found_at"])),
    ]
    absent = "No gap: the source still had every message when it was read."
    return _table("Messages that the source no longer had", columns, data.data_gaps, absent)


def last_sessions(data: ReportData) -> Table:
    """Return the newest sessions of the focus pack."""
    columns: list[Column] = [
        (Head("Start, UTC"), lambda row: text.instant(row["started_at"])),
        (Head("Kind"), lambda row: str(row["kind"])),
        _numeric("Duration [h]", lambda row: text.number(row["duration_s"] / 3600, 1)),
        _number("Charge [Ah]", "charge_ah", 1),
        _numeric("Energy [kWh]", lambda row: text.number(row["energy_wh"] / 1000, 1)),
        _numeric("SOC [%]", lambda row: text.span(row["soc_start_pct"], row["soc_end_pct"])),
        _number("Mean temperature [°C]", "temperature_mean_c", 1),
        _number("Distance [km]", "distance_km", 1),
        _number("Gaps", "gaps"),
    ]
    newest = data.sessions.sort_values("started_at", ascending=False).head(LAST_SESSIONS)
    caption = f"Last sessions of {data.focus_pack_id}" if data.focus_pack_id else "Last sessions"
    return _table(caption, columns, newest, "No session of this pack yet.")


def _table(
    caption: str,
    columns: list[Column],
    frame: pd.DataFrame,
    absent: str,
    levels: list[str] | None = None,
) -> Table:
    """Return a table of a frame."""
    heads = tuple(head for head, _ in columns)
    # Object columns keep integers and nulls apart, which a row of floats would not.
    rows = [[read(row) for _, read in columns] for _, row in frame.astype("object").iterrows()]
    return Table(caption, heads, rows, absent, levels or [])


def _numeric(label: str, read: Read) -> Column:
    """Return a column of numbers."""
    return Head(label, numeric=True), read


def _number(label: str, name: str, digits: int = 0) -> Column:
    """Return a column of one of the frame's numbers."""
    return _numeric(label, lambda row: text.number(row[name], digits))


def _counts(*names: str) -> list[Column]:
    """Return columns of counts, headed by their names in words."""
    return [_number(name.replace("_", " ").capitalize(), name) for name in names]


def _outlook_columns() -> list[Column]:
    """Return the columns of the remaining useful life."""

    def interval(row: pd.Series[Any]) -> str:
        return text.rul_interval(row["rul_days_p05"], row["rul_days_p95"], row["censored"])

    median = _numeric("RUL median [d]", lambda row: text.rul_median(row["rul_days_p50"], row["censored"]))
    return [median, _numeric("RUL 90 % interval [d]", interval)]


def _pack_end(row: pd.Series[Any]) -> str:
    """Return the day on which the life of a pack's first cell ends."""
    return text.eol_date(row["as_of_date"], row["rul_days_p50"], row["censored"])


def _cell_end(row: pd.Series[Any]) -> str:
    """Return the day on which the cell's life ends."""
    return "not in sight" if text.is_true(row["censored"]) else text.date(row["eol_date_p50"])


def _joined(*parts: Any) -> str:
    """Return the parts that are there, with commas."""
    return ", ".join(str(part) for part in parts if not text.is_absent(part) and part) or text.ABSENT


def _within(cell_id: Any, pack_id: Any) -> str:
    """Return a cell's place within its pack."""
    return text.ABSENT if text.is_absent(cell_id) else str(cell_id).removeprefix(f"{pack_id}/")
