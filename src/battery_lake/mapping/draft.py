"""A first mapping file, drafted from sample messages: guesses by name and range, for a person to check."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml

from battery_lake.mapping.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterable

_WORDS: Final[dict[str, str]] = {
    "pack_id": (
        r"pack.?(id|code|no|serial)|batt?(ery)?.?(id|code|serial)|(^|\.)cell.?id$|tractionbattery\.id$"
    ),
    "measured_at": r"(^|\.)t$|(^|\.)ts$|time|date|measured.?at",
    "sequence": r"seq|counter|(^|\.)cnt$|serial$|data.?point|msg.?(id|no)",
    "state": r"(^|\.)state$|vehicle.?state|(^|\.)mode$",
    "current_a": r"current(_?a|\(a\))?$|amp|(^|\.)i$",
    "pack_voltage_v": (
        r"(pack|battery|total|bus|hv).{0,8}volt|(^|\.)u$|(^|\.)volt(age)?(\(v\))?$|currentvoltage$"
    ),
    "soc_pct": r"soc|state.?of.?charge.*current$",
    "cell_voltages_v": r"cell.{0,4}v|volt.*cell|(^|\.)v$|(^|\.)v_?\{n\}$|cell_?\{n|voltages$",
    "cell_voltage_min_v": r"cell.?volt.*min|min.*cell",
    "cell_voltage_max_v": r"cell.?volt.*max|max.*cell",
    "temperatures_c": r"temp|probe|(^|\.)t_?\{n\}$",
    "insulation_kohm": r"insul|isolation|riso(lation)?$",
    "odometer_km": r"odo|mileage|distance",
    "latitude": r"lat(itude)?$",
    "longitude": r"lon(gitude)?$|lng$",
}
"""What a field's name sounds like, by signal; tried in this order, a list for a list."""
_NUMBERED: Final = re.compile(r"^(?P<stem>.*?)(?P<number>0*\d+)$")
_LEAST_NUMBERED: Final = 3
_MANY_V: Final = 10.0  # more volts than that: the cells' voltages come in millivolts
_PLAIN: Final = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_EPOCHS: Final = ((1e14, "epoch_us"), (1e11, "epoch_ms"), (1e8, "epoch_s"))


@dataclass(slots=True)
class Found:
    """A field of the samples.

    Parameters
    ----------
    path
        Where it stands; a name with a dot in it makes the path a list.
    values
        Some of its values, lists flattened.
    is_list
        Whether it holds a list of numbers.
    count
        Where it stands for numbered fields: how many there are; else 0.
    """

    path: list[str]
    values: list[Any] = field(default_factory=list)
    is_list: bool = False
    count: int = 0

    @property
    def shown(self) -> str:
        """The path as a mapping says it."""
        if all(_PLAIN.match(name) for name in self.path):
            return ".".join(self.path)
        return f"[{', '.join(_quoted(name) for name in self.path)}]"


def draft(name: str, messages: Iterable[dict[str, Any]]) -> str:
    """Return the text of a mapping file that fits the samples as well as names and ranges tell.

    Parameters
    ----------
    name
        The mapping's name.
    messages
        Sample messages, parsed.
    """
    fields = _numbered(_fields(messages))
    taken: dict[str, Found] = {}
    for target in TARGETS.values():
        wants_list = target.kind == "list"
        fits = [
            found for found in fields
            if found.is_list == wants_list and found not in taken.values()
            and re.search(_WORDS[target.name], ".".join(found.path).lower())
        ]  # fmt: skip
        if fits:
            taken[target.name] = min(fits, key=lambda found: len(".".join(found.path)))
    lines = [f"mapping: {name}", "description: Drafted from samples; check every line.", "signals:"]
    for target in TARGETS.values():
        if target.name in taken:
            lines.append(f"  {target.name}: {{{_said(target.name, taken[target.name])}}}")
        elif target.name == "pack_id":
            lines.append('  pack_id: {constant: "{device}"}  # no field for it was found')
        elif target.name == "sequence":
            lines.append("  sequence: {constant: 0}  # no counter was found: the time tells messages apart")
        elif target.required:
            lines.append(f"  {target.name}: {{path: '?'}}  # must be there, and was not found")
    unused = [found for found in fields if found not in taken.values()]
    lines += ["# Fields of the samples that nothing uses, with an example:"] if unused else []
    lines += [
        f"#   {json.dumps('.'.join(found.path))}: {json.dumps(found.values[:1])[1:-1]}" for found in unused
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """Text as YAML reads it back, whatever is in it."""
    return str(yaml.safe_dump(text, default_style='"', width=10_000)).strip()


def _said(target: str, found: Found) -> str:
    said = (
        f"fields: {_quoted(found.path[-1])}, count: {found.count}" if found.count else f"path: {found.shown}"
    )
    numbers = [v for v in found.values if isinstance(v, int | float) and not isinstance(v, bool)]
    if target == "measured_at" and numbers:
        epoch = next((name for least, name in _EPOCHS if numbers[0] >= least), "epoch_s")
        return f"{said}, format: {epoch}"
    if target == "measured_at" and found.values and "T" not in str(found.values[0]):
        return f"{said}, format: yyyy-MM-dd HH:mm:ss, zone: UTC"
    if target.startswith("cell_voltage") and numbers and sorted(numbers)[len(numbers) // 2] > _MANY_V:
        return f"{said}, unit: mV"
    if target == "soc_pct" and numbers and max(numbers) <= 1.0:
        return f'{said}, unit: "1"'
    return said


def _fields(messages: Iterable[dict[str, Any]]) -> list[Found]:
    """Every field of the samples, in the order of their first appearance."""
    found: dict[tuple[str, ...], Found] = {}

    def walk(value: Any, path: tuple[str, ...]) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, (*path, str(key)))
            return
        known = found.setdefault(path, Found(list(path)))
        items = value if isinstance(value, list) else [value]
        if isinstance(value, list):
            known.is_list = True
        known.values += [item for item in items if item is not None]

    for message in messages:
        walk(message, ())
    return list(found.values())


def _numbered(fields: list[Found]) -> list[Found]:
    """Fields that differ by a number alone, as one list."""
    groups: dict[tuple[str, ...], list[tuple[Found, str]]] = {}
    for known in fields:
        match = _NUMBERED.match(known.path[-1])
        if match and len(known.path) == 1 and not known.is_list:
            groups.setdefault((*known.path[:-1], match["stem"]), []).append((known, match["number"]))
    many = {stem: members for stem, members in groups.items() if len(members) >= _LEAST_NUMBERED}
    gone = {id(known) for members in many.values() for known, _ in members}
    made = []
    for (stem,), members in many.items():
        width = len(members[0][1]) if members[0][1].startswith("0") else 0
        pattern = f"{stem}{{n:0{width}}}" if width else f"{stem}{{n}}"
        values = [value for known, _ in members for value in known.values]
        made.append(Found([pattern], values, is_list=True, count=len(members)))
    return [known for known in fields if id(known) not in gone] + made
