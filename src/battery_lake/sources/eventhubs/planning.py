"""How far a batch goes: checks against what the service still holds, and a fair share a partition."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from battery_lake.errors import DataLossError
from battery_lake.sources.eventhubs.offsets import Offsets, Place

if TYPE_CHECKING:
    import datetime as dt

ASSUMED_BYTES = 1500
"""Size of an event where the offsets do not tell: a message of a pack of 96 cells."""


@dataclass(frozen=True, slots=True)
class PartitionState:
    """What the service says of a partition.

    Parameters
    ----------
    first_number
        Sequence number of the oldest event that it still holds.
    next_number
        Sequence number that the next event will get.
    last_offset
        Offset of the newest event.
    last_taken_at
        When the service took it.
    """

    first_number: int
    next_number: int
    last_offset: str
    last_taken_at: dt.datetime


def up_to(target: dict[str, PartitionState], now: dict[str, PartitionState]) -> dict[str, PartitionState]:
    """Return the states of now as if nothing had come after those of the target.

    Events that were removed since are missing there too; a partition that was added since is left out.
    """
    return {
        name: now[name]
        if now[name].next_number <= then.next_number  # fewer: the hub was created anew
        else replace(then, first_number=min(now[name].first_number, then.next_number))
        for name, then in target.items()
        if name in now
    }


def checked_start(name: str, place: Place, state: PartitionState, *, fail_on_data_loss: bool) -> int:
    """Return where a partition can be read from.

    Raises
    ------
    DataLossError
        The hub was created anew, or retention has removed unread events and that is to be an error.
    """
    if state.next_number < place.next_number:
        raise DataLossError(
            f"partition {name} ends before the place that was reached",
            why=f"its next event will be number {state.next_number}, {place.next_number} was next: the hub"
            " was deleted and created anew, or the address is another hub's",
            remedy="if it is the right hub: start with a new checkpoint, and a new name in `source.hub`",
        )
    if state.first_number > place.next_number and fail_on_data_loss:
        raise lost(name, place.next_number, state.first_number)
    return max(place.next_number, state.first_number)


def lost(name: str, low: int, high: int) -> DataLossError:
    """Return the error for events from ``low`` up to ``high`` that are gone."""
    return DataLossError(
        f"partition {name}: events {low} to {high - 1} are gone",
        why=f"{high - low} events were removed by the hub's retention before they were read",
        remedy="read more often or keep events longer; failOnDataLoss=false, in the settings"
        " eventhubs.fail_on_data_loss=false, goes on without them",
    )


def shares(backlog: dict[str, int], limit: int | None) -> dict[str, int]:
    """Divide a limit over partitions in proportion to their backlog.

    Every waiting partition gets at least one event, so the sum may exceed the limit by fewer events than
    there are partitions.

    Parameters
    ----------
    backlog
        Waiting events a partition.
    limit
        Events in all; None: no limit.

    Returns
    -------
    dict
        Events to read a partition; never more than are waiting.
    """
    total = sum(backlog.values())
    if limit is None or total <= limit:
        return dict(backlog)
    return {
        name: min(waiting, max(1, limit * waiting // total)) if waiting else 0
        for name, waiting in backlog.items()
    }


def end_of_batch(
    start: Offsets,
    states: dict[str, PartitionState],
    *,
    max_events: int | None,
    max_bytes: int | None,
    fail_on_data_loss: bool,
) -> Offsets:
    """Return how far the next batch goes.

    A partition that the start does not know joins at its oldest event.

    Raises
    ------
    DataLossError
        See :func:`checked_start`.
    """
    places = {name: start.places.get(name) or Place(state.first_number) for name, state in states.items()}
    begins = {
        name: checked_start(name, place, states[name], fail_on_data_loss=fail_on_data_loss)
        for name, place in places.items()
    }
    backlog = {name: states[name].next_number - begin for name, begin in begins.items()}
    allowed = shares(backlog, _limit(backlog, places, states, max_events, max_bytes))
    ends: dict[str, Place] = {}
    for name, begin in begins.items():
        # Where nothing is to be read, the place stays: the next event tells how many before it are gone.
        next_number = begin + allowed[name] if allowed[name] else places[name].next_number
        is_tail = next_number == states[name].next_number
        known = start.places.get(name)
        ends[name] = Place(
            next_number,
            offset=states[name].last_offset if is_tail and next_number > 0 else None,
            first_number=known.first_number if known else begin,
        )
    return Offsets(start.hub, {**start.places, **ends})


def _limit(
    backlog: dict[str, int],
    places: dict[str, Place],
    states: dict[str, PartitionState],
    max_events: int | None,
    max_bytes: int | None,
) -> int | None:
    limits = [] if max_events is None else [max_events]
    if max_bytes is not None:
        limits.append(max(1, int(max_bytes / _event_bytes(backlog, places, states))))
    return min(limits, default=None)


def _event_bytes(
    backlog: dict[str, int], places: dict[str, Place], states: dict[str, PartitionState]
) -> float:
    """Mean size of a waiting event. The service's offsets count bytes, except in replicated ones."""
    size = count = 0
    for name, waiting in backlog.items():
        before, after = places[name].offset, states[name].last_offset
        if waiting and before and before.isdecimal() and after.isdecimal() and int(after) > int(before):
            size += int(after) - int(before)
            count += waiting
    return size / count if count else ASSUMED_BYTES
