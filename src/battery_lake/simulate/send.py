"""Messages of landing files sent into a hub over AMQP, as the devices' own would stand there."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import TYPE_CHECKING, Any, Final

import orjson
from azure.eventhub import EventHubProducerClient
from azure.eventhub.amqp import AmqpAnnotatedMessage, AmqpMessageProperties

from battery_lake.sources.envelope import OF_THE_MESSAGE, ROUTED, TAKEN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SAID_EVERY: Final = 20
"""Files between two lines of progress."""


def send_landing(folder: Path, connection_string: str, say: Callable[[str], None]) -> int:
    """Send every message of a folder of landing files; a file goes once it is sent.

    The messages of a device stay in order, in one partition. After an interruption the messages of one file
    may be sent a second time, as a device's may.

    Parameters
    ----------
    folder
        JSON lines, as :func:`battery_lake.simulate.messages.write_landing` writes them.
    connection_string
        Of the hub, with EntityPath.
    say
        Told of the progress.

    Returns
    -------
    int
        Messages sent.

    Raises
    ------
    azure.eventhub.exceptions.EventHubError
        The hub cannot be reached, or refuses.
    """
    files = sorted(folder.glob("*.json"))
    total = 0
    with EventHubProducerClient.from_connection_string(connection_string) as producer:
        for number, file in enumerate(files, start=1):
            total += _send(producer, file.read_bytes())
            file.unlink()
            if number % SAID_EVERY == 0 or number == len(files):
                say(f"  file {number} of {len(files)}: {total:,} messages sent")
    return total


def _send(producer: EventHubProducerClient, content: bytes) -> int:
    """Send the lines of a file, as many in a batch as fit."""
    total = 0
    for device, lines in itertools.groupby(_lines(content), key=_device):
        batch = producer.create_batch(partition_key=device)
        for line in lines:
            message = event(line)
            try:
                batch.add(message)
            except ValueError:  # full
                producer.send_batch(batch)
                batch = producer.create_batch(partition_key=device)
                batch.add(message)
            total += 1
        producer.send_batch(batch)
    return total


def event(line: dict[str, Any]) -> AmqpAnnotatedMessage:
    """Return a line of a routing file as the built-in endpoint would give it."""
    system = line["SystemProperties"]
    named = {ROUTED.get(name, name): value for name, value in system.items()}
    annotations: dict[str | bytes, Any] = {
        name: value for name, value in named.items() if name not in OF_THE_MESSAGE
    }
    annotations[TAKEN] = dt.datetime.fromisoformat(line["EnqueuedTimeUtc"][:26] + "+00:00")
    annotations.setdefault("iothub-message-source", "Telemetry")
    properties: Any = AmqpMessageProperties
    return AmqpAnnotatedMessage(
        data_body=orjson.dumps(line["Body"]),
        annotations=annotations,
        application_properties=line["Properties"] or None,
        properties=properties(
            content_type=system.get("contentType"), content_encoding=system.get("contentEncoding")
        ),
    )


def _lines(content: bytes) -> Iterator[dict[str, Any]]:
    return (orjson.loads(line) for line in content.splitlines())


def _device(line: dict[str, Any]) -> str:
    return str(line["SystemProperties"]["connectionDeviceId"])
