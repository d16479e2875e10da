"""Health of cells to health of packs, of vehicles and of the fleet."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.gold.cohort import cohort_percentile
from battery_lake.gold.fleet_daily import FRESH_DAYS, fleet_daily
from battery_lake.gold.pack_health import PackHealthParams, pack_health
from battery_lake.gold.vehicle_status import vehicle_status
from battery_lake.lake.changes import changes
from battery_lake.lake.newest import newest_before
from battery_lake.lake.reach import Reach, reach
from battery_lake.lake.scratch import kept
from battery_lake.lake.write import replacing, upsert
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.passport import passports
from battery_lake.pipelines.stream import plain, run_available
from battery_lake.tables.gold import FLEET_DAILY, PACK_HEALTH

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake

END_OF_TIME: Final = dt.datetime(9999, 12, 31)  # noqa: DTZ001 - Spark takes UTC without a zone
"""Every row is older."""


def fleet_batch(lake: Lake, changed: DataFrame) -> Counts:
    """Tell again the days of the packs, vehicles and models that the changes touch."""
    first, last = F.min("as_of_date").alias("first_date"), F.max("as_of_date").alias("last_date")
    touched = kept(lake, "fleet.touched", changed.groupBy("pack_id").agg(first, last))
    firsts = touched.drop("last_date")
    starts = reach(firsts.withColumnRenamed("first_date", "from_at"))
    if starts is None:
        return Counts()
    passports(lake, firsts, starts)
    felt = _Felt.of(kept(lake, "fleet.members", _members(lake.read("reference.packs"), touched)))
    written = _packs(lake, firsts, starts, felt)
    _vehicles(lake, firsts, starts)
    _fleet(lake, felt)
    return Counts(rows_in=written, rows_kept=written)


@dataclass(frozen=True, slots=True)
class _Felt:
    """Where changes are felt: packs like the touched ones, and their days ``first_date`` to ``last_date``.

    ``days`` bounds these; nobody feels changes of packs that are in no reference data.
    """

    members: DataFrame
    days: Reach

    @classmethod
    def of(cls, members: DataFrame) -> _Felt:
        """Find the bounds of what :func:`_members` gives."""
        ends = F.col("first_date").alias("from_at"), F.col("last_date").alias("to_at")
        days = reach(members.select("pack_id", *ends))
        return cls(members, days or Reach(END_OF_TIME, END_OF_TIME))

    def own(self, rows: DataFrame) -> DataFrame:
        """Return the members' rows on their days, and on those before that count then, with these days."""
        days = self.members.select("pack_id", "first_date", "last_date")
        earliest = F.date_sub("first_date", FRESH_DAYS)
        joined = rows.join(F.broadcast(days), on="pack_id", how="inner")
        return joined.where(F.col("as_of_date").between(earliest, F.col("last_date")))


def _packs(lake: Lake, firsts: DataFrame, starts: Reach, felt: _Felt) -> int:
    """Packs from their first touched day on, since their counters go on; others where they now stand."""

    def since(name: str, day: str = "as_of_date") -> DataFrame:
        recent = lake.read(name).where(starts.days(day))
        own = recent.join(F.broadcast(firsts), on="pack_id", how="inner")
        return own.where(F.col(day) >= F.col("first_date")).drop("first_date")

    health = lake.settings.health
    rows = pack_health(
        since("gold.cell_health"),
        since("gold.cell_life"),
        since("gold.session", "started_at").where("kind = 'rest'"),
        since("gold.battery_passport"),
        lake.read("reference.packs"),
        PackHealthParams(spread_alert_pct=health.spread_alert_pct, eol_soh_pct=health.eol_soh_pct),
    )
    fresh = kept(lake, "fleet.packs", rows)
    stored = since(PACK_HEALTH.name)
    ranked = kept(lake, "fleet.ranked", _ranked(lake, fresh, stored, firsts, felt))
    within = f"({starts.days('as_of_date', 't.')} OR {felt.days.days('as_of_date', 't.')})"
    return upsert(lake, PACK_HEALTH.name, replacing(ranked, stored, PACK_HEALTH.key), within=within)


def _ranked(lake: Lake, fresh: DataFrame, stored: DataFrame, firsts: DataFrame, felt: _Felt) -> DataFrame:
    """The fresh rows with their places among like packs, and the others whose place they changed.

    ``stored`` is what the fresh rows replace: beyond the days on which a change is felt, places stay.
    """
    key = list(PACK_HEALTH.key)
    own_first = firsts.withColumnRenamed("first_date", "own_first")
    others = (
        felt
        .own(lake.read(PACK_HEALTH.name).where(felt.days.back(FRESH_DAYS).days("as_of_date")))
        .join(F.broadcast(own_first), on="pack_id", how="left")
        .where("own_first IS NULL OR as_of_date < own_first")
    )
    together = others.select(*key, "soh_median_pct").unionByName(
        felt.own(fresh).select(*key, "soh_median_pct")
    )
    places = kept(lake, "fleet.places", cohort_percentile(together, felt.members))
    place = "cohort_percentile_pct"
    last = F.broadcast(felt.members.select("pack_id", "last_date"))
    kept_places = (
        stored.join(last, on="pack_id", how="inner").where("as_of_date > last_date").select(*key, place)
    )
    own = fresh.drop(place).join(places.unionByName(kept_places), on=key, how="left")
    moved = (
        others
        .where("as_of_date >= first_date")
        .drop("first_date", "last_date", "own_first")
        .withColumnRenamed(place, "stood")
        .join(places, on=key, how="left")
        .where(f"NOT ({place} <=> stood)")
        .drop("stood")
    )
    return own.unionByName(moved)


def _members(packs: DataFrame, touched: DataFrame) -> DataFrame:
    """All packs of the touched packs' models and chemistries, and the days on which the changes are felt.

    Those are the model's and chemistry's own: a late pack is not felt by packs unlike it. A pack is felt
    until it is no longer fresh.
    """
    mine = packs.join(F.broadcast(touched), on="pack_id", how="inner")
    same = mine.groupBy(F.col("model").alias("m"), F.col("chemistry").alias("c")).agg(
        F.min("first_date").alias("first_date"),
        F.date_add(F.max("last_date"), FRESH_DAYS).alias("last_date"),
    )
    is_like = F.col("model").eqNullSafe(F.col("m")) & (F.col("chemistry") == F.col("c"))
    known = packs.select("pack_id", "model", "chemistry", "warranty_from")
    return known.join(F.broadcast(same), is_like, how="inner").drop("m", "c")


def _vehicles(lake: Lake, firsts: DataFrame, starts: Reach) -> None:
    """A vehicle's newest session is no older than the changes, or its row is newer and stays."""
    recent = lake.read("gold.session").where(starts.days("started_at"))
    sessions = recent.join(F.broadcast(firsts), on="pack_id", how="inner").where("started_at >= first_date")
    # A pack without a state has no health: it is not looked for.
    known = firsts.select("pack_id").join(
        lake.read("gold.cell_state").select("pack_id"), on="pack_id", how="left_semi"
    )
    ever = known.withColumn("first_date", F.lit(END_OF_TIME.date()))
    newest = newest_before(lake, PACK_HEALTH.name, ever, starts, PACK_HEALTH.column_names, "fleet.newest")
    rows = vehicle_status(sessions.drop("first_date"), newest.select("row.*"))
    upsert(lake, "gold.vehicle_status", rows, only_if="s.last_seen_at >= t.last_seen_at")


def _fleet(lake: Lake, felt: _Felt) -> None:
    """Days on which a touched pack counts: from its like's first change until it is no longer fresh."""
    health = lake.read("gold.pack_health").where(felt.days.back(FRESH_DAYS).days("as_of_date"))
    rows = fleet_daily(
        felt.own(health).drop("first_date", "last_date"),
        lake.read("gold.session").where(felt.days.instants("started_at")),
        felt.members,
    )
    own = felt.members.select(
        F.coalesce("model", F.lit("unknown")).alias("model"), "chemistry", "first_date", "last_date"
    ).distinct()
    stored = (
        lake
        .read("gold.fleet_daily")
        .join(F.broadcast(own), on=["model", "chemistry"], how="inner")
        .where("as_of_date BETWEEN first_date AND last_date")
        .drop("first_date", "last_date")
    )
    fresh = kept(lake, "fleet.daily", rows)
    within = f"t.as_of_date >= DATE'{felt.days.far:%Y-%m-%d}'"
    upsert(lake, "gold.fleet_daily", replacing(fresh, stored, FLEET_DAILY.key), within=within)


def _run(lake: Lake, progress: Progress) -> RunResult:
    health = changes(lake, "gold.cell_health").select("pack_id", "as_of_date")
    use = changes(lake, "gold.session").select("pack_id", F.to_date("started_at").alias("as_of_date"))
    return run_available(lake, "fleet", health.unionByName(use), plain(fleet_batch), progress)


FLEET = Pipeline(
    "fleet",
    reads=("gold.cell_health", "gold.cell_life", "gold.cell_state", "gold.session", "reference.packs"),
    writes=("gold.pack_health", "gold.battery_passport", "gold.vehicle_status", "gold.fleet_daily"),
    step=_run,
)
