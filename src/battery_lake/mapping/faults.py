"""A faulty mapping, told with its file and line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn

from battery_lake.errors import MappingError

if TYPE_CHECKING:
    from pathlib import Path

Place = tuple[str | int, ...]
"""Keys that lead to a value of a mapping file."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a mapping stands: its file, and the line of every key and value in it."""

    file: Path
    lines: dict[Place, int] = field(default_factory=dict)

    def line(self, place: Place) -> int:
        """Return the line of a place, or of the nearest thing around it; 1-based."""
        for length in range(len(place), -1, -1):
            if place[:length] in self.lines:
                return self.lines[place[:length]]
        return 1

    def refuse(self, place: Place, why: str, remedy: str = "") -> NoReturn:
        """Refuse the mapping because of what stands at a place.

        Raises
        ------
        MappingError
            Always.
        """
        where = ".".join(str(key) for key in place)
        raise MappingError(
            f"{self.file}:{self.line(place)}: the mapping cannot be used",
            why=f"{where}: {why}" if where else why,
            remedy=remedy or "docs/mapping.md lists what a mapping may say",
        )
