"""All tables of the lake kept small and fast to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from battery_lake.errors import SettingsError
from battery_lake.lake.create import exists
from battery_lake.lake.maintain import Maintained, maintain
from battery_lake.log import logger
from battery_lake.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from battery_lake.lake.access import Lake
    from battery_lake.pipelines.model import Progress


def maintain_tables(lake: Lake, progress: Progress, names: Sequence[str] = ()) -> list[Maintained]:
    """Maintain the tables that there are, one after the other, by ``maintenance.retention_days``.

    A run that is broken off has lost nothing: each statement is a commit of its own, and readers and writers
    go on meanwhile.

    Parameters
    ----------
    lake, progress
        The tables, and who is told of each.
    names
        Only these; none: all.

    Raises
    ------
    SettingsError
        A name is no table.
    """
    unknown = [name for name in names if name not in TABLES]
    if unknown:
        raise SettingsError(f"there is no table {unknown[0]}", remedy="`battery-lake tables` lists them")
    done = []
    for name in names or TABLES:
        if not exists(lake, name):
            continue
        told = maintain(lake, name, lake.settings.maintenance.retention_days)
        done.append(told)
        progress.batch(name, 0, told.files_after)
        logger("maintain").info(
            "table_maintained", table=name, files_before=told.files_before, files_after=told.files_after
        )
    return done
