"""AMQP within the binary messages of a WebSocket: the server's half of RFC 6455, on top of `wsproto`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

if TYPE_CHECKING:
    from wsproto.events import Event

SUBPROTOCOLS: Final = frozenset({"amqp", "amqpwsb10"})
"""The registered name, and the older one by which Azure's SDKs still ask."""
READ_BYTES: Final = 64 * 1024
NORMAL_CLOSURE: Final = 1000
BAD_REQUEST: Final = 400


class WebSocketStream:
    """Reader and writer of the bytes that a WebSocket carries.

    Parameters
    ----------
    reader, writer
        The stream below.
    heard
        What was read from it already.

    References
    ----------
    RFC 6455, The WebSocket Protocol. OASIS, AMQP WebSocket Binding 1.0.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: bytes) -> None:
        self.transport = writer.transport
        self._reader = reader
        self._writer = writer
        self._socket = WSConnection(ConnectionType.SERVER)
        self._buffer = bytearray()
        self._take(heard)

    async def readexactly(self, count: int) -> bytes:
        """Read so many bytes.

        Raises
        ------
        asyncio.IncompleteReadError
            Where the peer closes before.
        ConnectionError
            Where it does not keep to the protocol.
        """
        while len(self._buffer) < count:
            data = await self._reader.read(READ_BYTES)
            if not data:
                raise asyncio.IncompleteReadError(bytes(self._buffer), count)
            self._take(data)
            await self.drain()
        taken = bytes(memoryview(self._buffer)[:count])
        del self._buffer[:count]
        return taken

    def write(self, data: bytes) -> None:
        """Queue bytes to the peer as one message."""
        self._send(BytesMessage(data))

    async def drain(self) -> None:
        """Wait until the peer has taken enough of what is queued."""
        await self._writer.drain()

    def close(self) -> None:
        """Say that the socket is closed, and close it."""
        self._send(CloseConnection(NORMAL_CLOSURE))
        self._writer.close()

    async def wait_closed(self) -> None:
        """Wait until it is closed."""
        await self._writer.wait_closed()

    def _take(self, data: bytes) -> None:
        """Understand what has come."""
        try:
            self._socket.receive_data(data)
            for event in self._socket.events():
                self._act(event)
        except RemoteProtocolError as error:
            if error.event_hint is not None:
                self._send(error.event_hint)
            raise ConnectionError(f"the peer speaks no WebSocket: {error}") from error

    def _act(self, event: Event) -> None:
        """Answer an event, or keep the bytes that it brings."""
        if isinstance(event, BytesMessage):
            self._buffer += event.data
        elif isinstance(event, Request):
            offered = [name for name in event.subprotocols if name.lower() in SUBPROTOCOLS]
            self._send(
                AcceptConnection(subprotocol=offered[0])
                if offered
                else RejectConnection(status_code=BAD_REQUEST)
            )
        elif isinstance(event, Ping):
            self._send(event.response())
        elif isinstance(event, CloseConnection):
            self._send(event.response())
            raise ConnectionResetError("the peer closed the WebSocket")
        elif isinstance(event, TextMessage):
            raise ConnectionResetError("the peer sent text, where AMQP is binary")

    def _send(self, event: Event) -> None:
        """Send an event; after the end of the WebSocket there is nothing to say."""
        try:
            self._writer.write(self._socket.send(event))
        except LocalProtocolError:
            self._writer.close()
