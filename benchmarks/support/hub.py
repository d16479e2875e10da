"""A hub with messages in it, served by a process of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
from typing import TYPE_CHECKING

from battery_lake.local.eventhub import Event, EventHubStandIn, iot_annotations
from battery_lake.log import configure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from multiprocessing.connection import Connection
    from pathlib import Path

AT_MS = 1_767_225_600_000
CELLS, PROBES = 96, 32


def events(count: int, first: int = 0) -> Iterator[Event]:
    """Yield messages of a pack of 96 cells, 1 kB, as IoT Hub hands them on."""
    volts = b",".join(b"3.8%02d" % cell for cell in range(CELLS))
    degrees = b",".join(b"21.%02d" % probe for probe in range(PROBES))
    for number in range(first, first + count):
        yield Event(
            b'{"schema_version":1,"pack_id":"P%d","sequence":%d,"cell_voltages_v":[%s],"temperatures_c":[%s]}'
            % (number % 50, number, volts, degrees),
            properties={"schema_version": "1"},
            annotations=iot_annotations(f"V{number % 50}", enqueued_ms=AT_MS + number),
            content_type="application/json",
            content_encoding="utf-8",
        )


@contextlib.contextmanager
def served(folder: Path, partitions: Iterable[int]) -> Iterator[str]:
    """Fill a hub, a number of messages a partition, and serve it.

    Yields
    ------
    str
        Its connection string.
    """
    counts = list(partitions)
    with EventHubStandIn(folder, partitions=len(counts)) as hub:
        for partition, count in enumerate(counts):
            hub.append(partition, events(count))
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_serve, args=(folder, len(counts), theirs), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        ours.send("end")
        process.join(10)
        process.terminate()


def _serve(folder: Path, partitions: int, pipe: Connection) -> None:
    configure()
    with EventHubStandIn(folder, partitions=partitions) as hub:
        pipe.send(hub.connection_string)
        pipe.recv()
