"""Twins of a vehicle and its packs taken out of the graph; packs of others, and names alike, stay."""

import pytest

from battery_lake.sinks.twins.deliver import Delivery, Item, Manner
from battery_lake.sinks.twins.remove import remove_twins, twins_of

PACK, CELL = "dtmi:battery_lake:TractionBatteryPack;1", "dtmi:battery_lake:BatteryCell;1"
MODULE, VEHICLE = "dtmi:battery_lake:BatteryModule;1", "dtmi:battery_lake:ElectricVehicle;1"


def pack_of(key, vehicle):
    """A pack with a module of two cells."""
    module, parent = f"{key}/01", (("pack", key),)
    yield 1, Item("pack", key, PACK, {"pack_id": key}, (), (("vehicle", vehicle),))
    yield 2, Item("module", module, MODULE, {}, (), parent)
    for number in (1, 2):
        cell = f"{module}/{number:02}"
        yield 3, Item("cell", cell, CELL, {"soh_pct": 90.0}, (), (("module", module),))


@pytest.fixture
def filled(graph):
    """V1 with the packs P1 and P3, V2 with P10 and P1/01, whose names begin like P1's."""
    items = [(0, Item("vehicle", name, VEHICLE, {"vehicle_id": name})) for name in ("V1", "V2")]
    for pack, vehicle in (("P1", "V1"), ("P3", "V1"), ("P10", "V2"), ("P1/01", "V2")):
        items += pack_of(pack, vehicle)
    list(Delivery(graph, Manner(), concurrency=1).all(sorted(items, key=lambda item: item[0])))
    return graph


def ids(graph):
    return {twin["$dtId"] for twin in graph.query("SELECT * FROM DIGITALTWINS")}


def test_a_vehicle_goes_with_its_own_pack_and_a_shared_pack_stays(filled):
    before = ids(filled)
    gone = twins_of(filled, "V1", ["P1"])
    assert set(gone) == {"vehicle-V1", "pack-P1", "module-P1.01", "cell-P1.01.01", "cell-P1.01.02"}
    assert remove_twins(filled, gone[:2]) == 2  # broken off: the next run finds the rest
    assert remove_twins(filled, twins_of(filled, "V1", ["P1"])) == 3
    assert ids(filled) == before - set(gone)
    assert twins_of(filled, "V1", ["P1"]) == []
    left = [r["$targetId"] for r in filled.relationships("pack-P3")]
    assert "vehicle-V1" not in left
    assert filled.relationships("pack-P10")


def test_removing_what_has_gone_is_no_matter(filled):
    before = ids(filled)
    assert remove_twins(filled, ["pack-none"]) == 1
    assert ids(filled) == before
