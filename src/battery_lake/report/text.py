"""How numbers, dates, intervals and lifetimes read in the report."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import pandas as pd

from battery_lake.report.data import INTERVAL_SIGMAS

ABSENT: Final = "\u2013"
"""An en dash, which stands where nothing is known."""

MINUS: Final = "\u2212"
NARROW_SPACE: Final = "\u202f"
SOON_DAYS: Final = 365


def is_absent(value: Any) -> bool:
    """Return whether a scalar holds nothing: None, NaN, NaT or NA."""
    return value is None or value is pd.NaT or bool(pd.isna(value))


def number(value: Any, digits: int = 0) -> str:
    """Return a number with grouped thousands, or a dash.

    Examples
    --------
    >>> number(71.26, 1)
    '71.3'
    """
    if is_absent(value):
        return ABSENT
    return f"{float(value):,.{digits}f}".replace(",", NARROW_SPACE).replace("-", MINUS)


def date(value: Any) -> str:
    """Return a day as YYYY-MM-DD, or a dash."""
    return ABSENT if is_absent(value) else pd.Timestamp(value).strftime("%Y-%m-%d")


def instant(value: Any) -> str:
    """Return an instant to the minute, or a dash; instants are UTC throughout."""
    return ABSENT if is_absent(value) else pd.Timestamp(value).strftime("%Y-%m-%d %H:%M")


def span(low: Any, high: Any, digits: int = 0) -> str:
    """Return ``low to high``, or a dash where either is missing."""
    return ABSENT if is_absent(low) or is_absent(high) else f"{number(low, digits)} to {number(high, digits)}"


def soh_interval(soh_pct: Any, soh_std_pct: Any) -> str:
    """Return the 90 % interval of an SOH, a dash where no deviation is known. [%]."""
    if is_absent(soh_pct) or is_absent(soh_std_pct):
        return ABSENT
    half = INTERVAL_SIGMAS * float(soh_std_pct)
    return span(soh_pct - half, soh_pct + half, 1)


def rul_median(p50_days: Any, censored: Any) -> str:
    """Return the median RUL in days, or that no end of life is in sight."""
    if is_absent(p50_days):
        return ABSENT
    return "not in sight" if is_true(censored) else number(p50_days)


def rul_interval(p05_days: Any, p95_days: Any, censored: Any) -> str:
    """Return the 90 % interval of the RUL in days; a lower bound where no end is in sight."""
    if is_true(censored):
        return ABSENT if is_absent(p05_days) else f"at least {number(p05_days)}"
    return span(p05_days, p95_days)


def is_true(value: Any) -> bool:
    """Return whether a nullable boolean is true."""
    return not is_absent(value) and bool(value)


def eol_date(as_of_date: Any, rul_days: Any, censored: Any) -> str:
    """Return the day on which life ends, or that it is not in sight."""
    if is_absent(as_of_date) or is_absent(rul_days):
        return ABSENT
    if is_true(censored):
        return "not in sight"
    return date(pd.Timestamp(as_of_date) + dt.timedelta(days=float(rul_days)))


def pack_status(pack: pd.Series[Any]) -> tuple[str, str]:
    """Return what a row of worst_packs calls for: a level (bad, watch, good) and words.

    Notes
    -----
    The end of life before the warranty's end is judged by the median, an end within a year by the
    pessimistic quantile: the first decides a claim, the second only where to look.
    """
    if not is_absent(pack["soh_min_pct"]) and pack["soh_min_pct"] < pack["eol_soh_pct"]:
        return "bad", "below end of life"
    if is_absent(pack["rul_days_p50"]):
        return "watch", "no outlook yet"
    if not is_true(pack["censored"]):
        ends = pd.Timestamp(pack["as_of_date"]) + dt.timedelta(days=float(pack["rul_days_p50"]))
        if not is_absent(pack["warranty_until"]) and ends <= pd.Timestamp(pack["warranty_until"]):
            return "bad", "ends in warranty"
        if not is_absent(pack["rul_days_p05"]) and pack["rul_days_p05"] <= SOON_DAYS:
            return "watch", "may end in a year"
    return "good", "in order"
