"""Sessions and links: credit, windows, messages in several frames, outcomes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Protocol

from battery_lake.local.amqp.codec import Described
from battery_lake.local.amqp.errors import MESSAGE_TOO_LARGE, AmqpError
from battery_lake.local.amqp.frames import (
    AMQP_FRAME,
    MIN_DATA_OFFSET,
    Attach,
    Begin,
    Detach,
    Disposition,
    Flow,
    Transfer,
    error_value,
    frame,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

WINDOW = 2**31 - 1
SENDER_CREDIT = 1_000
MAX_MESSAGE_BYTES = 1024 * 1024
ACCEPTED = Described(0x24, [])
REJECTED = 0x25
SOURCE, SOURCE_FIELDS = 0x28, 11
TARGET, TARGET_FIELDS = 0x29, 7
FILTER_FIELD = 7
U32_MASK = 0xFFFF_FFFF
# The first transfer of a message by hand, for speed: frame header; performative of eleven fields with
# handle, delivery-id and a tag of two bytes; message format 0, settled; more; five fields of no interest.
_TRANSFER = struct.Struct(">IBBH 7sIcI 2sH 2sc 5s")
_TRANSFER_START = b"\x00\x53\x14\xc0\x17\x0b\x70"
_UINT, _BINARY_2, _UINT_0_TRUE, _TRUE, _FALSE = b"\x70", b"\xa0\x02", b"\x43\x41", b"\x41", b"\x42"
_TRANSFER_END = b"\x40\x40\x42\x42\x42"


def _difference(ahead: int, behind: int) -> int:
    """Subtract serial numbers, which wrap around after 32 bits."""
    return ((ahead - behind + 2**31) & U32_MASK) - 2**31


def _terminus(given: Any, descriptor: int, fields: int) -> Described:
    """Keep address and filter of a source or target; the rest has no meaning here."""
    values = given.value if isinstance(given, Described) else []
    kept = [value if at in {0, FILTER_FIELD} else None for at, value in enumerate(values)]
    return Described(descriptor, kept + [None] * (fields - len(kept)))


class Wire(Protocol):
    """The connection that a session runs on."""

    max_frame_bytes: int
    authorized: bool

    def write(self, data: bytes) -> None:
        """Queue bytes to the peer."""

    async def drain(self) -> None:
        """Wait until the peer has taken enough of what is queued."""

    def abort(self) -> None:
        """Cut the connection without a word."""


class Node(Protocol):
    """What a link is attached to."""

    def on_message(self, message_format: int, payload: bytes) -> None:
        """Take a message from the peer; an `AmqpError` is told to it as a rejection."""

    def on_flow(self) -> None:
        """Act on new credit."""

    def on_detach(self) -> None:
        """Forget the link."""


class Link:
    """One end of a link that the peer has attached.

    Parameters
    ----------
    session
        Where it is attached.
    attach
        The peer's wish.
    """

    def __init__(self, session: Session, attach: Attach) -> None:
        self.session = session
        self.name = str(attach.name)
        self.handle = int(attach.handle)
        self.peer_receives = bool(attach.role)
        self.source = _terminus(attach.source, SOURCE, SOURCE_FIELDS)
        self.target = _terminus(attach.target, TARGET, TARGET_FIELDS)
        self.properties: dict[str, Any] = attach.properties or {}
        self.desired_capabilities: list[str] = attach.desired_capabilities or []
        self.node: Node | None = None
        self.attached = True
        self.credit = 0
        self._delivered = 0
        self._partial = bytearray()
        self._first: Transfer | None = None

    @property
    def address(self) -> str:
        """The node that the peer names, as it wrote it."""
        terminus = self.source if self.peer_receives else self.target
        return str(terminus.value[0] or "")

    @property
    def filters(self) -> dict[str, Any]:
        """The filters of the peer's source by name."""
        return self.source.value[FILTER_FIELD] or {}

    def confirm(self, refusal: AmqpError | None = None) -> None:
        """Answer the peer's attach; a refusal leaves our terminus out and detaches at once."""
        ours = None if refusal else (self.source if self.peer_receives else self.target)
        self.session.write(
            Attach(
                name=self.name,
                handle=self.handle,
                role=not self.peer_receives,
                snd_settle_mode=1 if self.peer_receives else 0,
                rcv_settle_mode=0,
                source=ours if self.peer_receives else self.source,
                target=self.target if self.peer_receives else ours,
                initial_delivery_count=0 if self.peer_receives else None,
                max_message_size=MAX_MESSAGE_BYTES,
                properties={},
            )
        )
        if refusal:
            self.detach(refusal)
        elif not self.peer_receives:
            self._grant()

    def detach(self, error: AmqpError | None = None) -> None:
        """Detach the link from our side, with the reason where there is one."""
        if self.attached:
            self.session.write(Detach(self.handle, closed=True, error=error_value(error) if error else None))
            self.forget()

    def forget(self) -> None:
        """Drop the link without a frame."""
        if self.attached:
            self.attached = False
            self.session.links.pop(self.handle, None)
            if self.node is not None:
                self.node.on_detach()

    def send(self, messages: Sequence[bytes]) -> int:
        """Send messages to the peer, settled, as far as credit and window reach.

        Parameters
        ----------
        messages
            Encoded messages in order.

        Returns
        -------
        int
            How many were sent.
        """
        chunks: list[bytes] = []
        sent = 0
        for message in messages:
            if self.credit <= 0 or self.session.window <= 0:
                break
            self.session.split(self.handle, message, chunks)
            self.credit -= 1
            self._delivered = (self._delivered + 1) & U32_MASK
            sent += 1
        if chunks:
            self.session.connection.write(b"".join(chunks))
        return sent

    def on_flow(self, flow: Flow) -> None:
        """Take new credit or a new window, or answer a sender that asks for the state."""
        if self.peer_receives:
            if flow.link_credit is not None:
                granted = int(flow.delivery_count or 0) + int(flow.link_credit)
                self.credit = _difference(granted, self._delivered)
            if self.node is not None:
                self.node.on_flow()
        elif flow.echo:
            self._grant()

    def on_transfer(self, transfer: Transfer, payload: bytes) -> None:
        """Gather the parts of a message and hand it to the node when it is whole."""
        self.session.received += 1
        first = self._first = self._first or transfer
        if transfer.aborted:
            self._first, self._partial = None, bytearray()
            return
        self._partial += payload
        if len(self._partial) > MAX_MESSAGE_BYTES:
            self.detach(AmqpError(MESSAGE_TOO_LARGE, f"a message may have {MAX_MESSAGE_BYTES} bytes"))
            return
        if transfer.more:
            return
        message, self._first, self._partial = bytes(self._partial), None, bytearray()
        self._delivered = (self._delivered + 1) & U32_MASK
        self.credit -= 1
        self._settle(first, message)
        if self.attached and self.credit < SENDER_CREDIT // 2:
            self._grant()

    def _settle(self, first: Transfer, message: bytes) -> None:
        """Give the message to the node and tell the outcome."""
        outcome = ACCEPTED
        try:
            assert self.node is not None
            self.node.on_message(int(first.message_format or 0), message)
        except AmqpError as error:
            outcome = Described(REJECTED, [error_value(error)])
        if not first.settled and self.attached:
            delivery = int(first.delivery_id)
            self.session.write(
                Disposition(role=True, first=delivery, last=delivery, settled=True, state=outcome)
            )

    def _grant(self) -> None:
        """Give a sending peer new credit."""
        self.credit = SENDER_CREDIT
        self.session.write(
            Flow(
                next_incoming_id=self.session.received & U32_MASK,
                incoming_window=WINDOW,
                next_outgoing_id=self.session.sent & U32_MASK,
                outgoing_window=WINDOW,
                handle=self.handle,
                delivery_count=self._delivered,
                link_credit=self.credit,
            )
        )


class Session:
    """A session: the links of one channel and its windows.

    Parameters
    ----------
    connection
        Where it runs.
    channel
        Its number, the same in both directions.
    begin
        The peer's wish.
    """

    def __init__(self, connection: Wire, channel: int, begin: Begin) -> None:
        self.connection = connection
        self.channel = channel
        self.links: dict[int, Link] = {}
        self.window = int(begin.incoming_window)
        self.received = int(begin.next_outgoing_id)
        self.sent = 0
        self._deliveries = 0
        self.write(
            Begin(
                remote_channel=channel,
                next_outgoing_id=0,
                incoming_window=WINDOW,
                outgoing_window=WINDOW,
                handle_max=U32_MASK,
            )
        )

    def write(self, performative: tuple[Any, ...]) -> None:
        """Send a performative on this channel."""
        self.connection.write(frame(performative, self.channel))

    def on_flow(self, flow: Flow) -> None:
        """Take the peer's window and pass credit on to the link, or wake every link."""
        self.window = _difference(int(flow.next_incoming_id or 0) + int(flow.incoming_window), self.sent)
        links = self.links.values() if flow.handle is None else [self.links.get(flow.handle)]
        for link in list(links):
            if link is not None:
                link.on_flow(flow)

    def split(self, handle: int, message: bytes, chunks: list[bytes]) -> None:
        """Append the frames of one message, as many as the peer's largest frame asks for."""
        room = self.connection.max_frame_bytes - _TRANSFER.size
        delivery = self._deliveries & U32_MASK
        self._deliveries += 1
        more = len(message) > room
        part = message[:room] if more else message
        head = _TRANSFER.pack(
            len(part) + _TRANSFER.size,
            MIN_DATA_OFFSET,
            AMQP_FRAME,
            self.channel,
            _TRANSFER_START,
            handle,
            _UINT,
            delivery,
            _BINARY_2,
            delivery & 0xFFFF,
            _UINT_0_TRUE,
            _TRUE if more else _FALSE,
            _TRANSFER_END,
        )
        chunks += (head, part)
        self._count()
        for at in range(room, len(message), room):
            rest = Transfer(handle=handle, settled=True, more=at + room < len(message))
            chunks.append(frame(rest, self.channel, payload=message[at : at + room]))
            self._count()

    def _count(self) -> None:
        """Count one frame against the peer's window."""
        self.sent += 1
        self.window -= 1

    def end(self) -> None:
        """Forget every link."""
        for link in list(self.links.values()):
            link.forget()
