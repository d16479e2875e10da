"""Jobs and their runs: the addresses of the Jobs API.

References
----------
Databricks REST API reference, Jobs API 2.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from battery_lake.clock import utc_now
from battery_lake.local.workspace import wire as http
from battery_lake.local.workspace.access import ME
from battery_lake.local.workspace.errors import RefusalError, invalid
from battery_lake.local.workspace.plan import in_order

if TYPE_CHECKING:
    from aiohttp import web

    from battery_lake.local.workspace.runs import Runs
    from battery_lake.local.workspace.store import Document, Store

JOB: Final = "job"
PAGE, LONGEST_PAGE = 20, 100
SETTINGS: Final[dict[str, Any]] = {
    "format": "MULTI_TASK", "max_concurrent_runs": 1, "timeout_seconds": 0, "email_notifications": {},
    "webhook_notifications": {},
}  # fmt: skip
TASK: Final[dict[str, Any]] = {
    "run_if": "ALL_SUCCESS", "timeout_seconds": 0, "email_notifications": {}, "webhook_notifications": {},
}  # fmt: skip
"""What the service fills in where a job or a task says nothing."""

MERGED_BY: Final = {
    "tasks": "task_key", "job_clusters": "job_cluster_key", "environments": "environment_key",
    "parameters": "name",
}  # fmt: skip
"""Lists of which an update replaces entries by key."""


class Jobs:
    """Handlers of the addresses under ``/jobs``.

    Parameters
    ----------
    store
        Keeps the jobs.
    runs
        Runs them.
    """

    def __init__(self, store: Store, runs: Runs) -> None:
        self._store, self._runs = store, runs

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Tell aiohttp the addresses."""
        for method, path, handler in (
            ("POST", "create", self.create),
            ("GET", "get", self.get),
            ("GET", "list", self.list),
            ("POST", "reset", self.reset),
            ("POST", "update", self.update),
            ("POST", "delete", self.delete),
            ("POST", "run-now", self.run_now),
            ("GET", "runs/get", self.get_run),
            ("GET", "runs/get-output", self.get_output),
            ("GET", "runs/list", self.list_runs),
            ("POST", "runs/cancel", self.cancel_run),
        ):
            router.add_route(method, f"/api/{{version:2\\.[12]}}/jobs/{path}", handler)

    # --- jobs ----------------------------------------------------------------------------------------

    async def create(self, request: web.Request) -> web.Response:
        """Create a job."""
        settings = await http.body_of(request)
        settings.pop("access_control_list", None)
        number = self._store.number()
        job = {
            "job_id": number,
            "creator_user_name": ME,
            "run_as_user_name": _run_as(settings),
            "created_time": int(utc_now().timestamp() * 1000),
            "settings": completed(settings),
        }
        self._store.put(JOB, str(number), job)
        return http.answer({"job_id": number})

    async def get(self, request: web.Request) -> web.Response:
        """Get a job."""
        return http.answer(self._job(request.query))

    async def list(self, request: web.Request) -> web.Response:
        """List jobs, by name if one is asked for; without tasks unless these are asked for."""
        name, found = request.query.get("name"), self._store.all(JOB)
        if name:
            found = [job for job in found if job["settings"].get("name", "").lower() == name.lower()]
        if request.query.get("expand_tasks") != "true":
            for job in found:
                for key in ("tasks", "job_clusters", "environments", "parameters"):
                    job["settings"].pop(key, None)
        body = http.page(request, "jobs", found, PAGE, LONGEST_PAGE)
        return http.answer(body | {"has_more": "next_page_token" in body})

    async def reset(self, request: web.Request) -> web.Response:
        """Replace all settings of a job."""
        sent = await http.body_of(request)
        job = self._job(sent)
        return self._changed(job, http.needed(sent, "new_settings"))

    async def update(self, request: web.Request) -> web.Response:
        """Replace some settings of a job; of the lists with keys, entries."""
        sent = await http.body_of(request)
        job = self._job(sent)
        settings = dict(job["settings"])
        for name, value in (sent.get("new_settings") or {}).items():
            key = MERGED_BY.get(name)
            if key is None:
                settings[name] = value
                continue
            entries = {one[key]: one for one in settings.get(name, [])} | {one[key]: one for one in value}
            settings[name] = list(entries.values())
        for name in sent.get("fields_to_remove") or ():
            settings.pop(name, None)
        return self._changed(job, settings)

    async def delete(self, request: web.Request) -> web.Response:
        """Delete a job and end its runs."""
        job = self._job(await http.body_of(request))
        for run in self._runs.of(job["job_id"]):
            self._runs.cancel(run["run_id"])
        self._store.delete(JOB, str(job["job_id"]))
        self._store.delete("permissions", f"jobs/{job['job_id']}")
        return http.answer()

    def _job(self, values: Any) -> Document:
        number = http.needed(values, "job_id")
        found = self._store.get(JOB, str(number))
        if found is None:
            raise invalid(f"Job {number} does not exist.")
        return found

    def _changed(self, job: Document, settings: Document) -> web.Response:
        job |= {"settings": completed(settings), "run_as_user_name": _run_as(settings)}
        self._store.put(JOB, str(job["job_id"]), job)
        return http.answer()

    # --- runs ----------------------------------------------------------------------------------------

    async def run_now(self, request: web.Request) -> web.Response:
        """Start a run; the same idempotency token starts no second one."""
        sent = await http.body_of(request)
        job, token = self._job(sent), sent.get("idempotency_token", "")
        given = sent.get("job_parameters") or {}
        unknown = set(given) - {one["name"] for one in job["settings"].get("parameters", [])}
        if unknown:
            raise invalid(f"Job parameters {sorted(unknown)} are not defined on the job.")
        before = self._store.get("token", token) if token else None
        run = self._runs.get(str(before["run_id"])) if before else None
        if run is None:
            run = self._runs.start(job, given)
            if token:
                self._store.put("token", token, {"run_id": run["run_id"]})
        return http.answer({"run_id": run["run_id"], "number_in_job": run["number_in_job"]})

    async def get_run(self, request: web.Request) -> web.Response:
        """Get a run with its tasks."""
        return http.answer(self._run(request.query))

    async def get_output(self, request: web.Request) -> web.Response:
        """Get what a task said; the number is that of a task's run."""
        wanted = int(http.needed(request.query, "run_id"))
        for run in self._runs.of(None):
            for task in run["tasks"]:
                if task["run_id"] == wanted:
                    log = self._runs.log(run, task)
                    said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
                    state = task["state"]
                    failed = state.get("result_state") not in {None, "SUCCESS"}
                    told = {"error": state["state_message"], "error_trace": said} if failed else {}
                    return http.answer({"metadata": task, "logs": said, **told})
        raise invalid(f"Run {wanted} does not exist.")

    async def list_runs(self, request: web.Request) -> web.Response:
        """List runs, the newest first."""
        job_id = request.query.get("job_id")
        found = self._runs.of(int(job_id) if job_id else None)
        if request.query.get("active_only") == "true":
            found = [run for run in found if "end_time" not in run and "result_state" not in run["state"]]
        if request.query.get("expand_tasks") != "true":
            found = [{key: value for key, value in run.items() if key != "tasks"} for run in found]
        body = http.page(request, "runs", found, PAGE, LONGEST_PAGE)
        return http.answer(body | {"has_more": "next_page_token" in body})

    async def cancel_run(self, request: web.Request) -> web.Response:
        """End a run."""
        self._runs.cancel(self._run(await http.body_of(request))["run_id"])
        return http.answer()

    def _run(self, values: Any) -> Document:
        number = http.needed(values, "run_id")
        found = self._runs.get(str(number))
        if found is None:
            raise invalid(f"Run {number} does not exist.")
        return found


def completed(settings: Document) -> Document:
    """Return a job's settings as the service keeps them: checked, with its defaults.

    Raises
    ------
    RefusalError
        Tasks are not as they can run: a key twice, a dependency, cluster or environment that is none.
    """
    tasks = settings.get("tasks", [])
    in_order(tasks)
    clusters = {one["job_cluster_key"] for one in settings.get("job_clusters", [])}
    environments = {one["environment_key"] for one in settings.get("environments", [])}
    for task in tasks:
        kinds = [key for key in task if key.endswith("_task")]
        if len(kinds) != 1:
            raise invalid(f"Task {task['task_key']} must have exactly one task type, it has {kinds}")
        for key, known in (("job_cluster_key", clusters), ("environment_key", environments)):
            if key in task and task[key] not in known:
                raise invalid(f"{key} '{task[key]}' of task '{task['task_key']}' is not defined")
    if "continuous" in settings and ("schedule" in settings or "trigger" in settings):
        raise RefusalError(400, "INVALID_PARAMETER_VALUE", "A continuous job can have no schedule or trigger")
    return {**SETTINGS, **settings, "tasks": [{**TASK, **task} for task in tasks]}


def _run_as(settings: Document) -> str:
    """Whose rights a job has."""
    asked = settings.get("run_as", {})
    return str(asked.get("service_principal_name") or asked.get("user_name") or ME)
