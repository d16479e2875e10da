"""Landing files to bronze."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import Observation
from pyspark.sql import functions as F

from battery_lake.bronze.telemetry import plausible_time, telemetry
from battery_lake.clock import utc_now
from battery_lake.lake.sql import quoted
from battery_lake.lake.write import insert_missing
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.stream import run_available
from battery_lake.sources import files

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake


def _batch(lake: Lake, lines: DataFrame, batch_id: int) -> Counts:
    """Number the lines, read their envelopes, append what bronze lacks."""
    del batch_id
    numbered = files.numbered(lines)
    if not numbered.files:
        return Counts()
    taken = Observation()
    rows = telemetry(files.envelope(numbered.lines, lake.settings.source.hub), utc_now())
    names = ", ".join(quoted(name) for name in numbered.files)
    insert_missing(
        lake,
        "bronze.telemetry",
        rows.observe(taken, F.count(F.lit(1)).alias("rows"), F.max(plausible_time()).alias("newest")),
        within=f"t.hub = {quoted(lake.settings.source.hub)} AND t.partition_id IN ({names})",
    )
    count = int(taken.get["rows"])
    return Counts(rows_in=count, rows_kept=count, newest_at=taken.get["newest"])


def _run(lake: Lake, progress: Progress) -> RunResult:
    if "://" not in lake.settings.source.landing:
        lake.settings.landing.mkdir(parents=True, exist_ok=True)
    return run_available(lake, "ingest", files.stream(lake.spark, lake.settings), _batch, progress)


INGEST = Pipeline("ingest", reads=(), writes=("bronze.telemetry",), step=_run)
