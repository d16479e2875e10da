"""How far a stream has read: the next sequence number of every partition, as JSON in Spark's checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from battery_lake.errors import DataLossError

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Place:
    """Where a partition is read next.

    Parameters
    ----------
    next_number
        Sequence number of the next event: the exclusive end of what was read.
    offset
        The service's opaque offset of the event before, where it is known.
    first_number
        Where reading began: a partition's first batch has no other start in the checkpoint.
    """

    next_number: int
    offset: str | None = None
    first_number: int | None = None


@dataclass(frozen=True, slots=True)
class Offsets:
    """Places of all partitions of a hub."""

    hub: str
    places: dict[str, Place]

    def as_json(self) -> dict[str, Any]:
        """Return what goes into the checkpoint: only numbers and texts, nothing secret."""
        return {
            "v": VERSION,
            "hub": self.hub,
            "p": {name: _as_json(place) for name, place in sorted(self.places.items())},
        }


def from_json(stored: dict[str, Any], hub: str) -> Offsets:
    """Read what a checkpoint holds.

    Raises
    ------
    DataLossError
        The checkpoint belongs to another hub, or was written by a later version.
    """
    if stored.get("v") != VERSION:
        raise DataLossError(
            "the checkpoint's offsets cannot be read",
            why=f"they have version {stored.get('v')}, this is version {VERSION}",
            remedy="use the version of battery_lake that wrote them, or a new checkpoint",
        )
    if stored["hub"] != hub:
        raise DataLossError(
            "the checkpoint belongs to another hub",
            why=f"it was written reading {stored['hub']}, the source is {hub}",
            remedy="a checkpoint reads one hub for ever: use another one for another hub",
        )
    places = {
        name: Place(int(place["s"]), place.get("o"), place.get("b")) for name, place in stored["p"].items()
    }
    return Offsets(hub, places)


def _as_json(place: Place) -> dict[str, Any]:
    known = {"s": place.next_number, "o": place.offset, "b": place.first_number}
    return {name: value for name, value in known.items() if value is not None}
