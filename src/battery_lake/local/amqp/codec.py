"""AMQP 1.0 types to bytes and back.

Python's own types stand for the common AMQP types; `Typed`, `Symbol` and `Described` name the others.
"""

from __future__ import annotations

import struct
import uuid
from typing import TYPE_CHECKING, Any, NamedTuple

from battery_lake.local.amqp.errors import DECODE_ERROR, AmqpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

BYTE_MAX = 0xFF
LONG_SMALL = range(-128, 128)


class Symbol(str):
    """A name from a known set; on the wire a type of its own, in Python equal to its text."""

    __slots__ = ()


class Described(NamedTuple):
    """A value with the descriptor that says what it means."""

    descriptor: Any
    value: Any


class Typed(NamedTuple):
    """A value whose AMQP type is named: a width of integer, a timestamp, an array."""

    kind: str
    value: Any


# kind -> (constructor, layout): the types of fixed width
FIXED: dict[str, tuple[int, struct.Struct]] = {
    "ubyte": (0x50, struct.Struct(">B")),
    "byte": (0x51, struct.Struct(">b")),
    "ushort": (0x60, struct.Struct(">H")),
    "short": (0x61, struct.Struct(">h")),
    "uint": (0x70, struct.Struct(">I")),
    "int": (0x71, struct.Struct(">i")),
    "float": (0x72, struct.Struct(">f")),
    "char": (0x73, struct.Struct(">I")),
    "ulong": (0x80, struct.Struct(">Q")),
    "long": (0x81, struct.Struct(">q")),
    "double": (0x82, struct.Struct(">d")),
    "timestamp": (0x83, struct.Struct(">q")),
}
# kind -> constructor of the one-byte form
SMALL_UNSIGNED = {"uint": 0x52, "ulong": 0x53}
SMALL_SIGNED = {"int": 0x54, "long": 0x55}
# kind -> constructor with a four-byte length; sixteen less is the one with a one-byte length
VARIABLE = {"binary": 0xB0, "string": 0xB1, "symbol": 0xB3}
DECIMALS = {"decimal32": 0x74, "decimal64": 0x84, "decimal128": 0x94}
_U32 = struct.Struct(">I")
_U32_PAIR = struct.Struct(">II")


def encode(value: Any) -> bytes:
    """Return the AMQP bytes of a value.

    Parameters
    ----------
    value
        None, bool, int (as long), float (as double), str, bytes, UUID, list, dict, `Symbol`, `Described`
        or `Typed`.

    Returns
    -------
    bytes
        Constructor and content. Lists never use the form without a count: the Python SDK reads
        the count of every performative where the longer forms have it.

    Raises
    ------
    TypeError
        For a type that has no AMQP counterpart here.

    References
    ----------
    OASIS, Advanced Message Queuing Protocol 1.0, part 1: types (2012).
    """
    out = bytearray()
    _write(out, value)
    return bytes(out)


def _write(out: bytearray, value: Any) -> None:
    """Append one value to the output."""
    if value is None:
        out.append(0x40)
    elif value is True or value is False:
        out.append(0x41 if value else 0x42)
    else:
        try:
            writer = _WRITERS[type(value)]
        except KeyError:
            raise TypeError(f"no AMQP type for {type(value).__name__}") from None
        writer(out, value)


def _write_sized(out: bytearray, kind: str, data: bytes) -> None:
    """Append binary, string or symbol with its length."""
    code = VARIABLE[kind]
    if len(data) <= BYTE_MAX:
        out += bytes((code - 0x10, len(data)))
    else:
        out.append(code)
        out += _U32.pack(len(data))
    out += data


def _write_compound(out: bytearray, code: int, items: Iterable[Any], count: int) -> None:
    """Append a list or a map; `code` is the form with a one-byte size."""
    body = bytearray()
    for item in items:
        _write(body, item)
    if len(body) < BYTE_MAX and count <= BYTE_MAX:
        out += bytes((code, len(body) + 1, count))
    else:
        out.append(code + 0x10)
        out += _U32_PAIR.pack(len(body) + 4, count)
    out += body


def _write_typed(out: bytearray, typed: Typed) -> None:
    """Append a value of a named type."""
    kind, value = typed
    if value is None:
        out.append(0x40)
    elif kind in SMALL_UNSIGNED and value <= BYTE_MAX:
        out += bytes((SMALL_UNSIGNED[kind], value))
    elif kind in SMALL_SIGNED and value in LONG_SMALL:
        out += bytes((SMALL_SIGNED[kind], value & BYTE_MAX))
    elif kind in FIXED:
        code, layout = FIXED[kind]
        out.append(code)
        out += layout.pack(value)
    elif kind in DECIMALS:
        out.append(DECIMALS[kind])
        out += value
    elif kind == "array":
        _write_array(out, *value)
    else:
        raise TypeError(f"no AMQP type is called {kind!r}")


def _write_array(out: bytearray, kind: str, values: list[Any]) -> None:
    """Append an array, every element in the widest form of its kind; null for an empty one.

    The Python SDK loses its place after an array without elements.
    """
    if not values:
        out.append(0x40)
        return
    body = bytearray()
    if kind in VARIABLE:
        code = VARIABLE[kind]
        for value in values:
            data = value if isinstance(value, bytes) else value.encode()
            body += _U32.pack(len(data)) + data
    else:
        code, layout = FIXED[kind]
        for value in values:
            body += layout.pack(value)
    out.append(0xF0)
    out += _U32_PAIR.pack(len(body) + 5, len(values))
    out.append(code)
    out += body


def _write_described(out: bytearray, described: Described) -> None:
    """Append descriptor and value; a number as descriptor is an unsigned long."""
    descriptor, value = described
    out.append(0x00)
    _write(out, Typed("ulong", descriptor) if isinstance(descriptor, int) else descriptor)
    _write(out, value)


def _flat(pairs: dict[Any, Any]) -> Iterable[Any]:
    """Give keys and values in turn."""
    for key, value in pairs.items():
        yield key
        yield value


_WRITERS: dict[type, Callable[[bytearray, Any], None]] = {
    int: lambda out, value: _write_typed(out, Typed("long", value)),
    float: lambda out, value: _write_typed(out, Typed("double", value)),
    str: lambda out, value: _write_sized(out, "string", value.encode()),
    Symbol: lambda out, value: _write_sized(out, "symbol", value.encode()),
    bytes: lambda out, value: _write_sized(out, "binary", value),
    uuid.UUID: lambda out, value: out.extend(b"\x98" + value.bytes),
    list: lambda out, value: _write_compound(out, 0xC0, value, len(value)),
    dict: lambda out, value: _write_compound(out, 0xC1, _flat(value), 2 * len(value)),
    Described: _write_described,
    Typed: _write_typed,
}


def decode(data: bytes, at: int = 0) -> tuple[Any, int]:
    """Read one value.

    Parameters
    ----------
    data
        The bytes.
    at
        Where the value's constructor stands.

    Returns
    -------
    tuple
        The value and the position after it. Integers of every width and timestamps come as int,
        arrays as list, decimals as `Typed` with their raw bytes.

    Raises
    ------
    AmqpError
        Where the bytes are no AMQP value.
    """
    try:
        return _read(data, at)
    except (IndexError, KeyError, ValueError, struct.error, RecursionError) as error:
        raise AmqpError(DECODE_ERROR, f"not an AMQP value at byte {at}: {error}") from None


def _read(data: bytes, at: int) -> tuple[Any, int]:
    """Read constructor and content."""
    return _READERS[data[at]](data, at + 1)


def _fixed_reader(layout: struct.Struct) -> Callable[[bytes, int], tuple[Any, int]]:
    """Make the reader of a fixed width."""
    unpack, width = layout.unpack_from, layout.size
    return lambda data, at: (unpack(data, at)[0], at + width)


def _sized_reader(wide: bool, convert: Callable[[bytes], Any]) -> Callable[[bytes, int], tuple[Any, int]]:
    """Make the reader of binary, string or symbol."""

    def read(data: bytes, at: int) -> tuple[Any, int]:
        start = at + 4 if wide else at + 1
        end = start + (_U32.unpack_from(data, at)[0] if wide else data[at])
        if end > len(data):
            raise ValueError("it is cut off")
        return convert(data[start:end]), end

    return read


def _counts(data: bytes, at: int, wide: bool) -> tuple[int, int]:
    """Return the number of items of a compound and where they start."""
    if wide:
        return _U32.unpack_from(data, at + 4)[0], at + 8
    return data[at + 1], at + 2


def _list_reader(wide: bool) -> Callable[[bytes, int], tuple[Any, int]]:
    """Make the reader of lists."""

    def read(data: bytes, at: int) -> tuple[list[Any], int]:
        count, at = _counts(data, at, wide)
        values = []
        for _ in range(count):
            value, at = _read(data, at)
            values.append(value)
        return values, at

    return read


def _map_reader(wide: bool) -> Callable[[bytes, int], tuple[Any, int]]:
    """Make the reader of maps."""
    read_list = _list_reader(wide)

    def read(data: bytes, at: int) -> tuple[dict[Any, Any], int]:
        flat, at = read_list(data, at)
        return dict(zip(flat[::2], flat[1::2], strict=True)), at

    return read


def _array_reader(wide: bool) -> Callable[[bytes, int], tuple[Any, int]]:
    """Make the reader of arrays: one constructor for all elements."""

    def read(data: bytes, at: int) -> tuple[list[Any], int]:
        end = at + 4 + _U32.unpack_from(data, at)[0] if wide else at + 1 + data[at]
        count, at = _counts(data, at, wide)
        if not count:
            return [], end  # with or without the constructor that the standard asks for
        reader, at = _READERS[data[at]], at + 1
        values = []
        for _ in range(count):
            value, at = reader(data, at)
            values.append(value)
        return values, at

    return read


def _read_described(data: bytes, at: int) -> tuple[Described, int]:
    """Read descriptor and value."""
    descriptor, at = _read(data, at)
    value, at = _read(data, at)
    return Described(descriptor, value), at


def _decimal_reader(kind: str, width: int) -> Callable[[bytes, int], tuple[Any, int]]:
    """Make the reader of a decimal, which stays raw."""
    return lambda data, at: (Typed(kind, data[at : at + width]), at + width)


def _read_boolean(data: bytes, at: int) -> tuple[bool, int]:
    """Read a boolean of one byte."""
    return data[at] == 1, at + 1


_READERS: dict[int, Callable[[bytes, int], tuple[Any, int]]] = {
    0x00: _read_described,
    0x40: lambda _, at: (None, at),
    0x41: lambda _, at: (True, at),
    0x42: lambda _, at: (False, at),
    0x43: lambda _, at: (0, at),
    0x44: lambda _, at: (0, at),
    0x45: lambda _, at: ([], at),
    0x52: _fixed_reader(struct.Struct(">B")),
    0x53: _fixed_reader(struct.Struct(">B")),
    0x54: _fixed_reader(struct.Struct(">b")),
    0x55: _fixed_reader(struct.Struct(">b")),
    0x56: _read_boolean,
    0x74: _decimal_reader("decimal32", 4),
    0x84: _decimal_reader("decimal64", 8),
    0x94: _decimal_reader("decimal128", 16),
    0x98: lambda data, at: (uuid.UUID(bytes=data[at : at + 16]), at + 16),
    **{code: _fixed_reader(layout) for code, layout in FIXED.values()},
    **{0xA0 + 0x10 * wide: _sized_reader(bool(wide), bytes) for wide in (0, 1)},
    **{0xA1 + 0x10 * wide: _sized_reader(bool(wide), bytes.decode) for wide in (0, 1)},
    **{0xA3 + 0x10 * wide: _sized_reader(bool(wide), lambda raw: Symbol(raw.decode())) for wide in (0, 1)},
    **{0xC0 + 0x10 * wide: _list_reader(bool(wide)) for wide in (0, 1)},
    **{0xC1 + 0x10 * wide: _map_reader(bool(wide)) for wide in (0, 1)},
    **{0xE0 + 0x10 * wide: _array_reader(bool(wide)) for wide in (0, 1)},
}
