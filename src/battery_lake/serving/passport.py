"""A pack's dynamic passport data in the structure of the Battery Pass data model.

What telemetry and reference data know is filled in; what only the maker knows comes from what the maker
declared; all else is absent, with the reason. Nothing is made up to fill a field.

References
----------
Battery Pass Consortium, data model Performance and Durability 1.2.1; Regulation (EU) 2023/1542, Annexes IV,
VII and XIII; DIN DKE SPEC 99100, section 6.7.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from battery_lake.errors import SettingsError
from battery_lake.serving.passport_fields import CONDITION, FIELDS, NAMES, TECHNICAL, UNKNOWABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from battery_lake.serving.passport_fields import Known

DECLARED: Final = "declared by the maker"
ONLY_MAKER: Final = "only the maker can declare it, and nothing is declared"


@dataclass(frozen=True, slots=True)
class Passport:
    """A passport and what must be known about it.

    Parameters
    ----------
    document
        The data in the model's structure.
    sources
        Where each field comes from.
    absent
        Why each other field of the model is not there.
    """

    document: dict[str, dict[str, Any]]
    sources: dict[str, str]
    absent: dict[str, str]


def passport(known: Known, declared: Mapping[str, Mapping[str, Any]]) -> Passport:
    """Return a pack's passport.

    Parameters
    ----------
    known
        What the lake holds of the pack.
    declared
        What the maker declares of its model, by section; see :func:`checked`.
    """
    document: dict[str, dict[str, Any]] = {TECHNICAL: {}, CONDITION: {}}
    sources: dict[str, str] = {}
    absent: dict[str, str] = {}
    own = {(field.section, field.name): field for field in FIELDS}
    for section, names in NAMES.items():
        for name in names:
            field = own.get((section, name))
            value = declared.get(section, {}).get(name)
            source = DECLARED
            if field is not None and value is None:
                value, source = field.told(known, declared.get(TECHNICAL, {})), field.source
            if value is None:
                absent[name] = field.missing if field is not None else UNKNOWABLE.get(name, ONLY_MAKER)
            else:
                document[section][name], sources[name] = value, source
    return Passport(document, sources, absent)


def checked(declared: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """Refuse declarations that name what the model does not.

    Parameters
    ----------
    declared
        By model of the pack, or ``*`` for all others, then by section.

    Raises
    ------
    SettingsError
        A section or a field is not the data model's; the error names the nearest one.
    """
    for model, sections in declared.items():
        for section, fields in sections.items():
            _must_be_one_of(section, NAMES, f"section of {model}")
            for name in fields:
                _must_be_one_of(name, NAMES[section], f"field of {model}, {section}")


def _must_be_one_of(name: str, names: Iterable[str], what: str) -> None:
    if name not in names:
        near = difflib.get_close_matches(name, list(names), n=1)
        raise SettingsError(
            f"{name} is no {what}",
            why="the Battery Pass data model, Performance and Durability 1.2.1, does not have it",
            remedy=f"did you mean {near[0]}?" if near else f"one of {', '.join(names)}",
        )
