"""The wheel that tasks install, built from the sources beside databricks.yml."""

from __future__ import annotations

import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from battery_lake.errors import SetupError

if TYPE_CHECKING:
    from pathlib import Path


def build_wheel(root: Path, folder: Path) -> Path:
    """Build the wheel with uv where there is one, else with pip; what builds it is fetched if it is missing.

    Parameters
    ----------
    root
        Folder of pyproject.toml.
    folder
        Takes the wheel; emptied first.

    Raises
    ------
    SetupError
        The build fails, or there is neither uv nor pip.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    uv = shutil.which("uv")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command = [uv, "build", "--quiet", "--wheel", "--out-dir"] if uv else [*pip, "--wheel-dir"]
    ended = subprocess.run(
        [*command, str(folder), str(root.absolute())], capture_output=True, text=True, check=False
    )
    built = sorted(folder.glob("*.whl"))
    if ended.returncode or not built:
        lines = [line for line in (ended.stderr or ended.stdout).splitlines() if line.strip()]
        raise SetupError(
            "The wheel cannot be built",
            why=lines[-1] if lines else "nothing was said",
            remedy="install hatchling, or let pip reach an index; --wheel takes one that is built",
        )
    return built[0]
