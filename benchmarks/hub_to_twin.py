"""Seconds from a message at the hub to the property at its vehicle's twin, at the 50th and 99th percentile.

Ingest and the live state run as streams that go on, each with a batch a second, and refine, which has no such
stream, again and again; against the same three steps one after another, each ending with what is there. Every
vehicle has one message in a round, so what its twin says of its last update is when that message arrived.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import multiprocessing
import statistics
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import SecretStr
from support.output import Line, Result, arguments, publish
from support.runs import cpu_s, require
from support.spark import settings_at, temporary_spark

from battery_lake.clock import utc_now
from battery_lake.errors import BatteryLakeError
from battery_lake.lake.access import Lake
from battery_lake.local.eventhub import Event, EventHubStandIn, iot_annotations
from battery_lake.local.twins import DigitalTwinsStandIn
from battery_lake.log import configure
from battery_lake.pipelines.ingest import INGEST
from battery_lake.pipelines.live_twins import LIVE_TWINS
from battery_lake.pipelines.reference import load_reference
from battery_lake.pipelines.refine import REFINE
from battery_lake.simulate.reference import Assignment, PackReference, write_reference
from battery_lake.sinks.twins.client import Address, Graph
from battery_lake.sinks.twins.ids import twin_id

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection
    from pathlib import Path

    from pyspark.sql import SparkSession

    Step = Callable[[], object]

AIM = 1.0
CELLS, PROBES, PARTITIONS = 96, 32, 2
EVERY_S = 1.0
PATIENCE_S = 300.0
AT_ONCE = 1e9
PERCENTILES = (50, 99)
SINCE = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def serve(folder: Path, pipe: Connection) -> None:
    """Run a hub and an instance; put every message that is handed in into the hub and say when that was."""
    configure()
    with (
        EventHubStandIn(folder / "hub", partitions=PARTITIONS) as hub,
        DigitalTwinsStandIn(folder / "twins") as twins,
    ):
        address = Address(twins.endpoint, token=twins.token, certificate=str(twins.certificate))
        pipe.send((hub.connection_string, address))
        while (sent := pipe.recv()) is not None:
            number, body = sent
            at_ms = time.time_ns() // 1_000_000
            event = Event(
                body,
                annotations=iot_annotations(vehicle(number), enqueued_ms=at_ms),
                content_type="application/json",
                content_encoding="utf-8",
            )
            hub.append(number % PARTITIONS, [event], at_ms)
            pipe.send(at_ms / 1e3)


@contextlib.contextmanager
def served(folder: Path) -> Iterator[Connection]:
    """Serve both from a process of its own, as they would be elsewhere."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=serve, args=(folder, theirs), daemon=True)
    process.start()
    try:
        yield ours
    finally:
        ours.send(None)
        process.join(10)
        process.terminate()


def vehicle(number: int) -> str:
    """Return a vehicle's name."""
    return f"V{number:05}"


def body(number: int, said: int) -> bytes:
    """Return what a vehicle says the so-many-th time: nothing is as it was the time before."""
    volt = 3.6 + (said % 50) / 100
    return json.dumps({
        "schema_version": 1, "pack_id": f"P{number:05}", "sequence": said,
        "measured_at": f"{utc_now():%Y-%m-%dT%H:%M:%S.%fZ}", "state": "driving",
        "current_a": -20.0 - said % 7, "soc_pct": 20.0 + said % 60,
        "cell_voltages_v": [volt] * CELLS, "pack_voltage_v": volt * CELLS,
        "temperatures_c": [20.0 + said % 10] * PROBES, "odometer_km": 1_000.0 + said,
    }).encode()  # fmt: skip


@dataclass
class Way:
    """A lake between the hub and the instance, and what has been sent into it."""

    lake: Lake
    pipe: Connection
    graph: Graph
    vehicles: int
    said: int = 0
    faults: list[BatteryLakeError] = field(default_factory=list)

    def send(self, per_second: float) -> np.ndarray[Any, Any]:
        """Let every vehicle speak once; return when the hub had it. [s since 1970]."""
        self.said += 1
        began, at = time.monotonic(), []
        for number in range(self.vehicles):
            time.sleep(max(began + number / per_second - time.monotonic(), 0.0))
            self.pipe.send((number, body(number, self.said)))
            at.append(self.pipe.recv())
        return np.array(at)

    def arrived(self) -> np.ndarray[Any, Any]:
        """Wait until every twin says what was sent last; return when each began to. [s since 1970]."""
        soc, until = json.loads(body(0, self.said))["soc_pct"], time.monotonic() + PATIENCE_S
        while True:
            found = {t["$dtId"]: t for t in self.graph.query("SELECT * FROM DIGITALTWINS")}
            twins = [found.get(twin_id("vehicle", vehicle(number)), {}) for number in range(self.vehicles)]
            late = sum(twin.get("soc_pct") != soc for twin in twins)
            if not late:
                break
            require(time.monotonic() < until, f"{late} messages did not reach their twins: {self.faults}")
            time.sleep(1.0)
        stamps = [twin["$metadata"]["soc_pct"]["lastUpdateTime"] for twin in twins]
        return np.array([dt.datetime.fromisoformat(f"{stamp[:26]}+00:00").timestamp() for stamp in stamps])

    def with_every(self, every_s: float) -> Lake:
        """Return the lake with streams that go on; 0: that end with what is there."""
        settings = self.lake.settings
        changes: dict[str, Any] = {
            "source": settings.source.model_copy(update={"every_s": every_s}),
            "twins": settings.twins.model_copy(
                update={"live": "always" if every_s else "once", "live_every_s": every_s or 1.0}
            ),
        }
        return Lake(self.lake.spark, settings.model_copy(update=changes))


@contextlib.contextmanager
def running(way: Way, again: Step, streams: tuple[Step, ...] = ()) -> Iterator[None]:
    """Run something again and again, and streams beside them, until left; what fails begins again."""
    is_over = threading.Event()

    def guarded(step: Step) -> None:
        while not is_over.is_set():
            try:
                step()
            except BatteryLakeError as fault:
                way.faults.append(fault)

    threads = [threading.Thread(target=guarded, args=(step,)) for step in (again, *streams)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        is_over.set()
        threads[0].join()
        while any(thread.is_alive() for thread in threads):
            for query in way.lake.spark.streams.active:
                query.stop()
            time.sleep(0.1)


def side_by_side(way: Way) -> contextlib.AbstractContextManager[None]:
    """Run streams, and refine beside them."""
    lake = way.with_every(EVERY_S)
    return running(way, lambda: REFINE.run(lake), (lambda: INGEST.run(lake), lambda: LIVE_TWINS.run(lake)))


def one_by_one(way: Way) -> contextlib.AbstractContextManager[None]:
    """Run one step after another."""
    lake = way.with_every(0.0)
    return running(way, lambda: [step.run(lake) for step in (INGEST, REFINE, LIVE_TWINS)])


SIDES = {"side by side": side_by_side, "one by one": one_by_one}


def prepared(spark: SparkSession, folder: Path, pipe: Connection, vehicles: int) -> Way:
    """Make a lake that knows the packs."""
    connection_string, address = pipe.recv()
    settings = settings_at(folder / "lake")
    changes: dict[str, Any] = {
        "source": settings.source.model_copy(update={"format": "eventhubs"}),
        "eventhubs": settings.eventhubs.model_copy(
            update={"connection_string": SecretStr(connection_string)}
        ),
        "twins": settings.twins.model_copy(
            update={
                "endpoint": address.endpoint,
                "token": SecretStr(address.token),
                "certificate": address.certificate,
            }
        ),
    }
    lake = Lake(spark, settings.model_copy(update=changes))
    packs = [PackReference(f"P{number:05}", "NMC", CELLS, 50.0) for number in range(vehicles)]
    carried = [Assignment(pack.pack_id, f"V{pack.pack_id[1:]}", SINCE) for pack in packs]
    write_reference(folder / "reference", packs, carried)
    load_reference(lake, folder / "reference")
    return Way(lake, pipe, Graph(address), vehicles)


def measured(spark: SparkSession, folder: Path, given: argparse.Namespace) -> Result:
    """Run all rounds, every other one in reverse order."""
    waits: dict[str, list[Any]] = {name: [] for name in SIDES}
    used: dict[str, list[float]] = {name: [] for name in SIDES}
    with served(folder) as pipe:
        way = prepared(spark, folder, pipe, given.vehicles)
        for number in range(given.rounds):
            for name in list(SIDES)[:: 1 if number % 2 == 0 else -1]:
                with SIDES[name](way):
                    if not given.cold:
                        way.send(AT_ONCE)  # streams are at work, and each vehicle has its twin
                        way.arrived()
                    used_s, sent = cpu_s(), way.send(given.per_second)
                    waits[name].append(way.arrived() - sent)
                    used[name].append(cpu_s() - used_s)
        kept = way.lake.read("silver.telemetry").count()
    total = way.said * given.vehicles
    require(kept == total, f"silver has {kept} of {total} messages")
    return Result(
        "hub_to_twin",
        "from a message at the hub to the property at its twin: seconds until so many have arrived",
        "messages",
        tuple(lines(waits, used)),
        AIM,
        f"{total:,} messages in silver, each at its twin; {len(way.faults)} runs began again",
        (
            (
                f"{given.rounds} rounds, interleaved; {given.per_second} messages a second, each of another"
                f" of {given.vehicles} vehicles; side by side: a batch of ingest and of the live state every"
                f" {EVERY_S:g} s, refine again and again; hub and instance in a process of their own"
            ),
        ),
        has_rate=False,
    )


def lines(waits: dict[str, list[Any]], used: dict[str, list[float]]) -> Iterator[Line]:
    """Yield a line a percentile and side; ratios are to the steps one by one."""
    together = {name: np.concatenate(waits[name]) for name in SIDES}
    cpu = {name: statistics.median(used[name]) for name in SIDES}
    for percent in PERCENTILES:
        seconds = {name: float(np.percentile(together[name], percent)) for name in SIDES}
        for name in SIDES:
            yield Line(
                f"{name}, {percent} %",
                len(together[name]),
                seconds[name],
                cpu[name],
                seconds["one by one"] / seconds[name],
                cpu["one by one"] / cpu[name],
            )


def main() -> None:
    """Measure and print."""
    given = arguments(
        __doc__ or "",
        vehicles=(300, "vehicles, a message of each in a round"),
        per_second=(5, "messages a second"),
        rounds=(2, "repetitions"),
    )
    with temporary_spark() as (spark, folder):
        publish(measured(spark, folder, given), given.json)


if __name__ == "__main__":
    main()
