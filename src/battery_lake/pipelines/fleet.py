"""Health of cells to health of packs, of vehicles and of the fleet."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.gold.cohort import cohort_percentile
from battery_lake.gold.fleet_daily import FRESH_DAYS, fleet_daily
from battery_lake.gold.pack_health import PackHealthParams, pack_health
from battery_lake.gold.vehicle_status import vehicle_status
from battery_lake.lake.changes import changes
from battery_lake.lake.newest import newest_before
from battery_lake.lake.scratch import kept
from battery_lake.lake.write import replacing, upsert
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.passport import passports
from battery_lake.pipelines.stream import plain, run_available
from battery_lake.tables.gold import FLEET_DAILY, PACK_HEALTH

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake

END_OF_TIME: Final = dt.date(9999, 12, 31)
"""Every row is older."""


def fleet_batch(lake: Lake, changed: DataFrame) -> Counts:
    """Tell again the days of the packs, vehicles and models that the changes touch."""
    first, last = F.min("as_of_date").alias("first_date"), F.max("as_of_date").alias("last_date")
    touched = kept(lake, "fleet.touched", changed.groupBy("pack_id").agg(first, last))
    span = touched.agg(F.min("first_date").alias("low"), F.max("last_date").alias("high")).collect()[0]
    if span.low is None:
        return Counts()
    firsts = touched.drop("last_date")
    passports(lake, firsts, span.low)
    # A pack is felt by its like until it is no longer fresh.
    felt = span.low, span.high + dt.timedelta(days=FRESH_DAYS)
    written = _packs(lake, firsts, *felt)
    _vehicles(lake, firsts.select("pack_id"), span.low)
    _fleet(lake, firsts, *felt)
    return Counts(rows_in=written, rows_kept=written)


def _packs(lake: Lake, firsts: DataFrame, low: dt.date, high: dt.date) -> int:
    """Packs from their first touched day on, since their counters go on; others where they now stand."""
    recent = f"as_of_date >= DATE'{low}'"

    def since(rows: DataFrame) -> DataFrame:
        own = rows.where(recent).join(F.broadcast(firsts), on="pack_id", how="inner")
        return own.where("as_of_date >= first_date").drop("first_date")

    rests = lake.read("gold.session").where(f"kind = 'rest' AND started_at >= DATE'{low}'")
    health = lake.settings.health
    rows = pack_health(
        since(lake.read("gold.cell_health")),
        since(lake.read("gold.cell_life")),
        since(rests.withColumn("as_of_date", F.to_date("started_at"))),
        since(lake.read("gold.battery_passport")),
        lake.read("reference.packs"),
        PackHealthParams(spread_alert_pct=health.spread_alert_pct, eol_soh_pct=health.eol_soh_pct),
    )
    fresh = kept(lake, "fleet.packs", rows)
    stored = since(lake.read(PACK_HEALTH.name))
    ranked = kept(lake, "fleet.ranked", _ranked(lake, fresh, stored, firsts, (low, high)))
    return upsert(lake, PACK_HEALTH.name, replacing(ranked, stored, PACK_HEALTH.key), within=f"t.{recent}")


def _ranked(
    lake: Lake, fresh: DataFrame, stored: DataFrame, firsts: DataFrame, felt: tuple[dt.date, dt.date]
) -> DataFrame:
    """The fresh rows with their places among like packs, and the others whose place they changed.

    ``stored`` is what the fresh rows replace: beyond the days on which a change is felt, places stay.
    """
    low, high = felt
    key = list(PACK_HEALTH.key)
    between = f"as_of_date BETWEEN DATE'{low - dt.timedelta(days=FRESH_DAYS)}' AND DATE'{high}'"
    packs = _members(lake, firsts)
    others = (
        lake
        .read(PACK_HEALTH.name)
        .where(between)
        .join(F.broadcast(packs.select("pack_id")), on="pack_id", how="left_semi")
        .join(F.broadcast(firsts), on="pack_id", how="left")
        .where("first_date IS NULL OR as_of_date < first_date")
        .drop("first_date")
    )
    together = others.unionByName(fresh.where(between)).select(*key, "soh_median_pct")
    places = kept(lake, "fleet.places", cohort_percentile(together, packs, low, high))
    place = "cohort_percentile_pct"
    kept_places = stored.where(f"as_of_date > DATE'{high}'").select(*key, place)
    own = fresh.drop(place).join(places.unionByName(kept_places), on=key, how="left")
    moved = (
        others
        .where(f"as_of_date >= DATE'{low}'")
        .withColumnRenamed(place, "stood")
        .join(places, on=key, how="left")
        .where(f"NOT ({place} <=> stood)")
        .drop("stood")
    )
    return own.unionByName(moved)


def _members(lake: Lake, firsts: DataFrame) -> DataFrame:
    """All packs of the touched packs' models and chemistries."""
    packs = lake.read("reference.packs")
    mine = packs.join(F.broadcast(firsts), on="pack_id", how="left_semi")
    same = F.broadcast(mine.select(F.col("model").alias("m"), F.col("chemistry").alias("c")).distinct())
    is_like = F.col("model").eqNullSafe(F.col("m")) & (F.col("chemistry") == F.col("c"))
    return packs.join(same, is_like, how="left_semi")


def _sessions_of(lake: Lake, low: dt.date, high: dt.date) -> DataFrame:
    """The sessions that started on the days from low to high."""
    days = f"started_at >= DATE'{low}' AND started_at < DATE'{high + dt.timedelta(days=1)}'"
    return lake.read("gold.session").where(days)


def _vehicles(lake: Lake, packs: DataFrame, low: dt.date) -> None:
    """A vehicle's newest session is no older than the changes, or its row is newer and stays."""
    sessions = (
        lake
        .read("gold.session")
        .where(f"started_at >= DATE'{low}'")
        .join(F.broadcast(packs), on="pack_id", how="left_semi")
    )
    ever = packs.withColumn("first_date", F.lit(END_OF_TIME))
    newest = newest_before(lake, PACK_HEALTH.name, ever, low, PACK_HEALTH.column_names, "fleet.newest")
    rows = vehicle_status(sessions, newest.select("row.*"))
    upsert(lake, "gold.vehicle_status", rows, only_if="s.last_seen_at >= t.last_seen_at")


def _fleet(lake: Lake, firsts: DataFrame, low: dt.date, high: dt.date) -> None:
    """Days on which a touched pack counts: from its first change until it is no longer fresh."""
    members = _members(lake, firsts)
    first = low - dt.timedelta(days=FRESH_DAYS)
    told = f"as_of_date BETWEEN DATE'{low}' AND DATE'{high}'"
    rows = fleet_daily(
        lake.read("gold.pack_health").where(f"as_of_date BETWEEN DATE'{first}' AND DATE'{high}'"),
        _sessions_of(lake, low, high),
        members,
        low,
        high,
    )
    same = members.select(F.coalesce("model", F.lit("unknown")).alias("model"), "chemistry").distinct()
    stored = (
        lake
        .read("gold.fleet_daily")
        .where(told)
        .join(F.broadcast(same), on=["model", "chemistry"], how="left_semi")
    )
    fresh = kept(lake, "fleet.daily", rows)
    upsert(lake, "gold.fleet_daily", replacing(fresh, stored, FLEET_DAILY.key), within=f"t.{told}")


def _run(lake: Lake, progress: Progress) -> RunResult:
    health = changes(lake, "gold.cell_health").select("pack_id", "as_of_date")
    use = changes(lake, "gold.session").select("pack_id", F.to_date("started_at").alias("as_of_date"))
    return run_available(lake, "fleet", health.unionByName(use), plain(fleet_batch), progress)


FLEET = Pipeline(
    "fleet",
    reads=("gold.cell_health", "gold.cell_life", "gold.session", "reference.packs"),
    writes=("gold.pack_health", "gold.battery_passport", "gold.vehicle_status", "gold.fleet_daily"),
    step=_run,
)
