"""What is to go wrong with a stand-in that answers over HTTP: throttling, errors, cut and half answers."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass, field
from typing import Final, Literal

from aiohttp import web

Kind = Literal["throttle", "unavailable", "error", "cut", "half", "lost"]
STATUS: Final[dict[str, int]] = {"throttle": 429, "unavailable": 503, "error": 500}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong.

    Parameters
    ----------
    kind
        ``throttle``, ``unavailable`` and ``error`` answer 429, 503 and 500 and do nothing; ``cut`` closes the
        connection before the request is looked at; ``lost`` does what is asked and closes without an answer,
        ``half`` after half an answer.
    retry_after_s
        Put into Retry-After; None: the header is left out. [s]
    """

    kind: Kind
    retry_after_s: int | None = None

    @property
    def status(self) -> int | None:
        """HTTP status of the refusal; None where the fault is another one."""
        return STATUS.get(self.kind)


@dataclass(slots=True)
class Faults:
    """Makes things go wrong, from any thread.

    Parameters
    ----------
    delay_s
        So long every answer waits. [s]
    """

    delay_s: float = 0.0
    _next: list[Fault] = field(default_factory=list)
    _storm: tuple[random.Random, float] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    asked: int = 0
    """How many requests came."""
    met: int = 0
    """How many of them met a fault."""

    def put(self, kind: Kind, times: int = 1, *, retry_after_s: int | None = None) -> None:
        """Let the next requests meet a fault.

        Parameters
        ----------
        kind
            Which.
        times
            How many requests.
        retry_after_s
            What Retry-After says. [s]
        """
        with self._lock:
            self._next.extend([Fault(kind, retry_after_s)] * times)

    def storm(self, share_frac: float, seed: int = 0) -> None:
        """Let a share of all requests meet a fault of any kind; 0 ends it.

        Parameters
        ----------
        share_frac
            Of all requests. [1]
        seed
            The same seed brings the same faults.
        """
        with self._lock:
            self._storm = (random.Random(seed), share_frac) if share_frac else None  # noqa: S311 - a game

    def take(self) -> Fault | None:
        """Return what the present request meets."""
        with self._lock:
            fault = self._next.pop(0) if self._next else self._drawn()
            self.asked += 1
            self.met += fault is not None
            return fault

    def _drawn(self) -> Fault | None:
        if self._storm is None or self._storm[0].random() >= self._storm[1]:
            return None
        kinds: tuple[Kind, ...] = ("throttle", "unavailable", "error", "cut", "half", "lost")
        kind = self._storm[0].choice(kinds)
        return Fault(kind, 0 if kind == "throttle" else None)


def cut(request: web.Request) -> web.Response:
    """Close the connection; what is returned reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)


async def half(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Send the head and half of the body, then close."""
    body = response.body if isinstance(response, web.Response) else None
    text = body if isinstance(body, bytes) else b""
    broken = web.StreamResponse(status=response.status, headers=response.headers)
    broken.content_length = len(text) + 1
    await broken.prepare(request)
    await broken.write(text[: len(text) // 2])
    return cut(request)
