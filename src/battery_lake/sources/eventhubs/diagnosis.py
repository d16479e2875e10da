"""What a stream's place is worth: how it lies to what the hub still holds, and what a move would cost."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from battery_lake.errors import SettingsError
from battery_lake.sources.eventhubs.offsets import Place

if TYPE_CHECKING:
    import datetime as dt

    from battery_lake.sources.eventhubs.planning import PartitionState


class Standing(enum.StrEnum):
    """How a place lies to what a partition holds."""

    UP_TO_DATE = "up to date"
    WAITING = "events wait"
    NEW = "new to the stream"
    GONE = "unread events are gone"
    FELL_BACK = "numbers fell back"
    ABSENT = "not in the hub"


@dataclass(frozen=True, slots=True)
class PartitionReport:
    """One partition: where the stream stands and what the hub holds.

    Parameters
    ----------
    partition
        Its name.
    standing
        The judgement.
    place
        Number of the event that the stream reads next; None: the stream has not met the partition.
    first_number, next_number
        Number of the oldest event that the hub holds, and the one that the next event will get; None: the
        hub has no such partition.
    waiting
        Events that the stream can still read.
    lost
        Events that are gone and were not read.
    last_taken_at
        When the hub took its newest event.
    """

    partition: str
    standing: Standing
    place: int | None
    first_number: int | None
    next_number: int | None
    waiting: int
    lost: int
    last_taken_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Move:
    """What rewriting the place of one partition does.

    Parameters
    ----------
    partition
        Its name.
    before, after
        Number of the event that is read next.
    lost
        Events that are gone and were not read: they are passed, whatever place is chosen.
    skipped
        Unread events that the hub still holds and that are passed.
    again
        Events that come a second time.
    """

    partition: str
    before: int
    after: int
    lost: int
    skipped: int
    again: int


def judged(places: dict[str, Place], states: dict[str, PartitionState]) -> list[PartitionReport]:
    """Return one report a partition of the stream or of the hub.

    Parameters
    ----------
    places
        Where the stream stands.
    states
        What the hub says.
    """
    names = sorted({*places, *states}, key=in_order)
    return [_judged(name, places.get(name), states.get(name)) for name in names]


def missing_of_batch(
    start: dict[str, Place], end: dict[str, Place], states: dict[str, PartitionState]
) -> dict[str, tuple[int, int]]:
    """Return what of a planned batch the hub does not hold any more, a partition: from, up to (exclusive)."""
    missing = {}
    for name, place in end.items():
        known = start.get(name)
        begin = known.next_number if known else place.first_number
        if begin is None or begin >= place.next_number:
            continue
        state = states.get(name)
        if state is None or state.next_number < place.next_number:
            missing[name] = begin, place.next_number
        elif state.first_number > begin:
            missing[name] = begin, min(state.first_number, place.next_number)
    return missing


def moved(
    start: dict[str, Place], wanted: dict[str, Place], states: dict[str, PartitionState]
) -> tuple[dict[str, Place], list[Move]]:
    """Return the places after a move, and what it does in each partition of the hub.

    Parameters
    ----------
    start
        Where the stream stands; what the hub does not have stays.
    wanted
        The new places; a partition that is not named stays, or begins with its oldest event.
    states
        What the hub says.

    Raises
    ------
    SettingsError
        A partition does not exist, or it does not hold the event.
    """
    unknown = sorted(set(wanted) - set(states), key=in_order)
    if unknown:
        raise SettingsError(
            f"the hub has no partition {', '.join(unknown)}",
            remedy=f"its partitions are {', '.join(sorted(states, key=in_order))}",
        )
    after = {
        name: wanted.get(name) or start.get(name) or Place(state.first_number)
        for name, state in states.items()
    }
    for name, place in wanted.items():
        first, following = states[name].first_number, states[name].next_number
        if not first <= place.next_number <= following:
            raise SettingsError(
                f"partition {name} cannot be read from event {place.next_number} on",
                why=f"it holds {following - first} events; its oldest is {first}, its next {following}",
                remedy=f"a number from {first} to {following}; earliest and latest find them",
            )
    names = sorted(states, key=in_order)
    return {**start, **after}, [_move(name, start.get(name), after[name], states[name]) for name in names]


def _judged(name: str, place: Place | None, state: PartitionState | None) -> PartitionReport:
    number = place.next_number if place else None
    if state is None:
        return PartitionReport(name, Standing.ABSENT, number, None, None, 0, 0, None)
    begin = state.first_number if number is None else number
    if number is None:
        standing = Standing.NEW
    elif state.next_number < number:
        standing = Standing.FELL_BACK
    elif state.first_number > number:
        standing = Standing.GONE
    else:
        standing = Standing.WAITING if number < state.next_number else Standing.UP_TO_DATE
    return PartitionReport(
        name,
        standing,
        number,
        state.first_number,
        state.next_number,
        waiting=max(0, state.next_number - max(begin, state.first_number)),
        lost=max(0, state.first_number - begin),
        last_taken_at=state.last_taken_at,
    )


def _move(name: str, place: Place | None, after: Place, state: PartitionState) -> Move:
    before = place.next_number if place else state.first_number
    readable = max(before, state.first_number)
    return Move(
        name,
        before,
        after.next_number,
        lost=max(0, min(after.next_number, state.first_number) - before),
        skipped=max(0, after.next_number - readable),
        again=max(0, before - after.next_number),
    )


def in_order(name: str) -> tuple[int, str]:
    """Return the key that sorts partitions, which are numbered: 2 before 10."""
    return len(name), name
