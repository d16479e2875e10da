"""A mapping to Spark SQL: one schema that parses a message once, and one expression a signal."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import fastavro

from battery_lake.errors import MappingError
from battery_lake.mapping import load
from battery_lake.mapping.convert import literal
from battery_lake.mapping.paths import Schema, access, json_path, segments
from battery_lake.mapping.signals import SignalCompiler
from battery_lake.mapping.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from battery_lake.mapping.faults import Source
    from battery_lake.mapping.model import Mapping

CANONICAL: Final = "canonical_v1"
"""Name of the mapping that reads our own format."""


@dataclass(frozen=True, slots=True)
class FieldTest:
    """The field of a body that chooses the mapping.

    Parameters
    ----------
    before
        SQL on the body's ``text``, before it is parsed.
    value
        SQL of the field in the parsed message.
    holds
        SQL that is true where the parsed field has the right value; never null.
    """

    before: str
    value: str
    holds: str


@dataclass(frozen=True, slots=True)
class Compiled:
    """A mapping as Spark SQL.

    Parameters
    ----------
    name
        The mapping's.
    number
        Its place among the mappings in use; ``p<number>`` is its parsed message, ``e<number>`` its envelope.
    applies
        SQL on ``device_id`` and ``application_properties``; true: for every message.
    field_test
        The field of the body that chooses it, if one does.
    schema
        Fields of a message, as ``from_json`` wants them.
    envelope_schema
        Fields of the envelope around the messages; empty: there is none.
    messages
        SQL of the list of messages in the parsed envelope; empty: the body is a message, or a list of them.
    columns
        Canonical signal to SQL, for every one; what the mapping does not fill is a null of its type.
    cell
        SQL of the cell's number from 1, where a message carries one cell; else empty.
    faults
        SQL of the names of signals that are there and cannot be read; else empty.
    avro_schema
        The writer's schema as JSON, where bodies are Avro; else empty.
    reads_properties
        Whether it needs the application properties.
    """

    name: str
    number: int
    applies: str
    field_test: FieldTest | None
    schema: str
    envelope_schema: str
    messages: str
    columns: dict[str, str]
    cell: str
    faults: str
    avro_schema: str
    reads_properties: bool
    file: str = field(default="", compare=False)


def compiled(names: Iterable[str]) -> tuple[Compiled, ...]:
    """Read and compile the mappings that are named, in that order.

    Parameters
    ----------
    names
        Names of shipped mappings, or paths of files.

    Raises
    ------
    MappingError
        A mapping is missing or faulty; file, line and reason are named.
    """
    listed = list(dict.fromkeys(names))
    if not listed:
        raise MappingError("no mapping is in use", remedy=f"set refine.mappings to {CANONICAL}, say")
    found = tuple(
        compile_mapping(*load.read(load.find(name)), number=place) for place, name in enumerate(listed)
    )
    twice = {made.name for made in found if sum(other.name == made.name for other in found) > 1}
    if twice:
        raise MappingError(f"two mappings are named {twice.pop()}", remedy="give one of them another name")
    return found


def compile_mapping(mapping: Mapping, source: Source, *, number: int = 0) -> Compiled:
    """Compile one mapping.

    Raises
    ------
    MappingError
        It says something that cannot be done; file, line and reason are named.
    """
    _complete(mapping, source)
    message, envelope = Schema(), Schema()
    compiler = SignalCompiler(source, message, envelope, f"p{number}", f"e{number}")
    for name, signal in mapping.signals.items():
        compiler.add(TARGETS[name], signal)
    field_test = _field_test(mapping, source, message, number)
    messages = _messages(mapping, source, envelope, number)
    if envelope.fields and not messages:
        source.refuse(("body",), "a signal stands in the envelope, but there is none", "add body.messages")
    faults = ", ".join(f"if({sql}, '{name}', null)" for name, sql in compiler.faults.items())
    return Compiled(
        name=mapping.mapping,
        number=number,
        applies=_applies(mapping, source),
        field_test=field_test,
        schema=message.ddl,
        envelope_schema=envelope.ddl,
        messages=messages,
        columns={
            name: compiler.columns.get(name, f"cast(null AS {target.sql_type})")
            for name, target in TARGETS.items()
        },
        cell=compiler.cell,
        faults=f"array_compact(array({faults}))" if faults else "",
        avro_schema=_avro_schema(mapping, source),
        reads_properties=bool(mapping.applies.properties) or compiler.reads_properties,
        file=str(source.file),
    )


def _complete(mapping: Mapping, source: Source) -> None:
    for name in mapping.signals:
        if name not in TARGETS:
            source.refuse(("signals", name), "no such signal", f"there are {', '.join(TARGETS)}")
    missing = [name for name, target in TARGETS.items() if target.required and name not in mapping.signals]
    if missing:
        source.refuse(("signals",), f"{', '.join(missing)} must be there")


def _applies(mapping: Mapping, source: Source) -> str:
    parts = []
    if mapping.applies.device:
        try:
            re.compile(mapping.applies.device)
        except re.error as fault:
            source.refuse(("applies", "device"), f"no regular expression: {fault}")
        pattern = literal(f"^(?:{mapping.applies.device})$")
        parts.append(f"coalesce(device_id RLIKE {pattern}, false)")
    parts += [
        f"coalesce(try_element_at(application_properties, {literal(key)}) = {literal(value)}, false)"
        for key, value in mapping.applies.properties.items()
    ]
    return " AND ".join(parts) or "true"


def _field_test(mapping: Mapping, source: Source, message: Schema, number: int) -> FieldTest | None:
    wanted = mapping.applies.field
    if wanted is None:
        return None
    sql_type = "STRING" if isinstance(wanted.value, str) else "BIGINT"
    try:
        path = segments(wanted.path)
        message.add(path, sql_type)
    except ValueError as fault:
        source.refuse(("applies", "field", "path"), str(fault))
    value = access(f"p{number}", path)
    text = literal(str(wanted.value))
    parts = (literal(start + json_path(path)) for start in ("$", "$[0]"))
    found = ", ".join(f"get_json_object(text, {part})" for part in parts)
    expected = literal(wanted.value) if isinstance(wanted.value, str) else str(wanted.value)
    return FieldTest(f"coalesce(coalesce({found}) = {text}, false)", value, f"{value} <=> {expected}")


def _messages(mapping: Mapping, source: Source, envelope: Schema, number: int) -> str:
    if mapping.body.messages is None:
        return ""
    try:
        path = segments(mapping.body.messages)
        envelope.add(path, "ARRAY<STRING>")
    except ValueError as fault:
        source.refuse(("body", "messages"), str(fault))
    return access(f"e{number}", path)


def _avro_schema(mapping: Mapping, source: Source) -> str:
    given = mapping.body.avro_schema
    if mapping.body.kind != "avro":
        if given:
            source.refuse(("body", "avro_schema"), "the body is no Avro", "set body.kind to avro")
        return ""
    if mapping.applies.field is not None:
        source.refuse(("applies", "field"), "Avro is not looked into", "choose by device or by property")
    try:
        text = given if given.lstrip().startswith("{") else (source.file.parent / given).read_text("utf-8")
        schema: Any = json.loads(text)
        fastavro.parse_schema(schema)
    except (OSError, ValueError, fastavro.schema.SchemaParseException) as fault:
        source.refuse(("body", "avro_schema"), f"no Avro schema: {fault}")
    return json.dumps(schema)
