"""The server's half of AMQP 1.0, as much of it as the Event Hubs SDKs use."""
