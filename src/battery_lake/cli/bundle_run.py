"""Commands that deploy the bundle to a workspace on this machine, and run its jobs there."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from battery_lake.cli.base import AsJson, options
from battery_lake.cli.bundle import Root, Variables, bundle

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from databricks.sdk.service.jobs import Run

    from battery_lake.bundle.deploy import Deployment, Step
    from battery_lake.local.workspace import WorkspaceStandIn
    from battery_lake.settings import Settings

Local = Annotated[
    bool, typer.Option("--local", help="On a stand-in workspace of this machine; the only way so far.")
]
Target = Annotated[str, typer.Option(help="Target of the bundle; else the one that is the default.")]
Wheel = Annotated[Path | None, typer.Option(help="A wheel that is built; else one is built first.")]
POLL_S = 0.5
INTERRUPTED = 130
"""Exit code after Ctrl-C."""


@bundle.command(
    "deploy",
    epilog="Examples: battery-lake bundle deploy --local |"
    " battery-lake bundle deploy --target prod --local --plan",
)
def deploy(
    context: typer.Context,
    target: Target = "",
    local: Local = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only tell what would be done.")] = False,
    wheel: Wheel = None,
    root: Root = Path(),
    var: Variables = None,
    json: AsJson = False,
) -> None:
    """Make, change and remove a target's jobs, schemas, volumes and models on a stand-in workspace."""
    from battery_lake.cli.show import as_json

    settings, _ = options(context).settings()
    _only_local(local)
    with _standin(settings) as standin:
        deployment = _deployment(standin, root, target, var, wheel or _built(root, settings))
        steps = deployment.plan() if plan else deployment.deploy()
    if json:
        as_json(steps)
        return
    _tell(steps)


@bundle.command(
    "run",
    epilog="Examples: battery-lake bundle run health --local |"
    " battery-lake bundle run backfill --param from=2026-03-01 --local --json",
)
def run(
    context: typer.Context,
    job: Annotated[str, typer.Argument(help="Key of a job in bundles/.")],
    target: Target = "",
    local: Local = False,
    param: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A parameter of the job; may be repeated.")
    ] = None,
    wheel: Wheel = None,
    root: Root = Path(),
    var: Variables = None,
    json: AsJson = False,
) -> None:
    """Deploy to a stand-in workspace and run a job there, task by task, from the built wheel.

    Tasks take the parameters that the bundle gives them; addresses (tables, landing files, Digital Twins,
    Data Explorer) are those of the settings in force here. Ends with 1 where a task failed.
    """
    from databricks.sdk import WorkspaceClient

    from battery_lake.cli.show import as_json
    from battery_lake.errors import SettingsError

    settings, _ = options(context).settings()
    _only_local(local)
    with _standin(settings) as standin:
        deployment = _deployment(standin, root, target, var, wheel or _built(root, settings))
        deployment.deploy()
        item = deployment.known.get(f"jobs.{job}")
        if item is None:
            known = [name.partition(".")[2] for name in deployment.known if name.startswith("jobs.")]
            raise SettingsError(f"the bundle has no job {job}", remedy=f"there are {', '.join(known)}")
        client = WorkspaceClient(host=standin.host, token="local")  # noqa: S106 - the stand-in takes any
        given = dict(pair.partition("=")[::2] for pair in param or ())
        started = client.jobs.run_now(int(item), job_parameters=given).bind()
        # The run ends with this command: no Java here whose connection would not outlive an exception.
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            ended = _watched(client, int(started["run_id"]), quiet=options(context).verbosity < 0)
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None
        finally:
            signal.signal(signal.SIGINT, before)
        rows = list(_tasks(client, ended, standin.logs))
    if json:
        as_json({
            "run_id": ended.run_id,
            "state": ended.state.as_dict() if ended.state else {},
            "tasks": rows,
        })
    else:
        _tell_run(ended, rows)
    if any(row["result"] not in {"SUCCESS", "EXCLUDED"} for row in rows):
        raise typer.Exit(1)


@bundle.command(
    "describe",
    epilog="Examples: battery-lake bundle describe > docs/bundle.md | battery-lake bundle describe --root .",
)
def describe(root: Root = Path()) -> None:
    """Deploy every target to a stand-in workspace of its own, and print what then stands there."""
    import tempfile

    from battery_lake.bundle.check import targets
    from battery_lake.bundle.described import page

    told = {}
    for target in targets(root):
        with tempfile.TemporaryDirectory() as folder:
            # Tasks are not run: any file does as the wheel.
            wheel = Path(folder) / "battery_lake-0-py3-none-any.whl"
            wheel.touch()
            with _on(Path(folder) / "workspace", ()) as standin:
                deployment = _deployment(standin, root, target, None, wheel)
                deployment.deploy()
                told[target] = deployment.read_back()
    typer.echo(page(told), nl=False)


def local_arguments(settings: Settings) -> list[str]:
    """Return what tasks on this machine are told last: its addresses in the place of the bundle's.

    Parameters
    ----------
    settings
        Those in force here.
    """
    here = {
        "home": str(settings.home.absolute()),
        "lake.catalog": "",
        "lake.checkpoints": "",
        "source.format": settings.source.format,
        "source.landing": str(settings.landing.absolute()),
        "source.every_s": "0",
        "eventhubs.connection_string": settings.eventhubs.connection_string.get_secret_value(),
        "eventhubs.hub": settings.eventhubs.hub,
        "twins.endpoint": settings.twins.endpoint,
        "twins.token": settings.twins.token.get_secret_value(),
        "twins.certificate": settings.twins.certificate,
        "twins.live": "once" if settings.twins.live == "always" else settings.twins.live,
        "adx.cluster": settings.adx.cluster,
        "adx.database": settings.adx.database,
        "models.tracking": settings.models.tracking,
        "models.registry": settings.models.registry,
        "models.name": settings.models.name,
        "models.folder": settings.models.folder,
        "spark.master": settings.spark.master,
        "spark.driver_memory": settings.spark.driver_memory,
        "spark.java_options": settings.spark.java_options,
        "spark.shuffle_partitions": str(settings.spark.shuffle_partitions),
    }
    return [f"--{key}={value}" for key, value in here.items()]


def _only_local(asked: bool) -> None:
    from battery_lake.errors import SettingsError

    if not asked:
        raise SettingsError(
            "this deploys to a stand-in workspace only",
            remedy="add --local, or use `databricks bundle deploy`",
        )


def _standin(settings: Settings) -> contextlib.AbstractContextManager[WorkspaceStandIn]:
    return _on(settings.home / "local" / "workspace", local_arguments(settings))


@contextlib.contextmanager
def _on(folder: Path, arguments: Sequence[str]) -> Iterator[WorkspaceStandIn]:
    from battery_lake.errors import SetupError

    try:
        from battery_lake.local.workspace import WorkspaceStandIn
    except ModuleNotFoundError as fault:
        raise SetupError(
            "the stand-in workspace cannot be run", why=str(fault), remedy="pip install 'battery-lake[local]'"
        ) from fault
    with WorkspaceStandIn(folder, arguments=arguments) as standin:
        yield standin


def _deployment(
    standin: WorkspaceStandIn, root: Path, target: str, var: list[str] | None, wheel: Path
) -> Deployment:
    from databricks.sdk import WorkspaceClient

    from battery_lake.bundle.deploy import Deployment
    from battery_lake.bundle.load import resolve

    client = WorkspaceClient(host=standin.host, token="local")  # noqa: S106 - the stand-in takes any
    standin.prepare()
    given = dict(pair.partition("=")[::2] for pair in var or ())
    user = str(client.current_user.me().user_name)
    return Deployment(client, resolve(root, target, given, user=user), wheel)


def _built(root: Path, settings: Settings) -> Path:
    from battery_lake.bundle.wheel import build_wheel

    return build_wheel(root, settings.home / "local" / "wheel")


def _watched(client: Any, run_id: int, *, quiet: bool) -> Run:
    """A run at its end; each task's result on stderr as it comes."""
    import time

    from battery_lake.cli.show import ConsoleProgress

    progress, told = ConsoleProgress(quiet=quiet), set[str]()
    while True:
        found: Run = client.jobs.get_run(run_id)
        for task in found.tasks or ():
            result = task.state.result_state if task.state else None
            if result is not None and str(task.task_key) not in told:
                told.add(str(task.task_key))
                progress.say(f"  {task.task_key}: {result.value}")
        if found.state and found.state.result_state is not None:
            return found
        time.sleep(POLL_S)


def _tasks(client: Any, run_: Run, logs: Path) -> Iterator[dict[str, Any]]:
    """One row a task; those of jobs that tasks ran in their place."""
    for task in run_.tasks or ():
        inner = task.run_job_task is not None and client.api_client.do(
            "GET", "/api/2.2/jobs/runs/get-output", query={"run_id": task.run_id}
        )["metadata"].get("run_job_output")
        if inner:
            yield from _tasks(client, client.jobs.get_run(inner["run_id"]), logs)
            continue
        number, state = task.attempt_number or 0, task.state
        yield {
            "task": task.task_key,
            "result": state.result_state.value if state and state.result_state else "",
            "tries": number + 1,
            "seconds": ((task.end_time or 0) - (task.start_time or task.end_time or 0)) / 1000,
            "log": str(logs / str(run_.run_id) / f"{task.task_key}.{number}.log"),
            "why": state.state_message if state else "",
        }


def _tell(steps: list[Step]) -> None:
    for step in steps:
        if step.action != "none":
            typer.echo(f"{step.action} {step.kind} {step.key}")
        for difference in step.differences:
            typer.echo(f"  {difference}")
    counts = {
        action: sum(step.action == action for step in steps) for action in ("create", "change", "remove")
    }
    typer.echo(f"{counts['create']} to create, {counts['change']} to change, {counts['remove']} to remove")


def _tell_run(run_: Run, rows: list[dict[str, Any]]) -> None:
    from battery_lake.cli.show import as_table

    columns = ("task", "result", "tries", "seconds", "log")
    as_table("", columns, [tuple(row[name] for name in columns) for row in rows])
    for row in rows:
        if row["result"] not in {"SUCCESS", "EXCLUDED"}:
            typer.echo(f"{row['task']}: {row['why']}")
    state = run_.state
    typer.echo(f"run {run_.run_id}: {state.result_state.value if state and state.result_state else '?'}")
