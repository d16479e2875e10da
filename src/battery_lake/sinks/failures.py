"""What a sink refused: kept in ops.delivery_failure with its reason until it is delivered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F

from battery_lake.clock import utc_now
from battery_lake.lake.write import delete, upsert
from battery_lake.tables.ops import DELIVERY_FAILURE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that was refused.

    Parameters
    ----------
    item_key
        Which item, in the sink's words.
    payload
        The delivery itself, as JSON.
    reason
        What the sink answered.
    """

    item_key: str
    payload: str
    reason: str


def keep(lake: Lake, sink: str, failures: Iterable[Failure]) -> int:
    """Keep what was refused; an item that was refused before counts one more try.

    Parameters
    ----------
    lake
        The tables.
    sink
        The sink's name.
    failures
        At most one an item.

    Returns
    -------
    int
        How many items were refused.
    """
    rows = [(f.item_key, f.payload, f.reason) for f in failures]
    if rows:
        frame = lake.spark.createDataFrame(rows, "item_key string, payload string, reason string")
        keep_rows(lake, sink, frame)
    return len(rows)


def keep_rows(lake: Lake, sink: str, refused: DataFrame) -> None:
    """Keep what was refused, as many rows as there may be.

    Parameters
    ----------
    lake
        The tables.
    sink
        The sink's name.
    refused
        item_key, payload and reason; at most one row an item, the same whenever it is read.
    """
    now = utc_now().replace(tzinfo=None)  # Spark's timestamps are UTC without a zone here
    before = waiting(lake, sink).select("item_key", F.col("tries").alias("before"))
    rows = refused.join(before, on="item_key", how="left").select(
        F.lit(sink).alias("sink"),
        "item_key",
        "payload",
        "reason",
        (F.coalesce("before", F.lit(0)) + 1).cast("int").alias("tries"),
        F.lit(now).alias("failed_at"),
    )
    upsert(lake, DELIVERY_FAILURE.name, rows)


def waiting(lake: Lake, sink: str) -> DataFrame:
    """What still waits to be delivered to a sink: rows of ops.delivery_failure."""
    return lake.read(DELIVERY_FAILURE.name).where(F.col("sink") == sink)


def settle(lake: Lake, sink: str, item_keys: Iterable[str]) -> int:
    """Forget items that were delivered after all.

    Parameters
    ----------
    lake
        The tables.
    sink
        The sink's name.
    item_keys
        Keys of the items.

    Returns
    -------
    int
        How many had been waiting.
    """
    keys = [(item_key,) for item_key in item_keys]
    return settle_rows(lake, sink, lake.spark.createDataFrame(keys, "item_key string")) if keys else 0


def settle_rows(lake: Lake, sink: str, delivered: DataFrame) -> int:
    """Forget items that were delivered after all; return how many had been waiting.

    Parameters
    ----------
    lake
        The tables.
    sink
        The sink's name.
    delivered
        Holds item_key.
    """
    keys = waiting(lake, sink).join(delivered, on="item_key", how="left_semi")
    return delete(lake, DELIVERY_FAILURE.name, keys.select("sink", "item_key"))
