"""A hub on this machine that the unmodified Event Hubs SDK talks to."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from battery_lake.closing import Closing
from battery_lake.errors import SetupError
from battery_lake.local.eventhub.events import store
from battery_lake.local.eventhub.fault_state import FaultState
from battery_lake.local.eventhub.faults import Faults
from battery_lake.local.eventhub.hub import Hub, Retention
from battery_lake.local.eventhub.listener import Listener
from battery_lake.local.eventhub.log import SEGMENT_BYTES
from battery_lake.local.eventhub.server import HubService

if TYPE_CHECKING:
    import ssl
    from collections.abc import Collection, Iterable, Sequence

    from battery_lake.local.eventhub.events import Event

HOST = "localhost"
CERTIFICATE_FILE = "certificate.pem"
KEY_NAME = "service"
ANY_KEY = "local"
RETENTION_EVERY_S = 1.0


class EventHubStandIn(Closing):
    """A hub that listens on loopback and runs in a thread of this process.

    Parameters
    ----------
    folder
        Where the events are kept; a later stand-in on the same folder goes on with them.
    hub
        The hub's name.
    partitions
        How many partitions; may grow from one start to the next.
    port
        Port to listen on; 0 takes a free one.
    key
        Key that signatures are checked with; None takes any signature that has not expired.
    retention
        What is dropped when.
    consumer_groups
        The groups that exist besides ``$Default``; None lets any name be one.
    segment_bytes
        Size of a log segment. [bytes]
    tls
        Answer TLS too, on the same port, with a certificate made for this start.
    host_names
        Names for the certificate besides ``localhost``.

    Raises
    ------
    SettingsError
        Where the folder is in use or belongs to another hub.
    SetupError
        Where the port cannot be had.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, EventHubStandIn(folder, partitions=1) as standin:
    ...     standin.append(0, [Event(b"one"), Event(b"two")])
    0
    """

    def __init__(  # noqa: PLR0913 - each is one trait of the service
        self,
        folder: str | Path,
        *,
        hub: str = "telemetry",
        partitions: int = 4,
        port: int = 0,
        key: str | None = None,
        retention: Retention | None = None,
        consumer_groups: Collection[str] | None = None,
        segment_bytes: int = SEGMENT_BYTES,
        tls: bool = False,
        host_names: Sequence[str] = (),
    ) -> None:
        state = FaultState()
        self._hub = Hub(Path(folder), hub, partitions, retention or Retention(), segment_bytes)
        self._service = HubService(self._hub, KEY_NAME, key, consumer_groups, state)
        self.faults = Faults(self._service, state)
        self.port = port
        self.certificate = Path(folder) / CERTIFICATE_FILE
        """Where the certificate is that a client has to trust, if TLS is answered."""
        self._tls = _server_context(self.certificate, host_names) if tls else None
        self._key = key or ANY_KEY
        self._started = threading.Event()
        self._failure: OSError | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve()), name="event-hub", daemon=True
        )
        self._thread.start()
        self._started.wait()
        self._raise_failure()

    def _raise_failure(self) -> None:
        """Say why the server did not start."""
        if self._failure is not None:
            self._hub.close()
            raise SetupError(
                f"The stand-in cannot listen on port {self.port}",
                why=str(self._failure),
                remedy="choose another port, or 0 for a free one",
            )

    @property
    def connection_string(self) -> str:
        """What the SDK connects with, without TLS."""
        return f"{self.secure_connection_string};UseDevelopmentEmulator=true"

    @property
    def secure_connection_string(self) -> str:
        """What the SDK connects with over TLS, together with `endpoint_address` and `certificate`."""
        return (
            f"Endpoint=sb://{HOST}:{self.port};SharedAccessKeyName={KEY_NAME};SharedAccessKey={self._key};"
            f"EntityPath={self._hub.name}"
        )

    @property
    def endpoint_address(self) -> str:
        """The SDK's ``custom_endpoint_address``: over TLS or WebSockets it goes to no other port."""
        return f"sb://{HOST}:{self.port}"

    def append(self, partition: int, events: Iterable[Event], enqueued_ms: int | None = None) -> int:
        """Put events into a partition without going through AMQP.

        Parameters
        ----------
        partition
            The partition.
        events
            The events in order.
        enqueued_ms
            When they arrive; None is now. [ms since 1970]

        Returns
        -------
        int
            Sequence number of the first.
        """
        return self._service.append(partition, [store(event) for event in events], enqueued_ms)

    def next_sequence_numbers(self) -> list[int]:
        """Return, a partition, the number that its next event will get."""
        return [log.next_sequence_number for log in self._hub.logs]

    def close(self) -> None:
        """Cut the connections and stop; the events stay on disk."""
        if self._thread.is_alive() and self._service.loop is not None and self._stop is not None:
            self._service.loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
            self._hub.close()

    async def _serve(self) -> None:
        """Listen until told to stop."""
        self._stop = asyncio.Event()
        listener = Listener(self._service.connected, self._tls)
        try:
            self.port = listener.open(self.port)
        except OSError as error:
            self._failure = error
            self._started.set()
            return
        self._service.loop = asyncio.get_running_loop()
        retention = asyncio.create_task(self._retain())
        self._started.set()
        await self._stop.wait()
        self._service.loop = None
        retention.cancel()
        await listener.close()
        await self._service.disconnect()

    async def _retain(self) -> None:
        """Apply retention now and then."""
        while True:
            self._hub.retain()
            await asyncio.sleep(RETENTION_EVERY_S)


def _server_context(certificate: Path, host_names: Sequence[str]) -> ssl.SSLContext:
    """Make a certificate."""
    from battery_lake.local.eventhub.certificate import server_context  # noqa: PLC0415 - cryptography comes with the azure extra

    return server_context(certificate, [HOST, *host_names])
