"""Switches for what is to go wrong."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING, TypeVar

from battery_lake.local.amqp.errors import DETACH_FORCED, AmqpError
from battery_lake.local.eventhub.fault_state import FOREVER

if TYPE_CHECKING:
    from collections.abc import Callable

    from battery_lake.local.eventhub.fault_state import Counter, FaultState
    from battery_lake.local.eventhub.server import HubService

T = TypeVar("T")


class Faults:
    """Makes things go wrong, from any thread; every call has taken effect when it returns.

    Parameters
    ----------
    service
        The service.
    state
        What it looks at.
    """

    def __init__(self, service: HubService, state: FaultState) -> None:
        self._service = service
        self._state = state

    def drop_connections(self) -> int:
        """Cut every connection without a word; return how many there were."""
        return self._run(self._drop)

    def drop_after(self, events: int) -> None:
        """Cut the connection that receives the last of the next so many events."""
        self._run(lambda: setattr(self._state, "allowance", events))

    def detach_links(self, condition: str = DETACH_FORCED, description: str = "") -> int:
        """Detach every receiver with an error condition; return how many there were."""
        return self._run(lambda: self._detach(AmqpError(condition, description)))

    def delay(self, seconds: float) -> None:
        """Wait before everything that is taken from or given to a peer; 0 ends it. [s]."""
        self._run(lambda: setattr(self._state, "delay_s", seconds))

    def refuse_tokens(self, times: int = FOREVER) -> None:
        """Refuse the next tokens with status 401; 0 ends it."""
        self._count("refused_tokens", times)

    def refuse_links(self, times: int = FOREVER) -> None:
        """Refuse the next senders and receivers with ``com.microsoft:server-busy``; 0 ends it."""
        self._count("busy_attaches", times)

    def refuse_requests(self, times: int = FOREVER) -> None:
        """Answer the next management requests with status 503; 0 ends it."""
        self._count("busy_requests", times)

    def reject_sends(self, times: int = FOREVER) -> None:
        """Reject the next messages with ``com.microsoft:server-busy``; 0 ends it."""
        self._count("rejected_sends", times)

    def expire(self, partition: int, keep: int = 0) -> None:
        """Drop all but the newest events of a partition, as retention would."""
        log = self._service.hub.logs[partition]
        self._run(lambda: log.trim(log.offset_of(log.next_sequence_number - keep)))

    def redeliver(self, events: int) -> int:
        """Deliver the last events once more to every receiver; return how many receivers there are."""
        return self._run(lambda: self._go_back(events))

    def recreate_hub(self) -> None:
        """Delete the hub and make it again: no events, sequence numbers from 0, connections cut."""
        self._run(self._recreate)

    def _count(self, counter: Counter, times: int) -> None:
        """Set how often a fault happens."""
        self._run(lambda: self._state.left.update({counter: times}))

    def _drop(self) -> int:
        connections = list(self._service.connections)
        for connection in connections:
            connection.abort()
        return len(connections)

    def _detach(self, error: AmqpError) -> int:
        receivers = self._service.all_receivers()
        for receiver in receivers:
            receiver.link.detach(error)
        return len(receivers)

    def _go_back(self, events: int) -> int:
        receivers = self._service.all_receivers()
        for receiver in receivers:
            receiver.go_back(events)
        return len(receivers)

    def _recreate(self) -> None:
        self._drop()
        self._service.hub.recreate()

    def _run(self, action: Callable[[], T]) -> T:
        """Do something in the server's thread and wait for it."""
        done: Future[T] = Future()

        def act() -> None:
            try:
                done.set_result(action())
            except BaseException as error:  # noqa: BLE001 - raised where the caller waits
                done.set_exception(error)

        loop = self._service.loop
        assert isinstance(loop, asyncio.AbstractEventLoop), "the stand-in is not running"
        loop.call_soon_threadsafe(act)
        return done.result()
