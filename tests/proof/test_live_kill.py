"""Kill -9 and Ctrl-C of the stream of live state: every twin ends with what its vehicle said last."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import random
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from battery_lake.lake.access import Lake
from battery_lake.lake.create import ensure
from battery_lake.lake.write import insert_missing
from battery_lake.local.twins import DigitalTwinsStandIn
from battery_lake.pipelines.live_twins import follow
from battery_lake.pipelines.model import Silent
from battery_lake.settings import load
from battery_lake.sinks.twins.client import Address, Graph
from battery_lake.sinks.twins.ids import twin_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import DataFrame

SEED = int(os.environ.get("BATTERY_LAKE_PROOF_SEED", str(random.SystemRandom().randrange(1_000_000))))
KILLS = int(os.environ.get("BATTERY_LAKE_PROOF_KILLS", "20"))
VEHICLES, EVERY_S, STORM_FRAC = 20, 1.0, 0.2
WITHIN_REQUESTS, WITHIN_S = 60, 2.0
"""A life ends at most so long after at most so many requests."""
SHOWN = ("soc_pct", "current_a", "state")
LATE_FRAC = 0.2
"""Share of messages that come after a newer one of the same vehicle."""
NOON = dt.datetime(2026, 3, 2, 12)  # noqa: DTZ001 - Spark takes UTC without a zone


@dataclass
class Speakers:
    """Vehicles that go on saying how they are, now and then late, until asked to stop."""

    lake: Lake
    frame: Callable[[str, list[dict[str, Any]]], DataFrame]
    newest: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Of each vehicle, what it said last by its own clock."""
    _draw: random.Random = field(default_factory=lambda: random.Random(SEED))
    _said: int = 0

    def say(self) -> None:
        """Put a message of most vehicles into silver."""
        self._said += 10
        rows = [self._message(f"V{number}") for number in range(VEHICLES) if self._draw.random() < 0.7]
        for row in rows:
            known = self.newest.setdefault(row["vehicle_id"], row)
            # Of two with the same key silver keeps the first.
            if row["sequence"] > known["sequence"]:
                self.newest[row["vehicle_id"]] = row
        insert_missing(self.lake, "silver.telemetry", self.frame("silver.telemetry", rows))

    def _message(self, vehicle: str) -> dict[str, Any]:
        late_s = self._draw.randint(11, 49) if self._draw.random() < LATE_FRAC else 0
        at_s = self._said - late_s
        return {
            "pack_id": f"P-{vehicle}", "vehicle_id": vehicle,
            "measured_at": NOON + dt.timedelta(seconds=at_s), "sequence": at_s,
            "hub": "h", "partition_id": "0", "sequence_number": self._said, "message_index": 0,
            "enqueued_at": NOON + dt.timedelta(seconds=self._said),
            "state": self._draw.choice(["driving", "charging", "parked"]), "flags": [],
            "soc_pct": float(self._draw.randint(0, 100)), "current_a": float(self._draw.randint(-200, 90)),
            "temperatures_c": [float(self._draw.randint(-20, 50))],
        }  # fmt: skip

    @contextlib.contextmanager
    def on_and_on(self) -> Iterator[None]:
        """Let them speak beside what happens meanwhile; a fault of theirs is raised at the end."""
        over, faults = threading.Event(), []

        def speak() -> None:
            try:
                while not over.wait(EVERY_S):
                    self.say()
            except Exception as fault:  # noqa: BLE001 - told below, in the test's own thread
                faults.append(fault)

        thread = threading.Thread(target=speak)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
        assert not faults, faults


@pytest.mark.parametrize(
    "kills",
    [1, pytest.param(KILLS, marks=[pytest.mark.proof, pytest.mark.timeout(7200)])],
    ids=["small", "full"],
)
def test_twins_that_follow_a_killed_stream_end_with_what_their_vehicles_said_last(
    spark: Any, tmp_path: Any, new_command: Any, frame: Any, tell: Any, kills: int
) -> None:
    draw = random.Random(SEED)
    with DigitalTwinsStandIn(tmp_path / "twins") as twins:
        address = {
            "endpoint": twins.endpoint, "token": twins.token, "certificate": twins.certificate,
            "live_every_s": 0.5, "live_seen_s": 0,
        }  # fmt: skip
        listed = [f"twins.{name}={value}" for name, value in address.items()]
        flags = [part for each in listed for part in ("--set", each)]
        command = new_command(*flags, "twins", "sync", "--live")
        lake = Lake(spark, load([f"home={command.home}", *listed], environment={})[0])
        ensure(lake, ("silver.telemetry", "ops.delivery_failure", "ops.batch"))
        speakers = Speakers(lake, frame)
        speakers.say()
        twins.faults.storm(STORM_FRAC, SEED)
        with speakers.on_and_on():
            for number in range(kills + 1):
                tell(f"seed {SEED}: life {number + 1} of {kills + 1}, {twins.faults.met} requests went wrong")
                enough = twins.faults.asked + draw.randint(1, WITHIN_REQUESTS)
                ended = command.run(
                    draw.random() * WITHIN_S,
                    since=lambda enough=enough: twins.faults.asked >= enough,
                    ctrl_c=number == kills,
                )
                assert ended is None, f"seed {SEED}: a stream that goes on ended by itself"
        assert twins.faults.met > 0, f"seed {SEED}: the storm met nobody"
        twins.faults.storm(0.0, SEED)
        graph = Graph(Address(twins.endpoint, token=twins.token, certificate=str(twins.certificate)))
        follow(lake, Silent(), goes_on=False)
        found = {vehicle: graph.twin(twin_id("vehicle", vehicle)) for vehicle in speakers.newest}
        for vehicle, said in speakers.newest.items():
            shown = {name: found[vehicle][name] for name in (*SHOWN, "last_seen_at")}
            at = f"{said['measured_at']:%Y-%m-%dT%H:%M:%S.%f}Z"
            assert shown == {name: said[name] for name in SHOWN} | {"last_seen_at": at}, (
                f"seed {SEED}: {vehicle}"
            )
        follow(lake, Silent(), goes_on=False)
        assert {vehicle: graph.twin(twin_id("vehicle", vehicle)) for vehicle in found} == found, "sent again"
