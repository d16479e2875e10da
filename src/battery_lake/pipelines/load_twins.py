"""The first load: the whole graph as a file, and one import job of the service for all of it."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from battery_lake.clock import monotonic_s, utc_now
from battery_lake.errors import SettingsError
from battery_lake.pipelines.export_twins import write_graph
from battery_lake.pipelines.model import Counts
from battery_lake.pipelines.push_twins import FOLLOWED
from battery_lake.pipelines.twin_delivery import SHOWN, address_of, graph_of
from battery_lake.pipelines.twin_marks import NONE_YET, mark, places
from battery_lake.sinks.twins.plan import missing_models
from battery_lake.sinks.twins.storage import Container

if TYPE_CHECKING:
    from collections.abc import Callable

    from battery_lake.lake.access import Lake
    from battery_lake.sinks.twins.client import Graph

ENDED: Final = frozenset({"succeeded", "failed", "cancelled"})
FIRST_LOOK_S, LONGEST_LOOK_S = 0.5, 15.0


@dataclass(slots=True)
class Loaded:
    """What an import job did.

    Parameters
    ----------
    job_id, status
        As the service has them; ``succeeded`` only where it refused nothing.
    twins, relationships
        That the file held.
    faults
        The first lines of the job's log that tell of an error.
    """

    job_id: str
    status: str
    twins: int = 0
    relationships: int = 0
    faults: list[str] = field(default_factory=list)


def load_graph(lake: Lake, say: Callable[[str], None]) -> Loaded:
    """Load models, twins and relationships into an instance that has no twin yet, and wait for the end.

    What has been loaded counts as pushed. A job that failed has made what it did not refuse: `twins apply`
    makes the rest.

    Parameters
    ----------
    lake
        The tables.
    say
        Told of every step.

    Raises
    ------
    SettingsError
        An address is not set, a model has changed, or the instance holds twins: an import job knows nothing
        of newer and older.
    RemoteError
        The service or the storage account does not answer.
    """
    began, address = monotonic_s(), address_of(lake.settings)
    container = Container(lake.settings.twins.container.get_secret_value(), address)
    graph = graph_of(lake.settings)
    held = graph.count()
    if held:
        raise SettingsError(
            "an import job is for the first load",
            why=f"the instance holds {held:,} twins, and the job would write over what is newer",
            remedy="battery-lake twins apply",
        )
    stand = places(lake, FOLLOWED)
    loaded = Loaded(f"battery-lake-{utc_now():%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:6]}", "")
    file = Path(lake.checkpoint("scratch")) / f"{loaded.job_id}.ndjson"
    try:
        loaded.twins, loaded.relationships = write_graph(
            lake, file, missing_models(lake.settings.twins.models, graph), stand
        )
        say(f"{loaded.twins:,} twins, {loaded.relationships:,} relationships: {file.stat().st_size:,} bytes")
        container.put(file.name, file)
    finally:
        file.unlink(missing_ok=True)
    log = f"{loaded.job_id}.log"
    loaded.status = _finished(graph, loaded.job_id, container, (file.name, log), say)
    told = (line for line in container.lines(log) if "error" in line.lower())
    loaded.faults = list(islice(told, SHOWN))
    if loaded.status == "succeeded":
        done = {name: place for name, place in stand.items() if place.until > NONE_YET}
        mark(lake, done, Counts(loaded.twins, loaded.twins), monotonic_s() - began)
    return loaded


def _finished(
    graph: Graph, job_id: str, container: Container, names: tuple[str, str], say: Callable[[str], None]
) -> str:
    """Start a job and look at it, less and less often, until it has ended."""
    job = graph.start_import(job_id, *map(container.address, names))
    pause_s, told = FIRST_LOOK_S, ""
    while job.status not in ENDED:
        if job.status != told:
            say(f"import job {job_id}: {job.status}")
            told = job.status
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, LONGEST_LOOK_S)
        job = graph.import_job(job_id)
    say(f"import job {job_id}: {job.status} {job.error}".rstrip())
    return job.status
