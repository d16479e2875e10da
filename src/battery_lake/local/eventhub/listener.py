"""One port for all: AMQP, TLS and WebSockets are told apart by what a peer says first."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Final

from battery_lake import log

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

LOOPBACK: Final = "127.0.0.1"
BACKLOG: Final = 100
TLS_HANDSHAKE: Final = b"\x16"
LOG = log.logger("local.listener")


class Listener:
    """Accepts connections on loopback.

    Parameters
    ----------
    connected
        Talks to a peer until it goes.
    tls
        The server's certificate; without one a peer that speaks TLS is told that this is AMQP.
    """

    def __init__(
        self,
        connected: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
        tls: ssl.SSLContext | None,
    ) -> None:
        self._connected = connected
        self._tls = tls
        self._greeting: set[asyncio.Task[None]] = set()

    def open(self, port: int) -> int:
        """Listen.

        Parameters
        ----------
        port
            Where; 0 takes a free one.

        Returns
        -------
        int
            The port.

        Raises
        ------
        OSError
            Where the port cannot be had.
        """
        self._socket = socket.create_server((LOOPBACK, port), backlog=BACKLOG)
        self._socket.setblocking(False)
        self._accepting = asyncio.create_task(self._accept())
        return int(self._socket.getsockname()[1])

    async def close(self) -> None:
        """Stop listening and let those go that are still being greeted."""
        tasks = [self._accepting, *self._greeting]
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        self._socket.close()

    async def _accept(self) -> None:
        """Greet every peer in a task of its own."""
        loop = asyncio.get_running_loop()
        while True:
            peer, _ = await loop.sock_accept(self._socket)
            task = loop.create_task(self._greet(peer))
            self._greeting.add(task)
            task.add_done_callback(self._greeting.discard)

    async def _greet(self, peer: socket.socket) -> None:
        """Find out what the peer speaks, and talk to it."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            secret = self._tls is not None and await _first_byte(peer) == TLS_HANDSHAKE
            transport, _ = await loop.connect_accepted_socket(
                lambda: protocol, peer, ssl=self._tls if secret else None
            )
        except OSError as error:  # among them a handshake that fails
            LOG.debug("greeting_failed", error=repr(error))
            peer.close()
            return
        self._greeting.discard(asyncio.current_task())
        await self._connected(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


async def _first_byte(peer: socket.socket) -> bytes:
    """Wait for the first byte and leave it where it is."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(peer, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(peer)
    with contextlib.suppress(ConnectionError):
        return peer.recv(1, socket.MSG_PEEK)
    return b""
