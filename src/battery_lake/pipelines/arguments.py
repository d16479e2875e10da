"""What a job is told on its command line: settings, the file of settings, and which task it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from battery_lake.errors import SettingsError
from battery_lake.settings import Settings, load

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


@dataclass(frozen=True, slots=True)
class Arguments:
    """Settings in force, the task's name, and the job's own words."""

    settings: Settings
    task: str
    own: dict[str, str]


def parse(arguments: Sequence[str], own: Collection[str] = ()) -> Arguments:
    """Read a job's arguments: ``--key=value`` and ``--key value`` alike; a later one wins.

    Parameters
    ----------
    arguments
        As they stand on the command line.
    own
        Names of arguments, without ``--``, that are no settings but the job's own.

    Raises
    ------
    SettingsError
        An argument is none of these, or a setting has a value that it cannot have.
    """
    words: dict[str, str] = {}
    pairs: list[str] = []
    rest = list(arguments)
    while rest:
        head = rest.pop(0)
        if "=" not in head and not rest:
            raise SettingsError(f"{head} has no value", remedy=f"write {head}=value")
        key, _, value = (head if "=" in head else f"{head}={rest.pop(0)}").removeprefix("--").partition("=")
        if key in {"config", "task", *own}:
            words[key] = value
        else:
            pairs.append(f"{key}={value}")
    config, task = words.pop("config", ""), words.pop("task", "")
    settings, _ = load(pairs, config=Path(config) if config else None)
    return Arguments(settings, task, words)
