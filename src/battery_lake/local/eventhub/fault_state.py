"""What is to go wrong, as the server's thread sees it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from battery_lake.local.amqp.link import Wire

Counter = Literal["refused_tokens", "busy_attaches", "busy_requests", "rejected_sends"]
FOREVER = sys.maxsize
BUSY_TEXT = "The service was unable to process the request; please retry."


class FaultState:
    """Counters and values that the nodes look at before they act."""

    def __init__(self) -> None:
        self.delay_s = 0.0
        self.allowance = FOREVER
        self.left: dict[Counter, int] = {}

    def take(self, counter: Counter) -> bool:
        """Use up one of the faults of a kind; tell whether there was one."""
        left = self.left.get(counter, 0)
        self.left[counter] = max(left - 1, 0)
        return left > 0

    def spend(self, events: int) -> None:
        """Count delivered events against the allowance."""
        if self.allowance != FOREVER:
            self.allowance -= events

    def cut(self, connection: Wire) -> None:
        """Cut the connection that used the allowance up, and let the next ones live."""
        self.allowance = FOREVER
        connection.abort()
