"""Silver to alerts: how the cells of the changed days lay, and what the rules say of the packs since.

A pack goes on from its stored state unless a day before it changed; then the pack, and no other, is stepped
anew from its first day. Nothing here waits for sessions or health: a hot probe is told of first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.cells.alerts import AlertParams
from battery_lake.cells.safety_alerts import SafetyLimits
from battery_lake.gold.alert_rules import CODES
from battery_lake.gold.alert_state import METHOD, TREND_DAYS, alert_inputs, alert_state, pack_alerts
from battery_lake.gold.cell_deviation import CellDeviationParams, cell_deviation
from battery_lake.lake.changes import changes
from battery_lake.lake.scratch import kept
from battery_lake.pipelines.alert_plan import (
    plan,
    planned,
    starts,
    touched_days,
    write_alerts,
    write_days,
    write_states,
)
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.stream import plain, run_available
from battery_lake.silver.facts import DEFAULT
from battery_lake.tables.gold import ALERT_STATE, CELL_DEVIATION

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.lake.reach import Reach
    from battery_lake.sections import AlertSettings


def alerts_batch(lake: Lake, changed: DataFrame) -> Counts:
    """Tell the touched days again, then step their packs on, or anew, and write what is different."""
    touched, span = touched_days(lake, changed, "measured_at", "alerts.touched")
    if span is None:
        return Counts()
    fresh = kept(lake, "alerts.days", _told_again(lake, touched, span))
    write_days(lake, CELL_DEVIATION, fresh, touched, span)
    going_on = kept(lake, "alerts.plan", plan(touched, fresh, lake.read(ALERT_STATE.name), METHOD))
    written = _write_alerts(lake, going_on)
    return Counts(rows_in=written, rows_kept=written)


def _told_again(lake: Lake, touched: DataFrame, span: Reach) -> DataFrame:
    """The touched days of the touched packs, whole."""

    def of_days(name: str) -> DataFrame:
        rows = (
            lake
            .read(name)
            .where(span.instants("measured_at"))
            .withColumn("as_of_date", F.to_date("measured_at"))
        )
        return rows.join(touched, on=["pack_id", "as_of_date"], how="left_semi").drop("as_of_date")

    return cell_deviation(
        of_days("silver.telemetry"),
        of_days("silver.signal_fault"),
        lake.read("reference.packs"),
        CellDeviationParams(safety_limits(lake.settings.alerts)),
    )


def safety_limits(settings: AlertSettings) -> dict[str, SafetyLimits]:
    """Return the limits of each chemistry that has one of its own, and of the others as ``default``.

    Parameters
    ----------
    settings
        The section ``alerts`` of the settings.
    """
    curves, warning_c, critical_c = settings.charge_c_rate, settings.hot_warning_c, settings.hot_critical_c
    return {
        chemistry: SafetyLimits(
            charge_c_rate=curves.get(chemistry, curves[DEFAULT]),
            hot_warning_c=warning_c.get(chemistry, warning_c[DEFAULT]),
            hot_critical_c=critical_c.get(chemistry, critical_c[DEFAULT]),
            insulation_warning_ohm_per_v=settings.insulation_warning_ohm_per_v,
            insulation_critical_ohm_per_v=settings.insulation_critical_ohm_per_v,
        )
        for chemistry in sorted({*curves, *warning_c, *critical_c})
    }


def _write_alerts(lake: Lake, going_on: DataFrame) -> int:
    """Step the planned packs and write their alerts, then their states; how many alerts changed."""
    since = starts(going_on)
    days = lake.read(CELL_DEVIATION.name).where(since.days("as_of_date"))
    inputs = alert_inputs(
        planned(days, going_on, "as_of_date >= to_date(from_at)"),
        lake.read("reference.packs"),
        planned(lake.read(ALERT_STATE.name), going_on, "as_of_at = from_at"),
    )
    stepped = kept(lake, "alerts.stepped", pack_alerts(inputs, AlertParams(trend_days=TREND_DAYS)))
    written = write_alerts(lake, stepped, going_on, since, CODES)
    # Last: a crash before it repeats what came before, with the same state to go on from.
    write_states(lake, ALERT_STATE, alert_state(stepped), going_on)
    return written


def _run(lake: Lake, progress: Progress) -> RunResult:
    sources = [
        changes(lake, name).select("pack_id", "measured_at")
        for name in ("silver.telemetry", "silver.signal_fault")
    ]
    return run_available(lake, "alerts", sources[0].unionByName(sources[1]), plain(alerts_batch), progress)


ALERTS = Pipeline(
    "alerts",
    reads=("silver.telemetry", "silver.signal_fault", "reference.packs"),
    writes=("gold.cell_deviation", "gold.alert_state", "gold.alert"),
    step=_run,
)
