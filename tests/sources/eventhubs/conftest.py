"""A hub on loopback that the real SDK reads, and options that lead to it."""

import json

import pytest

from battery_lake.local.eventhub.events import Event, iot_annotations
from battery_lake.local.eventhub.standin import EventHubStandIn
from battery_lake.sources.eventhubs.options import parse_options


def numbered(count, first=0, device="V1"):
    """Messages that say which they are."""
    return [
        Event(
            json.dumps({"number": first + place}).encode(),
            annotations=iot_annotations(device, enqueued_ms=1_767_225_600_000 + first + place),
            content_type="application/json",
            content_encoding="utf-8",
            properties={"schema": "v1", "try": 2},
        )
        for place in range(count)
    ]


@pytest.fixture
def hub(tmp_path):
    """A hub of two partitions."""
    with EventHubStandIn(tmp_path / "hub", partitions=2) as standin:
        yield standin


@pytest.fixture
def options(hub):
    """Build options for the hub."""

    def build(**given):
        return parse_options({"connectionString": hub.connection_string, "receiveTimeout": "20", **given})

    return build


@pytest.fixture(scope="session")
def made_events():
    return numbered
