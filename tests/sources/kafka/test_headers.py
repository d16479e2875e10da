"""Headers as AMQP's bytes: what the SDK encodes is read back as the other sources spell it."""

import struct
import uuid

import pytest
from azure.eventhub._pyamqp import _encode
from hypothesis import given, settings
from hypothesis import strategies as st

from battery_lake.local.amqp.codec import Symbol, Typed, encode
from battery_lake.sources.envelope import text
from battery_lake.sources.kafka.headers import amqp, decoded, is_encoded, made_valid, plain

INTEGERS = {"ubyte": (0, 8), "ushort": (0, 16), "uint": (0, 32), "ulong": (0, 64), "byte": (1, 8),
            "short": (1, 16), "int": (1, 32), "long": (1, 64), "timestamp": (1, 64)}  # fmt: skip


def typed(kind):
    signed, bits = INTEGERS[kind]
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    numbers = st.one_of(st.integers(low, high), st.integers(max(low, -130), min(high, 260)))
    return numbers.map(lambda number: Typed(kind, number))


SINGLE = st.floats(width=32).map(lambda number: Typed("float", number))
LONG_TEXT = st.text(max_size=5).map(lambda start: start + "ü" * 200)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.text(),
    LONG_TEXT,
    st.text().map(Symbol),
    st.binary(),
    st.binary(min_size=256, max_size=300),
    st.uuids(),
    *map(typed, INTEGERS),
    st.floats(),
    SINGLE,
)


def drawn(strategy, examples):
    """As many examples of a strategy, to look at in one frame."""
    found = []

    @settings(max_examples=examples)
    @given(strategy)
    def collect(value):
        found.append(value)

    collect()
    return found


def in_spark(spark, values, sql):
    frame = spark.createDataFrame([(n, value) for n, value in enumerate(values)], "n int, v binary")
    return [row.t for row in frame.selectExpr("n", f"{sql} AS t").orderBy("n").collect()]


def python_value(value):
    return value.value if isinstance(value, Typed) else value


def by_the_sdk(value):
    """What the SDK's own encoder makes of a value; it sends text as bytes of type string."""
    if isinstance(value, Symbol):
        value = {"TYPE": "SYMBOL", "VALUE": value}
    elif isinstance(value, Typed):
        value = {"TYPE": value.kind.upper(), "VALUE": value.value}
    out = bytearray()
    _encode.encode_value(out, value)
    return bytes(out)


def same(found, value):
    """Equal texts; a double by its value, since Java 17 prints a few with one digit more than needed."""
    expected = text(python_value(value))
    if isinstance(python_value(value), float) and found is not None:
        return found == expected or (float(found) == float(expected) and len(found) > len(expected))
    return found == expected


@pytest.mark.parametrize("encoder", [by_the_sdk, encode])
def test_what_was_encoded_is_read_back_in_the_one_spelling(spark, encoder):
    values = drawn(VALUES, 4000)
    found = in_spark(spark, [encoder(value) for value in values], amqp("v"))
    assert not [(value, have) for value, have in zip(values, found, strict=True) if not same(have, value)]


def test_everyday_numbers_are_spelt_as_python_prints_them(spark):
    digits = st.integers(-(10**9), 10**9)
    numbers = drawn(st.tuples(digits, st.integers(-22, 7)), 1500)
    values = [*(float(f"{number}e{power}") for number, power in numbers), -0.0, 1e16, 1e15, 1e-4, 1e-5, 1e7]
    found = in_spark(spark, [encode(value) for value in values], amqp("v"))
    assert found == [str(value) for value in values]


def test_every_form_of_one_value_is_read(spark):
    forms = {
        "0": ["43", "44", "5000", "5100", "5200", "5300", "5400", "5500", "600000", "610000", "7000000000",
              "7100000000", "80" + "00" * 8, "81" + "00" * 8, "83" + "00" * 8],
        "-1": ["51ff", "54ff", "55ff", "61ffff", "71ffffffff", "81" + "ff" * 8],
        "true": ["41", "5601"], "false": ["42", "5600"],
        "hub": ["a103687562", "b100000003687562", "a303687562", "b300000003687562", "a003687562",
                "b000000003687562"],
        "": ["a100", "b100000000", "a300"],
    }  # fmt: skip
    wanted = [(expected, code) for expected, codes in forms.items() for code in codes]
    found = in_spark(spark, [bytes.fromhex(code) for _, code in wanted], amqp("v"))
    assert [(have, code) for have, (_, code) in zip(found, wanted, strict=True)] == wanted


def test_what_is_cut_off_or_goes_on_is_no_value(spark):
    whole = [value for value in map(encode, drawn(VALUES, 300)) if len(value) > 1]
    cut = [data for value in whole for data in (value[:-1], value + b"x")]
    # Cut once more it may be another whole value by chance: only where the length is part of the type.
    cut = [data for data in cut if data[0] >= 0x60]
    assert set(in_spark(spark, cut, amqp("v"))) == {None}


@pytest.mark.parametrize(
    "value",
    [[1, "a"], {"a": 1}, Typed("array", ("int", [1, 2])), Typed("decimal64", bytes(8))],
    ids=["list", "map", "array", "decimal"],
)
def test_what_is_no_plain_value_is_left_alone(spark, value):
    assert in_spark(spark, [encode(value)], amqp("v")) == [None]


def test_bytes_become_text_as_python_makes_it(spark):
    values = drawn(st.one_of(st.binary(), st.text().map(str.encode)), 1500)
    assert in_spark(spark, values, plain("v")) == [text(value) for value in values]


def headers_in_spark(spark, records):
    frame = spark.createDataFrame(
        [(n, list(enumerate(values))) for n, values in enumerate(records)],
        "n int, headers array<struct<key: string, value: binary>>",
    )
    each = made_valid(f"({decoded('headers', 'encoded', {})})")
    known = frame.selectExpr("*", f"{is_encoded('headers')} AS encoded")
    rows = known.selectExpr("n", f"({each}).value AS t")
    return [row.t for row in rows.orderBy("n").collect()]


def test_short_texts_of_a_kafka_producer_are_never_taken_for_numbers(spark):
    every_code = [bytes([code]) + b"A" * more for code in range(0x20, 0x7F) for more in (0, 1, 2, 4, 8)]
    texts = [*every_code, b"US", b"A", b"B", b"@", "Österreich".encode(), b"Pa", b""]
    found = headers_in_spark(spark, [[value] for value in texts])
    assert found == [[value.decode()] for value in texts]


def test_one_value_that_no_text_can_be_makes_the_record_one_of_amqp(spark):
    device, true, number = encode("V1"), encode(True), encode(Typed("int", 83))
    assert number == b"TS"
    assert headers_in_spark(
        spark,
        [
            [true, number],
            [true, number, device],
            [number, encode(5)],
            [encode(None), device, b"no AMQP", encode([1])],
            [None, b"text"],
            [None, device],
        ],
    ) == [
        ["A", "TS"],
        ["true", "83", "V1"],
        ["83", "5"],
        [None, "V1", "no AMQP", encode([1]).decode("utf-8", errors="replace")],
        [None, "text"],
        [None, "V1"],
    ]


def test_an_identifier_is_spelt_with_hyphens(spark):
    one = uuid.UUID("12345678-9abc-def0-1234-56789abcdef0")
    assert in_spark(spark, [encode(one), struct.pack(">B16s", 0x98, bytes(16))], amqp("v")) == [
        str(one),
        str(uuid.UUID(int=0)),
    ]
