"""From silver to twins as a stream: each vehicle's newest message, one patch a batch, none twice."""

import dataclasses
import datetime as dt

import pytest
from pydantic import SecretStr

from battery_lake.errors import RemoteError
from battery_lake.lake.access import Lake
from battery_lake.lake.create import ensure
from battery_lake.lake.write import insert_missing
from battery_lake.local.twins import DigitalTwinsStandIn
from battery_lake.pipelines.live_twins import LIVE_TWINS, follow
from battery_lake.pipelines.model import Silent
from battery_lake.settings import load
from battery_lake.sinks.twins.client import Address, Graph

NOON = dt.datetime(2026, 3, 2, 12)  # noqa: DTZ001 - Spark takes UTC without a zone
HOSTILE = "O'Hara\"; SELECT * FROM DIGITALTWINS -- ünï 🔋" + "k" * 10_000


@pytest.fixture
def live(spark, tmp_path):
    """A lake without a message, and an instance without a twin."""
    with DigitalTwinsStandIn(tmp_path / "twins") as standin:
        settings, _ = load([f"home={tmp_path / 'home'}"], environment={})
        changed = settings.twins.model_copy(
            update={
                "endpoint": standin.endpoint,
                "token": SecretStr(standin.token),
                "certificate": str(standin.certificate),
                "patience_s": 2.0,
                "positions": True,
            }
        )
        lake = Lake(spark, settings.model_copy(update={"twins": changed}))
        ensure(lake, ("silver.telemetry", "ops.delivery_failure", "ops.batch"))
        graph = Graph(Address(standin.endpoint, token=standin.token, certificate=str(standin.certificate)))
        yield lake, graph, standin


@pytest.fixture
def say(live, frame):
    """Put messages into silver: vehicle, second after noon, and what differs."""

    def said(*messages):
        same = {
            "soc_pct": 50.0, "state": "driving", "current_a": -20.0, "flags": [],
            "temperatures_c": [20.0, 25.0],
            "enqueued_at": NOON, "hub": "h", "partition_id": "0", "message_index": 0,
        }  # fmt: skip
        rows = [
            {
                **same,
                "pack_id": f"P-{vehicle[:9]}",
                "vehicle_id": vehicle,
                "measured_at": NOON + dt.timedelta(seconds=at),
                "sequence": at,
                "sequence_number": at,
                **more,
            }
            for vehicle, at, more in messages
        ]
        insert_missing(live[0], "silver.telemetry", frame("silver.telemetry", rows))

    return said


def once(lake):
    return dataclasses.astuple(follow(lake, Silent(), goes_on=False).counts)[:4]


def test_the_newest_message_of_each_vehicle_reaches_its_twin_once(live, say):
    lake, graph, standin = live
    assert once(lake) == (0, 0, 0, 0)
    place = {"latitude": 37.5665, "longitude": 126.978}
    say(("V1", 5, {"soc_pct": 49.0}), ("V1", 1, place), (HOSTILE[:4000], 3, {}))
    assert once(lake) == (2, 2, 0, 0)
    twin = graph.twin("vehicle-V1")
    assert (twin["soc_pct"], twin["current_a"], twin["temperature_max_c"]) == (49.0, -20.0, 25.0)
    assert twin["last_seen_at"] == "2026-03-02T12:00:05.000000Z"
    assert twin["cell_size_km"] == 5.0
    assert 0 < abs(twin["latitude"] - 37.5665) < 0.0226  # half a square, and not the place itself
    etag = twin["$etag"]

    say(("V1", 4, {"soc_pct": 1.0}), (HOSTILE[:4000], 30, {}))  # late; and nothing but seen again
    assert once(lake) == (2, 0, 0, 2)
    say(("V1", 6, {"soc_pct": 48.0}), ("V2", 6, {}))
    standin.faults.put("unavailable", 200)
    with pytest.raises(RemoteError, match=r"did not answer|could not be brought"):
        once(lake)
    standin.faults._next.clear()
    assert graph.twin("vehicle-V1")["$etag"] == etag
    assert once(lake) == (2, 2, 0, 0)
    assert graph.twin("vehicle-V1")["soc_pct"] == 48.0
    assert len(list(graph.query("SELECT * FROM DIGITALTWINS"))) == 3
    told = lake.read("ops.batch").where("pipeline = 'live_twins' AND rows_in > 0").collect()
    assert [row.rows_in for row in sorted(told, key=lambda row: row.batch_id)] == [2, 2, 2]
    assert all(row.lag_s > 0 for row in told)


def test_what_the_service_refuses_waits_with_its_reason_and_the_job_is_quiet_unless_asked(live, say):
    lake, graph, _ = live
    assert LIVE_TWINS.run(lake).batches == 0
    assert list(graph.models()) == []
    say((HOSTILE, 1, {}), ("V1", 1, {}))
    assert once(lake) == (2, 1, 1, 0)
    waiting = lake.read("ops.delivery_failure").collect()
    assert [row.item_key for row in waiting] == [f"vehicle {HOSTILE}"]
    assert "vehicle_id" in waiting[0].reason
