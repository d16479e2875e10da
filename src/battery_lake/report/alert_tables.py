"""The report's tables of alerts: how many are open, the worst with their evidence, and what came and went."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from battery_lake.report import text
from battery_lake.report.alert_words import meaning, seen
from battery_lake.report.table import Head, joined, number, table, within, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from battery_lake.report.data import ReportData
    from battery_lake.report.table import Column, Table

LEVELS: Final = {"critical": "bad", "warning": "watch", "info": "good"}


def alert_counts(data: ReportData) -> Table:
    """Return the open alerts by severity and code."""
    columns: list[Column] = [
        words("Code", "code"),
        (Head("Severity", verdict=True), lambda row: str(row["severity"])),
        (Head("What it says"), lambda row: meaning(str(row["code"]))),
        number("Alerts", "alerts"),
        number("Packs", "packs"),
    ]
    return table(
        "Open alerts, by severity and code", columns, data.alert_counts, "No alert is open.",
        levels=_levels(data.alert_counts),
    )  # fmt: skip


def alerts(data: ReportData, anchors: Mapping[str, str]) -> Table:
    """Return the worst open alerts: what was seen, and what raises such an alert."""
    columns: list[Column] = [
        (Head("Pack", link=True), lambda row: str(row["pack_id"])),
        (Head("Severity", verdict=True), lambda row: str(row["severity"])),
        (Head("Cell"), cell),
        words("Code", "code"),
        (Head("Since, UTC"), lambda row: text.instant(row["raised_at"])),
        (Head("Seen"), lambda row: seen(row["evidence"])),
        words("Raised by", "limit"),
        words("Model", "model", "chemistry"),
    ]
    listed, total = len(data.alerts), int(data.alert_counts["alerts"].sum())
    caption = f"Open alerts with their evidence, the worst {text.number(listed)} of {text.number(total)}"
    return table(
        caption, columns, data.alerts, "No alert is open.",
        levels=_levels(data.alerts), targets=targets(data.alerts, anchors),
    )  # fmt: skip


def alert_changes(data: ReportData, anchors: Mapping[str, str]) -> Table:
    """Return the alerts that were raised or cleared since the day that is compared with."""
    columns: list[Column] = [
        (Head("Pack", link=True), lambda row: str(row["pack_id"])),
        (Head("Severity", verdict=True), lambda row: str(row["severity"])),
        words("What happened", "what"),
        (Head("Cell"), cell),
        words("Code", "code"),
        (Head("Raised, UTC"), lambda row: text.instant(row["raised_at"])),
        (Head("Cleared, UTC"), lambda row: text.instant(row["cleared_at"])),
        (Head("Seen"), lambda row: seen(row["evidence"])),
    ]
    total = data.changes.raised + data.changes.cleared
    caption = f"Alerts raised or cleared, {text.number(len(data.alert_changes))} of {text.number(total)}"
    return table(
        caption, columns, data.alert_changes, "No alert was raised or cleared.",
        levels=_levels(data.alert_changes), targets=targets(data.alert_changes, anchors),
    )  # fmt: skip


def targets(frame: pd.DataFrame, anchors: Mapping[str, str]) -> list[str]:
    """Return where each row's pack leads."""
    return [anchors.get(str(pack_id), "") for pack_id in frame["pack_id"]]


def cell(row: pd.Series) -> str:
    """Return the cell of an alert within its pack, or that it concerns the whole pack."""
    return (
        "whole pack" if row["cell_id"] == row["pack_id"] else joined(within(row["cell_id"], row["pack_id"]))
    )


def _levels(frame: pd.DataFrame) -> list[str]:
    return [LEVELS.get(str(severity), "watch") for severity in frame["severity"]]
