"""Silver to the faults that only a look back shows: around new and late messages, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.lake.changes import changes, hull, inside, overall
from battery_lake.lake.scratch import kept
from battery_lake.lake.write import replacing, upsert
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.stream import plain, run_available
from battery_lake.silver.facts import Limits
from battery_lake.silver.signal_fault import HistoryParams, signal_fault
from battery_lake.tables.silver import SIGNAL_FAULT

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake


def signal_faults_batch(lake: Lake, changed: DataFrame) -> Counts:
    """Look again at the touched packs, from the first change to as far after the last as it can be felt."""
    params, limits = HistoryParams(), Limits(**lake.settings.limits.model_dump())
    touched = kept(lake, "signal_faults.touched", hull(changed, F.col("measured_at"), F.col("measured_at")))
    span = overall(touched)
    if span is None:
        return Counts()
    reach = F.make_dt_interval(secs=F.lit(params.reach_s))
    spans = touched.withColumn("high", F.col("high") + reach)
    wide = span.widened(params.reach_s)
    near = (
        lake
        .read("silver.telemetry")
        .where(wide.holds("measured_at"))
        .join(F.broadcast(spans), on="pack_id", how="inner")
        .where(F.col("measured_at").between(F.col("low") - reach, F.col("high")))
        .drop("low", "high")
    )
    found = signal_fault(near, lake.read("reference.packs"), limits, params)
    fresh = kept(lake, "signal_faults.fresh", inside(found, spans, "measured_at"))
    stored = lake.read(SIGNAL_FAULT.name).where(wide.holds("measured_at")).select(*SIGNAL_FAULT.key)
    rows = replacing(fresh, inside(stored, spans, "measured_at"), SIGNAL_FAULT.key)
    written = upsert(lake, SIGNAL_FAULT.name, rows, within=wide.holds("t.measured_at"))
    return Counts(rows_in=written, rows_kept=written)


def _run(lake: Lake, progress: Progress) -> RunResult:
    source = changes(lake, "silver.telemetry").select("pack_id", "measured_at")
    return run_available(lake, "signal_faults", source, plain(signal_faults_batch), progress)


SIGNAL_FAULTS = Pipeline(
    "signal_faults", reads=("silver.telemetry", "reference.packs"), writes=(SIGNAL_FAULT.name,), step=_run
)
