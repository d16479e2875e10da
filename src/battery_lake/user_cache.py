"""The folder where downloads and generated files stay between runs, outside of any lake."""

from __future__ import annotations

import os
from pathlib import Path

from battery_lake.errors import SetupError


def user_cache_dir(name: str) -> Path:
    """Return a folder of the user's cache, made if missing.

    Parameters
    ----------
    name
        What the folder holds, such as "jars".

    Returns
    -------
    Path
        `$XDG_CACHE_HOME/battery_lake/<name>`, or below `~/.cache` where the variable is not set.

    Raises
    ------
    SetupError
        If the folder cannot be made.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base).absolute() / "battery_lake" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(
            "The cache folder cannot be written.",
            why=str(error),
            remedy="set XDG_CACHE_HOME to a folder of yours",
        ) from error
    return folder
