"""Senders: messages and batches from a peer to the hub or to one partition."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from battery_lake.local.amqp.errors import SERVER_BUSY, AmqpError
from battery_lake.local.eventhub.events import BATCH_FORMAT, outer_partition_key, store_message, unbatch
from battery_lake.local.eventhub.fault_state import BUSY_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from battery_lake.local.eventhub.fault_state import FaultState
    from battery_lake.local.eventhub.hub import Hub


class Sender:
    """The node of a sending peer.

    Parameters
    ----------
    hub
        The hub.
    partition
        The partition that the peer addresses, or None where the hub chooses.
    faults
        What is to go wrong.
    append
        Appends stored events to a partition and wakes its receivers.
    """

    def __init__(
        self,
        hub: Hub,
        partition: int | None,
        faults: FaultState,
        append: Callable[[int, Sequence[bytes]], int],
    ) -> None:
        self._hub = hub
        self._partition = partition
        self._faults = faults
        self._append = append

    def on_message(self, message_format: int, payload: bytes) -> None:
        """Store a message, or all messages of a batch in one partition."""
        if self._faults.take("rejected_sends"):
            raise AmqpError(SERVER_BUSY, BUSY_TEXT)
        partition = self._partition
        if message_format == BATCH_FORMAT and partition is None:
            partition = self._hub.partition_for(outer_partition_key(payload))
        by_partition: dict[int, list[bytes]] = defaultdict(list)
        for message in unbatch(message_format, payload):
            stored, key = store_message(message)
            by_partition[self._hub.partition_for(key) if partition is None else partition].append(stored)
        for chosen, stored_events in by_partition.items():
            self._append(chosen, stored_events)

    def on_flow(self) -> None:
        """Do nothing: senders give no credit."""

    def on_detach(self) -> None:
        """Do nothing: nothing is kept for a sender."""
