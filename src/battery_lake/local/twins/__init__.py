"""A stand-in for Azure Digital Twins: the data plane that its SDK calls, over HTTPS on loopback."""

from battery_lake.local.twins.standin import DigitalTwinsStandIn

__all__ = ["DigitalTwinsStandIn"]
