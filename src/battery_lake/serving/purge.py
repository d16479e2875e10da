"""The commands that take a vehicle's rows out of Data Explorer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from battery_lake.serving.explorer import PUSHED, REST_VOLTAGE
from battery_lake.serving.kql import literal

if TYPE_CHECKING:
    from collections.abc import Sequence


def purges(database: str, names: Sequence[str], vehicle_id: str, pack_ids: Sequence[str]) -> list[str]:
    """Return the commands that purge a vehicle and packs from Data Explorer: tables first, then their views.

    They go to the data management endpoint (``https://ingest-...``) of a cluster on which purge is enabled.

    Parameters
    ----------
    database
        The database.
    names
        Tables that are pushed.
    vehicle_id, pack_ids
        The vehicle, and packs that no other carried.

    References
    ----------
    Microsoft, "Data purge" and "Materialized views data purge", Azure Data Explorer documentation.
    """
    found: list[str] = []
    of_packs = f"pack_id in ({', '.join(map(literal, pack_ids))})"
    for pushed in (pushed for pushed in PUSHED.values() if pushed.name in names):
        columns = {column.name for column in pushed.columns}
        predicate = ""
        if "vehicle_id" in columns and pushed.contract.key != ("pack_id",):
            predicate = f"vehicle_id == {literal(vehicle_id)}"
        elif "pack_id" in columns and pack_ids:
            predicate = of_packs
        if predicate:
            found += [
                _purge("table", pushed.landing, database, predicate),
                _purge("materialized-view", pushed.latest, database, predicate),
            ]
    if pack_ids and "telemetry" in names:
        found.append(_purge("table", REST_VOLTAGE.name, database, of_packs))
    return found


def _purge(entity: str, name: str, database: str, predicate: str) -> str:
    return (
        f".purge {entity} {name} records in database {database} with (noregrets='true') <| where {predicate}"
    )
