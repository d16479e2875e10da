"""Bulk jobs: importing models, twins and relationships from a file of lines, and deleting everything.

References
----------
Microsoft, Azure Digital Twins, "Import models, twins, and relationships in bulk with the Import Jobs API".
"""

from __future__ import annotations

import asyncio
import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import aiohttp
import orjson

from battery_lake.clock import utc_now
from battery_lake.local.twins.errors import ServiceError
from battery_lake.local.twins.models import MAX_UPLOAD

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from battery_lake.local.twins.graph import Graph
    from battery_lake.local.twins.models import Models
    from battery_lake.local.twins.store import Store

IMPORT, DELETION = "import", "deletion"
FILE_VERSION: Final = "1.0.0"
SECTIONS: Final = ("Header", "Models", "Twins", "Relationships")
LOOPBACK: Final = frozenset({"localhost", "127.0.0.1"})
KEPT: Final = dt.timedelta(days=30)
SLICE: Final = 200
"""Lines between two looks at what else is to be done."""
ENDED: Final = ("succeeded", "failed", "cancelled")


class Jobs:
    """Runs bulk jobs, one at a time.

    Parameters
    ----------
    store, models, graph
        What they fill.
    sign
        Opens the address of a blob; None: addresses are open as they are.
    """

    def __init__(
        self, store: Store, models: Models, graph: Graph, sign: Callable[[str], str] | None = None
    ) -> None:
        self._store, self._models, self._graph = store, models, graph
        self._sign = sign or str
        self._tasks: set[asyncio.Task[None]] = set()

    def resume(self) -> None:
        """Fail the jobs that ran when the process ended."""
        for _, job in self._store.others(IMPORT):
            if job["status"] not in ENDED:
                self._save(job, status="failed", error={"code": "InternalError", "message": "Interrupted."})

    def start_import(self, job_id: str, sent: object) -> dict[str, Any]:
        """Start an import.

        Raises
        ------
        ServiceError
            The request is not valid, the job is there already, or another one runs.
        """
        uris = [
            sent.get(name) if isinstance(sent, dict) else None for name in ("inputBlobUri", "outputBlobUri")
        ]
        if not all(isinstance(uri, str) and uri for uri in uris):
            raise ServiceError(
                400, "ValidationFailed", "The import job needs inputBlobUri and outputBlobUri."
            )
        if any(urlsplit(str(uri)).hostname not in LOOPBACK for uri in uris):
            raise ServiceError(400, "ValidationFailed", "The stand-in reads blobs on this machine only.")
        if self._store.other(IMPORT, job_id) is not None:
            raise ServiceError(409, "ImportJobAlreadyExists", f"There is an import job {job_id} already.")
        if any(job["status"] not in ENDED for _, job in self._store.others(IMPORT)):
            raise ServiceError(400, "JobLimitReached", "Another bulk job is running.")
        job = {"id": job_id, "inputBlobUri": uris[0], "outputBlobUri": uris[1], "createdDateTime": _now()}
        saved = self._save(job, status="notstarted")
        task = asyncio.get_running_loop().create_task(self._import(job_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return saved

    def job(self, job_id: str) -> dict[str, Any]:
        """Return an import job.

        Raises
        ------
        ServiceError
            There is none of that id.
        """
        found = self._store.other(IMPORT, job_id)
        if found is None:
            raise ServiceError(404, "ImportJobNotFound", f"There is no import job with the id {job_id}.")
        return found

    def cancel(self, job_id: str) -> dict[str, Any]:
        """Ask a running import to stop; what it has made stays.

        Raises
        ------
        ServiceError
            There is none of that id, or it has ended.
        """
        job = self.job(job_id)
        if job["status"] in ENDED:
            raise ServiceError(400, "ValidationFailed", f"The import job {job_id} has ended.")
        return self._save(job, status="cancelling")

    def delete(self, job_id: str) -> None:
        """Forget an import job.

        Raises
        ------
        ServiceError
            There is none of that id, or it still runs.
        """
        if self.job(job_id)["status"] not in ENDED:
            raise ServiceError(400, "ValidationFailed", f"The import job {job_id} is running.")
        self._store.delete_other(IMPORT, job_id)

    def delete_everything(self, job_id: str) -> dict[str, Any]:
        """Delete relationships, twins and models."""
        self._store.clear()
        self._models.forget()
        job = {"id": job_id, "status": "succeeded", "createdDateTime": _now(), "finishedDateTime": _now()}
        job["purgeDateTime"] = _now(KEPT)
        self._store.put_other(DELETION, job_id, job)
        return job

    async def close(self) -> None:
        """Stop what runs."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _import(self, job_id: str) -> None:
        """Read, make, tell; a line that is refused is told in the output and fails the job at its end."""
        job, log, made = self._save(self.job(job_id), status="running"), list[Any](), Counter[str]()
        status, error = "succeeded", None
        try:
            async with aiohttp.ClientSession() as http:
                async with http.get(self._sign(job["inputBlobUri"])) as answer:
                    answer.raise_for_status()
                    lines = (await answer.read()).splitlines()
                status = await self._take(job_id, lines, log, made)
                log.append({"details": dict(made)})
                text = b"".join(orjson.dumps(entry) + b"\n" for entry in log)
                headers = {"x-ms-blob-type": "BlockBlob"}
                async with http.put(self._sign(job["outputBlobUri"]), data=text, headers=headers) as answer:
                    answer.raise_for_status()
        except (aiohttp.ClientError, ServiceError, OSError, ValueError) as fault:
            status, error = "failed", {"code": "ValidationFailed", "message": str(fault)}
        self._save(self.job(job_id), status=status, error=error)

    async def _take(self, job_id: str, lines: list[bytes], log: list[Any], made: Counter[str]) -> str:
        """Take the lines in slices; return how the job ends."""
        refused = 0
        for number, (section, batch) in enumerate(_batches(lines)):
            for fault in self._make(section, batch, made):
                refused += 1
                log.append({"section": section, "error": fault})
            if number % SLICE == 0:
                await asyncio.sleep(0)
            if self.job(job_id)["status"] == "cancelling":
                return "cancelled"
        return "failed" if refused else "succeeded"

    def _make(self, section: str, items: list[Any], made: Counter[str]) -> Iterator[dict[str, Any]]:
        """Make models together, or a twin, or a relationship; yield what was refused."""
        try:
            with self._store.change():
                if section == "Models":
                    self._models.add(items)
                elif section == "Twins":
                    self._graph.put_twin(str(items[0].get("$dtId")), items[0])
                else:
                    source, own = (str(items[0].get(name)) for name in ("$sourceId", "$relationshipId"))
                    self._graph.put_relationship(source, own, items[0])
        except ServiceError as fault:
            yield fault.body()["error"]
        else:
            made[f"{section.lower()}Created"] += len(items)

    def _save(self, job: dict[str, Any], *, status: str, error: Any = None) -> dict[str, Any]:
        fresh = {**job, "status": status, "lastActionDateTime": _now()}
        if status in ENDED:
            fresh |= {"finishedDateTime": _now(), "purgeDateTime": _now(KEPT)}
        if error is not None:
            fresh["error"] = error
        self._store.put_other(IMPORT, str(job["id"]), fresh)
        return fresh


def _batches(lines: list[bytes]) -> Iterator[tuple[str, list[Any]]]:
    """The items of a file by section: models as many as go at once, the others one by one."""
    models: list[Any] = []
    for section, item in _items(lines):
        if section == "Models":
            models.append(item)
        if models and (section != "Models" or len(models) == MAX_UPLOAD):
            yield "Models", models
            models = []
        if section != "Models":
            yield section, [item]
    if models:
        yield "Models", models


def _items(lines: list[bytes]) -> Iterator[tuple[str, Any]]:
    """Each item with the section that it stands in."""
    section = ""
    for line in filter(bytes.strip, lines):
        item = orjson.loads(line)
        if item.get("Section") in SECTIONS:
            section = item["Section"]
        elif not section:
            raise ServiceError(400, "ValidationFailed", "The file does not begin with a section.")
        elif section != "Header":
            yield section, item
        elif item.get("fileVersion") != FILE_VERSION:
            raise ServiceError(400, "ValidationFailed", f"fileVersion must be {FILE_VERSION}.")


def _now(later: dt.timedelta = dt.timedelta()) -> str:
    return f"{utc_now() + later:%Y-%m-%dT%H:%M:%S.%fZ}"
