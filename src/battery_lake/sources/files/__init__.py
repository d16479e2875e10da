"""Files that IoT Hub's routing and Event Hubs Capture write to storage."""
