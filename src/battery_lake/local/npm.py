"""Packages from npm: Azurite, Microsoft's language service; fetched once into the user's cache."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from battery_lake.errors import SetupError
from battery_lake.user_cache import user_cache_dir

_FETCH_TIMEOUT_S: Final = 300
_REMEDY: Final = "install Node 20 or newer with npm"


def node() -> str:
    """Return the path of Node.

    Raises
    ------
    SetupError
        It is not installed.
    """
    program = shutil.which("node")
    if program is None:
        raise SetupError("Node is not on this machine.", why="no node on the PATH", remedy=_REMEDY)
    return program


def npm_package(name: str, version: str) -> Path:
    """Return the folder of a package, fetching it and what it needs with npm if it is missing.

    No install script of any package is run.

    Parameters
    ----------
    name
        As npm has it, ``azurite`` or ``@kusto/language-service-next``.
    version
        The exact version.

    Raises
    ------
    SetupError
        It is not there and npm is not, or npm fails.
    """
    cache = user_cache_dir("npm")
    folder = cache / f"{name.replace('/', '_')}-{version}"
    if not folder.is_dir():
        program = shutil.which("npm")
        if program is None:
            raise SetupError(f"{name} is not on this machine.", why="no npm on the PATH", remedy=_REMEDY)
        # Under its final name only when complete: another process may fetch too.
        with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as scratch:
            made = Path(scratch) / "package"
            made.mkdir()
            options = ["--no-audit", "--no-fund", "--ignore-scripts", "--omit=dev", "--loglevel=error"]
            command = [program, "install", *options, "--prefix", str(made), f"{name}@{version}"]
            try:
                subprocess.run(
                    command, capture_output=True, text=True, timeout=_FETCH_TIMEOUT_S, check=True, cwd=made
                )
            except subprocess.SubprocessError as fault:
                said = str(getattr(fault, "stderr", "") or "").strip()[-500:]
                raise SetupError(f"{name} could not be fetched.", why=f"npm: {said or fault}") from fault
            with contextlib.suppress(OSError):  # the other process was first
                made.rename(folder)
    return folder / "node_modules" / name
