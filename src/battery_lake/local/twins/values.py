"""Values of properties against their schemas."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

from battery_lake.local.twins.dtdl import NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_STRING_BYTES: Final = 4096
_DATE = r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?"
PATTERNS: Final = {
    "date": re.compile(_DATE),
    "time": re.compile(_TIME),
    "dateTime": re.compile(f"{_DATE}[Tt]{_TIME}"),
    "duration": re.compile(
        r"-?P(?=.)(?:\d+Y)?(?:\d+M)?(?:\d+W)?(?:\d+D)?(?:T(?=.)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?"
    ),
}
INTEGERS: Final = {"integer": 31, "long": 63}
MAP_KEY: Final = NAME


def faults(value: Any, schema: Any, name: str, owner: str) -> Iterator[str]:
    """What is wrong with a value, one text a fault.

    Parameters
    ----------
    value
        As read from JSON.
    schema
        Of the property, from :mod:`battery_lake.local.twins.dtdl`.
    name
        Of the property.
    owner
        ``Twin``, or the component that the property belongs to.
    """
    if isinstance(schema, str):
        yield from _primitive_faults(value, schema, name, owner)
        return
    kind = schema["@type"]
    if kind == "Enum":
        if value not in schema["values"]:
            yield f"Expected value of type enum for {name} on {owner}."
        return
    shapes: dict[str, tuple[type, Callable[..., Iterator[str]]]] = {
        "Map": (dict, _map_faults),
        "Object": (dict, _object_faults),
        "Array": (list, _array_faults),
    }
    shape, inner = shapes[kind]
    if not isinstance(value, shape):
        yield f"Expected value of type {kind.lower()} for {name} on {owner}."
    else:
        yield from inner(value, schema, name, owner)


def _primitive_faults(value: Any, schema: str, name: str, owner: str) -> Iterator[str]:
    if not _fits(value, schema):
        yield f"Expected value of type {schema} for {name} on {owner}."
    elif schema == "string" and len(value.encode()) > MAX_STRING_BYTES:
        yield f"The value of {name} on {owner} is longer than {MAX_STRING_BYTES} bytes."


def _fits(value: Any, schema: str) -> bool:
    """Whether a value is of a primitive type; JSON knows true from 1, and has one kind of number."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if schema == "boolean":
        return isinstance(value, bool)
    if schema in {"double", "float"}:
        return is_number and math.isfinite(value)
    if schema in INTEGERS:
        bound = 2 ** INTEGERS[schema]
        return is_number and float(value).is_integer() and -bound <= int(value) < bound
    if schema in PATTERNS:
        return isinstance(value, str) and PATTERNS[schema].fullmatch(value) is not None
    return isinstance(value, str)


def _map_faults(value: dict[str, Any], schema: Any, name: str, owner: str) -> Iterator[str]:
    for key, item in value.items():
        if not MAP_KEY.fullmatch(key):
            yield f"{key} is not a valid key of the map {name} on {owner}."
        yield from faults(item, schema["value"], f"{name}/{key}", owner)


def _object_faults(value: dict[str, Any], schema: Any, name: str, owner: str) -> Iterator[str]:
    for key, item in value.items():
        if key not in schema["fields"]:
            yield f"{name}/{key} does not appear on the DTDL for {owner}."
        else:
            yield from faults(item, schema["fields"][key], f"{name}/{key}", owner)


def _array_faults(value: list[Any], schema: Any, name: str, owner: str) -> Iterator[str]:
    for number, item in enumerate(value):
        yield from faults(item, schema["element"], f"{name}/{number}", owner)
