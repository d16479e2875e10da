"""What a job needs to be left alone at night: time-outs, queues, retries, health rules, people told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from battery_lake.bundle.checks.look import line, maps, number, resources
from battery_lake.bundle.faults import Fault
from battery_lake.bundle.tree import Map, Mark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from battery_lake.bundle.load import Bundle

BACKLOG: Final = "STREAMING_BACKLOG_"
TAGS: Final = ("product", "stage")
EVERYONE: Final = ("users", "account users")
"""Groups that hold everybody."""


def care(bundle: Bundle) -> Iterator[Fault]:
    """Jobs in all targets."""
    for name, job in resources(bundle, "jobs"):
        yield from _runs(name, job)
        yield from _health(name, job)
        told = job.get("email_notifications") or job.get("webhook_notifications")
        if not (isinstance(told, Map) and told.get("on_failure")):
            yield _fault(
                line(job, "email_notifications"), f"nobody is told when {name} fails", "add on_failure:"
            )
        for tag in set(TAGS) - set(job.get("tags") or ()):
            yield _fault(line(job, "tags"), f"the bill of {name} has no {tag}", "write tags: ${var.tags}")


def _runs(name: str, job: Map) -> Iterator[Fault]:
    if number(job, "max_concurrent_runs", 1) != 1:
        what = f"{name} may run more than once at a time, and runs of a pipeline share a checkpoint"
        yield _fault(line(job, "max_concurrent_runs"), what, "set max_concurrent_runs: 1")
    if "continuous" in job:
        return
    queue = job.get("queue")
    if not (isinstance(queue, Map) and queue.get("enabled") is True):
        what = f"{name}: a run that comes while another runs is lost"
        yield _fault(line(job, "queue"), what, "set queue: enabled: true")
    if number(job, "timeout_seconds") <= 0:
        yield _fault(line(job, "timeout_seconds"), f"{name} may hang for ever", "set timeout_seconds:")
    for task in maps(job, "tasks"):
        if "run_job_task" not in task:
            yield from _attempts(job, task)


def _attempts(job: Map, task: Map) -> Iterator[Fault]:
    own, whole = number(task, "timeout_seconds"), number(job, "timeout_seconds")
    name, mark = task.get("task_key"), line(task, "timeout_seconds")
    if own <= 0:
        yield _fault(mark, f"{name} may hang for ever", "set timeout_seconds:")
    elif 0 < whole < own:
        yield _fault(mark, f"{name} may take {own} s, its job {whole} s", "let the job have more")
    retries, mark = number(task, "max_retries"), line(task, "max_retries")
    if retries < 0:
        yield _fault(mark, "it is tried again for ever", "set a number")
    if retries > 0 and number(task, "min_retry_interval_millis") <= 0:
        yield _fault(mark, f"{name} is tried again at once", "set min_retry_interval_millis:")


def _health(name: str, job: Map) -> Iterator[Fault]:
    rules = maps(job.get("health"), "rules")
    if not rules:
        yield _fault(line(job, "health"), f"nobody learns that {name} is slow", "add health: rules:")
    for rule in rules:
        metric, value = str(rule.get("metric")), number(rule, "value")
        backlog = metric.startswith(BACKLOG)
        if backlog != ("continuous" in job):
            what = f"{metric} is not what tells that {name} is slow"
            yield _fault(
                line(rule, "metric"), what, "RUN_DURATION_SECONDS, or for a stream STREAMING_BACKLOG_SECONDS"
            )
        if value <= 0:
            yield _fault(
                line(rule, "value"), f"{metric} is over {rule.get('value')} always", "set a number over 0"
            )
        whole = number(job, "timeout_seconds")
        if not backlog and 0 < whole <= value:
            yield _fault(
                line(rule, "value"), f"{name} is stopped after {whole} s, before it is slow", "warn earlier"
            )
        event = "on_streaming_backlog_exceeded" if backlog else "on_duration_warning_threshold_exceeded"
        told = job.get("email_notifications")
        if isinstance(told, Map) and not told.get(event):
            yield _fault(
                line(job, "email_notifications"), f"nobody is told that {name} is slow", f"add {event}:"
            )


def production(bundle: Bundle) -> Iterator[Fault]:
    """Targets in production: who runs, who may change, where it lies."""
    if bundle.mode == "":
        mark = bundle.where("bundle")
        yield _fault(mark, f"target {bundle.target} has no mode", "set mode: development, or production")
    if bundle.mode != "production":
        return
    run_as = bundle.tree.get("run_as")
    if not isinstance(run_as, Map) or not run_as.get("service_principal_name"):
        mark = line(bundle.tree, "run_as")
        yield _fault(mark, "jobs would run as whoever deploys", "set run_as: service_principal_name:")
    for _, job in resources(bundle, "jobs"):
        if isinstance(job.get("run_as"), Map) and "user_name" in job["run_as"]:
            yield _fault(
                line(job, "run_as"), "a job in production runs as a person", "use the service principal"
            )
    yield from _folder(bundle)
    yield from _managers(bundle)


def _folder(bundle: Bundle) -> Iterator[Fault]:
    path, mark = str(bundle.workspace.get("root_path", "")), bundle.where("workspace", "root_path")
    if bundle.workspace["current_user"]["userName"] in path:
        yield _fault(mark, "the bundle would lie in a user's folder", "set workspace: root_path:")
    if path.startswith("/Workspace/Shared"):
        what = "everybody could change the files that the service principal runs"
        yield _fault(mark, what, "choose a folder with permissions of its own")
    if bundle.target not in path:
        yield _fault(mark, f"{path} may be another target's too", "put ${bundle.target} into root_path")


def _managers(bundle: Bundle) -> Iterator[Fault]:
    permissions = maps(bundle.tree, "permissions")
    managers = [entry for entry in permissions if entry.get("level") == "CAN_MANAGE"]
    if not managers:
        mark = line(bundle.tree, "permissions")
        yield _fault(mark, "nobody but the service principal may manage jobs", "add a permission CAN_MANAGE")
    for entry in managers:
        if entry.get("group_name") in EVERYONE:
            mark = line(entry, "group_name")
            yield _fault(mark, "everybody may manage production", "name a group of engineers")


def _fault(mark: Mark, what: str, remedy: str) -> Fault:
    return Fault(mark, what, remedy, "care")
