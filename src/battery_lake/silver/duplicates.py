"""Messages with the same key: which one silver keeps, and what becomes of the others.

The copy that the hub took first wins; of copies taken at the same instant, the one with the smaller
content hash. The choice depends on the messages alone, so any order of arrival gives the same table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import Window
from pyspark.sql import functions as F

from battery_lake.silver.telemetry import KEY, PLACE, content_hash

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

KEPT: Final = "kept"
DUPLICATE: Final = "duplicate"
CONFLICT: Final = "conflict"


def copies(messages: DataFrame, key: tuple[str, ...] = KEY) -> DataFrame:
    """One row per message, as narrow as the choice between copies allows.

    Parameters
    ----------
    messages
        Valid messages, in the form of silver.telemetry, or of silver.telemetry_part.
    key
        The table's.

    Returns
    -------
    DataFrame
        Key, place, ``enqueued_at`` and ``content``, the hash of what the message says.
    """
    return messages.select(*key, *PLACE, "enqueued_at", content_hash().alias("content"))


def verdicts(arrived: DataFrame, stored: DataFrame, key: tuple[str, ...] = KEY) -> DataFrame:
    """One row per message that shares its key with another: what becomes of it.

    Parameters
    ----------
    arrived
        The :func:`copies` that came; read twice.
    stored
        What the table holds for their time.
    key
        The table's.

    Returns
    -------
    DataFrame
        Key, place, ``content`` (its hash), ``is_stored`` (it is in silver now) and ``verdict``: ``kept``
        (it is the one that silver must hold), ``duplicate`` (it says the same), ``conflict`` (it says
        something else).
    """
    old = copies(stored.join(arrived.select(*key).distinct(), on=list(key), how="left_semi"), key)
    # A batch that runs again finds its own rows in silver: they are no duplicates.
    again = arrived.join(old.select(*key, *PLACE), on=[*key, *PLACE], how="left_anti")
    everything = again.withColumn("is_stored", F.lit(False)).unionByName(
        old.withColumn("is_stored", F.lit(True))
    )
    order = Window.partitionBy(*key).orderBy("enqueued_at", "content", F.col("is_stored").desc(), *PLACE)
    ranked = everything.withColumns({
        "place": F.row_number().over(order),
        "first_content": F.first("content").over(order),
    })
    verdict = (
        F
        .when(F.col("place") == 1, KEPT)
        .when(F.col("content") == F.col("first_content"), DUPLICATE)
        .otherwise(CONFLICT)
    )
    return ranked.select(*key, *PLACE, "content", "is_stored", verdict.alias("verdict"))
