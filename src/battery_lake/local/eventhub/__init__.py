"""A stand-in for an Event Hubs compatible endpoint, with the annotations that IoT Hub adds."""

from battery_lake.local.eventhub.events import Event, iot_annotations
from battery_lake.local.eventhub.hub import Retention
from battery_lake.local.eventhub.standin import EventHubStandIn

__all__ = ["Event", "EventHubStandIn", "Retention", "iot_annotations"]
