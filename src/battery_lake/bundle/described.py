"""What stands in a workspace after a deployment, as a page: as the workspace tells it, not the bundle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

Tree = dict[str, Any]

RENDER_COMMAND: Final = "battery-lake bundle describe > docs/bundle.md"
"""How the page is made anew."""

HEAD: Final = f"""# What the bundle deploys

Read back from a stand-in workspace after each target was deployed to it; do not edit. Rendered by
`{RENDER_COMMAND}`.
How to deploy to a workspace of your own: [deploy.md](deploy.md).
"""
NAMES: Final = ("full_name", "display_name", "name")


def page(targets: Mapping[str, Mapping[str, Tree]]) -> str:
    """Return the page of all targets.

    Parameters
    ----------
    targets
        By target, what :meth:`~battery_lake.bundle.deploy.Deployment.read_back` gives.
    """
    parts = [HEAD]
    for target, resources in targets.items():
        parts.append(f"\n## {target}\n\n" + _row("job", "starts", "runs as", "tasks", "may"))
        parts.append(_row(*["---"] * 5))
        parts += [_job(tree) for name, tree in resources.items() if name.startswith("jobs.")]
        parts.append("\n| object | name | may |\n|---|---|---|\n")
        parts += [_object(name, tree) for name, tree in resources.items() if not name.startswith("jobs.")]
    return "".join(parts)


def _job(tree: Tree) -> str:
    identity = tree.get("run_as", {})
    who = identity.get("service_principal_name") or identity.get("user_name") or "who deploys"
    tasks = "; ".join(map(_task, tree["tasks"]))
    return _row(tree["name"], _start(tree), who, tasks, _levels(tree))


def _start(tree: Tree) -> str:
    """What starts a job by itself."""
    how = next((key for key in ("schedule", "continuous", "trigger") if key in tree), "")
    found: Tree = tree.get(how, {})
    paused = ", paused" if found.get("pause_status") == "PAUSED" else ""
    if how == "schedule":
        return f"`{found['quartz_cron_expression']}` {found['timezone_id']}{paused}"
    if how == "continuous":
        return f"continuous{paused}"
    if how == "trigger":
        tables = found.get("table_update", {}).get("table_names", [])
        return f"{'update of ' + ', '.join(tables) if tables else next(iter(found))}{paused}"
    return "by hand, or by another job"


def _task(task: Tree) -> str:
    before = [one["task_key"] for one in task.get("depends_on", [])]
    after = f" after {', '.join(before)}" if before else ""
    asked = task.get("spark_python_task", {}).get("python_file", "")
    does = f" ({'/'.join(asked.split('/')[-2:])})" if asked else " (another job)"
    return f"{task['task_key']}{does}{after}"


def _object(name: str, tree: Tree) -> str:
    kind = name.partition(".")[0].replace("_", " ").removesuffix("s").replace("policie", "policy")
    called = next(tree[key] for key in NAMES if key in tree)
    grants = [f"{one['principal']}: {', '.join(one['privileges'])}" for one in tree.get("grants", [])]
    return _row(kind, called, "; ".join(grants) or _levels(tree))


def _levels(tree: Tree) -> str:
    told = []
    for one in tree.get("permissions", []):
        who = next(value for key, value in one.items() if key != "permission_level")
        told.append(f"{who}: {one['permission_level']}")
    return "; ".join(told)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |\n"
