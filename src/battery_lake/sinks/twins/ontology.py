"""The ontology: which twins there are, and which columns of which table each carries.

A property has the name of its column, so that a twin can be compared with gold by eye. The interfaces in
``ontology/`` are rendered from here and from the contracts; a column that is renamed in one place only is an
error when this module's entities are rendered.

References
----------
Digital Twins Definition Language version 3 and its extension QuantitativeTypes, version 1
(opendigitaltwins-dtdl); Microsoft, "Azure Digital Twins: model ontologies".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from battery_lake.errors import ContractError
from battery_lake.tables.model import Column
from battery_lake.tables.registry import table
from battery_lake.units import unit_of

NAMESPACE: Final = "dtmi:battery_lake"
CONTEXT: Final = ("dtmi:dtdl:context;3", "dtmi:dtdl:extension:quantitativeTypes;1")
MAX_DESCRIPTION: Final = 512

SEMANTICS: Final = {
    "V": ("Voltage", "volt"),
    "mV": ("Voltage", "millivolt"),
    "A": ("Current", "ampere"),
    "°C": ("Temperature", "degreeCelsius"),
    "mΩ": ("Resistance", "milliohm"),
    "km": ("Distance", "kilometre"),
    "d": ("TimeSpan", "day"),
    "s": ("TimeSpan", "second"),
    "a": ("TimeSpan", "year"),
}
"""Semantic type and unit of the units that the language knows; it has none for Ah, Wh, % and cycles."""

POSITIONS: Final = {"latitude": ("Latitude", "degreeOfArc"), "longitude": ("Longitude", "degreeOfArc")}

PRIMITIVES: Final = {
    "string": "string", "double": "double", "boolean": "boolean", "int": "integer", "bigint": "long",
    "date": "date", "timestamp": "dateTime",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Source:
    """Columns of a table that a twin carries.

    Parameters
    ----------
    table
        The table's name.
    columns
        Names of its columns.
    """

    table: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entity:
    """A kind of twin.

    Parameters
    ----------
    name
        Last part of the interface's identifier.
    text
        What such a twin stands for.
    extends
        The kind that it is a special case of.
    sources
        What it carries.
    extra
        Further properties that no table has.
    version
        Of the interface; what has been published is never changed under the same version.
    """

    name: str
    text: str
    extends: str = ""
    sources: tuple[Source, ...] = ()
    extra: tuple[dict[str, Any], ...] = ()
    version: int = 1

    @property
    def model(self) -> str:
        """The interface's identifier."""
        return f"{NAMESPACE}:{self.name};{self.version}"

    @property
    def properties(self) -> tuple[str, ...]:
        """Names of the properties that come from tables."""
        return tuple(name for source in self.sources for name in source.columns)


def _relationship(name: str, text: str, target: str) -> dict[str, Any]:
    return {"@type": "Relationship", "name": name, "description": text, "target": target}


def _guard(name: str, of: str) -> dict[str, Any]:
    return {
        "@type": "Property",
        "name": name,
        "schema": "long",
        "description": f"Version of the Delta table from which {of} was written: a newer one is kept.",
    }


PART_MODEL: Final = f"{NAMESPACE}:Part;1"
WEAKEST_CELLS: Final = "weakest_cells"
HEALTH_VERSION, STATUS_VERSION = "health_version", "status_version"
WEAKEST_COLUMNS: Final = (
    "soh_pct", "soh_std_pct", "resistance_mohm", "rul_days_p05", "rul_days_p50", "rul_days_p95",
)  # fmt: skip
WEAKEST_STD: Final = Column(
    "soh_min_std_pct", "double", "Standard deviation of the weakest cell's SOH; 1.645 of it hold 90 %. [%]"
)
MODEL: Final = Source("gold.cell_current", ("model_version",))
METHOD: Final = Source("gold.pack_health", ("method_version",))

PACK_HEALTH: Final = Source(
    "gold.pack_health",
    (
        "as_of_date", "soh_min_pct", "soh_median_pct", "soh_max_pct", "soh_spread_pct", "soce_pct",
        "weakest_cell_id", "imbalance_mv", "efc", "throughput_ah", "rul_days_p05", "rul_days_p50",
        "rul_days_p95", "censored", "alerts", "cohort_percentile_pct", "method_version",
    ),
)  # fmt: skip
PACK_REFERENCE: Final = Source(
    "reference.packs",
    (
        "pack_id", "model", "chemistry", "cells_in_series", "cells_in_parallel", "cells_per_module",
        "rated_capacity_ah", "rated_energy_wh", "eol_soh_pct", "warranty_from", "warranty_years",
        "warranty_km", "warranty_soh_pct",
    ),
)  # fmt: skip
CELL_CURRENT: Final = Source(
    "gold.cell_current",
    (
        "cell_id", "pack_id", "series_index", "as_of_date", "capacity_ah", "soh_pct", "soh_std_pct",
        "resistance_mohm", "soh_r_pct", "efc", "observations", "rul_days_p05", "rul_days_p50", "rul_days_p95",
        "rul_efc_p05", "rul_efc_p50", "rul_efc_p95", "rul_km_p05", "rul_km_p50", "rul_km_p95", "eol_date_p50",
        "censored", "method_version", "model_version",
    ),
)  # fmt: skip
VEHICLE_STATUS: Final = Source(
    "gold.vehicle_status",
    ("vehicle_id", "pack_id", "soc_pct", "state", "soh_min_pct", "soh_median_pct", "alerts", "last_seen_at"),
)
VEHICLE_LIVE: Final = Source("silver.telemetry", ("current_a", "pack_voltage_v"))
LIVE_TEMPERATURES: Final = (
    Column("temperature_min_c", "double", "Lowest reading of the pack's probes. [°C]"),
    Column("temperature_max_c", "double", "Highest reading of the pack's probes. [°C]"),
)
SEEN: Final = "last_seen_at"
VEHICLE_POSITION: Final = Source("gold.vehicle_position", ("latitude", "longitude", "cell_size_km"))
STATE: Final = (
    "soc_pct", "state", *VEHICLE_LIVE.columns, *(column.name for column in LIVE_TEMPERATURES), SEEN,
)  # fmt: skip
"""What a vehicle is and does at this moment: as new as it was last seen, whoever writes it."""


def _weakest() -> dict[str, Any]:
    """The weakest cells of a pack by their place: what a large fleet has in the place of cell twins."""
    contract = table(CELL_CURRENT.table)
    fields = [_described("Field", contract.column_by_name[name]) for name in WEAKEST_COLUMNS]
    return {
        "@type": "Property",
        "name": WEAKEST_CELLS,
        "description": "The weakest cells, by module and cell: m03_c07 is cell 7 of module 3.",
        "schema": {
            "@type": "Map",
            "mapKey": {"name": "place", "schema": "string"},
            "mapValue": {"name": "cell", "schema": {"@type": "Object", "fields": fields}},
        },
    }


def entities() -> tuple[Entity, ...]:
    """Return every kind of twin, what it extends before it.

    Raises
    ------
    ContractError
        A column is not in its table's contract.
    """
    part = (
        _relationship("hasPart", "What it is made of.", PART_MODEL),
        _relationship("isContainedIn", "What it is a part of.", PART_MODEL),
    )
    guards = (_guard(HEALTH_VERSION, "the health"),)
    return (
        Entity("Part", "Something that is made of parts, or is a part.", extra=part),
        Entity(
            "Product",
            "A product that moves by a traction battery.",
            "Part",
            (VEHICLE_STATUS, METHOD, MODEL, VEHICLE_LIVE, VEHICLE_POSITION),
            (*_own(WEAKEST_STD, *LIVE_TEMPERATURES), _guard(STATUS_VERSION, "the health")),
        ),
        Entity("ElectricVehicle", "An electric car, van, truck or bus.", "Product"),
        Entity("ElectricMotorcycle", "An electric motorcycle.", "Product"),
        Entity("ElectricScooter", "An electric scooter.", "Product"),
        Entity("Forklift", "An electric forklift.", "Product"),
        Entity("Propulsion", "The propulsion system: what turns charge into motion.", "Part"),
        Entity("MasterControlUnit", "The control unit of the propulsion system.", "Part"),
        Entity(
            "TractionBatteryPack",
            "A traction battery pack.",
            "Part",
            (PACK_REFERENCE, PACK_HEALTH, MODEL),
            (*_own(WEAKEST_STD), _weakest(), *guards),
        ),
        Entity("BatteryManagementSystem", "The battery management system of a pack.", "Part"),
        Entity("ThermalSystem", "What heats and cools a pack.", "Part"),
        Entity("BatteryModule", "Cells of a pack that are exchanged together.", "Part"),
        Entity("BatteryCell", "A cell, or a group of parallel cells.", "Part", (CELL_CURRENT,), guards),
    )


def interface(entity: Entity) -> dict[str, Any]:
    """Render a kind of twin as a DTDL interface.

    Raises
    ------
    ContractError
        A column is not in its table's contract.
    """
    contents = [_property(source.table, name) for source in entity.sources for name in source.columns]
    document: dict[str, Any] = {
        "@context": list(CONTEXT),
        "@id": entity.model,
        "@type": "Interface",
        "displayName": _words(entity.name),
        "description": entity.text,
    }
    if entity.extends:
        document["extends"] = f"{NAMESPACE}:{entity.extends};1"
    document["contents"] = [*contents, *entity.extra]
    return document


def interfaces() -> list[dict[str, Any]]:
    """Return all interfaces, what is extended before what extends it."""
    return [interface(entity) for entity in entities()]


def entity(name: str) -> Entity:
    """Return the kind of twin of a name."""
    return next(found for found in entities() if found.name == name)


def _own(*columns: Column) -> tuple[dict[str, Any], ...]:
    """Properties that no table has as they are."""
    return tuple(_described("Property", column) for column in columns)


def _property(table_name: str, name: str) -> dict[str, Any]:
    column = table(table_name).column_by_name.get(name)
    if column is None:
        raise ContractError(
            f"the ontology names the column {name}, which {table_name} does not have",
            remedy="name it alike in tables/ and in sinks/twins/ontology.py; give the interface a version",
        )
    return _described("Property", column)


def _described(kind: str, column: Column) -> dict[str, Any]:
    """A property or a field: schema, meaning, and semantic type where the language has one."""
    semantic = POSITIONS.get(column.name) or SEMANTICS.get(unit_of(column.name) or "")
    schema = _schema(column)
    found: dict[str, Any] = {"@type": kind, "name": column.name, "schema": schema}
    if semantic and schema == "double":
        found["@type"], found["unit"] = [kind, semantic[0]], semantic[1]
    found["description"] = column.comment[:MAX_DESCRIPTION]
    return found


def _schema(column: Column) -> Any:
    array = re.fullmatch(r"array<(\w+)>", column.type)
    if array:
        return {"@type": "Array", "elementSchema": PRIMITIVES[array[1]]}
    if column.type not in PRIMITIVES:
        raise ContractError(f"the ontology has no schema for {column.name} of type {column.type}")
    return PRIMITIVES[column.type]


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
