"""One AMQP connection: handshake, sign-in, frames to sessions, signs of life."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, Final, Protocol

from battery_lake import clock, log
from battery_lake.local.amqp.errors import (
    CONNECTION_FORCED,
    FRAMING_ERROR,
    INTERNAL_ERROR,
    UNAUTHORIZED,
    AmqpError,
)
from battery_lake.local.amqp.frames import (
    AMQP_HEADER,
    EMPTY_FRAME,
    SASL_FRAME,
    SASL_HEADER,
    Attach,
    Begin,
    Close,
    Detach,
    Disposition,
    End,
    Flow,
    Open,
    SaslInit,
    SaslMechanisms,
    SaslOutcome,
    Transfer,
    error_value,
    frame,
    parse,
    read_frame,
)
from battery_lake.local.amqp.link import Link, Node, Session

if TYPE_CHECKING:
    from collections.abc import Callable

    from battery_lake.local.amqp.websocket import WebSocketStream

WEBSOCKET_START: Final = b"GET "
MAX_FRAME_BYTES = 64 * 1024
CHANNEL_MAX = 4_999
IDLE_TIMEOUT_MS = 240_000
SASL_OK = 0
MECHANISMS = ["ANONYMOUS", "MSSBCBS"]
LIFE_SIGN_SHARE = 0.25
LOG = log.logger("local.amqp")


class Service(Protocol):
    """What the peers of a server talk to."""

    async def before_transfer(self) -> None:
        """Wait before a message is taken from a peer."""

    def attach(self, link: Link) -> Node:
        """Return the node that a link addresses, or raise the `AmqpError` that refuses it."""


class Connection:
    """The server's end of a connection.

    Parameters
    ----------
    reader
        Bytes from the peer.
    writer
        Bytes to the peer.
    service
        Answers the peer's links.
    idle_timeout_ms
        Silence after which the peer is taken for gone. [ms]
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        service: Service,
        idle_timeout_ms: int = IDLE_TIMEOUT_MS,
    ) -> None:
        self.max_frame_bytes = MAX_FRAME_BYTES
        self.authorized = False
        self.sessions: dict[int, Session] = {}
        self._reader: asyncio.StreamReader | WebSocketStream = reader
        self._writer: asyncio.StreamWriter | WebSocketStream = writer
        self._service = service
        self._idle_timeout_ms = idle_timeout_ms
        self._closing = False
        self._heard_s = self._spoke_s = clock.monotonic_s()
        self._handlers: dict[type, Callable[[int, Any], None]] = {
            Begin: self._on_begin,
            Attach: self._on_attach,
            Flow: self._on_flow,
            Detach: self._on_detach,
            End: self._on_end,
            Disposition: lambda _channel, _disposition: None,
        }

    async def serve(self) -> None:
        """Talk to the peer until one side closes."""
        life = None
        try:
            await self._handshake()
            life = asyncio.create_task(self._signs_of_life())
            while not self._closing:
                await self._next_frame()
        except (asyncio.IncompleteReadError, ConnectionError):
            LOG.debug("connection_lost")
        except AmqpError as error:
            self.close(error)
        except Exception as error:  # one peer's fault must not stop the server  # noqa: BLE001
            LOG.warning("connection_failed", error=repr(error))
            self.close(AmqpError(INTERNAL_ERROR, repr(error)))
        finally:
            if life is not None:
                life.cancel()
            for session in list(self.sessions.values()):
                session.end()
            self._writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await self._writer.wait_closed()

    def write(self, data: bytes) -> None:
        """Queue bytes to the peer."""
        self._spoke_s = clock.monotonic_s()
        self._writer.write(data)

    async def drain(self) -> None:
        """Wait until the peer has taken enough of what is queued."""
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    def close(self, error: AmqpError | None = None) -> None:
        """Close from our side, with the reason where there is one."""
        if not self._closing:
            self._closing = True
            self.write(frame(Close(error_value(error) if error else None)))

    def abort(self) -> None:
        """Cut the connection without a word."""
        self._closing = True
        self._writer.transport.abort()

    async def _handshake(self) -> None:
        """Exchange protocol headers, sign in where the peer wants to, exchange opens."""
        header = await self._reader.readexactly(len(AMQP_HEADER))
        if header.startswith(WEBSOCKET_START):
            header = await self._upgrade(header)
        if header == SASL_HEADER:
            self.write(SASL_HEADER + frame(SaslMechanisms(MECHANISMS), kind=SASL_FRAME))
            _, body = await read_frame(self._reader, MAX_FRAME_BYTES)
            if not isinstance(parse(body)[0], SaslInit):
                raise AmqpError(UNAUTHORIZED, "sign-in did not start with sasl-init")
            self.write(frame(SaslOutcome(SASL_OK), kind=SASL_FRAME))
            header = await self._reader.readexactly(len(AMQP_HEADER))
        if header != AMQP_HEADER:
            self._writer.write(AMQP_HEADER)
            raise ConnectionError(f"the peer speaks {header!r}")
        self.write(AMQP_HEADER)
        _, body = await read_frame(self._reader, MAX_FRAME_BYTES)
        opened, _ = parse(body)
        if not isinstance(opened, Open):
            raise AmqpError(FRAMING_ERROR, "the first frame is not open")
        self.max_frame_bytes = min(MAX_FRAME_BYTES, opened.max_frame_size or MAX_FRAME_BYTES)
        self._peer_idle_s = (opened.idle_timeout_ms or 0) / 1_000
        self.write(
            frame(
                Open(
                    container_id="battery-lake-local",
                    hostname=opened.hostname,
                    max_frame_size=MAX_FRAME_BYTES,
                    channel_max=CHANNEL_MAX,
                    idle_timeout_ms=self._idle_timeout_ms,
                    properties={},
                )
            )
        )

    async def _upgrade(self, heard: bytes) -> bytes:
        """Go on within a WebSocket; return the AMQP header that comes first in it."""
        from battery_lake.local.amqp.websocket import WebSocketStream  # noqa: PLC0415 - only who wants one needs wsproto

        assert isinstance(self._reader, asyncio.StreamReader)
        assert isinstance(self._writer, asyncio.StreamWriter)
        self._reader = self._writer = WebSocketStream(self._reader, self._writer, heard)
        return await self._reader.readexactly(len(AMQP_HEADER))

    async def _next_frame(self) -> None:
        """Read one frame and act on it."""
        channel, body = await read_frame(self._reader, MAX_FRAME_BYTES)
        self._heard_s = clock.monotonic_s()
        if not body:
            return
        performative, payload = parse(body)
        if isinstance(performative, Transfer):
            await self._service.before_transfer()
            link = self._link(channel, performative.handle)
            if link is not None:
                link.on_transfer(performative, payload)
        elif isinstance(performative, Close):
            self.close()
        elif type(performative) in self._handlers:
            self._handlers[type(performative)](channel, performative)
        else:
            raise AmqpError(FRAMING_ERROR, f"{type(performative).__name__} has no place here")
        await self.drain()

    def _link(self, channel: int, handle: int) -> Link | None:
        """Find a link; frames for one that we have detached are on their way for a while and are dropped."""
        session = self.sessions.get(channel)
        return session.links.get(handle) if session else None

    def _on_begin(self, channel: int, begin: Begin) -> None:
        """Begin a session."""
        self.sessions[channel] = Session(self, channel, begin)

    def _on_attach(self, channel: int, attach: Attach) -> None:
        """Attach a link, or say why not."""
        session = self.sessions[channel]
        link = Link(session, attach)
        session.links[link.handle] = link
        try:
            link.node = self._service.attach(link)
        except AmqpError as error:
            link.confirm(refusal=error)
        else:
            link.confirm()

    def _on_flow(self, channel: int, flow: Flow) -> None:
        """Pass windows and credit on."""
        if channel in self.sessions:
            self.sessions[channel].on_flow(flow)

    def _on_detach(self, channel: int, detach: Detach) -> None:
        """Answer the peer's detach."""
        link = self._link(channel, detach.handle)
        if link is not None:
            link.detach()

    def _on_end(self, channel: int, _end: End) -> None:
        """Answer the peer's end."""
        session = self.sessions.pop(channel, None)
        if session is not None:
            session.end()
            session.write(End())

    async def _signs_of_life(self) -> None:
        """Send empty frames to a peer that asked for them; close on one that has fallen silent."""
        step_s = LIFE_SIGN_SHARE * min(
            self._peer_idle_s or self._idle_timeout_ms / 1_000, self._idle_timeout_ms / 1_000
        )
        while True:
            await asyncio.sleep(step_s)
            now_s = clock.monotonic_s()
            if now_s - self._heard_s > self._idle_timeout_ms / 1_000:
                self.close(
                    AmqpError(
                        CONNECTION_FORCED, f"no frame for more than {self._idle_timeout_ms} milliseconds"
                    )
                )
                self._writer.close()
                return
            if self._peer_idle_s and now_s - self._spoke_s > LIFE_SIGN_SHARE * self._peer_idle_s:
                self.write(EMPTY_FRAME)
