"""Bringing twins to what is wanted: reading, comparing, and one call where they differ."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import TYPE_CHECKING, Any, Final, Literal

from battery_lake.sinks.retry import RefusedError
from battery_lake.sinks.twins.address import ChangedError, GoneError
from battery_lake.sinks.twins.ids import relationship_id, twin_id
from battery_lake.sinks.twins.ontology import SEEN, STATE, VEHICLE_POSITION
from battery_lake.sinks.twins.patch import body_of, is_older, patch_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from battery_lake.sinks.twins.client import Graph

Outcome = Literal["same", "older", "created", "patched", "related", "refused"]
HAS_PART, IS_CONTAINED_IN = "hasPart", "isContainedIn"
AT_ONCE: Final = 1_000
"""Items that are held in memory."""
MAX_ROUNDS: Final = 20
"""So often a twin that others change at the same time is read again."""
MAX_GONE: Final = 3
"""So often a twin, or what it is contained in, is looked for again."""


@dataclass(frozen=True, slots=True)
class Item:
    """A twin as it should be.

    Parameters
    ----------
    kind, key
        Which twin.
    model
        Interface that it is of.
    properties
        Value by property; None: not set.
    order
        Properties that say how new the values are; the last one is the guard.
    parents
        Kind and key of what it is contained in.
    """

    kind: str
    key: str
    model: str
    properties: dict[str, Any]
    order: tuple[str, ...] = ()
    parents: tuple[tuple[str, str], ...] = ()

    @property
    def id(self) -> str:
        """The twin's id."""
        return twin_id(self.kind, self.key)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of an item; ``reason`` says what differed, or why it was refused."""

    item: Item
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Manner:
    """How items are delivered.

    Parameters
    ----------
    is_thorough
        Look at the relationships of every twin, and take values that are older too: what is wanted is right.
    is_rehearsal
        Say what would be done, and do nothing.
    is_live
        Items are the state of vehicles alone: what they are part of, and how new the rest is, do not matter.
    dead_bands
        Change of a property that alone is no reason for a patch.
    """

    is_thorough: bool = False
    is_rehearsal: bool = False
    is_live: bool = False
    dead_bands: Mapping[str, float] = field(default_factory=dict)


class Delivery:
    """Delivers items, several at a time.

    Parameters
    ----------
    graph
        The instance.
    manner
        How.
    concurrency
        Calls at the same time.
    """

    def __init__(self, graph: Graph, manner: Manner, concurrency: int) -> None:
        self._graph, self._manner, self._concurrency = graph, manner, concurrency

    def all(self, items: Iterable[tuple[int, Item]]) -> Iterator[Delivered]:
        """Deliver items, those of a level only when the level before is done.

        Parameters
        ----------
        items
            With their levels, in order: what contains comes before what is contained.
        """
        with ThreadPoolExecutor(self._concurrency, thread_name_prefix="twins") as pool:
            for _, level in groupby(items, key=lambda pair: pair[0]):
                # A pool takes all that it is given at once: not more than fits.
                while part := [item for _, item in islice(level, AT_ONCE)]:
                    yield from pool.map(self.one, part)

    def one(self, item: Item) -> Delivered:
        """Deliver one item."""
        last, gone = "", 0
        try:
            for _ in range(MAX_ROUNDS):
                try:
                    return self._once(item)
                except ChangedError as fault:
                    last = str(fault)
                except GoneError as fault:
                    parents = ", ".join(twin_id(*pair) for pair in item.parents)
                    last, gone = f"{fault} Contained in: {parents or 'nothing'}.", gone + 1
                    if gone == MAX_GONE:
                        break
        except RefusedError as refusal:
            last = str(refusal)
        return Delivered(item, "refused", last)

    def _once(self, item: Item) -> Delivered:
        """Make or change a twin; its guard is set once it is connected: a crash before is seen later."""
        manner = self._manner
        guard = item.order[-1] if item.order and not manner.is_live else ""
        twin = self._graph.twin(item.id)
        is_new = twin is None
        if twin is None:
            if manner.is_rehearsal:
                return Delivered(item, "created")
            unguarded = {name: value for name, value in item.properties.items() if name != guard}
            twin = self._graph.add_twin(item.id, body_of(unguarded, item.model))
        elif not manner.is_thorough and is_older(item.properties, twin, item.order):
            return Delivered(item, "older")
        is_loose = not guard or guard not in twin
        is_related = manner.is_live or not (is_loose or manner.is_thorough or item.kind == "pack")
        moved = 0 if is_related else self._relate(item)
        wanted = _as_seen(item.properties, twin)
        operations = patch_of(wanted, item.model, twin, guard, manner.dead_bands)
        if operations and not manner.is_rehearsal:
            self._graph.patch(item.id, operations, twin["$etag"])
        if is_new:
            return Delivered(item, "created")
        if operations:
            return Delivered(item, "patched", " ".join(o["path"][1:] for o in operations))
        return Delivered(item, "related" if moved else "same")

    def _relate(self, item: Item) -> int:
        """Make and delete what connects an item with its parents; return how many differed."""
        parents = {twin_id(*pair) for pair in item.parents}
        upward = {
            r["$targetId"]: r["$relationshipId"]
            for r in self._graph.relationships(item.id)
            if r["$relationshipName"] == IS_CONTAINED_IN
        }
        downward = relationship_id(HAS_PART, item.id)
        fresh = [
            (item.id, relationship_id(IS_CONTAINED_IN, parent), IS_CONTAINED_IN, parent)
            for parent in sorted(parents - upward.keys())
        ]
        fresh += [
            (parent, downward, HAS_PART, item.id)
            for parent in sorted(parents)
            if not self._graph.is_related(parent, downward)
        ]
        # The lower end goes last: as long as it is there, the next delivery sees that something is left.
        stale = [
            end
            for parent in sorted(upward.keys() - parents)
            for end in ((parent, downward), (item.id, upward[parent]))
        ]
        if not self._manner.is_rehearsal:
            for source, own, name, target in fresh:
                self._graph.relate(source, own, name, target)
            for source, own in stale:
                self._graph.unrelate(source, own)
        return len(fresh) + len(stale)


def item_of(row: Mapping[str, Any]) -> Item:
    """Read an item from a row of a wanted frame."""
    parents = tuple((parent["kind"], parent["key"]) for parent in row["parents"] or ())
    properties = {name: _without_nulls(value) for name, value in json.loads(row["properties"]).items()}
    return Item(row["kind"], row["key"], row["model"], properties, tuple(row["order"] or ()), parents)


def _as_seen(wanted: Mapping[str, Any], twin: Mapping[str, Any]) -> dict[str, Any]:
    """What is wanted, less a vehicle's state where the twin's is newer: gold follows the live state by hours.

    A position that is not known takes none away: it may come by the other of the two ways.
    """
    mine, theirs = wanted.get(SEEN), twin.get(SEEN)
    is_behind = SEEN in wanted and theirs is not None and (mine is None or mine < theirs)
    silent = {name for name in VEHICLE_POSITION.columns if is_behind or wanted.get(name) is None}
    if is_behind:
        silent |= {*STATE}
    return {name: value for name, value in wanted.items() if name not in silent}


def _without_nulls(value: Any) -> Any:
    """A value whose parts that are not set are left out: the service takes none."""
    if not isinstance(value, dict):
        return value
    return {name: _without_nulls(part) for name, part in value.items() if part is not None}
