"""One signal of a mapping to Spark SQL; what it needs of a message is added to the message's schema."""

from __future__ import annotations

import re
import zoneinfo
from typing import TYPE_CHECKING, Final

from battery_lake.mapping.convert import (
    EPOCHS,
    along,
    condition,
    instant,
    line_of,
    literal,
    named,
    number,
    raw_time_type,
    without,
)
from battery_lake.mapping.paths import ALL, Schema, Segment, access, segments
from battery_lake.mapping.targets import STATES, Target

if TYPE_CHECKING:
    from battery_lake.mapping.faults import Place, Source
    from battery_lake.mapping.model import Path, Scalar, Signal

_ORIGINS: Final = ("path", "envelope", "property", "constant", "fields", "cases")
_FIELDS: Final = re.compile(r"^[^{}]*\{n(?::0?[1-9])?\}[^{}]*$")
_DEVICE: Final = "{device}"


class SignalCompiler:
    """Compiles the signals of one mapping, one after the other.

    Parameters
    ----------
    source
        For messages about faults.
    message, envelope
        Schemas that grow with every signal.
    root, envelope_root
        Columns of the parsed message and of its envelope.
    """

    def __init__(
        self, source: Source, message: Schema, envelope: Schema, root: str, envelope_root: str
    ) -> None:
        self.columns: dict[str, str] = {}
        self.faults: dict[str, str] = {}
        self.cell = ""
        self.reads_properties = False
        self._source = source
        self._message, self._envelope = message, envelope
        self._roots = {"path": root, "envelope": envelope_root}

    def add(self, target: Target, signal: Signal) -> None:
        """Compile a signal.

        Raises
        ------
        MappingError
            It says something that cannot be done; file, line and reason are named.
        """
        place: Place = ("signals", target.name)
        try:
            self._checked(target, signal)
            self.columns[target.name] = self._compiled(target, signal)
        except ValueError as fault:
            self._source.refuse(place, str(fault))

    def _checked(self, target: Target, signal: Signal) -> None:
        given = [name for name in _ORIGINS if getattr(signal, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"one of {', '.join(_ORIGINS)} must be there, not {' and '.join(given) or 'none'}"
            )
        for is_wrong, why in _wrongs(target, signal):
            if is_wrong:
                raise ValueError(why)
        if target.name == "state":
            self._states(signal)

    @staticmethod
    def _states(signal: Signal) -> None:
        meant: list[Scalar | None] = [*(signal.enum or {}).values(), signal.otherwise, signal.constant]
        meant += [case.gives for case in signal.cases or ()]
        wrong = [value for value in meant if value is not None and value not in STATES]
        if wrong:
            raise ValueError(f"{wrong[0]} is none of {', '.join(STATES)}")

    def _compiled(self, target: Target, signal: Signal) -> str:
        if signal.constant is not None:
            return _constant(target, signal.constant)
        if signal.cases is not None:
            return self._cases(target, signal)
        if signal.enum is not None and target.kind != "list":
            return self._looked_up(target, signal, signal.enum)
        by_kind = {"list": self._list, "time": self._time, "text": self._text}
        return by_kind.get(target.kind, self._number)(target, signal)

    def _looked_up(self, target: Target, signal: Signal, names: dict[str | int, str]) -> str:
        raw = self._raw(signal, "DOUBLE" if all(isinstance(key, int) for key in names) else "STRING")
        return f"cast({named(without(raw, signal), names)} AS {target.sql_type})"

    def _text(self, target: Target, signal: Signal) -> str:
        del target
        return without(self._raw(signal, "STRING"), signal)

    def _number(self, target: Target, signal: Signal) -> str:
        is_whole = target.kind == "integer"
        raw = self._number_as_sent(target, signal, "BIGINT" if is_whole else "DOUBLE")
        return without(raw, signal) if is_whole else number(raw, signal, target)

    def _number_as_sent(self, target: Target, signal: Signal, wanted: str) -> str:
        """A number; where it comes as text, what is no number is a fault."""
        if not signal.as_text and signal.property is None:
            return self._raw(signal, wanted)
        text = f"nullif(trim({self._raw(signal, 'STRING')}), '')"
        cast = f"try_cast({text} AS {wanted})"
        self.faults[target.name] = f"{text} IS NOT NULL AND {cast} IS NULL"
        return cast

    def _time(self, target: Target, signal: Signal) -> str:
        wanted = raw_time_type(signal)
        if signal.property is not None or (signal.as_text and wanted == "DOUBLE"):
            raw = self._raw(signal, "STRING")
            typed = raw if wanted == "STRING" else f"try_cast({raw} AS {wanted})"
        else:
            raw = typed = self._raw(signal, wanted)
        made = instant(typed, signal)
        if typed is not raw or wanted == "STRING":
            self.faults[target.name] = f"nullif({raw}, '') IS NOT NULL AND {made} IS NULL"
        return made

    def _list(self, target: Target, signal: Signal) -> str:
        if signal.property is not None or signal.enum is not None or signal.as_text:
            raise ValueError("a list comes from a path, an envelope or fields, as numbers")
        if signal.fields is not None:
            return self._from_fields(target, signal)
        if signal.cell is not None:
            return self._one_cell(target, signal)
        line = line_of(signal, target)
        raw = self._raw(signal, "ARRAY<DOUBLE>")
        item = along(without("x", signal), line)
        return raw if item == "x" else f"transform({raw}, x -> {item})"

    def _from_fields(self, target: Target, signal: Signal) -> str:
        items = []
        for name in _field_names(signal):
            path = (Segment(name),)
            self._message.add(path, "DOUBLE")
            items.append(number(access(self._roots["path"], path), signal, target))
        listed = f"array({', '.join(items)})"
        if target.name == "cell_voltages_v" or not isinstance(signal.fields, str):
            return listed  # how many there are is known: of cells from the pack
        return f"slice({listed}, 1, array_max(transform({listed}, (x, i) -> if(x IS NULL, 0, i + 1))))"

    def _one_cell(self, target: Target, signal: Signal) -> str:
        assert signal.path is not None
        assert signal.cell is not None
        self.cell = f"({self._at('path', signal.cell, 'BIGINT')} + {1 - signal.first})"
        return f"array({number(self._at('path', signal.path, 'DOUBLE'), signal, target)})"

    def _cases(self, target: Target, signal: Signal) -> str:
        lines = []
        for case in signal.cases or ():
            if case.equals is None and case.above is None and case.below is None:
                raise ValueError("a case needs equals, above or below")
            is_text = isinstance(case.equals, str)
            kind = "STRING" if is_text else "BOOLEAN" if isinstance(case.equals, bool) else "DOUBLE"
            raw = self._at("path", case.path, kind)
            lines.append(f"WHEN {condition(raw, case)} THEN {literal(case.gives)}")
        decided = f"CASE {' '.join(lines)} ELSE {literal(signal.otherwise)} END"
        return f"cast({decided} AS {target.sql_type})"

    def _raw(self, signal: Signal, sql_type: str) -> str:
        if signal.property is not None:
            self.reads_properties = True
            return f"try_element_at(application_properties, {literal(signal.property)})"
        where = "path" if signal.path is not None else "envelope"
        path = signal.path if signal.path is not None else signal.envelope
        assert path is not None
        return self._at(where, path, sql_type)

    def _at(self, where: str, path: Path, sql_type: str) -> str:
        """Read a place of the message or of its envelope."""
        steps = segments(path)
        schema = self._message if where == "path" else self._envelope
        spread = sum(step.index == ALL for step in steps)
        if spread and not sql_type.startswith("ARRAY"):
            raise ValueError(f"{path} is a list, the signal is none")
        inner = sql_type.removeprefix("ARRAY<").removesuffix(">") if spread else sql_type
        if spread > 1:
            raise ValueError(f"{path} spreads two lists")
        schema.add(steps, inner)
        return access(self._roots[where], steps)


def _field_names(signal: Signal) -> list[str]:
    assert signal.fields is not None
    if not isinstance(signal.fields, str):
        return signal.fields
    if not _FIELDS.match(signal.fields):
        raise ValueError(f"{signal.fields} must hold {{n}} or {{n:03}} once")
    assert signal.count is not None
    return [signal.fields.format(n=place) for place in range(signal.first, signal.first + signal.count)]


def _wrongs(target: Target, signal: Signal) -> tuple[tuple[bool, str], ...]:
    """What does not go together in a signal."""
    has_line = bool(signal.unit or signal.scale != 1.0 or signal.offset)
    is_numbered = isinstance(signal.fields, str)
    return (
        (signal.sign != "charge_positive" and target.name != "current_a", "only current_a has a sign"),
        (has_line and not target.unit, "it has no unit, scale or offset"),
        (target.kind != "time" and (signal.format, signal.zone) != ("iso", "UTC"),
         "only a time has a format and a zone"),
        (signal.zone not in zoneinfo.available_timezones(), f"{signal.zone} is no time zone"),
        (signal.zone != "UTC" and signal.format in {"iso", *EPOCHS},
         f"a zone goes with a pattern, not with {signal.format}"),
        (is_numbered != (signal.count is not None), "numbered fields and count go together"),
        (signal.fields is not None and target.kind != "list", "only a list has fields"),
        (signal.cell is not None and (target.name != "cell_voltages_v" or signal.path is None),
         "cell goes with the path of cell_voltages_v"),
    )  # fmt: skip


def _constant(target: Target, value: Scalar) -> str:
    if target.kind in {"list", "time"}:
        raise ValueError("a list or a time is no constant")
    if isinstance(value, str) and _DEVICE in value:
        head, _, tail = value.partition(_DEVICE)
        return f"concat({literal(head)}, device_id, {literal(tail)})"
    if target.kind != "text" and isinstance(value, str):
        raise ValueError(f"{value} is no number")
    text = value if isinstance(value, str) else str(value)
    return f"cast({literal(text)} AS {target.sql_type})"
