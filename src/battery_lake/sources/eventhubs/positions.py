"""Where a new stream begins: the starting position as a sequence number of every partition."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from battery_lake.errors import SettingsError
from battery_lake.sources.eventhubs.offsets import Place
from battery_lake.sources.eventhubs.receiver import first_number_at

if TYPE_CHECKING:
    from battery_lake.sources.eventhubs.options import EventHubsOptions, Position
    from battery_lake.sources.eventhubs.planning import PartitionState


def first_places(
    options: EventHubsOptions, position: Position, states: dict[str, PartitionState]
) -> dict[str, Place]:
    """Return where each partition is read first.

    Sequence numbers a partition may leave partitions out: those begin with their oldest event.

    Raises
    ------
    SettingsError
        The position names a partition that the hub does not have.
    """
    if isinstance(position, dict):
        unknown = sorted(set(position) - set(states))
        if unknown:
            raise SettingsError(
                f"startingPosition names partitions that the hub does not have: {', '.join(unknown)}",
                remedy=f"its partitions are {', '.join(sorted(states))}",
            )
        return {name: _first(position.get(name, state.first_number)) for name, state in states.items()}
    if isinstance(position, dt.datetime):
        return {
            name: _first(first_number_at(options, name, state, position)) for name, state in states.items()
        }
    if position == "latest":
        return {name: _first(state.next_number, state.last_offset or None) for name, state in states.items()}
    return {name: _first(state.first_number) for name, state in states.items()}


def _first(number: int, offset: str | None = None) -> Place:
    """A place that tells that reading began there."""
    return Place(number, offset, first_number=number)
