"""Gold's changes to the twins: models, twins and their relationships in Digital Twins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.clock import monotonic_s
from battery_lake.lake.create import ensure
from battery_lake.lake.scratch import kept
from battery_lake.log import logger
from battery_lake.pipelines.model import Pipeline, Progress, RunResult
from battery_lake.pipelines.twin_delivery import SINK, Outcome, deliver, graph_of, layout_of, tell
from battery_lake.pipelines.twin_marks import NONE_YET, PUSH, mark, places
from battery_lake.sinks.failures import waiting
from battery_lake.sinks.twins.deliver import Manner
from battery_lake.sinks.twins.plan import apply_models, model_plan, models
from battery_lake.sinks.twins.remove import OF_PACK
from battery_lake.sinks.twins.wanted import Tables, wanted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.pipelines.twin_marks import Place

HEALTH, CELLS, STATUS = "gold.pack_health", "gold.cell_current", "gold.vehicle_status"
FOLLOWED: Final = {HEALTH: "pack_id", CELLS: "pack_id", STATUS: "vehicle_id"}
"""Tables whose changes are pushed, and what a change touches."""
READS: Final = (
    *FOLLOWED, "reference.packs", "gold.vehicle_position", "gold.data_quality", "ops.delivery_failure",
)  # fmt: skip
_MODULE, _CELL = r"/[^/]*$", r"/[^/]*/[^/]*$"


def synchronise(lake: Lake, *, retries: bool = False) -> Outcome:
    """Push what has changed in gold since the last push, and what a check has released.

    A run that breaks off pushes the same again: what is there already is not sent twice. Where a table has
    never been pushed, one made anew under an old name too, the whole graph is brought to what gold says:
    versions of another table do not tell what is newer.

    Parameters
    ----------
    lake
        The tables.
    retries
        Try again what was refused before.

    Raises
    ------
    SettingsError
        No address is set, or a model has changed without a new version.
    RemoteError
        The service does not answer.
    """
    began, graph, stand = monotonic_s(), graph_of(lake.settings), places(lake, FOLLOWED)
    fresh = {name: place for name, place in stand.items() if place.is_new}
    outcome = Outcome(unchecked=_unchecked(stand))
    if not fresh and not retries:
        return outcome
    is_whole = any(place.since is None for place in fresh.values())
    touched = None if is_whole else _touched(lake, fresh, retries=retries)
    plan = model_plan(models(lake.settings.twins.models), graph.models())
    apply_models(graph, plan)
    outcome.models = len(plan.missing)
    rows = wanted(_tables(lake, stand, touched), layout_of(lake.settings))
    tell(deliver(lake, rows, Manner(is_whole, dead_bands=lake.settings.twins.dead_bands), outcome), outcome)
    mark(lake, fresh, outcome.counts, monotonic_s() - began)
    return outcome


def bring_about(lake: Lake, *, is_rehearsal: bool) -> Outcome:
    """Compare the whole graph with gold, and make it so unless it is a rehearsal.

    Parameters
    ----------
    lake
        The tables.
    is_rehearsal
        Only say what would be done.

    Raises
    ------
    SettingsError
        No address is set, or a model has changed without a new version.
    RemoteError
        The service does not answer.
    """
    began, graph, stand = monotonic_s(), graph_of(lake.settings), places(lake, FOLLOWED)
    plan = model_plan(models(lake.settings.twins.models), graph.models())
    outcome = Outcome(models=len(plan.missing), unchecked=_unchecked(stand))
    if not is_rehearsal:
        apply_models(graph, plan)
    elif plan.conflicting:
        outcome.refused = [f"model {name} has changed without a new version" for name in plan.conflicting]
    rows = wanted(_tables(lake, stand, None), layout_of(lake.settings))
    manner = Manner(is_thorough=True, is_rehearsal=is_rehearsal, dead_bands=lake.settings.twins.dead_bands)
    tell(deliver(lake, rows, manner, outcome), outcome)
    missing = outcome.twins.get("created", 0) if is_rehearsal else 0
    outcome.extra = max(graph.count() + missing - sum(outcome.twins.values()), 0)
    if not is_rehearsal:
        done = {name: place for name, place in stand.items() if place.until > NONE_YET}
        mark(lake, done, outcome.counts, monotonic_s() - began)
    return outcome


def whole_graph(lake: Lake, stand: Mapping[str, Place]) -> DataFrame:
    """Return every twin that there should be, as released.

    Parameters
    ----------
    lake
        The tables.
    stand
        Where those that are followed stand.
    """
    ensure(lake, dict.fromkeys(READS))
    return wanted(_tables(lake, stand, None), layout_of(lake.settings))


def _unchecked(stand: Mapping[str, Place]) -> dict[str, int]:
    """Versions of each table that are not pushed because nothing, or nothing good, is known of them."""
    behind = {name: place.latest - place.until for name, place in stand.items()}
    return {name: versions for name, versions in behind.items() if versions > 0}


def _touched(lake: Lake, fresh: Mapping[str, Place], *, retries: bool) -> dict[str, DataFrame]:
    """Packs and vehicles that the changes touch."""
    found: dict[str, list[DataFrame]] = {"pack_id": [], "vehicle_id": []}
    for name, place in fresh.items():
        # What a row said before is touched too: the vehicle that a pack left, a day that has gone.
        rows = lake.changed(name, (NONE_YET if place.since is None else place.since) + 1, place.until)
        for key in ("pack_id", "vehicle_id"):
            if key in rows.columns:
                found[key].append(rows.select(key))
    if retries:
        failed = waiting(lake, SINK).select(
            F.split_part("item_key", F.lit(" "), F.lit(1)).alias("kind"),
            F.expr("substr(item_key, instr(item_key, ' ') + 1)").alias("key"),
        )
        cut = F.when(F.col("kind") == "module", F.regexp_replace("key", _MODULE, "")).when(
            F.col("kind") == "cell", F.regexp_replace("key", _CELL, "")
        )
        of_pack = cut.when(F.col("kind").isin(*OF_PACK), F.col("key"))
        found["pack_id"].append(failed.select(of_pack.alias("pack_id")))
        vehicles = failed.where(of_pack.isNull()).select(F.col("key").alias("vehicle_id"))
        found["vehicle_id"].append(vehicles)
        # A vehicle tells of its pack's health.
        carried = lake.read(STATUS).join(vehicles, on="vehicle_id", how="left_semi")
        found["pack_id"].append(carried.select("pack_id"))
    touched = {}
    for key, frames in found.items():
        whole = lake.spark.createDataFrame([], f"{key} string")
        for frame in frames:
            whole = whole.unionByName(frame)
        touched[key] = kept(lake, f"twins.{key}", whole.where(F.col(key).isNotNull()).distinct())
    return touched


def _tables(lake: Lake, stand: Mapping[str, Place], touched: Mapping[str, DataFrame] | None) -> Tables:
    """The tables as released, whole or of what is touched only."""

    def of(name: str, key: str, *, also: str = "") -> DataFrame:
        place = stand.get(name)
        rows = lake.read(name) if place is None else lake.read_at(name, max(place.until, 0))
        if touched is None:
            return rows
        mine = rows.join(touched[key], on=key, how="left_semi")
        return (
            mine.unionByName(rows.join(touched[also], on=also, how="left_semi")).distinct() if also else mine
        )

    packs = of("reference.packs", "pack_id")
    # A pack's twin names its vehicle, whichever of the two was touched.
    vehicles = of(STATUS, "vehicle_id", also="pack_id")
    positions = of("gold.vehicle_position", "vehicle_id") if lake.settings.twins.positions else None
    return Tables(
        packs,
        of(HEALTH, "pack_id"),
        of(CELLS, "pack_id"),
        vehicles,
        positions,
        stand[HEALTH].until,
        stand[STATUS].until,
    )


def _run(lake: Lake, progress: Progress) -> RunResult:
    began = monotonic_s()
    outcome = synchronise(lake)
    rows = outcome.counts.rows_in
    progress.batch(PUSH, 0, rows)
    logger(PUSH).info("batch_committed", batch_id=0, rows=rows)
    return RunResult(PUSH, 1, outcome.counts, monotonic_s() - began)


PUSH_TWINS = Pipeline(PUSH, reads=READS, writes=(), step=_run)
