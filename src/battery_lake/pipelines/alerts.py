"""Silver to alerts: how the cells of the changed days lay, and what the rules say of the packs since.

A pack goes on from its stored state unless a day before it changed; then the pack, and no other, is stepped
anew from its first day. Nothing here waits for sessions or health: a hot probe is told of first.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.cells.alerts import AlertParams
from battery_lake.gold.alert_rules import CODES
from battery_lake.gold.alert_state import METHOD, TREND_DAYS, alert_inputs, alert_state, pack_alerts
from battery_lake.gold.cell_deviation import CellDeviationParams, cell_deviation
from battery_lake.lake.changes import Span, changes, overall
from battery_lake.lake.scratch import kept
from battery_lake.lake.sql import instant
from battery_lake.pipelines.alert_plan import plan, planned, write_alerts, write_days, write_states
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.stream import run_available
from battery_lake.tables.gold import ALERT_STATE, CELL_DEVIATION

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake


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
    write_days(lake, CELL_DEVIATION, fresh, touched, span)
    going_on = kept(lake, "alerts.plan", plan(touched, fresh, lake.read(ALERT_STATE.name), METHOD))
    written = _write_alerts(lake, going_on)
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


def _write_alerts(lake: Lake, going_on: DataFrame) -> int:
    """Step the planned packs and write their alerts, then their states; how many alerts changed."""
    since = overall(going_on.selectExpr("from_at AS low", "from_at AS high"))
    assert since is not None
    days = lake.read(CELL_DEVIATION.name).where(f"as_of_date >= DATE'{since.low:%Y-%m-%d}'")
    inputs = alert_inputs(
        planned(days, going_on, "as_of_date >= to_date(from_at)"),
        lake.read("reference.packs"),
        planned(lake.read(ALERT_STATE.name), going_on, "as_of_at = from_at"),
    )
    stepped = kept(lake, "alerts.stepped", pack_alerts(inputs, AlertParams(trend_days=TREND_DAYS)))
    written = write_alerts(lake, stepped, going_on, since.low, CODES)
    # Last: a crash before it repeats what came before, with the same state to go on from.
    write_states(lake, ALERT_STATE, alert_state(stepped), going_on)
    return written


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
