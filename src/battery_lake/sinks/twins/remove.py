"""Twins of a vehicle and of packs taken out of the graph, with all that leads to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from battery_lake.sinks.twins.ids import twin_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from battery_lake.sinks.twins.client import Graph

OF_VEHICLE: Final = ("vehicle", "propulsion", "control_unit")
OF_PACK: Final = ("pack", "bms", "thermal")
WITHIN: Final = {"module": 1, "cell": 2}
"""Kinds whose keys go on from their pack's, and by how many parts."""


def twins_of(graph: Graph, vehicle_id: str, pack_ids: Iterable[str]) -> list[str]:
    """Return the ids of the twins that are there of a vehicle and of packs, cells first.

    They are found by their ids, not along relationships: a run that is broken off between two of them leaves
    none that the next one would not find.

    Parameters
    ----------
    graph
        The instance.
    vehicle_id, pack_ids
        The vehicle, and the packs.
    """
    packs = sorted(set(pack_ids))
    known = [twin_id(kind, pack) for pack in packs for kind in OF_PACK]
    known += [twin_id(kind, vehicle_id) for kind in OF_VEHICLE]
    found = [
        name
        for kind, parts in reversed(WITHIN.items())
        for pack in packs
        for name in _below(graph, f"{twin_id(kind, pack)}.", parts)
    ]
    return found + [name for name in known if graph.twin(name) is not None]


def remove_twins(graph: Graph, twin_ids: Iterable[str]) -> int:
    """Delete twins and the relationships from and to them; return how many, gone already or not.

    Parameters
    ----------
    graph
        The instance.
    twin_ids
        What goes.
    """
    count = 0
    for name in twin_ids:
        for related in graph.relationships(name):
            graph.unrelate(name, str(related["$relationshipId"]))
        for source, relationship in graph.incoming(name):
            graph.unrelate(source, relationship)
        graph.delete_twin(name)
        count += 1
    return count


def _below(graph: Graph, prefix: str, parts: int) -> list[str]:
    """Ids that go on from a prefix by so many parts: those of a pack whose name begins alike have more."""
    rows = graph.query(f"SELECT T.$dtId FROM DIGITALTWINS T WHERE STARTSWITH(T.$dtId, '{prefix}')")
    names = (str(row["$dtId"]) for row in rows)
    return sorted(name for name in names if name.removeprefix(prefix).count(".") == parts - 1)
