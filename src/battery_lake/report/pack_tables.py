"""The report's tables of packs that changed, and of packs beside their like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from battery_lake.report import text
from battery_lake.report.alert_tables import targets
from battery_lake.report.table import Head, joined, number, numeric, table, words

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from battery_lake.report.data import ReportData
    from battery_lake.report.table import Column, Table


def pack_anchors(data: ReportData) -> dict[str, str]:
    """Return the place within the page that each pack's name leads to: its row beside its like."""
    return {str(pack_id): f"pack-{place}" for place, pack_id in enumerate(data.cohorts["pack_id"], start=1)}


def pack_changes(data: ReportData, anchors: Mapping[str, str]) -> Table:
    """Return the packs that became different since the day that is compared with."""
    columns: list[Column] = [
        (Head("Pack", link=True), lambda row: str(row["pack_id"])),
        (Head("What happened", verdict=True), lambda row: what_happened(row)[1]),
        words("Model", "model"),
        (Head("Then"), lambda row: text.date(row["before_date"])),
        number("SOH then [%]", "soh_before_pct", 1),
        (Head("Now"), lambda row: text.date(row["as_of_date"])),
        number("SOH now [%]", "soh_pct", 1),
        numeric("Change [pp]", lambda row: signed(row["soh_pct"], row["soh_before_pct"])),
        (Head("Why it moved"), lambda row: joined(row["reasons"]).replace("_", " ")),
        (Head("Last heard of, UTC"), lambda row: text.instant(row["last_seen_at"])),
    ]
    caption = (
        f"Packs that changed, by the SOH of their weakest cell: {text.number(len(data.pack_changes))} listed"
    )
    levels = [what_happened(row)[0] for _, row in data.pack_changes.iterrows()]
    return table(
        caption, columns, data.pack_changes, "No pack changed.",
        levels=levels, targets=targets(data.pack_changes, anchors),
    )  # fmt: skip


def what_happened(pack: pd.Series[Any]) -> tuple[str, str]:
    """Return what became of a pack: a level (bad, watch, good) and words, the gravest first."""
    said = [
        ("bad", "fell below end of life", pack["is_below"]),
        ("watch", "fell silent", pack["is_silent"]),
        ("watch" if _fell(pack) else "good", "SOH moved", pack["is_moved"]),
        ("good", "new", pack["is_new"]),
    ]
    told = [(level, words_) for level, words_, is_so in said if is_so]
    return told[0][0], ", ".join(words_ for _, words_ in told)


def signed(now: Any, before: Any) -> str:
    """Return a difference with its sign, a dash where either is missing."""
    if text.is_absent(now) or text.is_absent(before):
        return text.ABSENT
    change = float(now) - float(before)
    return f"{'+' if change > 0 else ''}{text.number(change, 1)}"


def cohorts(data: ReportData, anchors: Mapping[str, str]) -> Table:
    """Return the named packs beside the packs of their cohort."""
    columns: list[Column] = [
        (Head("Pack"), lambda row: str(row["pack_id"])),
        words("Model", "model", "chemistry"),
        words("Sold", "sold"),
        (Head("As of"), lambda row: text.date(row["as_of_date"])),
        number("SOH median cell [%]", "soh_median_pct", 1),
        numeric(
            "Against the cohort's median [pp]", lambda row: signed(row["soh_median_pct"], row["soh_p50_pct"])
        ),
        number("Like packs weaker [%]", "cohort_percentile_pct"),
        number("Cohort: packs", "packs"),
        number("10 % lie below [%]", "soh_p10_pct", 1),
        number("Median [%]", "soh_p50_pct", 1),
        number("10 % lie above [%]", "soh_p90_pct", 1),
    ]
    caption = "Packs that this report names, beside their like"
    return table(
        caption, columns, data.cohorts, "No pack has a health estimate yet.",
        anchors=[anchors[str(pack_id)] for pack_id in data.cohorts["pack_id"]],
    )  # fmt: skip


def _fell(pack: pd.Series[Any]) -> bool:
    return not text.is_absent(pack["soh_before_pct"]) and pack["soh_pct"] < pack["soh_before_pct"]
