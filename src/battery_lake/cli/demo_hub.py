"""The demo's way in: a hub on this machine that the demo's messages are put into, as devices would."""

from __future__ import annotations

import contextlib
import zlib
from collections import defaultdict
from typing import TYPE_CHECKING

import orjson

from battery_lake.local.eventhub import Event, EventHubStandIn, iot_annotations
from battery_lake.simulate.send import SAID_EVERY
from battery_lake.sources.envelope import milliseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from battery_lake.settings import Settings

HUB = "telemetry"
PARTITIONS = 4


@contextlib.contextmanager
def demo_hub(settings: Settings) -> Iterator[EventHubStandIn]:
    """Run the demo's hub; what it holds stays under home."""
    with EventHubStandIn(settings.home / "local" / HUB, hub=HUB, partitions=PARTITIONS) as hub:
        yield hub


def reading(settings: Settings, hub: EventHubStandIn) -> Settings:
    """Return the settings with the hub as the source."""
    source = settings.source.model_copy(update={"format": "eventhubs"})
    eventhubs = type(settings.eventhubs)(connection_string=hub.connection_string)
    return settings.model_copy(update={"source": source, "eventhubs": eventhubs})


def fill(hub: EventHubStandIn, outbox: Path, say: Callable[[str], None]) -> int:
    """Put the messages of a folder of routing files into the hub; what is in it already is not put twice.

    A device's messages stand in one partition, in order; every run goes through the files in the same order,
    so the number of events that a partition holds tells how many of its messages are in.

    Parameters
    ----------
    hub
        The hub; nobody else may put events into it.
    outbox
        JSON lines.
    say
        Told of the progress.

    Returns
    -------
    int
        Messages in the folder.
    """
    files = sorted(outbox.glob("*.json"))
    held, total = hub.next_sequence_numbers(), 0
    met = [0] * PARTITIONS
    for number, file in enumerate(files, start=1):
        waiting: dict[int, list[Event]] = defaultdict(list)
        for text in file.read_bytes().splitlines():
            line = orjson.loads(text)
            device = line["SystemProperties"]["connectionDeviceId"]
            partition = zlib.crc32(device.encode()) % PARTITIONS
            met[partition] += 1
            if met[partition] > held[partition]:
                waiting[partition].append(_event(line, device))
            total += 1
        for partition, events in waiting.items():
            hub.append(partition, events)
        if number % SAID_EVERY == 0 or number == len(files):
            say(f"  file {number} of {len(files)}: {total:,} messages in the hub")
    return total


def _event(line: dict[str, dict[str, str]], device: str) -> Event:
    """A line of a routing file as IoT Hub hands it to its endpoint."""
    system = line["SystemProperties"]
    annotations = iot_annotations(
        device,
        enqueued_ms=milliseconds(system["enqueuedTime"]),
        generation_id=system["connectionDeviceGenerationId"],
    )
    annotations["iothub-connection-auth-method"] = system["connectionAuthMethod"]
    return Event(
        orjson.dumps(line["Body"]),
        properties=line["Properties"],
        annotations=annotations,
        content_type=system["contentType"],
        content_encoding=system["contentEncoding"],
    )
