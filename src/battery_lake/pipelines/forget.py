"""A vehicle's data deleted from every layer, so that no later run brings it back.

What a vehicle sent goes. Of a pack that it alone ever carried everything goes, its reference row too; a pack
that another vehicle carried stays, and is told anew from the others' messages alone, as if this vehicle had
sent nothing. Reference rows go last: they say which packs there are until all else has gone, so that a run
that is broken off is started again as it was.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.clock import monotonic_s, utc_now
from battery_lake.lake.create import ensure, exists
from battery_lake.lake.scratch import kept
from battery_lake.lake.sql import quoted
from battery_lake.lake.versions import latest_version
from battery_lake.log import logger
from battery_lake.pipelines import backfill
from battery_lake.pipelines.backfill import STEPS, TELEMETRY, Wanted, told_anew
from battery_lake.pipelines.fleet import fleet_batch
from battery_lake.pipelines.kpis import KPIS, packs_batch
from battery_lake.pipelines.live_twins import LIVE_TWINS, follow
from battery_lake.pipelines.model import Counts
from battery_lake.pipelines.registry import run_job
from battery_lake.pipelines.signal_faults import SIGNAL_FAULTS, signal_faults_batch
from battery_lake.pipelines.stream import account_once
from battery_lake.pipelines.twin_delivery import graph_of
from battery_lake.serving.purge import purges
from battery_lake.sinks.twins.remove import OF_PACK, OF_VEHICLE, WITHIN, remove_twins, twins_of
from battery_lake.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from battery_lake.lake.access import Lake
    from battery_lake.pipelines.model import Progress
    from battery_lake.tables.model import Table

PACKS, ASSIGNED = "reference.packs", "reference.pack_assignment"
REFERENCE: Final = (PACKS, ASSIGNED)
FAILURE: Final = "ops.delivery_failure"
NO_VEHICLE: Final = frozenset({
    "gold.fleet_daily", "gold.fleet_now", "gold.message_daily", "gold.data_quality", "ops.batch",
    "ops.data_gap",
})  # fmt: skip
"""Tables whose rows tell of no single vehicle; what a fleet is counted from is told anew."""

ALL_DAYS: Final = Wanted(dt.date(1900, 1, 1), dt.date(9999, 12, 30))
STEPS_ANEW: Final = ((SIGNAL_FAULTS, signal_faults_batch, (TELEMETRY,)), *STEPS)


@dataclass(frozen=True, slots=True)
class Whose:
    """A vehicle, the packs that it alone carried, and those that another carried too."""

    vehicle_id: str
    own: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()

    @property
    def packs(self) -> tuple[str, ...]:
        """All packs that it carried."""
        return tuple(sorted((*self.own, *self.shared)))


@dataclass(slots=True)
class Forgotten:
    """What went, or would go.

    Parameters
    ----------
    whose
        The vehicle and its packs.
    deleted
        Whether it went.
    rows
        Rows by table, of those that hold any; of a shared pack all rows in gold, which are told anew.
    twins
        Twins in the graph; None: no instance is set.
    readable_until
        Older versions of the tables can be read until this day; then `maintain` removes their files.
    purge
        Commands for Data Explorer; none where no cluster is set.
    """

    whose: Whose
    deleted: bool
    rows: dict[str, int] = field(default_factory=dict)
    twins: int | None = None
    readable_until: dt.date | None = None
    purge: list[str] = field(default_factory=list)


def forget(lake: Lake, vehicle_id: str, progress: Progress, *, is_rehearsal: bool) -> Forgotten:
    """Count what the lake holds of a vehicle, and delete it unless it is a rehearsal.

    Jobs must not run meanwhile. First, the job `refine` runs: its streams would read messages that they have
    not read yet, from the files of the versions before.

    Parameters
    ----------
    lake, progress
        The tables, and who is told of each.
    vehicle_id
        The vehicle, as the hub names its device.
    is_rehearsal
        Only count.

    Raises
    ------
    RemoteError
        Digital Twins is set and does not answer; nothing that says which packs there are has gone yet.
    """
    names = [name for name in TABLES if exists(lake, name)]
    whose = _whose(lake, vehicle_id) if ASSIGNED in names else Whose(vehicle_id)
    told = Forgotten(whose, deleted=not is_rehearsal)
    settings = lake.settings
    if settings.adx.cluster:
        names_there = settings.adx.table_names
        told.purge = purges(settings.adx.database, names_there, vehicle_id, whose.own)
    graph = graph_of(settings) if settings.twins.endpoint else None
    if not is_rehearsal:
        told.readable_until = utc_now().date() + dt.timedelta(days=settings.maintenance.retention_days)
        _read_to_the_end(lake, names, progress)
    twins = twins_of(graph, vehicle_id, whose.own) if graph else []
    told.twins = len(twins) if graph else None
    began = monotonic_s()
    told.rows = {name: count for name in names if (count := _count(lake, name, whose))}
    if is_rehearsal:
        return told
    _say(lake, told, monotonic_s() - began)
    _delete(lake, told, (name for name in told.rows if name not in REFERENCE), progress)
    _tell_the_others(lake, whose, names, progress)
    if graph:
        remove_twins(graph, twins)
    shutil.rmtree(lake.checkpoint("scratch"), ignore_errors=True)
    _delete(lake, told, (name for name in REFERENCE if name in told.rows), progress)
    return told


def condition(contract: Table, whose: Whose) -> str:
    """Return the SQL condition that holds for the rows of a vehicle; empty: the table tells of none.

    Parameters
    ----------
    contract
        The table.
    whose
        The vehicle and its packs.
    """
    columns, vehicle = contract.column_by_name, quoted(whose.vehicle_id)
    if contract.name in NO_VEHICLE:
        return ""
    if contract.name == FAILURE:
        return _undelivered(whose)
    if contract.name == PACKS:
        return _among("pack_id", whose.own)
    if "device_id" in columns:
        return f"device_id = {vehicle}"
    is_its = f"vehicle_id = {vehicle}" if "vehicle_id" in columns else ""
    if is_its and (contract.layer == "silver" or "vehicle_id" in contract.key):
        return is_its
    found = _among("pack_id", whose.packs)
    return f"({found} OR {is_its})" if is_its else found


def _undelivered(whose: Whose) -> str:
    """Deliveries that name the vehicle, or a pack of its own, in their key or within."""
    keys = [f"{kind} {whose.vehicle_id}" for kind in OF_VEHICLE]
    keys += [f"{kind} {pack}" for kind in OF_PACK for pack in whose.own]
    starts = [quoted(f"{kind} {pack}/") for kind in WITHIN for pack in whose.own]
    below = [f"startswith(item_key, {start})" for start in starts]
    named = [quoted(f'"{name}"') for name in (whose.vehicle_id, *whose.own)]
    within = [f"contains(payload, {name})" for name in named]
    return " OR ".join([_among("item_key", keys), *below, *within])


def _among(column: str, names: tuple[str, ...] | list[str]) -> str:
    return f"{column} IN ({', '.join(map(quoted, names))})" if names else "false"


def _whose(lake: Lake, vehicle_id: str) -> Whose:
    """The packs of a vehicle, as the assignments say."""
    rows = lake.read(ASSIGNED)
    mine = rows.where(F.col("vehicle_id") == vehicle_id).select("pack_id").distinct()
    others = F.max(F.col("vehicle_id") != vehicle_id).alias("is_shared")
    found = rows.join(mine, on="pack_id", how="left_semi").groupBy("pack_id").agg(others).collect()
    return Whose(
        vehicle_id,
        tuple(sorted(row.pack_id for row in found if not row.is_shared)),
        tuple(sorted(row.pack_id for row in found if row.is_shared)),
    )


def _count(lake: Lake, name: str, whose: Whose) -> int:
    where = condition(TABLES[name], whose)
    return lake.read(name).where(where).count() if where else 0


def _say(lake: Lake, told: Forgotten, seconds: float) -> None:
    """Say in ops.batch how many rows go from which table, by the version that holds them last.

    What a run that was killed has said is not said again: the version is the same.
    """
    ensure(lake, ("ops.batch",))
    name = digest(told.whose.vehicle_id)
    going = {
        (f"forget:{table}", name, latest_version(lake, table)): Counts(rows_in=rows)
        for table, rows in told.rows.items()
    }
    account_once(lake, going, seconds)


def _delete(lake: Lake, told: Forgotten, names: Iterable[str], progress: Progress) -> None:
    for name in names:
        where = condition(TABLES[name], told.whose)
        lake.spark.sql(f"DELETE FROM {lake.identifier(name)} WHERE {where}")
        progress.batch(name, 0, told.rows[name])
        logger("forget").info("rows_deleted", table=name, rows=told.rows[name])


def digest(vehicle_id: str) -> str:
    """Return what stands for a vehicle in ops.batch once its name has gone."""
    return hashlib.sha256(vehicle_id.encode()).hexdigest()


def _read_to_the_end(lake: Lake, names: list[str], progress: Progress) -> None:
    """Let streams that hand on messages read what is there: they would read it after it has gone."""
    if "bronze.telemetry" in names:
        run_job("refine", lake, progress)
    if lake.settings.twins.endpoint and lake.settings.twins.live != "off":
        ensure(lake, LIVE_TWINS.reads)
        follow(lake, progress, goes_on=False)


def _tell_the_others(lake: Lake, whose: Whose, names: list[str], progress: Progress) -> None:
    """Tell packs that stay anew, then the fleet and the key figures that these packs were counted in."""
    if whose.shared:
        ensure(lake, backfill.TABLES)
        shared = lake.spark.createDataFrame([(name,) for name in whose.shared], "pack_id string")
        told_anew(lake, STEPS_ANEW, ALL_DAYS, shared, progress)
    if whose.packs and "gold.fleet_daily" in names:
        packs = lake.read(PACKS).where(_among("pack_id", whose.packs))
        model = F.coalesce("model", F.lit("unknown")).alias("model")
        days = lake.read("gold.fleet_daily").select("as_of_date", "model", "chemistry")
        fleet = packs.select("pack_id", model, "chemistry").join(days, on=["model", "chemistry"], how="inner")
        fleet_batch(lake, kept(lake, "forget.days", fleet.select("pack_id", "as_of_date")))
    if whose.packs and "gold.pack_now" in names:
        ensure(lake, (*KPIS.reads, *KPIS.writes))
        now = [(name, None) for name in whose.packs]
        packs_batch(lake, lake.spark.createDataFrame(now, "pack_id string, as_of_date date"))
