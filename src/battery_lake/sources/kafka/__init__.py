"""Kafka, that of an Event Hubs namespace or any other, read by Spark's own connector."""

from battery_lake.sources.kafka.faults import explained
from battery_lake.sources.kafka.rows import envelope
from battery_lake.sources.kafka.stream import stream

__all__ = ["envelope", "explained", "stream"]
