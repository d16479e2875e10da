"""Which tables stand in Data Explorer, and in what form: made from the contracts.

A contract is pushed as a stream of changes into a landing table, ``cell_health_change``. A materialized view
keeps the newest change of every key, ``cell_health_latest``; the function ``cell_health`` shows that without
deleted rows, column for column the lake's table. A change that arrives twice, or late, alters nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from battery_lake.errors import ContractError
from battery_lake.tables.model import Column
from battery_lake.tables.registry import table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from battery_lake.tables.model import Table

VERSION: Final = Column(
    "lake_version", "bigint", "Version of the lake's table that brought the row: the newest counts."
)
DELETED: Final = Column("lake_deleted", "boolean", "True where that version deleted the row.")

_TYPES: Final = {
    "string": "string",
    "boolean": "bool",
    "int": "int",
    "bigint": "long",
    "double": "real",
    "timestamp": "datetime",
    "date": "datetime",
}
_NESTED: Final = ("array<", "map<", "struct<")


@dataclass(frozen=True, slots=True)
class Pushed:
    """A table of the lake that is pushed.

    Parameters
    ----------
    contract
        The table.
    keep_days
        So long Data Explorer keeps a change. [d]
    hot_days
        So long it is on the fast disks. [d]
    lookback_days
        How much later than its first a key's last change may arrive; 0: any time. [d]
    streaming
        Whether its rows come by streaming ingestion, within seconds, not in batches.
    restricted
        Whether only readers of positions may see rows; personal columns are left out elsewhere.
    """

    contract: Table
    keep_days: int = 3650
    hot_days: int = 90
    lookback_days: int = 0
    streaming: bool = False
    restricted: bool = False

    @property
    def name(self) -> str:
        """Name of the function that shows the table."""
        return self.contract.short_name

    @property
    def landing(self) -> str:
        """Name of the table that takes the changes."""
        return f"{self.name}_change"

    @property
    def latest(self) -> str:
        """Name of the view with the newest change of every key."""
        return f"{self.name}_latest"

    @property
    def columns(self) -> tuple[Column, ...]:
        """The contract's columns that are pushed."""
        return tuple(column for column in self.contract.columns if self.restricted or not column.personal)

    @property
    def landing_columns(self) -> tuple[Column, ...]:
        """Columns of the landing table."""
        return (*self.columns, VERSION, DELETED)


PUSHED: Final[dict[str, Pushed]] = {
    pushed.contract.name: pushed
    for pushed in (
        Pushed(table("silver.telemetry"), keep_days=365, hot_days=31, lookback_days=14),
        Pushed(table("gold.session")),
        Pushed(table("gold.cell_health")),
        Pushed(table("gold.cell_life")),
        Pushed(table("gold.cell_current")),
        Pushed(table("gold.pack_health")),
        Pushed(table("gold.alert")),
        Pushed(table("gold.fleet_daily")),
        Pushed(table("gold.pack_now")),
        Pushed(table("gold.fleet_now")),
        Pushed(table("gold.message_daily")),
        Pushed(table("gold.vehicle_status"), keep_days=365, hot_days=31, streaming=True),
        Pushed(table("gold.vehicle_position"), keep_days=31, hot_days=31, restricted=True),
    )
}
"""Pushed table by the name of its contract."""


@dataclass(frozen=True, slots=True)
class OtherTable:
    """A table that no push fills: Data Explorer itself does, or another service.

    Parameters
    ----------
    name, grain
        As of a contract.
    columns
        Name, Data Explorer's type and meaning of each.
    keep_days, hot_days
        As of :class:`Pushed`. [d]
    """

    name: str
    grain: str
    columns: tuple[tuple[str, str, str], ...]
    keep_days: int
    hot_days: int


TWIN_PROPERTY_EVENT: Final = OtherTable(
    "twin_property_event",
    "A change of a property of a twin, as the data history of Digital Twins writes it.",
    (
        ("TimeStamp", "datetime", "When Digital Twins processed the change. UTC."),
        ("SourceTimeStamp", "datetime", "When it was observed; null: not told. UTC."),
        ("ServiceId", "string", "The Digital Twins instance."),
        ("Id", "string", "The twin."),
        ("ModelId", "string", "Its model."),
        ("Key", "string", "The property."),
        ("Value", "dynamic", "Its new value."),
        ("RelationshipId", "string", "The relationship, where the property is one's."),
        ("RelationshipTarget", "string", "The twin that this relationship leads to."),
    ),
    keep_days=3650,
    hot_days=90,
)
"""Shape after Microsoft, "Azure Digital Twins data history": twin property updates."""

REST_VOLTAGE: Final = OtherTable(
    "rest_voltage",
    "Cell voltages of a pack at rest; filled from telemetry as it arrives.",
    (
        ("pack_id", "string", "The pack."),
        ("measured_at", "datetime", "When the BMS measured. UTC."),
        ("sequence", "long", "The device's own message counter."),
        ("cell_voltages_v", "dynamic", "One voltage per cell in series, in order. [V]"),
        ("lake_version", "long", "Version of the lake's table that brought the message."),
    ),
    keep_days=3650,
    hot_days=90,
)

OTHER: Final = (TWIN_PROPERTY_EVENT, REST_VOLTAGE)


def kusto_type(spark_type: str) -> str:
    """Return Data Explorer's type for a Spark SQL type.

    Raises
    ------
    ContractError
        There is none.

    Examples
    --------
    >>> kusto_type("double"), kusto_type("array<double>"), kusto_type("date")
    ('real', 'dynamic', 'datetime')
    """
    if spark_type.startswith(_NESTED):
        return "dynamic"
    if spark_type not in _TYPES:
        raise ContractError(f"Data Explorer has no type for {spark_type}", remedy="leave the column out")
    return _TYPES[spark_type]


def typed(columns: Iterable[Column]) -> dict[str, str]:
    """Return Data Explorer's type of every column, by name."""
    return {column.name: kusto_type(column.type) for column in columns}


def tables() -> dict[str, dict[str, str]]:
    """Return every table of the database with its columns and their types."""
    landing = {pushed.landing: typed(pushed.landing_columns) for pushed in PUSHED.values()}
    return landing | {other.name: {name: kind for name, kind, _ in other.columns} for other in OTHER}


def views() -> dict[str, dict[str, str]]:
    """Return every materialized view with its columns and their types: keys first, then the version.

    That is the order in which ``summarize arg_max(lake_version, *) by ...`` gives them.
    """
    found = {}
    for pushed in PUSHED.values():
        columns = typed(pushed.landing_columns)
        first = (*pushed.contract.key, VERSION.name)
        rest = [name for name in columns if name not in first]
        found[pushed.latest] = {name: columns[name] for name in (*first, *rest)}
    return found
