"""Silver to alerts: how the cells of the changed days lay, and what the rules say of the packs since.

A pack goes on from its stored state unless a day before it changed; then the pack, and no other, is stepped
anew from its first day. Nothing here waits for sessions or health: a hot probe is told of first.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.cells.alerts import AlertParams
from battery_lake.gold.alert import alert
from battery_lake.gold.alert_state import METHOD, TREND_DAYS, alert_inputs, alert_state, pack_alerts
from battery_lake.gold.cell_deviation import CellDeviationParams, cell_deviation
from battery_lake.lake.changes import Span, changes, overall
from battery_lake.lake.scratch import kept
from battery_lake.lake.sql import instant
from battery_lake.lake.write import replacing, upsert
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.stream import run_available
from battery_lake.tables.gold import ALERT, ALERT_STATE, CELL_DEVIATION

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake

ANEW: Final = "TIMESTAMP'1900-01-01'"
"""A pack that starts anew goes on from here: before every day."""


def alerts_batch(lake: Lake, changed: DataFrame) -> Counts:
    """Tell the touched days again, then step their packs on, or anew, and write what is different."""
    touched = kept(
        lake,
        "alerts.touched",
        changed.select("pack_id", F.to_date("measured_at").alias("as_of_date")).distinct(),
    )
    instants = F.col("as_of_date").cast("timestamp")
    span = overall(touched.select(instants.alias("low"), instants.alias("high")))
    if span is None:
        return Counts()
    fresh = kept(lake, "alerts.days", _told_again(lake, touched, span))
    _write_days(lake, fresh, touched, span)
    plan = kept(lake, "alerts.plan", _plan(touched, fresh, lake.read("gold.alert_state")))
    written = _write_alerts(lake, plan)
    return Counts(rows_in=written, rows_kept=written)


def _told_again(lake: Lake, touched: DataFrame, span: Span) -> DataFrame:
    """The touched days of the touched packs, whole."""
    within = (
        f"measured_at >= {instant(span.low)} AND measured_at < {instant(span.high + dt.timedelta(days=1))}"
    )

    def of_days(name: str) -> DataFrame:
        rows = lake.read(name).where(within).withColumn("as_of_date", F.to_date("measured_at"))
        return rows.join(touched, on=["pack_id", "as_of_date"], how="left_semi").drop("as_of_date")

    return cell_deviation(
        of_days("silver.telemetry"),
        of_days("silver.signal_fault"),
        lake.read("reference.packs"),
        CellDeviationParams(),
    )


def _write_days(lake: Lake, fresh: DataFrame, touched: DataFrame, span: Span) -> None:
    between = f"as_of_date BETWEEN DATE'{span.low:%Y-%m-%d}' AND DATE'{span.high:%Y-%m-%d}'"
    key = CELL_DEVIATION.key
    stored = lake.read(CELL_DEVIATION.name).where(between).select(*key)
    rows = replacing(fresh, stored.join(touched, on=list(key), how="left_semi"), key)
    upsert(lake, CELL_DEVIATION.name, rows, within=f"t.{between}")


def _plan(touched: DataFrame, fresh: DataFrame, states: DataFrame) -> DataFrame:
    """One row per touched pack: ``from_at``, where it goes on; ``ANEW``: from its first day.

    A pack whose day has gone, since its messages have, starts anew: the state may be of that day.
    """
    key = ["pack_id", "as_of_date"]
    gone = touched.join(fresh.select(*key), on=key, how="left_anti").select("pack_id").distinct()
    first = touched.groupBy("pack_id").agg(F.min("as_of_date").cast("timestamp").alias("low"))
    usable = (
        states
        .where(F.col("method_version") == METHOD)
        .join(gone, on="pack_id", how="left_anti")
        .select("pack_id", "as_of_at")
    )
    goes_on = F.when(F.col("low") >= F.col("as_of_at"), F.col("as_of_at"))
    return first.join(usable, on="pack_id", how="left").select(
        "pack_id", F.coalesce(goes_on, F.expr(ANEW)).alias("from_at")
    )


def _write_alerts(lake: Lake, plan: DataFrame) -> int:
    """Step the planned packs and write their alerts, then their states; how many alerts changed."""
    since = overall(plan.selectExpr("from_at AS low", "from_at AS high"))
    assert since is not None
    packs, states = lake.read("reference.packs"), lake.read(ALERT_STATE.name)
    days = _planned(
        lake.read(CELL_DEVIATION.name).where(f"as_of_date >= DATE'{since.low:%Y-%m-%d}'"),
        plan,
        "as_of_date >= to_date(from_at)",
    )
    inputs = alert_inputs(days, packs, _planned(states, plan, "as_of_at = from_at"))
    stepped = kept(lake, "alerts.stepped", pack_alerts(inputs, AlertParams(trend_days=TREND_DAYS)))
    # What was cleared before a pack goes on stays as it is.
    reached = f"(cleared_at IS NULL OR cleared_at >= {instant(since.low)})"
    stored = _planned(
        lake.read(ALERT.name).where(reached), plan, "cleared_at IS NULL OR cleared_at >= from_at"
    )
    rows = replacing(alert(stepped, packs), stored.select(*ALERT.key), ALERT.key)
    written = upsert(lake, ALERT.name, rows)
    # Last: a crash before it repeats what came before, with the same state to go on from.
    own = states.join(F.broadcast(plan), on="pack_id", how="left_semi").select(*ALERT_STATE.key)
    upsert(lake, ALERT_STATE.name, replacing(alert_state(stepped), own, ALERT_STATE.key))
    return written


def _planned(rows: DataFrame, plan: DataFrame, condition: str) -> DataFrame:
    """The planned packs' rows that meet a condition on where they go on."""
    return rows.join(F.broadcast(plan), on="pack_id", how="inner").where(condition).drop("from_at")


def _batch(lake: Lake, changed: DataFrame, batch_id: int) -> Counts:
    del batch_id
    return alerts_batch(lake, changed)


def _run(lake: Lake, progress: Progress) -> RunResult:
    sources = [
        changes(lake, name).select("pack_id", "measured_at")
        for name in ("silver.telemetry", "silver.signal_fault")
    ]
    return run_available(lake, "alerts", sources[0].unionByName(sources[1]), _batch, progress)


ALERTS = Pipeline(
    "alerts",
    reads=("silver.telemetry", "silver.signal_fault", "reference.packs"),
    writes=("gold.cell_deviation", "gold.alert_state", "gold.alert"),
    step=_run,
)
