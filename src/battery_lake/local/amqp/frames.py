"""AMQP performatives and the frames that carry them.

Every performative is written with all its fields: the Python SDK takes them by position and does
not expect that trailing nulls may be left out.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, NamedTuple

from battery_lake.local.amqp.codec import FIXED, Described, Symbol, Typed, decode, encode
from battery_lake.local.amqp.errors import DECODE_ERROR, FRAMING_ERROR, AmqpError

if TYPE_CHECKING:
    import asyncio

    from battery_lake.local.amqp.websocket import WebSocketStream

AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"
AMQP_FRAME, SASL_FRAME = 0, 1
EMPTY_FRAME = b"\x00\x00\x00\x08\x02\x00\x00\x00"
HEADER = struct.Struct(">IBBH")
MIN_DATA_OFFSET = 2


class Open(NamedTuple):
    """Opens a connection."""

    container_id: Any = None
    hostname: Any = None
    max_frame_size: Any = None
    channel_max: Any = None
    idle_timeout_ms: Any = None
    outgoing_locales: Any = None
    incoming_locales: Any = None
    offered_capabilities: Any = None
    desired_capabilities: Any = None
    properties: Any = None


class Begin(NamedTuple):
    """Begins a session on a channel."""

    remote_channel: Any = None
    next_outgoing_id: Any = None
    incoming_window: Any = None
    outgoing_window: Any = None
    handle_max: Any = None
    offered_capabilities: Any = None
    desired_capabilities: Any = None
    properties: Any = None


class Attach(NamedTuple):
    """Attaches a link to a session; `role` is True for the receiving end."""

    name: Any = None
    handle: Any = None
    role: Any = None
    snd_settle_mode: Any = None
    rcv_settle_mode: Any = None
    source: Any = None
    target: Any = None
    unsettled: Any = None
    incomplete_unsettled: Any = None
    initial_delivery_count: Any = None
    max_message_size: Any = None
    offered_capabilities: Any = None
    desired_capabilities: Any = None
    properties: Any = None


class Flow(NamedTuple):
    """Tells session windows and link credit."""

    next_incoming_id: Any = None
    incoming_window: Any = None
    next_outgoing_id: Any = None
    outgoing_window: Any = None
    handle: Any = None
    delivery_count: Any = None
    link_credit: Any = None
    available: Any = None
    drain: Any = None
    echo: Any = None
    properties: Any = None


class Transfer(NamedTuple):
    """Carries a message or a part of one."""

    handle: Any = None
    delivery_id: Any = None
    delivery_tag: Any = None
    message_format: Any = None
    settled: Any = None
    more: Any = None
    rcv_settle_mode: Any = None
    state: Any = None
    resume: Any = None
    aborted: Any = None
    batchable: Any = None


class Disposition(NamedTuple):
    """Tells what became of deliveries."""

    role: Any = None
    first: Any = None
    last: Any = None
    settled: Any = None
    state: Any = None
    batchable: Any = None


class Detach(NamedTuple):
    """Detaches a link."""

    handle: Any = None
    closed: Any = None
    error: Any = None


class End(NamedTuple):
    """Ends a session."""

    error: Any = None


class Close(NamedTuple):
    """Closes a connection."""

    error: Any = None


class SaslMechanisms(NamedTuple):
    """Offers the ways to sign in."""

    mechanisms: Any = None


class SaslInit(NamedTuple):
    """Chooses a way to sign in."""

    mechanism: Any = None
    initial_response: Any = None
    hostname: Any = None


class SaslOutcome(NamedTuple):
    """Tells whether signing in succeeded."""

    code: Any = None
    additional_data: Any = None


# class -> (descriptor, the AMQP type of each field; "any" is left to the value's own type)
_FORMS: dict[type, tuple[int, str]] = {
    Open: (0x10, "any any uint ushort uint symbols symbols symbols symbols any"),
    Begin: (0x11, "ushort uint uint uint uint symbols symbols any"),
    Attach: (0x12, "any uint any ubyte ubyte any any any any uint ulong symbols symbols any"),
    Flow: (0x13, "uint uint uint uint uint uint uint uint any any any"),
    Transfer: (0x14, "uint uint any uint any any ubyte any any any any"),
    Disposition: (0x15, "any uint uint any any any"),
    Detach: (0x16, "uint any any"),
    End: (0x17, "any"),
    Close: (0x18, "any"),
    SaslMechanisms: (0x40, "symbols"),
    SaslInit: (0x41, "any any any"),
    SaslOutcome: (0x44, "ubyte any"),
}
_BY_DESCRIPTOR: dict[int, Any] = {code: kind for kind, (code, _) in _FORMS.items()}
_FIELD_KINDS = {kind: kinds.split() for kind, (_, kinds) in _FORMS.items()}


def _typed(kind: str, value: Any) -> Any:
    """Give a field its AMQP type."""
    if value is None or kind == "any":
        return value
    if kind in FIXED:
        return Typed(kind, value)
    return Typed("array", ("symbol", value))


def error_value(error: AmqpError) -> Described:
    """Return the wire form of an error, with all three fields."""
    return Described(0x1D, [Symbol(error.condition), error.description, None])


def frame(
    performative: tuple[Any, ...], channel: int = 0, kind: int = AMQP_FRAME, payload: bytes = b""
) -> bytes:
    """Return a performative as a frame.

    Parameters
    ----------
    performative
        One of the classes of this module.
    channel
        The session's channel; 0 for the connection's own frames.
    kind
        `AMQP_FRAME` or `SASL_FRAME`.
    payload
        Message bytes after a transfer.

    Returns
    -------
    bytes
        Header, performative and payload.
    """
    form = type(performative)
    fields = [_typed(kind, value) for kind, value in zip(_FIELD_KINDS[form], performative, strict=True)]
    body = encode(Described(_FORMS[form][0], fields)) + payload
    return HEADER.pack(len(body) + HEADER.size, MIN_DATA_OFFSET, kind, channel) + body


def parse(body: bytes) -> tuple[Any, bytes]:
    """Read a frame's body.

    Parameters
    ----------
    body
        What follows the frame's header.

    Returns
    -------
    tuple
        The performative, fields left out as None, and the payload behind it.

    Raises
    ------
    AmqpError
        Where the bytes are no known performative.
    """
    described, end = decode(body)
    form = _BY_DESCRIPTOR.get(described.descriptor) if isinstance(described, Described) else None
    if form is None or not isinstance(described.value, list) or len(described.value) > len(form._fields):
        raise AmqpError(DECODE_ERROR, "a frame does not start with a known performative")
    return form(*described.value), body[end:]


async def read_frame(reader: asyncio.StreamReader | WebSocketStream, max_bytes: int) -> tuple[int, bytes]:
    """Read the next frame.

    Parameters
    ----------
    reader
        The stream.
    max_bytes
        The largest frame that was agreed. [bytes]

    Returns
    -------
    tuple
        Channel and body; an empty body is a sign of life only.

    Raises
    ------
    AmqpError
        Where the header is no frame's or the frame is too large.
    """
    size, offset, _, channel = HEADER.unpack(await reader.readexactly(HEADER.size))
    if offset < MIN_DATA_OFFSET or not 4 * offset <= size <= max_bytes:
        raise AmqpError(FRAMING_ERROR, f"a frame of {size} bytes with data offset {offset}")
    rest = await reader.readexactly(size - HEADER.size)
    return channel, rest[4 * offset - HEADER.size :]
