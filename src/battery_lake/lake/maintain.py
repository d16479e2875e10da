"""What keeps a table small and fast to read: OPTIMIZE, VACUUM, ANALYZE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pyspark.errors import AnalysisException

if TYPE_CHECKING:
    from battery_lake.lake.access import Lake

HOURS_A_DAY: Final = 24
REFUSED: Final = "NOT_SUPPORTED_COMMAND_FOR_V2_TABLE"
"""Open-source Spark keeps no statistics of Delta tables beside those in Delta's own log."""


@dataclass(frozen=True, slots=True)
class Maintained:
    """What a table gained.

    Parameters
    ----------
    table
        Its name.
    files_before, files_after
        Files that its newest version consists of.
    bytes_after
        Their size.
    analyzed
        Whether statistics for the planner were told anew; only a catalog keeps them.
    """

    table: str
    files_before: int
    files_after: int
    bytes_after: int
    analyzed: bool


def maintain(lake: Lake, name: str, retention_days: int) -> Maintained:
    """Join a table's small files, remove files that no version of the last days needs, count anew.

    Parameters
    ----------
    lake, name
        The table; it is there.
    retention_days
        Versions, and the change feed, can be read back so far. [d]

    References
    ----------
    Delta Lake documentation: Optimizations (OPTIMIZE), Table utility commands (VACUUM).
    """
    identifier = lake.identifier(name)
    before = _detail(lake, identifier)
    lake.spark.sql(f"OPTIMIZE {identifier}")
    lake.spark.sql(f"VACUUM {identifier} RETAIN {retention_days * HOURS_A_DAY} HOURS")
    analyzed = True
    try:
        lake.spark.sql(f"ANALYZE TABLE {identifier} COMPUTE STATISTICS")
    except AnalysisException as fault:
        if REFUSED not in str(fault):
            raise
        analyzed = False
    after = _detail(lake, identifier)
    return Maintained(name, before.numFiles, after.numFiles, after.sizeInBytes, analyzed)


def _detail(lake: Lake, identifier: str) -> Any:
    return lake.spark.sql(f"DESCRIBE DETAIL {identifier}").collect()[0]
