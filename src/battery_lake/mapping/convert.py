"""A value as sent to a canonical value, as Spark SQL: invalid markers, scale, unit, sign, enum, time."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from battery_lake.mapping.units import Affine, conversion

if TYPE_CHECKING:
    from battery_lake.mapping.model import Case, Scalar, Signal
    from battery_lake.mapping.targets import Target

EPOCHS: Final = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
"""Formats of a time as a number, and the microseconds of one."""
_EXACT: Final = 2**53
_PATTERN: Final = re.compile(r"^(?:[yuMdHhmsSaXxzZVEDT:/.,\- ]|'[^']*')+$")
# What a timestamp can show: what lies outside is shown as the edge, and the rule of the clock refuses it.
_MICROS: Final = ("-62135596800000000D", "253402300799000000D")


def literal(value: Scalar | None) -> str:
    """Return a value as SQL writes it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return f"{float(value)!r}D"


def line_of(signal: Signal, target: Target) -> Affine:
    """Return what scale, offset, unit and sign come to together."""
    own = Affine(_exact(signal.scale), _exact(signal.offset))
    made = conversion(signal.unit or target.unit, target.unit).after(own)
    if signal.sign == "discharge_positive":
        made = Affine(Fraction(-1), Fraction(0)).after(made)
    return made


def number(raw: str, signal: Signal, target: Target) -> str:
    """Return the SQL of a number: ``raw`` is a double as sent."""
    return along(without(raw, signal), line_of(signal, target))


def along(value: str, line: Affine) -> str:
    """Return the SQL that puts a value through a straight line; a value that stays is not touched.

    It is done in whole numbers and one division, so that 3671 mV becomes the nearest double to 3.671 and
    9518 steps of 0.1 A from 1000 A downwards become 48.2 A, as neither would in tenths.
    """
    below = math.lcm(line.factor.denominator, line.offset.denominator)
    times: float = int(abs(line.factor) * below)
    plus: float = int(line.offset * below)
    if max(times, abs(plus), below) > _EXACT:
        times, plus, below = float(abs(line.factor)), float(line.offset), 1
    if times != 1:
        value = f"({value} * {literal(times)})"
    if line.factor < 0:
        # From zero, lest a current of 0 becomes -0.
        value = f"({literal(plus)} - {value})"
    elif plus:
        value = f"({value} + {literal(plus)})"
    return f"({value} / {literal(below)})" if below != 1 else value


def without(raw: str, signal: Signal) -> str:
    """Return the SQL of a value as sent, null where it is one of the invalid markers."""
    if not signal.invalid:
        return raw
    listed = ", ".join(literal(marker) for marker in signal.invalid)
    return f"if({raw} IN ({listed}), null, {raw})"


def instant(raw: str, signal: Signal) -> str:
    """Return the SQL of a time: ``raw`` is a timestamp, a double or a text, as :func:`raw_time_type` says."""
    if signal.format == "iso":
        return raw
    if signal.format in EPOCHS:
        low, high = _MICROS
        micros = f"({raw} * {EPOCHS[signal.format]}D)"
        # least and greatest pass over a null: it would become the edge.
        within = f"greatest(least({micros}, {high}), {low})"
        return f"if({raw} IS NULL, null, timestamp_micros(cast({within} AS BIGINT)))"
    read = f"try_to_timestamp({raw}, {literal(signal.format)})"
    return read if signal.zone == "UTC" else f"to_utc_timestamp({read}, {literal(signal.zone)})"


def raw_time_type(signal: Signal) -> str:
    """Return as what a time is read.

    Raises
    ------
    ValueError
        The format is none.
    """
    if signal.format == "iso":
        return "TIMESTAMP"
    if signal.format in EPOCHS:
        return "DOUBLE"
    if not _PATTERN.match(signal.format) or not re.search("[yu]", signal.format):
        raise ValueError(
            f"{signal.format} is neither iso, {', '.join(EPOCHS)} nor a pattern like yyyy-MM-dd HH:mm:ss"
        )
    return "STRING"


def named(raw: str, names: dict[str | int, str]) -> str:
    """Return the SQL that looks a value up; null where it is not listed."""
    lines = " ".join(f"WHEN {literal(sent)} THEN {literal(meant)}" for sent, meant in names.items())
    return f"CASE {raw} {lines} END"


def condition(raw: str, case: Case) -> str:
    """Return the SQL of a case's condition."""
    parts = []
    if case.equals is not None:
        parts.append(f"{raw} = {literal(case.equals)}")
    if case.above is not None:
        parts.append(f"{raw} > {literal(case.above)}")
    if case.below is not None:
        parts.append(f"{raw} < {literal(case.below)}")
    return " AND ".join(parts)


def _exact(value: float) -> Fraction:
    """The number that was written, not the nearest double to it."""
    return Fraction(repr(value))
