"""Delivery against the service: only what differs is sent, older values lose, storms change nothing."""

import dataclasses
import threading

import pytest

from battery_lake.errors import RemoteError, SettingsError
from battery_lake.sinks.retry import RefusedError
from battery_lake.sinks.twins.client import Address, ChangedError, Graph
from battery_lake.sinks.twins.deliver import Delivery, Item, Manner

PACK, CELL = "dtmi:battery_lake:TractionBatteryPack;1", "dtmi:battery_lake:BatteryCell;1"
VEHICLE = "dtmi:battery_lake:ElectricVehicle;1"
ORDER = ("as_of_date", "health_version")


def cell(key, soh_pct=90.0, day="2026-03-01", version=1, **more):
    properties = {"soh_pct": soh_pct, "as_of_date": day, "health_version": version, **more}
    return Item("cell", key, CELL, properties, ORDER, (("pack", "P1"),))


def pack(key="P1", *vehicles):
    parents = tuple(("vehicle", vehicle) for vehicle in vehicles)
    return Item("pack", key, PACK, {"pack_id": key}, ORDER, parents)


def vehicle(key, seen=None, version=None, **more):
    properties = {"vehicle_id": key, **more}
    if seen is not None:
        properties |= {"last_seen_at": f"2026-03-02T{seen}:00.000000Z"}
    if version is not None:
        properties |= {"status_version": version}
    return Item("vehicle", key, VEHICLE, properties, ("status_version",) if version else ())


def state(key, seen, **more):
    """A vehicle's state as the live stream delivers it."""
    return dataclasses.replace(vehicle(key, seen, **more), order=("last_seen_at",))


@pytest.fixture
def deliver(graph):
    def run(*items, **manner):
        levels = {"vehicle": 0, "pack": 1, "cell": 2}
        delivery = Delivery(graph, Manner(**manner), concurrency=4)
        return [(d.outcome, d.reason) for d in delivery.all((levels[i.kind], i) for i in items)]

    return run


def outcomes(found):
    return [outcome for outcome, _ in found]


def test_a_second_delivery_sends_nothing(graph, deliver):
    items = [vehicle("V1"), pack("P1", "V1"), cell("P1/01/01"), cell("P1/01/02", 89.0)]
    assert outcomes(deliver(*items)) == ["created"] * 4
    etags = {t["$dtId"]: t["$etag"] for t in graph.query("SELECT * FROM DIGITALTWINS")}
    assert outcomes(deliver(*items)) == ["same"] * 4
    assert outcomes(deliver(*items, is_thorough=True)) == ["same"] * 4
    assert {t["$dtId"]: t["$etag"] for t in graph.query("SELECT * FROM DIGITALTWINS")} == etags
    parts = graph.query(
        "SELECT C.$dtId FROM DIGITALTWINS MATCH (A)-[:hasPart*2]->(C) WHERE A.$dtId = 'vehicle-V1'"
    )
    assert sorted(row["$dtId"] for row in parts) == ["cell-P1.01.01", "cell-P1.01.02"]
    up = graph.relationships("cell-P1.01.01")
    assert [(r["$relationshipName"], r["$targetId"]) for r in up] == [("isContainedIn", "pack-P1")]


def test_only_what_differs_is_patched_and_what_is_empty_is_removed(graph, deliver):
    deliver(pack(), cell("P1/01/01", 90.0, resistance_mohm=1.5))
    changed = cell("P1/01/01", 89.5, "2026-03-02", 2, resistance_mohm=None)
    assert deliver(changed) == [("patched", "soh_pct as_of_date health_version resistance_mohm")]
    twin = graph.twin("cell-P1.01.01")
    assert "resistance_mohm" not in twin
    assert (twin["soh_pct"], twin["as_of_date"], twin["health_version"]) == (89.5, "2026-03-02", 2)


def test_an_older_retry_does_not_win_over_a_newer_patch(graph, deliver):
    deliver(pack(), cell("P1/01/01", 88.0, "2026-03-05", 7))
    assert outcomes(deliver(cell("P1/01/01", 90.0, "2026-03-04", 9))) == ["older"]
    assert outcomes(deliver(cell("P1/01/01", 90.0, "2026-03-05", 6))) == ["older"]
    assert graph.twin("cell-P1.01.01")["soh_pct"] == 88.0
    assert outcomes(deliver(cell("P1/01/01", 87.0, "2026-03-05", 8))) == ["patched"]


def test_the_state_is_as_new_as_the_vehicle_was_seen_and_the_rest_as_new_as_its_version(graph, deliver):
    def held():
        twin = graph.twin("vehicle-V1")
        return twin["soc_pct"], twin.get("soh_min_pct"), twin["last_seen_at"][11:16], twin.get("latitude")

    gold = {"soh_min_pct": 91.0, "latitude": None}
    assert outcomes(deliver(state("V1", "07:00", soc_pct=60.0, latitude=37.5), is_live=True)) == ["created"]
    assert outcomes(deliver(vehicle("V1", "06:00", 1, soc_pct=55.0, **gold))) == ["patched"]
    assert held() == (60.0, 91.0, "07:00", 37.5)
    assert outcomes(deliver(vehicle("V1", "06:00", 1, soc_pct=55.0, **gold), is_thorough=True)) == ["same"]
    assert outcomes(deliver(state("V1", "06:59", soc_pct=10.0), is_live=True)) == ["older"]
    bands = {"last_seen_at": 60.0, "soc_pct": 0.5}
    quiet = state("V1", "07:00", soc_pct=60.3)
    assert outcomes(deliver(quiet, is_live=True, dead_bands=bands)) == ["same"]
    assert outcomes(deliver(state("V1", "07:01", soc_pct=60.3), is_live=True, dead_bands=bands)) == [
        "patched"
    ]
    assert held() == (60.3, 91.0, "07:01", 37.5)
    later = vehicle("V1", "08:00", 2, soc_pct=50.0, soh_min_pct=90.0, latitude=None)
    assert outcomes(deliver(later)) == ["patched"]
    assert held() == (50.0, 90.0, "08:00", 37.5)
    assert outcomes(deliver(vehicle("V1", "09:00", 1, soc_pct=1.0))) == ["older"]


def test_a_twin_deleted_by_hand_is_told_and_made_again(graph, deliver):
    deliver(pack(), cell("P1/01/01"))
    for source, own in (("pack-P1", "hasPart-cell-P1.01.01"), ("cell-P1.01.01", "isContainedIn-pack-P1")):
        graph.unrelate(source, own)
    graph._client.delete_digital_twin("cell-P1.01.01")
    items = (pack(), cell("P1/01/01"))
    assert outcomes(deliver(*items, is_thorough=True, is_rehearsal=True)) == ["same", "created"]
    assert graph.twin("cell-P1.01.01") is None
    assert outcomes(deliver(*items, is_thorough=True)) == ["same", "created"]
    assert outcomes(deliver(*items, is_thorough=True, is_rehearsal=True)) == ["same", "same"]


def test_a_relationship_deleted_by_hand_is_told_and_made_again(graph, deliver):
    items = (pack(), cell("P1/01/01"))
    deliver(*items)
    graph.unrelate("pack-P1", "hasPart-cell-P1.01.01")
    assert outcomes(deliver(*items)) == ["same", "same"]
    assert outcomes(deliver(*items, is_thorough=True)) == ["same", "related"]
    assert len(graph.relationships("pack-P1")) == 1


def test_a_crash_between_the_twin_and_its_relationships_is_mended_by_the_next_delivery(graph, deliver):
    deliver(pack())
    item = cell("P1/01/01")
    graph.add_twin(item.id, {"$metadata": {"$model": CELL}, "soh_pct": 90.0, "as_of_date": "2026-03-01"})
    assert outcomes(deliver(item)) == ["patched"]
    assert len(graph.relationships("pack-P1")) == 1
    assert outcomes(deliver(item, is_thorough=True)) == ["same"]


def test_a_pack_that_moves_leaves_its_old_vehicle(graph, deliver):
    deliver(vehicle("V1"), vehicle("V2"), pack("P1", "V1"))
    assert outcomes(deliver(pack("P1", "V2"))) == ["related"]
    assert graph.relationships("vehicle-V1") == []
    assert [r["$targetId"] for r in graph.relationships("vehicle-V2")] == ["pack-P1"]
    assert [r["$targetId"] for r in graph.relationships("pack-P1")] == ["vehicle-V2"]


def test_what_the_service_refuses_is_told_with_its_reason_and_the_others_go_on(deliver):
    bad = cell("P1/01/01", "ninety")
    unknown = cell("P1/01/02", colour="red")
    orphan = dataclasses.replace(cell("P2/01/01"), parents=(("pack", "nobody"),))
    found = deliver(pack(), bad, unknown, cell("P1/01/03"), orphan)
    assert outcomes(found) == ["created", "refused", "refused", "created", "refused"]
    assert "Expected value of type double for soh_pct" in found[1][1]
    assert "colour does not appear on the DTDL" in found[2][1]
    assert "pack-nobody" in found[4][1]


@pytest.mark.parametrize(
    "key",
    [
        "O'Hara\"; DROP TABLE twins",
        "') OR IS_DEFINED($dtId) --",
        "ünïcödé 車 🔋",
        "a/../b?api-version=1#x",
        "k" * 10_000,
        "",
        " ",
    ],
)
def test_no_key_is_executed_or_lost(graph, deliver, key):
    item = Item("pack", key, PACK, {"pack_id": key[:4_000]})
    assert outcomes(deliver(item, pack("P1"))) == ["created", "created"]
    assert graph.twin(item.id)["pack_id"] == key[:4_000]
    assert len(list(graph.query("SELECT * FROM DIGITALTWINS"))) == 2


def test_many_writers_of_one_twin_end_with_the_newest(graph, deliver):
    deliver(pack())
    items = [cell("P1/01/01", 100.0 - n, version=n) for n in range(1, 25)]
    threads = [threading.Thread(target=deliver, args=(item,)) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert graph.twin("cell-P1.01.01")["soh_pct"] == 76.0


def test_a_storm_changes_nothing_but_the_time(standin, deliver):
    items = [vehicle("V1"), pack("P1", "V1"), *(cell(f"P1/01/{n:02}", 90.0 - n) for n in range(20))]
    standin.faults.storm(0.3, seed=3)
    assert set(outcomes(deliver(*items))) <= {"created", "patched", "same", "related"}
    later = [cell(f"P1/01/{n:02}", 80.0 - n, "2026-03-02", 2) for n in range(20)]
    deliver(*later)
    standin.faults.storm(0.0)
    assert standin.faults.met > 10
    assert outcomes(deliver(*items[:2], *later, is_thorough=True)) == ["same"] * 22


def test_throttling_is_waited_out(standin, deliver):
    deliver(pack())
    standin.faults.put("throttle", 3, retry_after_s=0)
    assert outcomes(deliver(cell("P1/01/01"))) == ["created"]


def test_a_service_that_stays_away_ends_the_run_in_words(standin, address):
    impatient = Graph(dataclasses.replace(address, patience_s=0.5))
    standin.faults.put("unavailable", 50)
    with pytest.raises(RemoteError, match="did not answer") as told:
        impatient.twin("a")
    assert "503" in told.value.why


def test_a_changed_twin_and_a_refusal_are_told_apart(graph):
    graph.add_twin("pack-P9", {"$metadata": {"$model": PACK}})
    with pytest.raises(ChangedError):
        graph.add_twin("pack-P9", {"$metadata": {"$model": PACK}})
    with pytest.raises(ChangedError):
        graph.patch("pack-P9", [{"op": "add", "path": "/pack_id", "value": "x"}], 'W/"old"')
    with pytest.raises(RefusedError, match="DTDLParserError"):
        graph.add_models([{"@id": "none"}])


def test_an_address_without_tls_and_a_token_that_is_none_are_refused(address, tmp_path):
    (tmp_path / "text.pem").write_text("no certificate", encoding="utf-8")
    for file in ("absent.pem", "text.pem"):
        with pytest.raises(SettingsError, match="certificate") as unread:
            Graph(dataclasses.replace(address, certificate=str(tmp_path / file), patience_s=0.1))
        assert file in unread.value.why
        assert "every worker" in unread.value.remedy
    with pytest.raises(SettingsError, match="not usable"):
        Graph(Address("http://localhost:1"))
    with pytest.raises(SettingsError, match="credential"):
        Graph(Address("https://localhost:1", credential="magic"))
    with pytest.raises(RemoteError, match="lets nobody in") as told:
        Graph(dataclasses.replace(address, token="none")).twin("a")
    assert "none" not in repr(address)
    assert "Data Owner" in told.value.remedy
