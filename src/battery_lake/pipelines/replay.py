"""Quarantined messages through the rules once more, after reference data or rules were mended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.clock import utc_now
from battery_lake.lake.create import ensure
from battery_lake.lake.scratch import kept
from battery_lake.lake.write import replacing, upsert
from battery_lake.pipelines.refine import REFINE, refine_batch
from battery_lake.pipelines.settle import arrived, conflicts
from battery_lake.quality.row_rules import rule_params
from battery_lake.silver.quarantine import conflicting, refused
from battery_lake.silver.telemetry import PLACE, checked, kinds
from battery_lake.tables.bronze import ORIGIN
from battery_lake.tables.silver import QUARANTINE

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.pipelines.model import Counts


def replay_quarantine(lake: Lake, codes: tuple[str, ...]) -> Counts:
    """Refine the bronze rows of quarantined messages again; those that are valid now leave quarantine.

    A crash in between loses nothing: silver is written first, and only then does a message leave
    quarantine. One that is still refused stays, with the reasons of today.

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
    looked_at = kept(lake, "replay.looked_at", quarantined.select(*PLACE, "refused_at"))
    origin = [column.name for column in ORIGIN]
    wanted = looked_at.select(*origin).distinct()
    bronze = lake.read("bronze.telemetry").join(wanted, on=origin, how="left_semi")
    counts = refine_batch(lake, bronze)
    still = kept(lake, "replay.still", _still_refused(lake, bronze, looked_at))
    upsert(lake, "silver.quarantine", replacing(still, looked_at, PLACE))
    return counts


def _still_refused(lake: Lake, bronze: DataFrame, looked_at: DataFrame) -> DataFrame:
    """What stays in quarantine: refused by a rule, or at odds with what silver keeps."""
    params = rule_params(lake.settings)
    messages = checked(bronze, lake.read("reference.packs"), lake.read("reference.pack_assignment"), params)
    now = utc_now()
    rows = refused(messages, params, now)
    for kind in kinds(params):
        losers = conflicts(lake, arrived(lake, bronze, messages, params, kind))
        rows = rows.unionByName(conflicting(bronze, losers, now))
    first = looked_at.withColumnRenamed("refused_at", "first_at")
    return (
        rows
        .join(first, on=list(PLACE), how="inner")
        .withColumn("refused_at", F.col("first_at"))
        .select(*QUARANTINE.column_names)
    )
