"""Silver to gold.vehicle_position: where vehicles were last, coarse.

A position stands until a newer message tells another, also where the message that told it has lost against
one of the same key since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from battery_lake.gold.vehicle_position import vehicle_position
from battery_lake.lake.changes import changes
from battery_lake.lake.write import upsert
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.stream import plain, run_available
from battery_lake.tables.gold import VEHICLE_POSITION

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake

SAID = ("vehicle_id", "measured_at", "latitude", "longitude")
NEWER = " >= ".join(
    f"struct({', '.join(f'{side}.{name}' for name in ('measured_at', 'latitude', 'longitude'))})"
    for side in "st"
)


def positions_batch(lake: Lake, said: DataFrame) -> Counts:
    """Tell where the vehicles of some messages are, unless something newer is known."""
    rows = vehicle_position(said, lake.settings.twins.position_cell_km)
    written = upsert(lake, VEHICLE_POSITION.name, rows, only_if=NEWER)
    return Counts(rows_in=written, rows_kept=written)


def _run(lake: Lake, progress: Progress) -> RunResult:
    came = changes(lake, "silver.telemetry").where("_change_type IN ('insert', 'update_postimage')")
    return run_available(lake, "positions", came.select(*SAID), plain(positions_batch), progress)


POSITIONS = Pipeline("positions", reads=("silver.telemetry",), writes=(VEHICLE_POSITION.name,), step=_run)
