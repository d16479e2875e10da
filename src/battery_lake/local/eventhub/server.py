"""The service: which address is which node, and who is connected."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import defaultdict
from typing import TYPE_CHECKING
from urllib.parse import unquote

from battery_lake.local.amqp.connection import Connection
from battery_lake.local.amqp.errors import NOT_FOUND, SERVER_BUSY, UNAUTHORIZED, AmqpError
from battery_lake.local.eventhub.fault_state import BUSY_TEXT
from battery_lake.local.eventhub.receiver import PartitionReceiver
from battery_lake.local.eventhub.requests import (
    CBS,
    MANAGEMENT,
    RequestLink,
    ResponseLink,
    cbs_answers,
    management_answers,
)
from battery_lake.local.eventhub.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from battery_lake.local.amqp.link import Link, Node
    from battery_lake.local.eventhub.fault_state import FaultState
    from battery_lake.local.eventhub.hub import Hub

SCHEME = re.compile(r"^[a-z]+://[^/]*")
RECEIVER = re.compile(
    r"(?P<hub>[^/]+)/ConsumerGroups/(?P<group>[^/]+)/Partitions/(?P<partition>\d+)", re.IGNORECASE
)
SENDER = re.compile(r"(?P<hub>[^/]+)(/Partitions/(?P<partition>\d+))?", re.IGNORECASE)
DEFAULT_GROUP = "$default"


class HubService:
    """Answers the links of every connection.

    Parameters
    ----------
    hub
        The hub.
    key_name, key
        Its policy; without a key any signature is good.
    consumer_groups
        The groups that exist besides ``$Default``; None lets any name be one.
    faults
        What is to go wrong.
    """

    def __init__(
        self,
        hub: Hub,
        key_name: str,
        key: str | None,
        consumer_groups: Collection[str] | None,
        faults: FaultState,
    ) -> None:
        self.hub = hub
        self.connections: dict[Connection, asyncio.Task[None]] = {}
        self.receivers: dict[tuple[str, int], list[PartitionReceiver]] = defaultdict(list)
        self.loop: asyncio.AbstractEventLoop | None = None
        self._key_name = key_name
        self._key = key
        self._groups = None if consumer_groups is None else {group.lower() for group in consumer_groups}
        self._faults = faults
        self._fresh: set[int] = set()
        self._fresh_lock = threading.Lock()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk to a peer until it goes."""
        connection = Connection(reader, writer, self)
        task = asyncio.current_task()
        assert task is not None
        self.connections[connection] = task
        try:
            await connection.serve()
        finally:
            del self.connections[connection]

    async def disconnect(self) -> None:
        """Cut every connection and wait until all are gone."""
        for connection in self.connections:
            connection.abort()
        if self.connections:
            await asyncio.wait(self.connections.values())

    async def before_transfer(self) -> None:
        """Wait where a delay is set."""
        if self._faults.delay_s:
            await asyncio.sleep(self._faults.delay_s)

    def append(self, partition: int, stored: Sequence[bytes], enqueued_ms: int | None = None) -> int:
        """Append stored events from any thread and wake the partition's receivers."""
        first = self.hub.append(partition, stored, enqueued_ms)
        with self._fresh_lock:
            told = bool(self._fresh)
            self._fresh.add(partition)
        if not told and self.loop is not None:
            self.loop.call_soon_threadsafe(self._wake)
        return first

    def _wake(self) -> None:
        """Wake the receivers of partitions with new events."""
        with self._fresh_lock:
            fresh, self._fresh = self._fresh, set()
        for receiver in self.all_receivers():
            if receiver.partition in fresh:
                receiver.wake()

    def all_receivers(self) -> list[PartitionReceiver]:
        """Return the attached receivers."""
        return [receiver for peers in self.receivers.values() for receiver in peers]

    def attach(self, link: Link) -> Node:
        """Return the node of a link.

        Parameters
        ----------
        link
            What the peer attaches.

        Returns
        -------
        Node
            The node that answers.

        Raises
        ------
        AmqpError
            Where there is no such node, the peer has no right to it or a rule forbids it.
        """
        address = unquote(SCHEME.sub("", link.address)).strip("/")
        if address in {CBS, MANAGEMENT}:
            return self._request_node(link, address)
        if not link.session.connection.authorized:
            raise AmqpError(UNAUTHORIZED, f"Unauthorized access to '{address}': no good token was presented.")
        if self._faults.take("busy_attaches"):
            raise AmqpError(SERVER_BUSY, BUSY_TEXT)
        match = (RECEIVER if link.peer_receives else SENDER).fullmatch(address)
        if match is None or match["hub"].lower() != self.hub.name.lower():
            raise AmqpError(NOT_FOUND, f"The messaging entity '{address}' could not be found.")
        partition = None if match["partition"] is None else int(match["partition"])
        if partition is not None and partition >= len(self.hub.logs):
            last = len(self.hub.logs) - 1
            raise AmqpError(NOT_FOUND, f"The partition '{partition}' could not be found: 0 to {last} exist.")
        if not link.peer_receives:
            return Sender(self.hub, partition, self._faults, self.append)
        assert partition is not None
        group = match["group"].lower()
        if self._groups is not None and group not in self._groups | {DEFAULT_GROUP}:
            raise AmqpError(NOT_FOUND, f"The consumer group '{match['group']}' could not be found.")
        return PartitionReceiver(link, self.hub, partition, self._faults, self.receivers[group, partition])

    def _request_node(self, link: Link, address: str) -> Node:
        """Return the node of one half of a request and response pair."""
        if link.peer_receives:
            return ResponseLink(link)
        if address == CBS:
            return RequestLink(link, cbs_answers(link, self.hub, self._key_name, self._key, self._faults))
        return RequestLink(link, management_answers(link, self.hub, self._faults))
