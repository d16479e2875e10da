"""Days of some vehicles told anew, from silver to the fleet, whatever has changed or not.

For settings, reference data or methods that are not what they were: the streams of the daily job only look at
what is new. Each step is the batch of its pipeline, given the rows of the days in the place of changes; what
comes out the same is left alone.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.clock import monotonic_s
from battery_lake.errors import SettingsError
from battery_lake.lake.create import ensure
from battery_lake.lake.scratch import kept
from battery_lake.log import logger
from battery_lake.pipelines.ageing_alerts import AGEING_ALERTS, ageing_batch
from battery_lake.pipelines.alerts import ALERTS, alerts_batch
from battery_lake.pipelines.capacity import CAPACITY, capacity_batch
from battery_lake.pipelines.fleet import FLEET, fleet_batch
from battery_lake.pipelines.health import HEALTH, health_batch
from battery_lake.pipelines.model import RunResult
from battery_lake.pipelines.sessions import SESSIONS, sessions_batch
from battery_lake.pipelines.soh_changes import SOH_CHANGES, soh_changes_batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.pipelines.model import Counts, Pipeline, Progress

    Source = tuple[str, str, tuple[str, ...]]
    Step = tuple[Pipeline, Callable[[Lake, DataFrame], Counts], tuple[Source, ...]]

TELEMETRY: Final = ("silver.telemetry", "measured_at", ("pack_id", "measured_at"))
SESSION: Final = ("gold.session", "started_at", ("pack_id", "started_at", "ended_at"))
OBSERVATION: Final = ("gold.capacity_observation", "started_at", ("pack_id", "started_at", "ended_at"))
HEALTH_DAY: Final = ("gold.cell_health", "as_of_date", ("pack_id", "as_of_date"))
STEPS: Final[tuple[Step, ...]] = (
    (ALERTS, alerts_batch, (TELEMETRY,)),
    (SESSIONS, sessions_batch, (TELEMETRY,)),
    (CAPACITY, capacity_batch, (SESSION,)),
    (AGEING_ALERTS, ageing_batch, (SESSION, OBSERVATION)),
    (HEALTH, health_batch, (SESSION, OBSERVATION)),
    (SOH_CHANGES, soh_changes_batch, (HEALTH_DAY, OBSERVATION)),
    (FLEET, fleet_batch, (HEALTH_DAY, SESSION)),
)  # fmt: skip
"""Pipelines in order, the batch of each, and the rows that stand for changes: table, time, columns."""

TABLES: Final = tuple(
    dict.fromkeys((
        *(name for step, _, _ in STEPS for name in (*step.reads, *step.writes)),
        "reference.pack_assignment",
    ))
)
"""What the steps read and write."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be told anew.

    Parameters
    ----------
    first, last
        Days, both included.
    vehicles
        Vehicles; none: all.
    """

    first: dt.date
    last: dt.date
    vehicles: tuple[str, ...] = ()

    @classmethod
    def read(cls, first: str, last: str, vehicles: str = "") -> Wanted:
        """Return what texts ask for: days as 2026-03-01, an empty last one is the first; commas.

        Raises
        ------
        SettingsError
            A day is none, or the last one is before the first.
        """
        try:
            begin = dt.date.fromisoformat(first)
            end = dt.date.fromisoformat(last) if last else begin
        except ValueError as fault:
            raise SettingsError(
                f"{first or 'nothing'} to {last or first or 'nothing'} are no days",
                why=str(fault),
                remedy="write from and to as 2026-03-01",
            ) from fault
        if end < begin:
            raise SettingsError(f"{end} is before {begin}", remedy="from comes first")
        return cls(begin, end, tuple(name.strip() for name in vehicles.split(",") if name.strip()))


def backfill(lake: Lake, wanted: Wanted, progress: Progress) -> list[RunResult]:
    """Tell days anew; health and what follows from it go on to the newest day, since they build on them.

    A run that is broken off is started again as it was: every write is keyed.

    Parameters
    ----------
    lake, progress
        The tables, and who is told of each step.
    wanted
        Days and vehicles.

    Raises
    ------
    SettingsError
        A vehicle is not known.
    """
    ensure(lake, TABLES)
    return told_anew(lake, STEPS, wanted, _packs(lake, wanted.vehicles), progress)


def told_anew(
    lake: Lake, steps: Iterable[Step], wanted: Wanted, packs: DataFrame | None, progress: Progress
) -> list[RunResult]:
    """Run steps on the rows of some days in the place of changes.

    Parameters
    ----------
    lake, progress
        The tables, and who is told of each step.
    steps
        Of :data:`STEPS`, or alike.
    wanted
        Days.
    packs
        ``pack_id`` of the packs; None: all.
    """
    results = []
    for pipeline, batch, sources in steps:
        began = monotonic_s()
        rows = kept(lake, f"backfill.{pipeline.name}", _rows(lake, sources, wanted, packs))
        counts = batch(lake, rows)
        progress.batch(pipeline.name, 0, counts.rows_in)
        logger(pipeline.name).info("told_anew", rows=counts.rows_in)
        results.append(RunResult(pipeline.name, 1, counts, monotonic_s() - began))
    return results


def _rows(lake: Lake, sources: Sequence[Source], wanted: Wanted, packs: DataFrame | None) -> DataFrame:
    """The rows of the wanted days and packs, in the form of what a batch takes as changes."""
    days = f">= DATE'{wanted.first}'", f"< DATE'{wanted.last + dt.timedelta(days=1)}'"
    found: DataFrame | None = None
    with_date = any("as_of_date" in columns for _, _, columns in sources)
    for name, at, columns in sources:
        rows = lake.read(name).where(f"{at} {days[0]} AND {at} {days[1]}")
        if packs is not None:
            rows = rows.join(F.broadcast(packs), on="pack_id", how="left_semi")
        if with_date:
            rows = rows.select("pack_id", F.to_date(at).alias("as_of_date"))
        else:
            rows = rows.select(*columns)
        found = rows if found is None else found.unionByName(rows)
    assert found is not None
    return found


def _packs(lake: Lake, vehicles: Sequence[str]) -> DataFrame | None:
    """The packs that some vehicles ever carried; None: all packs."""
    if not vehicles:
        return None
    carried = lake.read("reference.pack_assignment").where(F.col("vehicle_id").isin(*vehicles))
    known = {row.vehicle_id for row in carried.select("vehicle_id").distinct().collect()}
    unknown = [name for name in vehicles if name not in known]
    if unknown:
        raise SettingsError(
            f"there is no vehicle {unknown[0]}", remedy="load its assignment: battery-lake reference load"
        )
    return carried.select("pack_id").distinct()
