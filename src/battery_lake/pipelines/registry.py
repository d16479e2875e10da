"""All pipelines in the order of the flow, and the jobs that run them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from battery_lake.lake.access import Lake
from battery_lake.log import configure
from battery_lake.pipelines.ageing_alerts import AGEING_ALERTS
from battery_lake.pipelines.alerts import ALERTS
from battery_lake.pipelines.capacity import CAPACITY
from battery_lake.pipelines.fleet import FLEET
from battery_lake.pipelines.health import HEALTH
from battery_lake.pipelines.ingest import INGEST
from battery_lake.pipelines.push_adx import PUSH_ADX
from battery_lake.pipelines.push_twins import PUSH_TWINS
from battery_lake.pipelines.quality import QUALITY
from battery_lake.pipelines.refine import REFINE
from battery_lake.pipelines.sessions import SESSIONS
from battery_lake.pipelines.signal_faults import SIGNAL_FAULTS
from battery_lake.pipelines.soh_changes import SOH_CHANGES
from battery_lake.session import spark_session
from battery_lake.settings import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from battery_lake.pipelines.model import Pipeline, Progress, RunResult

PIPELINES: Final[dict[str, Pipeline]] = {
    pipeline.name: pipeline
    for pipeline in (
        INGEST,
        REFINE,
        SIGNAL_FAULTS,
        ALERTS,
        SESSIONS,
        CAPACITY,
        AGEING_ALERTS,
        HEALTH,
        SOH_CHANGES,
        FLEET,
        QUALITY,
        PUSH_ADX,
        PUSH_TWINS,
    )
}
"""Pipeline by name, upstream first."""

JOBS: Final[dict[str, tuple[Pipeline, ...]]] = {
    "ingest": (INGEST,),
    "refine": (REFINE, SIGNAL_FAULTS),
    "health": (ALERTS, SESSIONS, CAPACITY, AGEING_ALERTS, HEALTH, SOH_CHANGES, FLEET),
    "quality": (QUALITY,),
    "push_adx": (PUSH_ADX,),
    "push_twins": (PUSH_TWINS,),
}
"""Job by name: the pipelines that it runs, in order. The files in jobs/ and the commands run these."""

TO_GOLD: Final = ("ingest", "refine", "health")
"""The jobs that take messages from the source to gold."""


def run_job(name: str, lake: Lake, progress: Progress | None = None) -> list[RunResult]:
    """Run a job's pipelines one after the other.

    Parameters
    ----------
    name
        A key of :data:`JOBS`.
    lake
        The tables.
    progress
        Told of every batch.
    """
    return [pipeline.run(lake, progress) for pipeline in JOBS[name]]


def main(name: str, arguments: Sequence[str]) -> None:
    """Run a job as a process of its own: settings from the arguments, ``--source.landing=/data`` say."""
    configure(1)
    settings, _ = load(_pairs(arguments))
    run_job(name, Lake(spark_session(settings), settings))


def _pairs(arguments: Sequence[str]) -> list[str]:
    """``--key value`` and ``--key=value`` alike as key=value."""
    pairs: list[str] = []
    rest = list(arguments)
    while rest:
        head = rest.pop(0)
        pairs.append(head if "=" in head or not rest else f"{head}={rest.pop(0)}")
    return pairs
