"""The real SDK against a stand-in on loopback."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from battery_lake.local.eventhub import EventHubStandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 30.0
SOCKET_TIMEOUT_S = 0.05
"""How long the SDK listens at a time: less than its own 0.2 s, so that tests wait less."""


@dataclass
class Received:
    """What a consumer client was given until it was closed."""

    events: list[Any] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)

    @property
    def sequence_numbers(self) -> list[int]:
        return [event.sequence_number for event in self.events]

    @property
    def bodies(self) -> list[bytes]:
        return [b"".join(event.body) for event in self.events]


class Consumer:
    """A consumer client that receives in a thread of its own."""

    def __init__(self, connection_string: str, group: str = "$Default", **receive: Any) -> None:
        from azure.eventhub import EventHubConsumerClient

        client_settings = {
            key: receive.pop(key) for key in ("idle_timeout", "retry_total", "auth_timeout") if key in receive
        }
        self.received = Received()
        self._changed = threading.Condition()
        self._client = EventHubConsumerClient.from_connection_string(
            connection_string,
            consumer_group=group,
            retry_backoff_factor=0.05,
            load_balancing_interval=0.1,
            socket_timeout=SOCKET_TIMEOUT_S,
            **client_settings,
        )
        receive.setdefault("partition_id", "0")
        receive.setdefault("starting_position", "-1")
        self._thread = threading.Thread(
            target=self._client.receive,
            kwargs={"on_event": self._on_event, "on_error": self._on_error, **receive},
            daemon=True,
        )
        self._thread.start()

    def _on_event(self, _context: Any, event: Any) -> None:
        with self._changed:
            self.received.events.append(event)
            self._changed.notify_all()

    def _on_error(self, _context: Any, error: Exception) -> None:
        with self._changed:
            self.received.errors.append(error)
            self._changed.notify_all()

    def wait(self, until: Callable[[Received], Any]) -> Received:
        """Wait until what was received fulfils a condition."""
        with self._changed:
            assert self._changed.wait_for(lambda: until(self.received), PATIENCE_S), self.received
        return self.received

    def wait_for(self, events: int) -> Received:
        """Wait for a number of events."""
        return self.wait(lambda received: len(received.events) >= events)

    def close(self) -> None:
        self._client.close()
        self._thread.join()


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[EventHubStandIn]:
    """A hub of two partitions."""
    with EventHubStandIn(tmp_path / "hub", partitions=2) as running:
        yield running


@pytest.fixture(scope="session")
def closers() -> Iterator[list[threading.Thread]]:
    """Threads that close consumers: the SDK takes a second for it, which no test needs to wait for."""
    running: list[threading.Thread] = []
    yield running
    for closer in running:
        closer.join()


@pytest.fixture
def consume(closers: list[threading.Thread]) -> Iterator[Callable[..., Consumer]]:
    """Starts consumers: connection string, then group and arguments of `receive`."""
    started: list[Consumer] = []

    def start(*args: Any, **kwargs: Any) -> Consumer:
        started.append(Consumer(*args, **kwargs))
        return started[-1]

    yield start
    for consumer in started:
        closers.append(threading.Thread(target=consumer.close))
        closers[-1].start()


@pytest.fixture
def producer(standin: EventHubStandIn) -> Iterator[Any]:
    """A producer client."""
    from azure.eventhub import EventHubProducerClient

    with EventHubProducerClient.from_connection_string(
        standin.connection_string, retry_backoff_factor=0.05, socket_timeout=SOCKET_TIMEOUT_S
    ) as client:
        yield client


@pytest.fixture
def administer(standin: EventHubStandIn) -> Iterator[Any]:
    """A consumer client that only asks for properties."""
    from azure.eventhub import EventHubConsumerClient

    with EventHubConsumerClient.from_connection_string(
        standin.connection_string,
        consumer_group="$Default",
        retry_total=1,
        retry_backoff_factor=0.05,
        socket_timeout=SOCKET_TIMEOUT_S,
    ) as client:
        yield client
