"""What runs a task's own file: an environment that holds the built wheel, and a process a try.

A task sees the wheel that its job names and the packages that this Python has, not the folder that the wheel
was built from: the environment is a virtual one whose search path goes on into this one's packages, and
what a development install writes there to point at sources is not followed from there.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import shutil
import signal
import subprocess
import sysconfig
import venv
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from battery_lake.clock import monotonic_s
from battery_lake.local.workspace.errors import invalid

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence

KEPT: Final = frozenset({"BATTERY_LAKE_JARS", "BATTERY_LAKE_MAVEN_URL"})
"""Variables of ours that a task may see: where this machine keeps its jars."""

DROPPED: Final = ("BATTERY_LAKE_", "DATABRICKS_", "PYSPARK_", "PYTHON", "SPARK_", "VIRTUAL_ENV")
MOUNTS: Final = ("/Volumes/", "/Workspace/")
POLL_S: Final = 0.2
_CALL: Final = """
import importlib, importlib.metadata, sys
package, name = sys.argv[1:3]
sys.argv[:3] = [name]
found = [p for p in importlib.metadata.distribution(package).entry_points if p.name == name]
(found[0].load() if found else getattr(importlib.import_module(package.replace("-", "_")), name))()
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a try ended: a result as the service words it, and a line on why."""

    result: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Compute:
    """Runs tasks in processes of this machine.

    Parameters
    ----------
    folder
        Environments are kept here.
    mounts
        Folder that stands for the root of ``/Volumes`` and ``/Workspace``.
    arguments
        Added to every task: what only this machine knows, the addresses of its stand-ins say.
    longest_pause_s
        Between two tries no longer than this is waited. [s]
    """

    folder: Path
    mounts: Path
    arguments: tuple[str, ...] = ()
    longest_pause_s: float = 1.0
    host: dict[str, str] = field(default_factory=dict)
    """Variables by which a task reaches its workspace, as a runtime's own credentials would."""

    def python(self, libraries: Sequence[str]) -> Path:
        """Return the Python of an environment with the wheels among some libraries.

        Raises
        ------
        RefusalError
            A wheel is not in the workspace, or a package is not installed here.
        """
        wheels = [self.local(name) for name in libraries if name.partition("[")[0].endswith(".whl")]
        for name in libraries:
            _check(name)
        for wheel in wheels:
            if not wheel.is_file():
                raise invalid(f"Library installation failed: {wheel.name} does not exist in the workspace")
        digest = hashlib.sha256(b"".join(wheel.read_bytes() for wheel in wheels)).hexdigest()[:16]
        target = self.folder / digest
        if not (target / "ready").exists():
            _make(target, wheels)
        return target / "bin" / "python"

    def command(self, task: Mapping[str, Any], python: Path) -> list[str]:
        """Return what a task starts.

        Parameters
        ----------
        task
            With its parameters filled in.
        python
            What :meth:`python` gives.

        Raises
        ------
        RefusalError
            The task is of a kind that is not run here, or its file is not there.
        """
        if "spark_python_task" in task:
            asked = task["spark_python_task"]
            file = self.local(asked["python_file"])
            if not file.is_file():
                raise invalid(f"Cannot read the python file {asked['python_file']}")
            start, given = [str(file)], asked.get("parameters", [])
        elif "python_wheel_task" in task:
            asked = task["python_wheel_task"]
            start = ["-c", _CALL, asked["package_name"], asked["entry_point"]]
            named = [f"--{key}={value}" for key, value in asked.get("named_parameters", {}).items()]
            given = [*asked.get("parameters", []), *named]
        else:
            kind = next((key for key in task if key.endswith("_task")), "no task")
            raise invalid(f"The stand-in runs Python files and wheels; {task['task_key']} is a {kind}")
        return [str(python), *start, *map(self._mounted, given), *self.arguments]

    def local(self, path: str) -> Path:
        """Return where a path of the workspace lies on this machine."""
        plain = path.partition("[")[0]
        full = plain if plain.startswith(MOUNTS) else f"/Workspace{plain}"
        return self.mounts / os.path.normpath(full).lstrip("/")

    def _mounted(self, parameter: str) -> str:
        """A parameter with the paths of volumes and workspace as they are here."""
        return re.sub(
            r"(^|=|,)(/(?:Volumes|Workspace)/)", lambda found: f"{found[1]}{self.mounts}{found[2]}", parameter
        )


def run(
    command: Sequence[str], log: Path, *, timeout_s: float, stop: threading.Event, host: Mapping[str, str]
) -> Ended:
    """Run a command to its end, output into a file.

    Parameters
    ----------
    command
        What is started.
    log
        Takes what it says.
    timeout_s
        It is ended after so long; 0: never. [s]
    stop
        Set: it is ended.
    host
        Variables by which it reaches its workspace.
    """
    where = log.parent / "work"
    where.mkdir(parents=True, exist_ok=True)
    began = monotonic_s()
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=where, env=_environment() | dict(host), stdout=out, stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        while True:
            try:
                code = process.wait(POLL_S)
            except subprocess.TimeoutExpired:
                if stop.is_set():
                    return Ended("CANCELED", _ended(process, "Run cancelled."))
                if timeout_s and monotonic_s() - began > timeout_s:
                    return Ended("TIMEDOUT", _ended(process, f"Timed out after {timeout_s:g} s."))
                continue
            return Ended("SUCCESS") if code == 0 else Ended("FAILED", f"{_last_line(log)} (exit code {code})")


def _ended(process: subprocess.Popen[bytes], message: str) -> str:
    """End a process and those that it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return message


def _last_line(log: Path) -> str:
    """The line that names the fault: the last one of the trace that is no remedy."""
    lines = [line for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    told = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Exit|Interrupt)\b", line)]
    return (told or lines or ["The command said nothing"])[-1][:500]


def _environment() -> dict[str, str]:
    """The variables of this process without those that would tell a task of anything but the wheel."""
    return {name: value for name, value in os.environ.items() if name in KEPT or not name.startswith(DROPPED)}


def _check(library: str) -> None:
    """Refuse a package that this machine lacks: nothing is fetched."""
    name = re.split(r"[\[<>=!~ ;]", library, maxsplit=1)[0]
    if "/" in library or not name:
        return
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError as fault:
        raise invalid(f"Library installation failed: {library} is not installed on this machine") from fault


def _make(target: Path, wheels: Sequence[Path]) -> None:
    """Make an environment of wheels, and of what is installed here."""
    shutil.rmtree(target, ignore_errors=True)
    venv.EnvBuilder(symlinks=True, with_pip=False).create(target)
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(target), "platbase": str(target)}))
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(packages)
    ours = dict.fromkeys(sysconfig.get_path(kind) for kind in ("purelib", "platlib"))
    (packages / "installed.pth").write_text("".join(f"{path}\n" for path in ours), encoding="utf-8")
    (target / "ready").touch()
