"""Runs of jobs: one thread works them off, one after the other, task by task."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING, Any, Final

from battery_lake.clock import monotonic_s, utc_now
from battery_lake.local.workspace.compute import Ended, run
from battery_lake.local.workspace.errors import RefusalError
from battery_lake.local.workspace.plan import SUCCESS, filled, in_order, kept_from_running, outcome

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from battery_lake.local.workspace.compute import Compute
    from battery_lake.local.workspace.store import Document, Store

ENDED: Final = frozenset({"TERMINATED", "SKIPPED", "INTERNAL_ERROR"})
RUN: Final = "run"
DATE: Final = "%Y-%m-%d"
_CODES: Final = {
    "SUCCESS": ("SUCCESS", "SUCCESS"), "SUCCESS_WITH_FAILURES": ("SUCCESS", "SUCCESS"),
    "FAILED": ("RUN_EXECUTION_ERROR", "CLIENT_ERROR"), "CANCELED": ("USER_CANCELED", "SUCCESS"),
    "TIMEDOUT": ("RUN_EXECUTION_ERROR", "CLIENT_ERROR"),
    "UPSTREAM_FAILED": ("RUN_EXECUTION_ERROR", "CLIENT_ERROR"),
    "MAXIMUM_CONCURRENT_RUNS_REACHED": ("MAX_CONCURRENT_RUNS_EXCEEDED", "CLIENT_ERROR"),
}  # fmt: skip
"""Termination code and type by result."""


def state(life: str, result: str = "", message: str = "") -> dict[str, Any]:
    """Return both spellings of a run's or a task's state, the older and the newer one."""
    old = {"life_cycle_state": life, "state_message": message}
    new: dict[str, Any] = {"state": {"SKIPPED": "TERMINATED", "INTERNAL_ERROR": "TERMINATED"}.get(life, life)}
    if result:
        old["result_state"] = result
        code, kind = _CODES.get(result, ("SUCCESS", "SUCCESS"))
        new["termination_details"] = {"code": code, "type": kind, "message": message}
    return {"state": old, "status": new}


class Runs:
    """Works runs off.

    Parameters
    ----------
    store
        Keeps them.
    compute
        Runs their tasks.
    logs
        Folder of what tasks said: a file a try, ``<run>/<task>.<try>.log``.
    """

    def __init__(self, store: Store, compute: Compute, logs: Path) -> None:
        self._store, self._compute, self._logs = store, compute, logs
        self._waiting: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._stops: dict[int, threading.Event] = {}
        broken_off = state("INTERNAL_ERROR", "FAILED", "The stand-in was stopped while this ran.")
        for left in store.all(RUN):
            if left["state"]["life_cycle_state"] not in ENDED:
                store.put(RUN, str(left["run_id"]), left | broken_off)
        self._thread = threading.Thread(target=self._work, name="workspace-runs", daemon=True)
        self._thread.start()

    def start(self, job: Document, given: Mapping[str, str], *, within: bool = False) -> Document:
        """Make a run of a job, and let it begin as soon as none is before it.

        Parameters
        ----------
        job
            The job.
        given
            Job parameters that are not as the job says.
        within
            Another run starts it and works it off itself.
        """
        settings, run_id = job["settings"], self._store.number()
        defaults = {one["name"]: one["default"] for one in settings.get("parameters", [])}
        active = [one for one in self.of(job["job_id"]) if one["state"]["life_cycle_state"] not in ENDED]
        made: Document = {
            "run_id": run_id, "job_id": job["job_id"], "number_in_job": run_id, "run_type": "JOB_RUN",
            "creator_user_name": job["creator_user_name"], "run_name": settings.get("name", "Untitled"),
            "trigger": "ONE_TIME", "start_time": _now(), "original_attempt_run_id": run_id,
            "job_parameters": [
                {"name": name, "default": value, "value": given.get(name, value)}
                for name, value in defaults.items()
            ],
            "tasks": [self._task(task) for task in settings.get("tasks", [])],
            **state("PENDING"),
        }  # fmt: skip
        if len(active) >= settings.get("max_concurrent_runs", 1):
            if settings.get("queue", {}).get("enabled"):
                made |= state("QUEUED", message="Waiting for another run of the job to end.")
            else:
                reason = "MAXIMUM_CONCURRENT_RUNS_REACHED"
                made |= state("SKIPPED", reason, "The job's maximum of concurrent runs is reached.")
        self._store.put(RUN, str(run_id), made)
        if made["state"]["life_cycle_state"] not in ENDED:
            self._stops[run_id] = threading.Event()
            if not within:
                self._waiting.put(run_id)
        return made

    def of(self, job_id: int | None) -> list[Document]:
        """Return the runs of a job, or all; the newest first."""
        return [one for one in self._store.all(RUN)[::-1] if job_id in {None, one["job_id"]}]

    def get(self, run_id: str) -> Document | None:
        """Return a run."""
        return self._store.get(RUN, run_id)

    def log(self, run_: Mapping[str, Any], task: Mapping[str, Any]) -> Path:
        """Return where the last try of a task speaks to."""
        return self._logs / str(run_["run_id"]) / f"{task['task_key']}.{task['attempt_number']}.log"

    def cancel(self, run_id: int) -> None:
        """End a run; one that has ended stays as it is."""
        if run_id in self._stops:
            self._stops[run_id].set()

    def close(self) -> None:
        """End what runs."""
        for stop in list(self._stops.values()):
            stop.set()
        self._waiting.put(None)
        self._thread.join()

    def _task(self, task: Mapping[str, Any]) -> Document:
        """A task of a run, before it begins."""
        shown = {
            key: value for key, value in task.items() if not key.startswith(("max_retries", "min_retry"))
        }
        return {**shown, "run_id": self._store.number(), "attempt_number": 0, **state("PENDING")}

    def _work(self) -> None:
        while (run_id := self._waiting.get()) is not None:
            run_ = self._store.get(RUN, str(run_id))
            assert run_ is not None
            job = self._store.get("job", str(run_["job_id"]))
            try:
                self._work_off(run_, job["settings"] if job else {})
            except Exception as fault:  # noqa: BLE001 - the thread goes on; the run says what it was
                message = f"{type(fault).__name__}: {fault}"
                self._store.put(RUN, str(run_id), run_ | state("INTERNAL_ERROR", "FAILED", message))
            self._stops.pop(run_id, None)

    def _work_off(self, run_: Document, settings: Mapping[str, Any]) -> None:
        """Run the tasks of a run, each after those that it depends on."""
        stop, began = self._stops[run_["run_id"]], monotonic_s()
        job_limit_s = settings.get("timeout_seconds") or 0
        results: dict[str, str] = {}
        by_key = {task["task_key"]: task for task in run_["tasks"]}
        run_ |= state("RUNNING")
        for task in in_order(settings.get("tasks", [])):
            shown = by_key[task["task_key"]]
            left_s = job_limit_s - (monotonic_s() - began) if job_limit_s else 0.0
            skipped = kept_from_running(task, results)
            if stop.is_set():
                ended = Ended("CANCELED", "Run cancelled.")
            elif skipped:
                ended = Ended(skipped, "The condition on the tasks before it is not met.")
            elif left_s < 0:
                ended = Ended("TIMEDOUT", f"The job's {job_limit_s} s are over.")
            else:
                ended = self._tried(run_, shown, task, settings, left_s)
            results[task["task_key"]] = ended.result
            shown |= {"end_time": _now(), **state("TERMINATED", ended.result, ended.message)}
            self._store.put(RUN, str(run_["run_id"]), run_)
        result = outcome(settings.get("tasks", []), results)
        failed = [key for key, value in results.items() if value in {"FAILED", "TIMEDOUT"}]
        message = f"Task {failed[0]} failed." if failed else ""
        run_ |= {"end_time": _now(), **state("TERMINATED", result, message)}
        self._store.put(RUN, str(run_["run_id"]), run_)

    def _tried(
        self, run_: Document, shown: Document, task: Document, settings: Mapping[str, Any], left_s: float
    ) -> Ended:
        """Try a task as often as it may be tried; the last try counts."""
        stop = self._stops[run_["run_id"]]
        pause_s = min(task.get("min_retry_interval_millis", 0) / 1000, self._compute.longest_pause_s)
        tries = task.get("max_retries", 0)
        limits = [limit for limit in (task.get("timeout_seconds") or 0, left_s) if limit]
        shown |= {"start_time": _now(), **state("RUNNING")}
        while True:
            self._store.put(RUN, str(run_["run_id"]), run_)
            ended = self._try(run_, shown, task, settings, min(limits, default=0.0))
            may_again = ended.result == "FAILED" or (
                ended.result == "TIMEDOUT" and task.get("retry_on_timeout", False)
            )
            if not may_again or 0 <= tries <= shown["attempt_number"] or stop.wait(pause_s):
                return ended
            shown["attempt_number"] += 1

    def _try(
        self, run_: Document, shown: Document, task: Document, settings: Mapping[str, Any], limit_s: float
    ) -> Ended:
        log = self.log(run_, shown)
        log.parent.mkdir(parents=True, exist_ok=True)
        if "run_job_task" in task:
            return self._other_job(run_, shown, task["run_job_task"])
        try:
            libraries = _libraries(task, settings)
            command = self._compute.command(
                filled(task, _values(run_, shown)), self._compute.python(libraries)
            )
        except RefusalError as fault:
            log.write_text(f"{fault}\n", encoding="utf-8")
            return Ended("FAILED", str(fault))
        stop = self._stops[run_["run_id"]]
        return run(command, log, timeout_s=limit_s, stop=stop, host=self._compute.host)

    def _other_job(self, run_: Document, shown: Document, asked: Mapping[str, Any]) -> Ended:
        """Run another job within a task; it ends as that one does."""
        job = self._store.get("job", str(asked["job_id"]))
        if job is None:
            return Ended("FAILED", f"Job {asked['job_id']} does not exist.")
        inner = self.start(job, asked.get("job_parameters") or {}, within=True)
        shown["run_job_output"] = {"run_id": inner["run_id"]}
        if inner["state"]["life_cycle_state"] not in ENDED:
            self._stops[inner["run_id"]] = self._stops[run_["run_id"]]
            self._work_off(inner, job["settings"])
            del self._stops[inner["run_id"]]
        result = inner["state"]["result_state"]
        good = result in {SUCCESS, "SUCCESS_WITH_FAILURES"}
        return Ended(SUCCESS if good else "FAILED", inner["state"]["state_message"])


def _libraries(task: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    """What a task is to have installed: of its environment, or its own."""
    found: list[str] = []
    for one in settings.get("environments", []):
        if one["environment_key"] == task.get("environment_key"):
            found += one.get("spec", {}).get("dependencies", [])
    for library in task.get("libraries", []):
        if "whl" in library:
            found.append(library["whl"])
        if "pypi" in library:
            found.append(library["pypi"]["package"])
    return found


def _values(run_: Mapping[str, Any], task: Mapping[str, Any]) -> dict[str, str]:
    """What references stand for in a task of a run."""
    began = utc_now()
    values = {
        "job.id": str(run_["job_id"]), "job.name": run_["run_name"], "job.run_id": str(run_["run_id"]),
        "job.repair_count": "0", "job.trigger.type": "manual",
        "job.start_time.iso_date": f"{began:{DATE}}", "job.start_time.iso_datetime": began.isoformat(),
        "task.name": task["task_key"], "task.run_id": str(task["run_id"]),
        "task.execution_count": str(task["attempt_number"] + 1),
    }  # fmt: skip
    return values | {f"job.parameters.{one['name']}": one["value"] for one in run_["job_parameters"]}


def _now() -> int:
    """Milliseconds since 1970, as the service tells times."""
    return int(utc_now().timestamp() * 1000)
