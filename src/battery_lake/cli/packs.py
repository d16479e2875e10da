"""A few rows for the screen, and a pack by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from battery_lake.errors import BatteryLakeError

if TYPE_CHECKING:
    import pandas as pd

    from battery_lake.lake.access import Lake


def first_rows(lake: Lake, name: str, where: Any, *order: Any, limit: int = 1) -> list[dict[str, Any]]:
    """Return the first rows of a table; none where there is no table yet."""
    from battery_lake.lake.look import looking_at

    rows = looking_at(lake)(name).where(where)
    return [
        row.asDict(recursive=True) for row in (rows.orderBy(*order) if order else rows).limit(limit).collect()
    ]


def pack_named(lake: Lake, pack: str) -> dict[str, Any]:
    """Return a pack's row of reference.packs.

    Raises
    ------
    BatteryLakeError
        No pack has that name; the error names the nearest one.
    """
    from pyspark.sql import functions as F

    found = first_rows(lake, "reference.packs", F.col("pack_id") == pack)
    if found:
        return found[0]
    distance = F.levenshtein("pack_id", F.lit(pack))
    near = first_rows(lake, "reference.packs", F.lit(True), distance, "pack_id")
    raise BatteryLakeError(
        f"no pack is named {pack}",
        why="reference.packs does not hold it" if near else "reference.packs holds no pack",
        remedy=f"did you mean {near[0]['pack_id']}?" if near else "battery-lake reference load --help",
    )


def plain_rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame as plain dicts, None for what is missing."""
    rows = frame.to_dict(orient="records")
    kept = frame.notna().to_dict(orient="records")
    return [
        {str(name): value if has[name] else None for name, value in row.items()}
        for row, has in zip(rows, kept, strict=True)
    ]


def half_interval(row: dict[str, Any]) -> float | None:
    """Return half the 90 % interval of a row's SOH. [%]."""
    from battery_lake.report.data import INTERVAL_SIGMAS

    return None if row["soh_std_pct"] is None else INTERVAL_SIGMAS * float(row["soh_std_pct"])


def outlook(row: dict[str, Any]) -> str:
    """Return a row's RUL as people read it."""
    if row["rul_days_p50"] is None:
        return "-"
    if row["censored"]:
        return f"over {row['rul_days_p05']:,.0f}"
    return " .. ".join(f"{row[f'rul_days_{q}']:,.0f}" for q in ("p05", "p50", "p95"))
