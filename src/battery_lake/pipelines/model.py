"""What a pipeline is: one arrow of the flow, with the tables that it reads and writes."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from battery_lake.lake.create import ensure

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from battery_lake.lake.access import Lake


class Progress(Protocol):
    """Where a pipeline reports to while it runs."""

    def batch(self, pipeline: str, batch_id: int, rows: int) -> None:
        """A batch has been taken; ``rows`` went into it."""


class Silent:
    """A progress that nobody looks at."""

    def batch(self, pipeline: str, batch_id: int, rows: int) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What a run or a batch did to rows.

    ``newest_at`` is when the hub took the newest message of a batch, ``broken`` how many messages broke a
    rule, by its code.
    """

    rows_in: int = 0
    rows_kept: int = 0
    rows_refused: int = 0
    rows_duplicate: int = 0
    newest_at: dt.datetime | None = None
    broken: dict[str, int] = field(default_factory=dict)

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.rows_in + other.rows_in,
            self.rows_kept + other.rows_kept,
            self.rows_refused + other.rows_refused,
            self.rows_duplicate + other.rows_duplicate,
            max((at for at in (self.newest_at, other.newest_at) if at is not None), default=None),
            dict(collections.Counter(self.broken) + collections.Counter(other.broken)),
        )


@dataclass(slots=True)
class RunResult:
    """What one run of a pipeline did; ``end_offset`` is how far its source was read."""

    pipeline: str
    batches: int = 0
    counts: Counts = field(default_factory=Counts)
    seconds: float = 0.0
    end_offset: dict[str, Any] = field(default_factory=dict)

    def __add__(self, other: RunResult) -> RunResult:
        return RunResult(
            self.pipeline,
            self.batches + other.batches,
            self.counts + other.counts,
            self.seconds + other.seconds,
            other.end_offset or self.end_offset,
        )


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One arrow.

    Parameters
    ----------
    name
        Also the name of its checkpoint.
    reads, writes
        Tables; the lineage is drawn from these, and what is written is created first.
    step
        Does the work.
    """

    name: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    step: Callable[[Lake, Progress], RunResult]

    def run(self, lake: Lake, progress: Progress | None = None) -> RunResult:
        """Create what is missing, then do the work."""
        ensure(lake, dict.fromkeys((*self.reads, *self.writes, "ops.batch")))
        return self.step(lake, progress or Silent())
