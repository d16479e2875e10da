"""Our AMQP types against those of the SDK, in both directions."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from azure.eventhub._pyamqp import _decode as sdk_decode
from azure.eventhub._pyamqp import _encode as sdk_encode
from azure.eventhub._pyamqp import performatives as sdk_frames
from azure.eventhub._pyamqp.types import TYPE, VALUE, AMQPTypes
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.local.amqp import frames
from battery_lake.local.amqp.codec import Described, Symbol, Typed, decode, encode
from battery_lake.local.amqp.errors import AmqpError

SIGNED = {"byte": 8, "short": 16, "int": 32, "long": 64, "timestamp": 64}
UNSIGNED = {"ubyte": 8, "ushort": 16, "uint": 32, "ulong": 64}
TEXT = st.text(st.characters(codec="utf-8"), max_size=300)
SIMPLE = st.none() | st.booleans() | st.floats(allow_nan=False) | TEXT | st.binary(max_size=300) | st.uuids()
INT64 = st.integers(-(2**63), 2**63 - 1)
INT32 = st.integers(-(2**31), 2**31 - 1)
KEYS = st.text(st.characters(codec="ascii"), min_size=1, max_size=20)


def nested(simple: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    def wider(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(inner, max_size=8) | st.dictionaries(KEYS, inner, max_size=8)

    return st.recursive(simple, wider, max_leaves=30)


VALUES = nested(SIMPLE | INT64)


@st.composite
def typed_integers(draw: st.DrawFn) -> Typed:
    kind = draw(st.sampled_from([*SIGNED, *UNSIGNED]))
    bits = SIGNED.get(kind) or UNSIGNED[kind]
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if kind in SIGNED else (0, 2**bits - 1)
    return Typed(kind, draw(st.integers(low, high)))


def read_by_sdk(data: bytes) -> Any:
    view = memoryview(data)
    rest, value = sdk_decode._DECODE_BY_CONSTRUCTOR[view[0]](view[1:])
    assert not rest
    return value


def written_by_sdk(value: Any) -> bytes:
    out = bytearray()
    sdk_encode.encode_value(out, value)
    return bytes(out)


def as_sdk(value: Any) -> Any:
    """The SDK gives text and symbols as bytes and drops unknown descriptors."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, list):
        return [as_sdk(item) for item in value]
    if isinstance(value, dict):
        return {as_sdk(key): as_sdk(item) for key, item in value.items()}
    return value


@given(VALUES)
def test_what_we_write_we_read(value: Any) -> None:
    data = encode(value)
    assert decode(data) == (value, len(data))


@given(VALUES)
def test_the_sdk_reads_what_we_write(value: Any) -> None:
    assert read_by_sdk(encode(value)) == as_sdk(value)


@given(typed_integers())
def test_integers_of_every_width_go_both_ways(typed: Typed) -> None:
    assert read_by_sdk(encode(typed)) == typed.value
    theirs = {TYPE: getattr(AMQPTypes, typed.kind), VALUE: typed.value}
    data = written_by_sdk(theirs)
    assert decode(data) == (typed.value, len(data))


def test_an_empty_array_is_written_as_null_and_read_in_both_forms() -> None:
    assert encode(Typed("array", ("symbol", []))) == encode(None)
    for data in (b"\xe0\x01\x00", b"\xe0\x02\x00\xa3", b"\xf0\x00\x00\x00\x05\x00\x00\x00\x00\xb3"):
        assert decode(data) == ([], len(data))


@given(nested(SIMPLE | INT32))
def test_we_read_what_the_sdk_writes(value: Any) -> None:
    data = written_by_sdk(value)
    assert decode(data) == (value, len(data))


@given(st.lists(KEYS.map(Symbol), min_size=1, max_size=20), st.sampled_from(["symbol", "string"]))
def test_arrays_go_to_the_sdk(names: list[Symbol], kind: str) -> None:
    data = encode(Typed("array", (kind, names)))
    assert read_by_sdk(data) == as_sdk(names)
    assert decode(data) == (names, len(data))


@given(VALUES.map(encode), st.data())
def test_a_value_that_is_cut_off_is_refused_with_the_error_for_the_peer(
    data: bytes, draw: st.DataObject
) -> None:
    cut = draw.draw(st.integers(0, len(data) - 1))
    with pytest.raises(AmqpError) as caught:
        decode(data[:cut])
    assert caught.value.condition == "amqp:decode-error"


def test_a_type_without_counterpart_is_refused() -> None:
    with pytest.raises(TypeError, match="complex"):
        encode(1j)


def test_the_sdk_finds_every_field_of_a_performative_that_is_left_empty() -> None:
    for kind in (frames.Open, frames.Begin, frames.Attach, frames.Flow, frames.Transfer, frames.Disposition):
        body = frames.frame(kind())[8:]
        _, fields = sdk_decode.decode_frame(memoryview(body))
        expected = len(kind._fields) + (kind is frames.Transfer)
        assert len(fields) == expected


def test_a_performative_of_the_sdk_is_read_by_name() -> None:
    theirs = sdk_frames.BeginFrame(None, 7, 100, 200, 255, None, [b"a"], {b"k": "v"})
    _, body = sdk_encode.encode_frame(theirs)
    assert body is not None
    begin, payload = frames.parse(bytes(body))
    assert begin == frames.Begin(None, 7, 100, 200, 255, None, ["a"], {"k": "v"})
    assert payload == b""


def test_uuid_and_described_values_survive() -> None:
    value = Described(0x24, [uuid.UUID(int=5), Described(Symbol("x:y"), "text")])
    assert decode(encode(value))[0] == value
