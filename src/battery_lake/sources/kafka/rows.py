"""From Kafka's records to the envelope that every source yields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.sources.envelope import DEVICE, OF_THE_MESSAGE, PARTITION_KEY, PLACES, TAKEN, YEARS_MS
from battery_lake.sources.files.lines import first_of_each
from battery_lake.sources.kafka.headers import decoded, instant_ms, is_encoded, made_valid, plain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import DataFrame

SET_BY_SERVICE: Final = ("iothub-", "x-opt-", "dt-")
"""Beginnings of the names that IoT Hub and Event Hubs give to what they add."""


def envelope(records: DataFrame) -> DataFrame:
    """One row per record: the envelope that every source yields.

    A topic is a hub, an offset a sequence number. A record's key, by which Event Hubs and Kafka choose the
    partition, is the property that Event Hubs calls so.

    Parameters
    ----------
    records
        ``key``, ``value``, ``topic``, ``partition``, ``offset``, ``timestamp``, ``headers``.

    References
    ----------
    Microsoft, "Exchange events between consumers and producers that use different protocols".
    """
    by_name = (
        records
        .withColumn("given", F.expr("coalesce(headers, array())"))
        .withColumn("encoded", F.expr(is_encoded("given")))
        .withColumn("decoded", F.expr(decoded("given", "encoded", {TAKEN: instant_ms})))
        .withColumn("entries", F.expr(f"concat({made_valid('decoded')}, {_key()})"))
        .withColumn("texts", first_of_each("entries"))
        .withColumn(
            "system",
            F.expr(f"map_filter(texts, (k, v) -> {_is_system('k')} AND k NOT IN ({_listed(PLACES)}))"),
        )
    )
    system = F.col("system")
    taken_ms = system[TAKEN].try_cast("bigint")
    taken = F.when(taken_ms.between(*YEARS_MS), F.timestamp_millis(taken_ms))
    return by_name.select(
        F.col("topic").alias("hub"),
        F.col("partition").cast("string").alias("partition_id"),
        F.col("offset").alias("sequence_number"),
        F.coalesce(taken, F.col("timestamp")).alias("enqueued_at"),
        system[DEVICE].alias("device_id"),
        F.col("value").alias("body"),
        system["content-type"].alias("content_type"),
        system["content-encoding"].alias("content_encoding"),
        system.alias("system_properties"),
        F.expr(f"map_filter(texts, (k, v) -> NOT {_is_system('k')})").alias("application_properties"),
    )


def _key() -> str:
    """SQL of the record's key as a property, where it has one."""
    entry = f"named_struct('key', '{PARTITION_KEY}', 'value', {plain('key')})"
    return f"if(key IS NULL, array(), array({entry}))"


def _is_system(name: str) -> str:
    beginnings = " OR ".join(f"startswith({name}, '{beginning}')" for beginning in SET_BY_SERVICE)
    return f"({beginnings} OR {name} IN ({_listed(OF_THE_MESSAGE)}))"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"'{name}'" for name in sorted(names))
