"""Headers of Kafka's records: what was sent over AMQP comes as AMQP's own bytes, with their type.

Everything here is SQL over ``binary``, so that no row goes through Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_WIDTHS: Final = {1: "50 52 53", 2: "60", 4: "70", 8: "80"}
_SIGNED_WIDTHS: Final = {1: "51 54 55", 2: "61", 4: "71", 8: "81 83"}
_HEX_DIGITS: Final = 16
"""Of 64 bits."""


def plain(value: str) -> str:
    """Return SQL for bytes as UTF-8 text, with replacement where they are none."""
    return f"make_valid_utf8({_cast(value)})"


def amqp(value: str) -> str:
    """Return SQL for the text of one AMQP value; null where the bytes are no complete one, or AMQP's null.

    Numbers are spelt as Python prints them, instants are milliseconds since 1970. Lists, maps, arrays,
    decimals and described values are left alone.

    Parameters
    ----------
    value
        SQL of the bytes.

    References
    ----------
    OASIS, Advanced Message Queuing Protocol 1.0, part 1: types (2012).
    """
    return _cases([(_is_short_text(value), plain(f"substring({value}, 3)")), *_longer(value, plain)])


def _longer(value: str, show: Callable[[str], str]) -> list[tuple[str, str]]:
    """Every case but that of a short text: condition and text."""
    code, size, digits = f"hex(substring({value}, 1, 1))", f"length({value})", f"hex(substring({value}, 2))"

    def one_of(codes: str) -> str:
        return f"{code} IN ({', '.join(repr(each) for each in codes.split())})"

    return [
        (f"{one_of('B1 B3 B0')} AND {size} = 5 + {_count(value)}", show(f"substring({value}, 6)")),
        *((f"{one_of(codes)} AND {size} = {1 + width}", _signed(digits, width))
          for width, codes in reversed(_SIGNED_WIDTHS.items())),
        *((f"{one_of(codes)} AND {size} = {1 + width}", f"conv({digits}, 16, 10)")
          for width, codes in _WIDTHS.items()),
        (f"{one_of('43 44')} AND {size} = 1", "'0'"),
        (f"{value} IN (X'41', X'5601')", "'true'"),
        (f"{value} IN (X'42', X'5600')", "'false'"),
        (f"{code} = '82' AND {size} = 9", _decimal(_double(digits))),
        (f"{code} = '72' AND {size} = 5", _decimal(_float(digits))),
        (f"{code} = '98' AND {size} = 17",
         rf"regexp_replace(lower({digits}), '^(.{{8}})(.{{4}})(.{{4}})(.{{4}})(.*)$', '$1-$2-$3-$4-$5')"),
    ]  # fmt: skip


def _cases(cases: list[tuple[str, str]]) -> str:
    return "CASE {} END".format(" ".join(f"WHEN {condition} THEN {text}" for condition, text in cases))


def is_encoded(headers: str) -> str:
    """Return SQL that tells whether a record came in over AMQP.

    The bytes ``US`` are the text of a Kafka producer, and an AMQP integer just as well. What no text can
    be decides: an AMQP value that is no UTF-8, or has a control character. IoT Hub's device is one.

    Parameters
    ----------
    headers
        SQL of an array of ``key``, ``value``.
    """
    text = "cast(h.value AS string)"
    is_text = rf"(is_valid_utf8({text}) AND NOT {text} RLIKE '[\\x00-\\x1F\\x7F]')"
    return (
        f"exists({headers}, h -> {_is_short_text('h.value')}"
        f" OR NOT {is_text} AND {amqp('h.value')} IS NOT NULL)"
    )


def decoded(headers: str, encoded: str, special: dict[str, Callable[[str, str], str]]) -> str:
    """Return SQL for the headers as an array of ``key`` and ``value``, both text, which may be no UTF-8.

    Parameters
    ----------
    headers
        SQL of an array of ``key``, ``value``.
    encoded
        SQL that tells whether the record came in over AMQP.
    special
        For a header of this name: SQL of its text, from SQL of its bytes and of what they would be else.
    """
    value = "h.value"
    # In a record of AMQP the byte 40 is null. The usual case first: a lambda is interpreted, not compiled.
    of_amqp = _cases([
        (_is_short_text(value), _cast(f"substring({value}, 3)")),
        (f"{value} <> X'40'", f"coalesce({_cases(_longer(value, _cast))}, {_cast(value)})"),
    ])

    def entries(text: str) -> str:
        named = [(f"h.key = '{name}'", spelt(value, text)) for name, spelt in special.items()]
        shown = _cases([*named, ("true", text)])
        return f"transform({headers}, h -> named_struct('key', h.key, 'value', {shown}))"

    return f"if({encoded}, {entries(of_amqp)}, {entries(_cast(value))})"


def made_valid(entries: str) -> str:
    """Return SQL for entries whose values are UTF-8, with replacement where they were none."""
    mended = "named_struct('key', e.key, 'value', make_valid_utf8(e.value))"
    are_valid = f"is_valid_utf8(array_join({entries}.value, ','))"
    return f"if({are_valid}, {entries}, transform({entries}, e -> {mended}))"


def instant_ms(value: str, text: str) -> str:
    """Return SQL for an instant as the text of its milliseconds since 1970.

    Parameters
    ----------
    value
        SQL of the header's bytes.
    text
        SQL of the text that they are: a number, or ISO 8601. Any other stays as it is.
    """
    is_amqp = f"({value} >= X'83' AND {value} < X'8380' AND length({value}) = 9)"
    at = (
        "CASE WHEN t RLIKE '^[0-9]+$' THEN try_cast(t AS bigint)"
        " WHEN t RLIKE '^[0-9]{4}-' THEN unix_millis(try_cast(t AS timestamp)) END"
    )
    as_text = _let("t", text, f"coalesce(cast({at} AS string), t)")
    return f"if({is_amqp}, conv(hex(substring({value}, 2)), 16, 10), {as_text})"


def _cast(value: str) -> str:
    return f"cast({value} AS string)"


def _is_short_text(value: str) -> str:
    """Text, symbol or binary with a length of one byte: nearly every header, so compared without a copy."""
    known = f"({value} >= X'A0' AND {value} < X'A2' OR {value} >= X'A3' AND {value} < X'A4')"
    all_bytes = f"X'{bytes(range(256)).hex()}'"
    return f"({known} AND substring({value}, 2, 1) = substring({all_bytes}, length({value}) - 1, 1))"


def _count(value: str) -> str:
    """How many bytes a long text says that follow."""
    return f"cast(conv(hex(substring({value}, 2, 4)), 16, 10) AS bigint)"


def _signed(digits: str, width: int) -> str:
    """A number in two's complement, its sign carried on to 64 bits."""
    is_negative = f"substring({digits}, 1, 1) >= '8'"
    return f"conv(concat(if({is_negative}, '{'F' * (_HEX_DIGITS - 2 * width)}', ''), {digits}), 16, -10)"


def _let(name: str, value: str, result: str) -> str:
    """SQL has no name for what an expression uses twice, but for a lambda's argument."""
    return f"transform(array({value}), {name} -> {result})[0]"


def _double(digits: str) -> str:
    """The number that the bits of IEEE 754 stand for: exact, since so is every power of two."""
    top = f"cast(conv(substring({digits}, 1, 3), 16, 10) AS int)"
    rest = f"cast(conv(substring({digits}, 4), 16, 10) AS bigint)"
    return _let("top", top, _let("rest", rest, _ieee("top >= 2048", "top % 2048", "rest", 52, 11)))


def _float(digits: str) -> str:
    bits = f"cast(conv({digits}, 16, 10) AS bigint)"
    exponent = "shiftright(bits, 23) % 256"
    return _let("bits", bits, _ieee("bits >= 2147483648", exponent, "bits % 8388608", 23, 8))


def _ieee(is_negative: str, exponent: str, fraction: str, fraction_bits: int, exponent_bits: int) -> str:
    """Sign, exponent and fraction as a double."""
    highest = 2**exponent_bits - 1
    shift = highest // 2 + fraction_bits
    size = (
        f"CASE WHEN {exponent} = {highest} THEN if({fraction} = 0, double('infinity'), double('nan'))"
        f" WHEN {exponent} = 0 THEN {fraction} * power(2D, {1 - shift})"
        f" ELSE ({fraction} + {2**fraction_bits}) * power(2D, {exponent} - {shift}) END"
    )
    return f"if({is_negative}, -1D, 1D) * ({size})"


def _decimal(number: str) -> str:
    """A double as Python prints it; Spark prints as Java does: 1.0E16 for 1e+16, 1.0E7 for 10000000.0."""
    sign, digits = "regexp_extract(t, '^-?', 0)", "rtrim('0', regexp_replace(t, '-|[.]|E.*', ''))"
    power = "cast(regexp_extract(t, 'E(.*)$', 1) AS int)"
    after = "if(length(d) > p + 1, substring(d, p + 2), '0')"
    whole = f"concat(rpad(substring(d, 1, p + 1), p + 1, '0'), '.', {after})"
    small = "concat('0.000', d)"
    scientific = (
        "concat(substring(d, 1, 1), if(length(d) > 1, concat('.', substring(d, 2)), ''),"
        " if(p < 0, 'e-', 'e+'), lpad(abs(p), greatest(2, length(abs(p))), '0'))"
    )
    spelt = f"CASE WHEN p = -4 THEN {small} WHEN p BETWEEN 7 AND 15 THEN {whole} ELSE {scientific} END"
    with_power = _let("p", power, f"concat({sign}, {_let('d', digits, spelt)})")
    special = "WHEN t = 'NaN' THEN 'nan' WHEN t = 'Infinity' THEN 'inf' WHEN t = '-Infinity' THEN '-inf'"
    by_power = f"CASE {special} WHEN contains(t, 'E') THEN {with_power} ELSE t END"
    return _let("t", f"cast({number} AS string)", by_power)
