"""Receivers of a partition: who may read, from where, and the pump that sends events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from battery_lake.local.amqp.codec import Described, Symbol, Typed, encode
from battery_lake.local.amqp.errors import LINK_STOLEN, NOT_ALLOWED, RESOURCE_LIMIT, AmqpError
from battery_lake.local.eventhub.events import DELIVERY_ANNOTATIONS, deliver
from battery_lake.local.eventhub.hub import now_ms
from battery_lake.local.eventhub.log import by_sequence_number

if TYPE_CHECKING:
    from battery_lake.local.amqp.link import Link
    from battery_lake.local.eventhub.fault_state import FaultState
    from battery_lake.local.eventhub.hub import Hub

MAX_RECEIVERS = 5
EPOCH = "com.microsoft:epoch"
SELECTOR_FILTER = "apache.org:selector-filter:string"
RUNTIME_METRIC = "com.microsoft:enable-receiver-runtime-metric"
READ_AT_ONCE = 300


class PartitionReceiver:
    """A receiver's place in a partition.

    Parameters
    ----------
    link
        The receiver's link.
    hub
        The hub.
    partition
        The partition.
    faults
        What is to go wrong.
    peers
        The receivers of the same partition and consumer group; this one leaves them when it is detached.
    """

    def __init__(
        self, link: Link, hub: Hub, partition: int, faults: FaultState, peers: list[PartitionReceiver]
    ) -> None:
        self.link = link
        self.partition = partition
        epoch = link.properties.get(EPOCH)
        self.epoch: int | None = None if epoch is None else int(epoch)
        self._hub = hub
        self._log = hub.logs[partition]
        self._faults = faults
        self._peers = peers
        self._offset = hub.position(partition, link.filters.get(SELECTOR_FILTER))
        self._last_sent = -1
        self._runtime = RUNTIME_METRIC in link.desired_capabilities
        self._awake = asyncio.Event()
        self._admit()
        peers.append(self)
        self._task = asyncio.get_running_loop().create_task(self._pump())

    def _admit(self) -> None:
        """Apply the rules of epochs and numbers of receivers; a higher epoch detaches the others."""
        epochs = [peer.epoch for peer in self._peers if peer.epoch is not None]
        if epochs and (self.epoch is None or self.epoch < max(epochs)):
            raise AmqpError(
                LINK_STOLEN,
                f"Receiver with a higher epoch '{max(epochs)}' already exists. "
                f"Receiver with epoch {self.epoch} cannot be created.",
            )
        if self.epoch is not None:
            for peer in list(self._peers):
                peer.link.detach(
                    AmqpError(
                        LINK_STOLEN,
                        f"New receiver with higher epoch of '{self.epoch}' is created hence current receiver "
                        f"with epoch '{peer.epoch}' is getting disconnected.",
                    )
                )
        elif len(self._peers) >= MAX_RECEIVERS:
            names = ", ".join(peer.link.name for peer in self._peers)
            raise AmqpError(
                RESOURCE_LIMIT,
                "Exceeded the maximum number of allowed receivers per partition in a consumer group "
                f"which is {MAX_RECEIVERS}. List of connected receivers - {names}.",
            )

    def on_message(self, message_format: int, payload: bytes) -> None:
        """Refuse: nothing is sent to a receiver's link."""
        raise AmqpError(NOT_ALLOWED, f"a message of format {message_format} and {len(payload)} bytes")

    def on_flow(self) -> None:
        """Go on with new credit."""
        self._awake.set()

    def on_detach(self) -> None:
        """Stop and leave the other receivers."""
        self._task.cancel()
        if self in self._peers:
            self._peers.remove(self)

    def wake(self) -> None:
        """Look for new events."""
        self._awake.set()

    def go_back(self, events: int) -> None:
        """Deliver the last events once more."""
        self._offset = self._log.seek(by_sequence_number, max(self._last_sent - events + 1, 0))
        self._awake.set()

    async def _pump(self) -> None:
        """Send events while there are events and credit."""
        while True:
            await self._awake.wait()
            self._awake.clear()
            while await self._send_some():
                pass

    async def _send_some(self) -> bool:
        """Send what one read of the log gives; tell whether there may be more."""
        if self._faults.delay_s:
            await asyncio.sleep(self._faults.delay_s)
        wanted = min(self.link.credit, self.link.session.window, self._faults.allowance, READ_AT_ONCE)
        if wanted <= 0:
            return False
        records, following = self._log.read(self._offset, wanted)
        if not records:
            return False
        runtime = self._runtime_metric() if self._runtime else b""
        self._offset = following
        self._last_sent = records[-1].sequence_number
        # A message of several frames needs more than one of the window: what does not fit comes again.
        sent = self.link.send([deliver(record, runtime) for record in records])
        if sent < len(records):
            self._offset = records[sent].offset
        self._faults.spend(sent)
        await self.link.session.connection.drain()
        if self._faults.allowance <= 0:
            self._faults.cut(self.link.session.connection)
            return False
        return sent == len(records)

    def _runtime_metric(self) -> bytes:
        """Encode what the partition's end looks like."""
        return encode(
            Described(
                DELIVERY_ANNOTATIONS,
                {
                    Symbol("last_enqueued_sequence_number"): self._log.next_sequence_number - 1,
                    Symbol("last_enqueued_offset"): str(self._log.last_offset),
                    Symbol("last_enqueued_time_utc"): Typed("timestamp", self._log.last_enqueued_ms),
                    Symbol("runtime_info_retrieval_time_utc"): Typed("timestamp", now_ms()),
                },
            )
        )
