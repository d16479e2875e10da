"""What the Power BI model calls tables and columns, and what of the contracts is in it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from battery_lake.tables.registry import table
from battery_lake.units import QUANTILES, UNITS, unit_of

if TYPE_CHECKING:
    from battery_lake.tables.model import Column, Table

Mode = Literal["import", "directQuery", "dual"]

_SPACE: Final = uuid.UUID("0e3cf6a8-8a7e-5a53-9b52-4a7e2d1d9a11")
_UPPER: Final = frozenset({
    "soh",
    "rul",
    "efc",
    "eol",
    "soc",
    "soce",
    "id",
    "p05",
    "p10",
    "p50",
    "p90",
    "p95",
})
_OTHER_NAMES: Final = {
    "pack_id": "Pack ID", "cell_id": "Cell ID", "vehicle_id": "Vehicle ID", "packs": "Pack Count",
    "as_of_date": "Day", "efc": "EFC",
}  # fmt: skip
_LEFT_OUT: Final = ("array<", "map<", "struct<")
DATE: Final = "Date"


@dataclass(frozen=True, slots=True)
class ModelTable:
    """A table of the model.

    Parameters
    ----------
    title
        Its name in the model.
    contract
        The table of the lake.
    mode
        import, directQuery or dual.
    hidden
        Columns that nobody picks: keys of facts, and what only measures use.
    left_out
        Columns that stay in the lake.
    key
        Column that other tables point to; empty: it is a fact.
    """

    title: str
    contract: Table
    mode: Mode
    hidden: tuple[str, ...] = ()
    left_out: tuple[str, ...] = field(default=())
    key: str = ""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The contract's columns that are in the model: none that holds several values."""
        return tuple(
            c
            for c in self.contract.columns
            if not c.type.startswith(_LEFT_OUT) and c.name not in self.left_out
        )


_COUNTED: Final = (
    "packs", "below_eol", "ends_in_year", "warranty_exposed", "recent_s", "recent_hot_s", "recent_full_s",
    "recent_charges", "recent_fast_charges", "last_seen_days",
)  # fmt: skip

MODEL_TABLES: Final = (
    ModelTable("Pack", table("gold.pack_now"), "dual", (*_COUNTED, "as_of_date"), key="pack_id"),
    ModelTable("Fleet Now", table("gold.fleet_now"), "import", ("packs",)),
    ModelTable("Message Daily", table("gold.message_daily"), "import", ("as_of_date",)),
    ModelTable("Pack Health", table("gold.pack_health"), "import", ("pack_id", "as_of_date")),
    ModelTable("Fleet Daily", table("gold.fleet_daily"), "import", ("as_of_date",)),
    ModelTable("Alert", table("gold.alert"), "import", ("pack_id",)),
    ModelTable("Vehicle", table("gold.vehicle_status"), "import", ("pack_id",)),
    ModelTable("Cell Now", table("gold.cell_current"), "import", ("pack_id", "as_of_date")),
    ModelTable("Cell Health", table("gold.cell_health"), "directQuery", ("pack_id", "as_of_date")),
    ModelTable("Cell Life", table("gold.cell_life"), "directQuery", ("pack_id", "as_of_date")),
    ModelTable(
        "Session", table("gold.session"), "directQuery", ("pack_id",),
        ("sampling_ah2", "step_a", "step_s", "step_temperature_c", "step_soc_pct", "low_limit_charge_ah"),
    ),
)  # fmt: skip
"""Small daily tables are imported; what grows by cell and day, or by session, is asked where it is."""

BY_CONTRACT: Final = {each.contract.name: each for each in MODEL_TABLES}
POSITION: Final = table("gold.vehicle_position")
"""Joined to the vehicles: it is a table of its own so that its rows can be withheld."""
POSITION_COLUMNS: Final = ("latitude", "longitude")

RELATIONSHIPS: Final = tuple(
    (fact.title, column, dimension, target)
    for fact in MODEL_TABLES
    if fact.title != "Pack"
    for column, dimension, target in (("pack_id", "Pack", "pack_id"), ("as_of_date", DATE, "date"))
    if column in {c.name for c in fact.columns}
)
"""From and to: table and column. Every fact points straight to a dimension."""


def stable_id(*parts: str) -> str:
    """Return an identifier that is the same each time.

    Examples
    --------
    >>> stable_id("table", "Pack") == stable_id("table", "Pack") != stable_id("table", "Cell")
    True
    """
    return str(uuid.uuid5(_SPACE, "/".join(parts)))


def title_of(column: str) -> str:
    """Return what the model calls a column: words, and the unit behind them.

    Examples
    --------
    >>> title_of("soh_min_pct"), title_of("rul_days_p50"), title_of("pack_id")
    ('SOH Min (%)', 'RUL P50 (d)', 'Pack ID')
    """
    if column in _OTHER_NAMES:
        return _OTHER_NAMES[column]
    stem, quantile = column, ""
    for suffix in QUANTILES:
        if column.endswith(suffix):
            stem, quantile = column.removesuffix(suffix), suffix
    unit = unit_of(column)
    suffixes = [suffix for suffix in UNITS if stem.endswith(suffix)]
    if unit and suffixes:
        stem = stem.removesuffix(max(suffixes, key=len))
    short = "EFC" if unit == UNITS["_efc"] else unit
    words = [w.upper() if w in _UPPER else w.capitalize() for w in f"{stem}{quantile}".split("_") if w]
    return " ".join(words) + (f" ({short})" if short else "")
