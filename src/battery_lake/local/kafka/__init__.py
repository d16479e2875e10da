"""Kafka on this machine: a real broker on loopback, and events as Event Hubs shows them there."""

from battery_lake.local.kafka.broker import KafkaBroker, broker_jars
from battery_lake.local.kafka.records import Record, record

__all__ = ["KafkaBroker", "Record", "broker_jars", "record"]
