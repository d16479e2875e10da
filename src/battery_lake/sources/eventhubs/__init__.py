"""IoT Hub's built-in endpoint, and any Event Hubs, as a Spark source over AMQP.

``spark.dataSource.register(EventHubsSource)``, then ``spark.readStream.format("eventhubs")``.
"""

from battery_lake.sources.eventhubs.source import EventHubsSource

__all__ = ["EventHubsSource"]
