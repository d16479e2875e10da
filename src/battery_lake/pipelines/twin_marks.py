"""How far gold has been pushed to the twins: marks in ops.batch, a table each, for that table alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.lake.versions import identity, latest_version
from battery_lake.pipelines.model import Counts
from battery_lake.pipelines.stream import account
from battery_lake.quality.gate import released_until
from battery_lake.tables.ops import BATCH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from battery_lake.lake.access import Lake

PUSH: Final = "push_twins"
NONE_YET: Final = -1


@dataclass(frozen=True, slots=True)
class Place:
    """Where a table stands.

    Parameters
    ----------
    table_id
        Its identity: a table that is made anew under the same name has another, and versions of its own.
    latest
        Its newest version.
    until
        The version up to which everything may leave; -1: nothing may.
    since
        The version that was pushed last; None: this table has never been pushed.
    """

    table_id: str
    latest: int
    until: int
    since: int | None

    @property
    def is_new(self) -> bool:
        """Whether there is something to push."""
        return self.until > (NONE_YET if self.since is None else self.since)


def places(lake: Lake, names: Iterable[str]) -> dict[str, Place]:
    """Return where tables stand, by name."""
    generation, pushed, found = lake.generation(PUSH), _pushed(lake), {}
    for name in names:
        table_id, latest = identity(lake, name), latest_version(lake, name)
        until = latest
        if lake.settings.twins.checked_only:
            until = released_until(lake.read("gold.data_quality"), name, table_id)
        # Marks from before identities were kept count for the table that is there.
        marks = [pushed.get((name, made)) for made in (f"{generation}/{table_id}", generation)]
        since = max((mark for mark in marks if mark is not None), default=None)
        found[name] = Place(table_id, latest, until, since)
    return found


def mark(lake: Lake, pushed: Mapping[str, Place], counts: Counts, seconds: float) -> None:
    """Note that tables have been pushed as far as they may.

    What a push did is told once, beside the first of them; the others only say how far.

    Parameters
    ----------
    lake
        The tables.
    pushed
        Where they stand.
    counts, seconds
        What the push did with twins, and how long it took. [s]
    """
    for name, place in pushed.items():
        key = (f"{PUSH}:{name}", f"{lake.generation(PUSH)}/{place.table_id}", place.until)
        account(lake, key, counts, seconds)
        counts, seconds = Counts(), 0.0


def _pushed(lake: Lake) -> dict[tuple[str, str], int]:
    """The last version that was pushed, by table and generation."""
    rows = lake.read(BATCH.name).where(F.col("pipeline").startswith(f"{PUSH}:"))
    last = rows.groupBy("pipeline", "generation").agg(F.max("batch_id").alias("last")).collect()
    return {(row.pipeline.partition(":")[2], row.generation): row.last for row in last}
