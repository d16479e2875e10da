"""Quarantined messages through the rules once more, after reference data or rules were mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.lake.create import ensure
from battery_lake.lake.write import delete
from battery_lake.pipelines.refine import REFINE, refine_batch
from battery_lake.silver.telemetry import PLACE
from battery_lake.tables.bronze import ORIGIN

if TYPE_CHECKING:
    from battery_lake.lake.access import Lake
    from battery_lake.pipelines.model import Counts


def replay_quarantine(lake: Lake, codes: tuple[str, ...]) -> Counts:
    """Refine the bronze rows of quarantined messages again; those that are valid now leave quarantine.

    A crash in between loses nothing: silver is written first, and a message that is in silver is only then
    taken out of quarantine.

    Parameters
    ----------
    lake
        The tables.
    codes
        Reasons to look at; none: all.
    """
    ensure(lake, (*REFINE.reads, *REFINE.writes))
    quarantined = lake.read("silver.quarantine")
    if codes:
        quarantined = quarantined.where(F.exists("reasons", lambda reason: reason["code"].isin(*codes)))
    origin = [column.name for column in ORIGIN]
    wanted = quarantined.select(*origin).distinct()
    counts = refine_batch(lake, lake.read("bronze.telemetry").join(wanted, on=origin, how="left_semi"))
    accepted = lake.read("silver.telemetry").select(*PLACE)
    delete(
        lake, "silver.quarantine", quarantined.select(*PLACE).join(accepted, on=list(PLACE), how="left_semi")
    )
    return counts
