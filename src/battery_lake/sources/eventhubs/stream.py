"""The settings' hub as a stream, and whether everything that was there has been read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from battery_lake.sources.eventhubs.client import partition_states
from battery_lake.sources.eventhubs.options import parse_options
from battery_lake.sources.eventhubs.source import EventHubsSource
from battery_lake.vault import secret_text

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from battery_lake.settings import EventHubsSettings


def stream(spark: SparkSession, settings: EventHubsSettings) -> DataFrame:
    """Return the hub's events as a stream of the source's rows."""
    spark.dataSource.register(EventHubsSource)
    return spark.readStream.format(EventHubsSource.name()).options(**source_options(settings)).load()


def source_options(settings: EventHubsSettings) -> dict[str, str]:
    """Return the settings as options of the source; empty ones are left out."""
    options = {
        "connectionString": secret_text(settings.connection_string),
        "fullyQualifiedNamespace": settings.namespace,
        "eventHubName": settings.hub,
        "credential": settings.credential,
        "consumerGroup": settings.consumer_group,
        "startingPosition": settings.starting_position,
        "maxEventsPerTrigger": str(settings.max_events_per_trigger),
        "maxBytesPerTrigger": settings.max_bytes_per_trigger,
        "receiveTimeout": str(settings.receive_timeout_s),
        "prefetch": str(settings.prefetch),
        "failOnDataLoss": str(settings.fail_on_data_loss).lower(),
        "transport": settings.transport,
        "proxy": secret_text(settings.proxy),
    }
    return {name: value for name, value in options.items() if value}


def tails(settings: EventHubsSettings) -> dict[str, int]:
    """Return the sequence number that the next event of each partition will get.

    Raises
    ------
    RemoteError
        The service cannot be reached, or refuses.
    """
    states = partition_states(parse_options(source_options(settings)))
    return {
        name: state.next_number for name, state in states.items() if state.first_number < state.next_number
    }


def has_reached(end_offset: dict[str, Any], wanted: dict[str, int]) -> bool:
    """Return whether an offset of the source, as Spark reports it, is at or past these places."""
    places = end_offset["p"]
    return all(name in places and places[name]["s"] >= number for name, number in wanted.items())
