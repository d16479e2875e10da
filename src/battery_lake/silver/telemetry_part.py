"""From parts, each of which carries one cell, to whole messages of silver.telemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.silver.telemetry import KEY, PLACE, content_hash
from battery_lake.tables.silver import TELEMETRY

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_OF_ALL: Final = ("cell_voltages_v", "flags")
_OF_THE_FIRST: Final = (*PLACE, "enqueued_at", "vehicle_id", "mapping")


def whole(parts: DataFrame, packs: DataFrame) -> DataFrame:
    """One row per key of the parts: every cell in its place, null where no part has come.

    What else the parts say is taken from the first that says it, in the order in which the hub took them.

    Parameters
    ----------
    parts
        silver.telemetry_part.
    packs
        reference.packs: how many cells there are.
    """
    order = F.struct("enqueued_at", content_hash().alias("content"), "cell_number", *PLACE)
    others = [name for name in TELEMETRY.column_names if name not in {*KEY, *_OF_ALL, *_OF_THE_FIRST}]
    cells = F.collect_list(F.struct("cell_number", F.get("cell_voltages_v", F.lit(0)).alias("cell_v")))
    put = parts.groupBy(*KEY).agg(
        F.map_from_entries(cells).alias("cells"),
        F.array_sort(F.array_distinct(F.flatten(F.collect_list("flags")))).alias("flags"),
        F.min_by(F.struct(*_OF_THE_FIRST), order).alias("first"),
        *(F.min_by(name, F.when(F.col(name).isNotNull(), order)).alias(name) for name in others),
    )
    known = packs.select("pack_id", "cells_in_series")
    every_cell = F.expr("transform(sequence(1L, bigint(cells_in_series)), i -> try_element_at(cells, i))")
    return (
        put
        .join(F.broadcast(known), on="pack_id", how="inner")
        .withColumn("cell_voltages_v", every_cell)
        .withColumns({name: F.col(f"first.{name}") for name in _OF_THE_FIRST})
        .select(*TELEMETRY.column_names)
    )
