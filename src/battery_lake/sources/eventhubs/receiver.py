"""Reading a range of a partition: exactly these events, in order, however often the connection breaks."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from azure.eventhub.exceptions import EventHubError

from battery_lake.clock import monotonic_s
from battery_lake.sources import envelope
from battery_lake.sources.eventhubs.client import new_client, partition_state
from battery_lake.sources.eventhubs.offsets import Place
from battery_lake.sources.eventhubs.planning import checked_start, lost
from battery_lake.sources.eventhubs.retry import in_words, pause, with_retries

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from azure.eventhub._pyamqp.message import Message

    from battery_lake.sources.address import HubAddress
    from battery_lake.sources.eventhubs.options import EventHubsOptions
    from battery_lake.sources.eventhubs.planning import PartitionState

CHUNK: Final = 1000
"""Events handed on at a time."""

NUMBER: Final = envelope.NUMBER.encode()

POLL_S: Final = 0.5
"""So long a receiver waits for more before it hands on what it has. [s]"""


class Receiver:
    """An open link to one partition."""

    def __init__(self, options: EventHubsOptions, partition: str, position: int | dt.datetime) -> None:
        self.opened_at = position
        self._client = new_client(options)
        self._got: list[Message] = []
        self._is_done = False
        # The public receive() never gives the calling thread back: the SDK's own consumer is what it runs.
        create = cast("Any", self._client)._create_consumer  # noqa: SLF001
        self._consumer = create(
            options.consumer_group,
            partition,
            position,
            self._take,
            event_position_inclusive=True,
            prefetch=options.prefetch,
        )
        # The SDK's second thread, which reads from the same connection every 30 s so that it stays open, puts
        # what it reads behind what this one has read meanwhile: events out of order, as if some were gone.
        self._consumer._keep_alive = None  # noqa: SLF001
        # What the SDK wraps every message in costs it a third of its time, and the rows have no use for it.
        self._consumer._next_message_in_buffer = self._consumer._message_buffer.popleft  # noqa: SLF001

    def _take(self, events: list[Message]) -> None:
        self._got = events
        self._is_done = True

    def receive(self, most: int) -> list[Message]:
        """Return up to so many events; none where none came for a while."""
        self._is_done, self._got = False, []
        while not self._is_done:
            self._consumer.receive(batch=True, max_batch_size=most, max_wait_time=POLL_S)
            if not self._is_done and not self._consumer.running:  # the SDK keeps this fault to itself
                raise ConnectionError("no connection to the service")
        return self._got

    def close(self) -> None:
        """Close the link and its connection."""
        with contextlib.suppress(EventHubError, OSError, AttributeError, ValueError):
            self._consumer.close()
        with contextlib.suppress(EventHubError, OSError, AttributeError, ValueError):
            self._client.close()


_open_receivers: dict[tuple[int, HubAddress, str, str], tuple[int, Receiver]] = {}
"""Receivers that wait for the next batch of their partition, each with the event that it gives next."""


def _key(options: EventHubsOptions, partition: str) -> tuple[int, HubAddress, str, str]:
    """Spark forks its workers: a process must not use what its parent has opened."""
    return os.getpid(), options.address, options.consumer_group, partition


def _taken(options: EventHubsOptions, partition: str, next_number: int) -> Receiver:
    """A receiver that stands at this event: the one that the batch before has left, or a new one."""
    key = _key(options, partition)
    if key in _open_receivers:
        stands_at, kept = _open_receivers.pop(key)
        if stands_at == next_number:
            return kept
        kept.close()
    return Receiver(options, partition, next_number)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Events in order.

    Parameters
    ----------
    events
        What came.
    missing
        Sequence number of an event to how many right before it are gone.
    """

    events: list[Message]
    missing: dict[int, int]


def received(options: EventHubsOptions, partition: str, start: int, end: int) -> Iterator[Chunk]:
    """Yield the events from number ``start`` up to, not with, ``end``.

    A fault that passes is waited for: reading goes on from the next event, on a new connection. What the
    service sends twice is dropped.

    Raises
    ------
    RemoteError
        The service cannot be reached any more, refuses, or gives nothing although there should be more.
    DataLossError
        Events of the range are gone, and that is to be an error.
    """
    reading = _Reading(options, partition, start, end)
    try:
        while reading.position < end:
            chunk = reading.receive()
            if chunk.events:
                yield chunk
                reading.progress_at = monotonic_s()  # what was done with them is not the service's time
        reading.keep_open()
    finally:
        reading.close()


class _Reading:
    """A range that is being read: how far it is, and what has failed since."""

    def __init__(self, options: EventHubsOptions, partition: str, start: int, end: int) -> None:
        self.options, self.partition = options, partition
        self.doing = f"reading partition {partition}"
        self.position, self.end = start, end
        self.missing_from = start
        self.failures, self.progress_at = 0, monotonic_s()
        self.receiver: Receiver | None = None

    def receive(self) -> Chunk:
        """Take the next events; none after a fault or a silence that may pass."""
        try:
            self.receiver = self.receiver or _taken(self.options, self.partition, self.position)
            events = self.receiver.receive(min(self.end - self.position, CHUNK))
        except (EventHubError, OSError, ValueError) as fault:
            self._failed(fault)
            return Chunk([], {})
        fresh = self._fresh(events)
        if fresh.events:
            self.failures, self.progress_at = 0, monotonic_s()
        else:
            self._silent()
        return fresh

    def _fresh(self, events: list[Message]) -> Chunk:
        """The events of the range that were not had before. Numbers have no holes, unless events are gone."""
        fresh = Chunk([], {})
        for event in events:
            number = number_of(event)
            if number > self.position and self.receiver and self.receiver.opened_at != self.position:
                self.close()  # gone is what a link that was asked for just this one does not begin with
                break
            if number > self.position and self.options.fail_on_data_loss:
                raise lost(self.partition, self.position, min(number, self.end))
            if number >= self.end:  # what lies between is gone; this one belongs to the next batch
                self.position = self.end
                self.close()
                break
            if number >= self.position:
                if number > self.missing_from:
                    fresh.missing[number] = number - self.missing_from
                fresh.events.append(event)
                self.position = self.missing_from = number + 1
        return fresh

    def _silent(self) -> None:
        """Go on further ahead where events are gone, else here, for a while."""
        silent_s = monotonic_s() - self.progress_at
        if silent_s < 2 * POLL_S or self.position >= self.end:
            return
        state = partition_state(self.options, self.partition)
        place, is_error = Place(self.position), self.options.fail_on_data_loss
        begin = min(checked_start(self.partition, place, state, fail_on_data_loss=is_error), self.end)
        if begin == self.position and silent_s > self.options.receive_timeout_s:
            # The range was there when it was planned.
            checked_start(self.partition, Place(self.end), state, fail_on_data_loss=False)
            text = f"no event for {silent_s:.0f} s, {self.end - begin} should be there"
            raise in_words(self.options, self.doing, TimeoutError(text))
        self.position = begin

    def _failed(self, fault: Exception) -> None:
        """Wait, and read on with a new connection; give up where that is of no use."""
        self.failures += 1
        self.close()
        since_s = monotonic_s() - self.progress_at
        pause(self.options, self.doing, fault, failures=self.failures, since_s=since_s)

    def keep_open(self) -> None:
        """Leave the open link to the next batch of this partition: to open one takes most of a second."""
        if self.receiver is not None:
            _open_receivers[_key(self.options, self.partition)] = self.position, self.receiver
            self.receiver = None

    def close(self) -> None:
        """Close the link, if there is one."""
        if self.receiver is not None:
            self.receiver.close()
            self.receiver = None


def first_number_at(options: EventHubsOptions, partition: str, state: PartitionState, at: dt.datetime) -> int:
    """Return the number of the first event that the service took at or after an instant."""
    if state.first_number == state.next_number or state.last_taken_at < at:
        return state.next_number

    def ask() -> int:
        receiver = Receiver(options, partition, at)
        try:
            events = receiver.receive(1)
            if not events:
                raise TimeoutError("no event came")
            return number_of(events[0])
        finally:
            receiver.close()

    return with_retries(options, f"looking for the first event of partition {partition} since {at}", ask)


def number_of(event: Message) -> int:
    """Return the sequence number of an event that was received."""
    assert event.message_annotations is not None  # every event that was received has its place
    number: int = event.message_annotations[NUMBER]
    return number
