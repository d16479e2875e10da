"""Gold's changes to the twins: models, twins and their relationships in Digital Twins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

import battery_lake
from battery_lake.clock import monotonic_s, utc_now
from battery_lake.errors import RemoteError, SettingsError
from battery_lake.lake.create import ensure
from battery_lake.lake.scratch import kept
from battery_lake.lake.versions import latest_version
from battery_lake.lake.write import append_once
from battery_lake.log import logger
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.quality.gate import released_until
from battery_lake.sinks.failures import keep_rows, settle_rows, waiting
from battery_lake.sinks.twins.client import Address, Graph
from battery_lake.sinks.twins.deliver import Manner
from battery_lake.sinks.twins.plan import apply_models, model_plan, models
from battery_lake.sinks.twins.spread import UNREACHABLE, Courier, delivered
from battery_lake.sinks.twins.wanted import Layout, Tables, wanted
from battery_lake.tables.ops import BATCH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.settings import Settings

SINK: Final = "twins"
HEALTH, CELLS, STATUS = "gold.pack_health", "gold.cell_current", "gold.vehicle_status"
FOLLOWED: Final = {HEALTH: "pack_id", CELLS: "pack_id", STATUS: "vehicle_id"}
"""Tables whose changes are pushed, and what a change touches."""
READS: Final = (
    *FOLLOWED, "reference.packs", "gold.vehicle_position", "gold.data_quality", "ops.delivery_failure",
)  # fmt: skip
SHOWN: Final = 20
"""Changes and refusals that are told one by one."""
SIGNS: Final = {"created": "+", "patched": "~", "related": ">"}
OF_PACK: Final = ("pack", "bms", "thermal")
_MODULE, _CELL = r"/[^/]*$", r"/[^/]*/[^/]*$"


@dataclass(slots=True)
class Outcome:
    """What a delivery did: twins by what became of them, models added, and what waits for a check.

    ``changes`` and ``refused`` tell of the first of them what differed, and why.
    """

    twins: dict[str, int] = field(default_factory=dict)
    models: int = 0
    extra: int = 0
    unchecked: dict[str, int] = field(default_factory=dict)
    changes: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    @property
    def changed(self) -> int:
        """Twins that differed."""
        return sum(count for name, count in self.twins.items() if name not in {"same", "older", "refused"})


def address_of(settings: Settings) -> Address:
    """Return where the instance is.

    Raises
    ------
    SettingsError
        No address is set.
    """
    chosen = settings.twins
    if not chosen.endpoint:
        raise SettingsError(
            "there is no Digital Twins instance to write to",
            why="twins.endpoint is empty",
            remedy="set it, or run `battery-lake local up` and set what it prints",
        )
    return Address(
        chosen.endpoint,
        chosen.credential,
        chosen.token.get_secret_value(),
        chosen.certificate,
        chosen.patience_s,
    )


def synchronise(lake: Lake, *, retries: bool = False) -> Outcome:
    """Push what has changed in gold since the last push, and what a check has released.

    A run that breaks off pushes the same again: what is there already is not sent twice.

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
    address, until = address_of(lake.settings), _until(lake)
    since = _pushed(lake)
    fresh = {name: last for name, last in until.items() if last > since.get(name, -1)}
    outcome = Outcome(unchecked=_unchecked(lake, until))
    touched = _touched(lake, fresh, since, retries=retries)
    if touched is not None:
        graph = Graph(address)
        plan = model_plan(models(lake.settings.twins.models), graph.models())
        apply_models(graph, plan)
        outcome.models = len(plan.missing)
        rows = wanted(_tables(lake, until, touched), layout_of(lake))
        _deliver(lake, address, rows, Manner(dead_bands=lake.settings.twins.dead_bands), outcome)
    for name, last in fresh.items():
        _account(lake, name, last, outcome)
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
    address, until = address_of(lake.settings), _until(lake)
    graph = Graph(address)
    plan = model_plan(models(lake.settings.twins.models), graph.models())
    outcome = Outcome(models=len(plan.missing), unchecked=_unchecked(lake, until))
    if not is_rehearsal:
        apply_models(graph, plan)
    elif plan.conflicting:
        outcome.refused = [f"model {name} has changed without a new version" for name in plan.conflicting]
    rows = wanted(_tables(lake, until, None), layout_of(lake))
    manner = Manner(is_thorough=True, is_rehearsal=is_rehearsal, dead_bands=lake.settings.twins.dead_bands)
    _deliver(lake, address, rows, manner, outcome)
    held = next(iter(graph.query("SELECT COUNT() FROM DIGITALTWINS")))["COUNT"]
    missing = outcome.twins.get("created", 0) if is_rehearsal else 0
    outcome.extra = max(held + missing - sum(outcome.twins.values()), 0)
    if not is_rehearsal:
        for name, last in until.items():
            if last >= 0:
                _account(lake, name, last, outcome)
    return outcome


def layout_of(lake: Lake) -> Layout:
    """Return which twins there are, as set."""
    chosen = lake.settings.twins
    return Layout(
        chosen.layout == "cells",
        chosen.weakest_cells,
        chosen.vehicle_model,
        chosen.pack_model,
        chosen.cell_model,
    )


def whole_graph(lake: Lake) -> DataFrame:
    """Return every twin that there should be, as released."""
    ensure(lake, dict.fromkeys(READS))
    return wanted(_tables(lake, _until(lake), None), layout_of(lake))


def _deliver(lake: Lake, address: Address, rows: DataFrame, manner: Manner, outcome: Outcome) -> None:
    """Deliver wanted twins; what is refused waits, what waited and went through is forgotten.

    Raises
    ------
    RemoteError
        The service does not answer, or lets nobody in.
    """
    courier = Courier(address, manner, lake.settings.twins.concurrency)
    found = kept(lake, "twins.delivered", delivered(rows, courier))
    for row in found.groupBy("outcome").agg(F.count("*").alias("twins")).collect():
        outcome.twins[row.outcome] = row.twins
    if not manner.is_rehearsal:
        keep_rows(lake, SINK, found.where("outcome = 'refused'").select("item_key", "payload", "reason"))
        settle_rows(lake, SINK, found.where(f"outcome NOT IN ('refused', '{UNREACHABLE}')"))
    if outcome.twins.pop(UNREACHABLE, 0):
        told = found.where(f"outcome = '{UNREACHABLE}'").limit(1).collect()[0]
        raise RemoteError("the twins could not be brought up to date", why=told.reason, remedy=told.payload)
    telling = found.where("outcome NOT IN ('same', 'older')").orderBy("item_key")
    for row in telling.where("outcome <> 'refused'").limit(SHOWN).collect():
        outcome.changes.append(f"{SIGNS[row.outcome]} {row.item_key} {row.reason}".rstrip())
    for row in telling.where("outcome = 'refused'").limit(SHOWN).collect():
        outcome.refused.append(f"{row.item_key}: {row.reason}")


def _until(lake: Lake) -> dict[str, int]:
    """The version of each followed table up to which everything may leave; -1: nothing may."""
    if not lake.settings.twins.checked_only:
        return {name: latest_version(lake, name) for name in FOLLOWED}
    return {name: released_until(lake.read("gold.data_quality"), name) for name in FOLLOWED}


def _unchecked(lake: Lake, until: Mapping[str, int]) -> dict[str, int]:
    """Versions of each table that are not pushed because nothing, or nothing good, is known of them."""
    behind = {name: latest_version(lake, name) - last for name, last in until.items()}
    return {name: versions for name, versions in behind.items() if versions > 0}


def _pushed(lake: Lake) -> dict[str, int]:
    """The last version of each table that has been pushed."""
    rows = lake.read(BATCH.name).where(F.col("pipeline").startswith(f"push_{SINK}:"))
    rows = rows.where(F.col("generation") == lake.generation(f"push_{SINK}"))
    last = rows.groupBy("pipeline").agg(F.max("batch_id").alias("last")).collect()
    return {row.pipeline.partition(":")[2]: row.last for row in last}


def _touched(
    lake: Lake, fresh: Mapping[str, int], since: Mapping[str, int], *, retries: bool
) -> dict[str, DataFrame] | None:
    """Packs and vehicles that the changes touch; None where there are none."""
    found: dict[str, list[DataFrame]] = {"pack_id": [], "vehicle_id": []}
    for name, last in fresh.items():
        # What a row said before is touched too: the vehicle that a pack left, a day that has gone.
        rows = lake.changed(name, since.get(name, -1) + 1, last)
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
        found["vehicle_id"].append(failed.where(of_pack.isNull()).select(F.col("key").alias("vehicle_id")))
    if not fresh and not retries:
        return None
    touched = {}
    for key, frames in found.items():
        whole = lake.spark.createDataFrame([], f"{key} string")
        for frame in frames:
            whole = whole.unionByName(frame)
        touched[key] = kept(lake, f"twins.{key}", whole.where(F.col(key).isNotNull()).distinct())
    return touched


def _tables(lake: Lake, until: Mapping[str, int], touched: Mapping[str, DataFrame] | None) -> Tables:
    """The tables as released, whole or of what is touched only."""

    def of(name: str, key: str, *, also: str = "") -> DataFrame:
        last = until.get(name)
        rows = lake.read(name) if last is None else lake.read_at(name, max(last, 0))
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
        packs, of(HEALTH, "pack_id"), of(CELLS, "pack_id"), vehicles, positions, until[HEALTH], until[STATUS]
    )


def _account(lake: Lake, name: str, last: int, outcome: Outcome) -> None:
    """Say how far a table has been pushed."""
    key = f"push_{SINK}:{name}"
    generation = lake.generation(f"push_{SINK}")
    rows = sum(outcome.twins.values())
    refused = outcome.twins.get("refused", 0)
    row = {
        "pipeline": key, "generation": generation, "batch_id": last, "rows_in": rows,
        "rows_kept": outcome.changed, "rows_refused": refused,
        "rows_duplicate": rows - refused - outcome.changed, "seconds": None, "broken": {}, "lag_s": None,
        "version": battery_lake.__version__, "finished_at": utc_now().replace(tzinfo=None),
    }  # fmt: skip
    frame = lake.spark.createDataFrame([row], BATCH.fields)
    append_once(lake, BATCH.name, frame, writer=f"{key}/{generation}", number=last)


def _run(lake: Lake, progress: Progress) -> RunResult:
    began = monotonic_s()
    outcome = synchronise(lake)
    rows = sum(outcome.twins.values())
    refused = outcome.twins.get("refused", 0)
    counts = Counts(rows, outcome.changed, refused, rows - refused - outcome.changed)
    progress.batch(f"push_{SINK}", 0, rows)
    logger(f"push_{SINK}").info("batch_committed", batch_id=0, rows=rows)
    return RunResult(f"push_{SINK}", 1, counts, monotonic_s() - began)


PUSH_TWINS = Pipeline(f"push_{SINK}", reads=READS, writes=(), step=_run)
