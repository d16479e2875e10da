"""Health of cells to health of packs, of vehicles and of the fleet."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.gold.fleet_daily import FRESH_DAYS, fleet_daily
from battery_lake.gold.pack_health import PackHealthParams, pack_health
from battery_lake.gold.vehicle_status import vehicle_status
from battery_lake.lake.changes import changes
from battery_lake.lake.scratch import kept
from battery_lake.lake.write import replacing, upsert
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.passport import passports
from battery_lake.pipelines.stream import run_available
from battery_lake.tables.registry import table

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake


def fleet_batch(lake: Lake, changed: DataFrame) -> Counts:
    """Tell again the days of the packs, vehicles and models that the changes touch."""
    touched = kept(lake, "fleet.touched", changed.select("pack_id", "as_of_date").distinct())
    span = touched.agg(F.min("as_of_date").alias("low"), F.max("as_of_date").alias("high")).collect()[0]
    if span.low is None:
        return Counts()
    written = _packs(lake, touched, span.low, span.high)
    passports(lake, touched, span.low)
    _vehicles(lake, touched.select("pack_id").distinct(), span.low)
    _fleet(lake, touched, span.low, span.high + dt.timedelta(days=FRESH_DAYS))
    return Counts(rows_in=written, rows_kept=written)


def _packs(lake: Lake, touched: DataFrame, low: dt.date, high: dt.date) -> int:
    key = ["pack_id", "as_of_date"]
    between = f"as_of_date BETWEEN DATE'{low}' AND DATE'{high}'"

    def of_days(name: str) -> DataFrame:
        return lake.read(name).where(between).join(F.broadcast(touched), on=key, how="left_semi")

    rests = (
        _sessions_of(lake, low, high).where("kind = 'rest'").withColumn("as_of_date", F.to_date("started_at"))
    )
    health = lake.settings.health
    rows = pack_health(
        of_days("gold.cell_health"),
        of_days("gold.cell_life"),
        rests.join(F.broadcast(touched), on=key, how="left_semi"),
        lake.read("reference.packs"),
        PackHealthParams(spread_alert_pct=health.spread_alert_pct, eol_soh_pct=health.eol_soh_pct),
    )
    return _replace(lake, "gold.pack_health", rows, of_days("gold.pack_health"), between)


def _sessions_of(lake: Lake, low: dt.date, high: dt.date) -> DataFrame:
    """The sessions that started on the days from low to high."""
    days = f"started_at >= DATE'{low}' AND started_at < DATE'{high + dt.timedelta(days=1)}'"
    return lake.read("gold.session").where(days)


def _vehicles(lake: Lake, packs: DataFrame, low: dt.date) -> None:
    """A vehicle's newest session is no older than the changes, or its row is newer and stays."""
    mine = F.broadcast(packs)
    sessions = (
        lake
        .read("gold.session")
        .where(f"started_at >= DATE'{low}'")
        .join(mine, on="pack_id", how="left_semi")
    )
    health = lake.read("gold.pack_health").join(mine, on="pack_id", how="left_semi")
    rows = vehicle_status(sessions, health)
    upsert(lake, "gold.vehicle_status", rows, only_if="s.last_seen_at >= t.last_seen_at")


def _fleet(lake: Lake, touched: DataFrame, low: dt.date, high: dt.date) -> None:
    """Days on which a touched pack counts: from its first change until it is no longer fresh."""
    packs = lake.read("reference.packs")
    cohorts = (
        packs
        .join(F.broadcast(touched), on="pack_id", how="left_semi")
        .select("model", "chemistry")
        .distinct()
    )
    same = F.broadcast(cohorts.withColumnRenamed("model", "m").withColumnRenamed("chemistry", "c"))
    members = packs.join(
        same, F.col("model").eqNullSafe(F.col("m")) & (F.col("chemistry") == F.col("c")), how="left_semi"
    )
    first = low - dt.timedelta(days=FRESH_DAYS)
    told = f"as_of_date BETWEEN DATE'{low}' AND DATE'{high}'"
    rows = fleet_daily(
        lake.read("gold.pack_health").where(f"as_of_date BETWEEN DATE'{first}' AND DATE'{high}'"),
        _sessions_of(lake, low, high),
        members,
    ).where(told)
    is_cohort = (F.col("model") == F.coalesce("m", F.lit("unknown"))) & (F.col("chemistry") == F.col("c"))
    stored = lake.read("gold.fleet_daily").where(told).join(same, is_cohort, how="left_semi")
    _replace(lake, "gold.fleet_daily", rows, stored, told)


def _replace(lake: Lake, name: str, rows: DataFrame, stored: DataFrame, between: str) -> int:
    """Upsert the rows, and delete the stored ones that are not among them."""
    fresh = kept(lake, f"fleet.{name}", rows)
    return upsert(lake, name, replacing(fresh, stored, table(name).key), within=f"t.{between}")


def _batch(lake: Lake, changed: DataFrame, batch_id: int) -> Counts:
    del batch_id
    return fleet_batch(lake, changed)


def _run(lake: Lake, progress: Progress) -> RunResult:
    health = changes(lake, "gold.cell_health").select("pack_id", "as_of_date")
    use = changes(lake, "gold.session").select("pack_id", F.to_date("started_at").alias("as_of_date"))
    return run_available(lake, "fleet", health.unionByName(use), _batch, progress)


FLEET = Pipeline(
    "fleet",
    reads=("gold.cell_health", "gold.cell_life", "gold.session", "reference.packs"),
    writes=("gold.pack_health", "gold.battery_passport", "gold.vehicle_status", "gold.fleet_daily"),
    step=_run,
)
