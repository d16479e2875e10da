"""Silver to the vehicles' twins, as a stream: what every vehicle is and does at this moment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.gold.live_state import live_state
from battery_lake.lake.observed import Observed
from battery_lake.lake.versions import identity, latest_version
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.stream import plain, run_stream
from battery_lake.pipelines.twin_delivery import Outcome, deliver, graph_of, layout_of
from battery_lake.sinks.twins.deliver import Manner
from battery_lake.sinks.twins.ontology import SEEN
from battery_lake.sinks.twins.plan import apply_models, model_plan, models
from battery_lake.sinks.twins.wanted import live
from battery_lake.whole_file import write_whole

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake

NAME: Final = "live_twins"
SOURCE: Final = "silver.telemetry"
ASKED: Final = (
    "pack_id", "vehicle_id", "measured_at", "sequence", "state", "soc_pct", "pack_voltage_v", "current_a",
    "temperatures_c", "latitude", "longitude", "enqueued_at",
)  # fmt: skip
_FIRST: Final = "first_version"


def follow(lake: Lake, progress: Progress, *, goes_on: bool) -> RunResult:
    """Bring what vehicles say to their twins: of each its newest message, as one patch a batch.

    The first run begins with the newest version of silver; what is older has come, or comes, by gold. A run
    that is killed anywhere repeats its last batch: a twin that was seen later than a message keeps what it
    has.

    Parameters
    ----------
    lake, progress
        The tables, and who is told of every batch.
    goes_on
        Wait for more, until stopped, instead of ending with what is there.

    Raises
    ------
    SettingsError
        No address is set, or a model has changed without a new version.
    RemoteError
        The service does not answer.
    """
    graph = graph_of(lake.settings)
    apply_models(graph, model_plan(models(lake.settings.twins.models), graph.models()))
    # Another table of the same name has versions of its own: its stream has a place of its own.
    stream = f"{NAME}-{identity(lake, SOURCE)}"
    first = _first_version(lake, stream)
    source = lake.stream(SOURCE, readChangeFeed="true", startingVersion=str(first))
    said = source.where("_change_type IN ('insert', 'update_postimage')").select(*ASKED)
    every_s = lake.settings.twins.live_every_s if goes_on else None
    return run_stream(lake, NAME, said, plain(live_batch), progress, stream=stream, every_s=every_s)


def live_batch(lake: Lake, messages: DataFrame) -> Counts:
    """Bring the newest of some messages to the twins.

    Parameters
    ----------
    lake
        The tables.
    messages
        Of silver.telemetry.
    """
    chosen, came = lake.settings.twins, Observed(messages, F.max("enqueued_at").alias("newest"))
    states = live_state(came.frame, chosen.position_cell_km)
    rows = live(states, layout_of(lake.settings).vehicle_model, has_positions=chosen.positions)
    manner = Manner(is_live=True, dead_bands={SEEN: chosen.live_seen_s} | chosen.dead_bands)
    outcome = Outcome()
    deliver(lake, rows, manner, outcome)
    return outcome.counts + Counts(newest_at=came.values["newest"])


def _first_version(lake: Lake, stream: str) -> int:
    """The version of silver that the stream began with: kept, as a run may end before its first batch."""
    file = Path(lake.checkpoint(stream)) / _FIRST
    if not file.exists():
        write_whole(file, str(latest_version(lake, SOURCE)))
    return int(file.read_text(encoding="utf-8"))


def _run(lake: Lake, progress: Progress) -> RunResult:
    wished = lake.settings.twins.live
    return RunResult(NAME) if wished == "off" else follow(lake, progress, goes_on=wished == "always")


LIVE_TWINS = Pipeline(NAME, reads=(SOURCE, "ops.delivery_failure"), writes=(), step=_run)
