"""The suffix of a column is its unit: what each suffix means."""

from __future__ import annotations

from typing import Final

UNITS: Final[dict[str, str]] = {
    "_v": "V",
    "_v2": "V²",
    "_mv": "mV",
    "_a": "A",
    "_ah": "Ah",
    "_ah2": "Ah²",
    "_wh": "Wh",
    "_w": "W",
    "_c": "°C",
    "_pct": "%",
    "_frac": "1",
    "_s": "s",
    "_days": "d",
    "_years": "a",
    "_km": "km",
    "_mohm": "mΩ",
    "_kohm": "kΩ",
    "_ohm_per_v": "Ω/V",
    "_mohm2": "mΩ²",
    "_efc": "equivalent full cycles",
}
"""Suffix of a column name to the unit it stands for."""

QUANTILES: Final[tuple[str, ...]] = ("_p05", "_p10", "_p50", "_p90", "_p95")
"""A quantile follows the unit: ``rul_days_p50``."""


def unit_of(column: str) -> str | None:
    """Return the unit that a column's name declares, or None where it declares none.

    Examples
    --------
    >>> unit_of("capacity_ah"), unit_of("rul_days_p05"), unit_of("pack_id")
    ('Ah', 'd', None)
    """
    name = column
    for quantile in QUANTILES:
        name = name.removesuffix(quantile)
    if name == "efc":
        return UNITS["_efc"]
    matches = [suffix for suffix in UNITS if name.endswith(suffix)]
    return UNITS[max(matches, key=len)] if matches else None
