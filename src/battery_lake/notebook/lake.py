"""The lake of a notebook, wherever the notebook was opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from battery_lake.errors import SetupError
from battery_lake.lake.access import Lake
from battery_lake.session import on_databricks, spark_session
from battery_lake.settings import load

if TYPE_CHECKING:
    from battery_lake.settings import Settings


def open_lake(*arguments: str) -> Lake:
    """Return the lake that the settings name; by default the one that ``make demo`` left.

    Parameters
    ----------
    arguments
        Settings as ``key=value``; they win over settings file and environment.

    Raises
    ------
    SetupError
        There is no lake there.
    """
    settings, _ = load(arguments)
    if not on_databricks():
        settings = _found(settings)
    return Lake(spark_session(settings), settings)


def _found(settings: Settings) -> Settings:
    """Let home be the nearest such folder that holds a lake: here, or in a folder above."""
    above = [folder / settings.home for folder in (Path.cwd(), *Path.cwd().parents)]
    home = next((place for place in above if (place / "lake").is_dir()), None)
    if home is None:
        raise SetupError(
            f"there is no lake in {settings.home}",
            why="neither this folder nor one above it holds one",
            remedy="make demo, or set BATTERY_LAKE_HOME to the lake's home",
        )
    return settings.model_copy(update={"home": home})
