"""All pipelines in the order of the flow, and the jobs that run them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from battery_lake.errors import SettingsError
from battery_lake.lake.access import Lake
from battery_lake.log import configure
from battery_lake.pipelines.ageing_alerts import AGEING_ALERTS
from battery_lake.pipelines.alerts import ALERTS
from battery_lake.pipelines.arguments import parse
from battery_lake.pipelines.backfill import Wanted, backfill
from battery_lake.pipelines.capacity import CAPACITY
from battery_lake.pipelines.fleet import FLEET
from battery_lake.pipelines.health import HEALTH
from battery_lake.pipelines.ingest import INGEST
from battery_lake.pipelines.kpis import KPIS
from battery_lake.pipelines.live_twins import LIVE_TWINS
from battery_lake.pipelines.maintain import maintain_tables
from battery_lake.pipelines.model import Silent
from battery_lake.pipelines.positions import POSITIONS
from battery_lake.pipelines.promote import promote_challenger
from battery_lake.pipelines.push_adx import PUSH_ADX
from battery_lake.pipelines.push_twins import PUSH_TWINS
from battery_lake.pipelines.quality import QUALITY
from battery_lake.pipelines.refine import REFINE
from battery_lake.pipelines.sessions import SESSIONS
from battery_lake.pipelines.signal_faults import SIGNAL_FAULTS
from battery_lake.pipelines.soh_changes import SOH_CHANGES
from battery_lake.pipelines.train import train_challenger
from battery_lake.session import spark_session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from battery_lake.pipelines.model import Pipeline, Progress, RunResult

PIPELINES: Final[dict[str, Pipeline]] = {
    pipeline.name: pipeline
    for pipeline in (
        INGEST,
        REFINE,
        SIGNAL_FAULTS,
        POSITIONS,
        ALERTS,
        SESSIONS,
        CAPACITY,
        AGEING_ALERTS,
        HEALTH,
        SOH_CHANGES,
        FLEET,
        KPIS,
        QUALITY,
        PUSH_ADX,
        PUSH_TWINS,
        LIVE_TWINS,
    )
}
"""Pipeline by name, upstream first."""

JOBS: Final[dict[str, tuple[Pipeline, ...]]] = {
    "ingest": (INGEST,),
    "refine": (REFINE, SIGNAL_FAULTS, POSITIONS),
    "health": (ALERTS, SESSIONS, CAPACITY, AGEING_ALERTS, HEALTH, SOH_CHANGES, FLEET),
    "kpis": (KPIS,),
    "quality": (QUALITY,),
    "push_adx": (PUSH_ADX,),
    "push_twins": (PUSH_TWINS, LIVE_TWINS),
}
"""Job by name: the pipelines that it runs, in order. The files in jobs/ and the commands run these."""


@dataclass(frozen=True, slots=True)
class Errand:
    """A job that is no arrow of the flow.

    Parameters
    ----------
    run
        Does it, told its own words.
    own
        Names of its arguments that are no settings.
    """

    run: Callable[[Lake, Mapping[str, str]], object]
    own: tuple[str, ...] = ()


def _backfill(lake: Lake, given: Mapping[str, str]) -> object:
    wanted = Wanted.read(given.get("from", ""), given.get("to", ""), given.get("vehicles", ""))
    return backfill(lake, wanted, Silent())


ERRANDS: Final[dict[str, Errand]] = {
    "maintain": Errand(lambda lake, _: maintain_tables(lake, Silent())),
    "train": Errand(lambda lake, _: train_challenger(lake)),
    "promote": Errand(lambda lake, _: promote_challenger(lake)),
    "backfill": Errand(_backfill, ("from", "to", "vehicles")),
}
"""Job by name, of those that are no pipelines; they have files in jobs/ and commands too."""

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
    """Run a job as a process of its own.

    Parameters
    ----------
    name
        A key of :data:`JOBS` or :data:`ERRANDS`.
    arguments
        Settings, ``--source.landing=/data`` say; ``--config`` names their file, ``--task`` the one pipeline
        of the job that is to run.

    Raises
    ------
    SettingsError
        An argument is no setting, or the job has no such pipeline.
    """
    configure(1)
    errand = ERRANDS.get(name)
    given = parse(arguments, errand.own if errand else ())
    pipelines = () if errand else chosen(name, given.task)
    lake = Lake(spark_session(given.settings), given.settings)
    if errand:
        errand.run(lake, given.own)
    for pipeline in pipelines:
        pipeline.run(lake)


def chosen(name: str, task: str) -> tuple[Pipeline, ...]:
    """Return the pipelines of a job, or the one that a task names.

    Raises
    ------
    SettingsError
        The job has no such pipeline.
    """
    found = tuple(pipeline for pipeline in JOBS[name] if task in {"", pipeline.name})
    if not found:
        names = ", ".join(pipeline.name for pipeline in JOBS[name])
        raise SettingsError(f"{name} has no pipeline {task}", remedy=f"--task takes one of {names}")
    return found
