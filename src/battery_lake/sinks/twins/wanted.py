"""The graph as gold says that it should be: one row a twin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.sinks.twins import ontology

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import Column, DataFrame

PARENT: Final = "struct<kind:string,key:string>"
COLUMNS: Final = ("level", "kind", "key", "model", "properties", "order", "parents")
LEVELS: Final = {
    "vehicle": 0, "propulsion": 1, "control_unit": 2, "pack": 2, "bms": 3, "thermal": 3, "module": 3,
    "cell": 4,
}  # fmt: skip
"""What contains comes before what is contained."""

_JSON: Final = {
    "ignoreNullFields": "false",
    "dateFormat": "yyyy-MM-dd",
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'",
}
_IN_A_MODULE: Final = r"^.*/(\d+)/(\d+)$"
_EMPTY: Final = "{}"
ORIGIN: Final = (ontology.WEAKEST_STD.name, *ontology.MODEL.columns, *ontology.METHOD.columns)
"""Interval and versions of a pack's health and outlook; a pack has the last of its own."""


@dataclass(frozen=True, slots=True)
class Tables:
    """What the graph is made of, and the versions of the tables that say how new it is.

    Parameters
    ----------
    packs, health, cells, vehicles
        reference.packs, gold.pack_health, gold.cell_current and gold.vehicle_status.
    positions
        gold.vehicle_position; None: positions are not written.
    health_version, status_version
        Versions of gold.pack_health and gold.vehicle_status.
    """

    packs: DataFrame
    health: DataFrame
    cells: DataFrame
    vehicles: DataFrame
    positions: DataFrame | None
    health_version: int
    status_version: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Which twins there are.

    Parameters
    ----------
    has_cells
        Modules, cells and control units too; else vehicles and packs only.
    weakest_cells
        Cells that a pack twin itself tells of.
    vehicle_model, pack_model, cell_model
        Interfaces of these; each is, or inherits from, the ontology's own.
    """

    has_cells: bool = False
    weakest_cells: int = 8
    vehicle_model: str = "dtmi:battery_lake:ElectricVehicle;1"
    pack_model: str = "dtmi:battery_lake:TractionBatteryPack;1"
    cell_model: str = "dtmi:battery_lake:BatteryCell;1"


def wanted(tables: Tables, layout: Layout) -> DataFrame:
    """One row per twin: level, kind, key, model, properties as JSON, order, and what it is contained in.

    Parameters
    ----------
    tables
        Whole, or of some packs and vehicles only.
    layout
        Which twins there are.
    """
    kinds = [_vehicles(tables, layout), _packs(tables, layout)]
    if layout.has_cells:
        kinds += [*_control(tables), *_pack_parts(tables), _cells(tables, layout)]
    frames = [frame.select(*COLUMNS) for frame in kinds]
    whole = frames[0]
    for frame in frames[1:]:
        whole = whole.unionByName(frame)
    return whole


def _vehicles(tables: Tables, layout: Layout) -> DataFrame:
    """Vehicles, as they were last seen."""
    rows = tables.vehicles.withColumn(ontology.STATUS_VERSION, F.lit(tables.status_version).cast("bigint"))
    rows = rows.join(_origin(tables), on="pack_id", how="left")
    names = [*ontology.VEHICLE_STATUS.columns, *ORIGIN, ontology.STATUS_VERSION]
    if tables.positions is not None:
        places = tables.positions.select("vehicle_id", *ontology.VEHICLE_POSITION.columns)
        rows = rows.join(places, on="vehicle_id", how="left")
        names += ontology.VEHICLE_POSITION.columns
    return _twins(rows, "vehicle", "vehicle_id", layout.vehicle_model, names, (ontology.STATUS_VERSION,))


def live(states: DataFrame, model: str, *, has_positions: bool) -> DataFrame:
    """One row per vehicle: its twin's state, and nothing else of it.

    Parameters
    ----------
    states
        From :func:`battery_lake.gold.live_state.live_state`.
    model
        Interface of a twin that is not there yet.
    has_positions
        Whether it tells where the vehicle is.
    """
    names = ["vehicle_id", *ontology.STATE, *(ontology.VEHICLE_POSITION.columns if has_positions else ())]
    return _twins(states, "vehicle", "vehicle_id", model, names, (ontology.SEEN,)).select(*COLUMNS)


def _origin(tables: Tables) -> DataFrame:
    """One row per pack: how sure its weakest cell's SOH is, and what made health and outlook."""
    newest = F.max_by("method_version", "as_of_date").alias("method_version")
    weakest = tables.health.groupBy("pack_id").agg(
        newest, F.max_by("weakest_cell_id", "as_of_date").alias("w")
    )
    is_weakest = F.col("cell_id") == F.col("w")
    cells = tables.cells.select("pack_id", "cell_id", "soh_std_pct", "model_version", "as_of_date")
    return (
        weakest
        .join(cells, on="pack_id", how="left")
        .groupBy("pack_id", "method_version")
        .agg(
            F.max(F.when(is_weakest, F.col("soh_std_pct"))).alias("soh_min_std_pct"),
            F.max_by("model_version", "as_of_date").alias("model_version"),
        )
    )


def _packs(tables: Tables, layout: Layout) -> DataFrame:
    """Packs: what they are, their newest health, and their weakest cells."""
    health = ontology.PACK_HEALTH.columns
    newest = tables.health.groupBy("pack_id").agg(F.max_by(F.struct(*health), "as_of_date").alias("h"))
    carrier = tables.vehicles.groupBy("pack_id").agg(
        F.max_by("vehicle_id", "last_seen_at").alias("vehicle_id")
    )
    rows = (
        tables.packs
        .select(*ontology.PACK_REFERENCE.columns)
        .join(newest, on="pack_id", how="left")
        .join(_weakest(tables.cells, layout.weakest_cells), on="pack_id", how="left")
        .join(carrier, on="pack_id", how="left")
        .join(_origin(tables).drop("method_version"), on="pack_id", how="left")
        .withColumns({name: F.col(f"h.{name}") for name in health})
        .withColumn(ontology.HEALTH_VERSION, F.lit(tables.health_version).cast("bigint"))
    )
    names = [
        *ontology.PACK_REFERENCE.columns, *health, *ORIGIN[:2], ontology.WEAKEST_CELLS,
        ontology.HEALTH_VERSION,
    ]  # fmt: skip
    order = ("as_of_date", ontology.HEALTH_VERSION)
    owner = _parent("propulsion" if layout.has_cells else "vehicle", F.col("vehicle_id"))
    parents = F.when(F.col("vehicle_id").isNotNull(), F.array(owner))
    return _twins(rows, "pack", "pack_id", layout.pack_model, names, order, parents)


def _weakest(cells: DataFrame, count: int) -> DataFrame:
    """One row per pack: its weakest cells by their place."""
    fields = ontology.WEAKEST_COLUMNS
    place = F.when(
        F.col("cell_id").rlike(_IN_A_MODULE), F.regexp_replace("cell_id", _IN_A_MODULE, "m$1_c$2")
    ).otherwise(F.concat(F.lit("c"), F.col("series_index")))
    cell = F.struct(F.col("soh_pct").alias("rank"), place.alias("place"), F.struct(*fields).alias("cell"))
    listed = F.slice(F.array_sort(F.collect_list(cell)), 1, count)
    entries = F.transform(listed, lambda entry: F.struct(entry["place"], entry["cell"]))
    return (
        cells
        .where("soh_pct IS NOT NULL AND NOT isnan(soh_pct)")
        .withColumns({name: _finite(name, "double") for name in fields})
        .groupBy("pack_id")
        .agg(F.map_from_entries(entries).alias(ontology.WEAKEST_CELLS))
    )


def _control(tables: Tables) -> list[DataFrame]:
    """The propulsion system and the control unit of every vehicle."""
    vehicles = tables.vehicles
    return [
        _bare(vehicles, "propulsion", "vehicle_id", "Propulsion", ("vehicle", F.col("vehicle_id"))),
        _bare(
            vehicles, "control_unit", "vehicle_id", "MasterControlUnit", ("propulsion", F.col("vehicle_id"))
        ),
    ]


def _pack_parts(tables: Tables) -> list[DataFrame]:
    """Management system, thermal system and modules of every pack."""
    of_pack = ("pack", F.col("pack_id"))
    modules = tables.cells.select("pack_id", _module().alias("module")).distinct()
    return [
        _bare(tables.packs, "bms", "pack_id", "BatteryManagementSystem", of_pack),
        _bare(tables.packs, "thermal", "pack_id", "ThermalSystem", of_pack),
        _bare(modules, "module", "module", "BatteryModule", of_pack),
    ]


def _cells(tables: Tables, layout: Layout) -> DataFrame:
    """Cells, with health and life."""
    rows = tables.cells.withColumn(ontology.HEALTH_VERSION, F.lit(tables.health_version).cast("bigint"))
    names = [*ontology.CELL_CURRENT.columns, ontology.HEALTH_VERSION]
    parents = F.array(_parent("module", _module()))
    order = ("as_of_date", ontology.HEALTH_VERSION)
    return _twins(rows, "cell", "cell_id", layout.cell_model, names, order, parents)


def _module() -> Column:
    """A cell's module: its own id without the last part."""
    return F.regexp_replace("cell_id", r"/[^/]*$", "")


def _bare(rows: DataFrame, kind: str, key: str, entity: str, parent: tuple[str, Column]) -> DataFrame:
    """Twins that are there for what they contain."""
    model = ontology.entity(entity).model
    return _twins(rows, kind, key, model, (), (), F.array(_parent(*parent)))


def _twins(
    rows: DataFrame,
    kind: str,
    key: str,
    model: str,
    names: Iterable[str],
    order: tuple[str, ...],
    parents: Column | None = None,
) -> DataFrame:
    """Rows as twins; a number that is none is not set."""
    types = dict(rows.dtypes)
    values = [_finite(name, types[name]).alias(name) for name in names]
    return rows.select(
        F.lit(LEVELS[kind]).alias("level"),
        F.lit(kind).alias("kind"),
        F.col(key).alias("key"),
        F.lit(model).alias("model"),
        (F.to_json(F.struct(*values), _JSON) if values else F.lit(_EMPTY)).alias("properties"),
        F.array(*map(F.lit, order)).cast("array<string>").alias("order"),
        F.coalesce(
            parents if parents is not None else F.lit(None).cast(f"array<{PARENT}>"),
            F.array().cast(f"array<{PARENT}>"),
        ).alias("parents"),
    )


def _finite(name: str, type_: str) -> Column:
    if type_ != "double":
        return F.col(name)
    whole = F.col(name).isNotNull() & ~F.isnan(name) & (F.abs(F.col(name)) != float("inf"))
    return F.when(whole, F.col(name))


def _parent(kind: str, key: Column) -> Column:
    return F.struct(F.lit(kind).alias("kind"), key.alias("key"))
