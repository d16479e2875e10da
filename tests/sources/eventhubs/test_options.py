"""Options and addresses: what the portal gives is taken, what cannot work is explained."""

import datetime as dt
import pickle

import pytest

from battery_lake.errors import SettingsError
from battery_lake.sources.address import parse_connection_string
from battery_lake.sources.eventhubs.options import parse_options

KEY = "c2VjcmV0LWtleQ=="
NAMESPACE = f"Endpoint=sb://ns.servicebus.windows.net/;SharedAccessKeyName=service;SharedAccessKey={KEY}"
BUILT_IN = f"{NAMESPACE};EntityPath=iothub-ehub-cars"


def options(**given):
    return parse_options({"connectionString": BUILT_IN, **given})


def test_both_forms_of_the_portal_are_taken():
    whole = parse_connection_string(BUILT_IN)
    named = parse_connection_string(NAMESPACE + ";", "iothub-ehub-cars")
    assert (whole.namespace, whole.hub) == ("ns.servicebus.windows.net", "iothub-ehub-cars")
    assert whole == named


@pytest.mark.parametrize(
    ("text", "hub", "found"),
    [
        (f"HostName=cars.azure-devices.net;SharedAccessKey={KEY}", "", "Built-in endpoints"),
        (f"Endpoint=sb://cars.azure-devices.net/;SharedAccessKey={KEY}", "h", "built-in"),
        (NAMESPACE, "", "EntityPath"),
        (BUILT_IN, "another", "different hubs"),
        ("Endpoint=sb://ns.servicebus.windows.net/;EntityPath=h", "", "no key"),
        ("SharedAccessKeyName=o;SharedAccessKey=k", "h", "no Endpoint"),
        ("nonsense", "h", "cannot be read"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_explained_without_the_key(text, hub, found):
    with pytest.raises(SettingsError) as fault:
        parse_connection_string(text, hub)
    assert found in str(fault.value)
    assert KEY not in str(fault.value)


def test_case_does_not_matter_and_the_options_survive_the_way_to_a_worker():
    found = options(
        CONSUMERGROUP="lake", MaxEventsPerTrigger="1000", maxbytespertrigger="64k", failOnDataLoss="False"
    )
    assert (found.consumer_group, found.max_events, found.max_bytes) == ("lake", 1000, 65536)
    assert not found.fail_on_data_loss
    assert pickle.loads(pickle.dumps(found)) == found
    assert KEY not in repr(found)


def test_positions():
    assert options().starting_position == "latest"
    assert options(startingPosition="earliest").starting_position == "earliest"
    assert options(startingPosition='{"0": 12}').starting_position == {"0": 12}
    noon = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)
    assert options(startingPosition="2026-01-31T12:00:00Z").starting_position == noon
    assert options(startingPosition="2026-01-31T12:00:00").starting_position == noon


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("maxEventPerTrigger", "1", "did you mean maxEventsPerTrigger"),
        ("maxEventsPerTrigger", "0", "whole number"),
        ("maxBytesPerTrigger", "12 apples", "no size"),
        ("startingPosition", "yesterday", "no position"),
        ("startingPosition", '{"0": "x"}', "no position"),
        ("failOnDataLoss", "perhaps", "one of true, false"),
        ("transport", "pigeon", "one of amqp, websockets"),
        ("credential", "key", "one of default"),
    ],
)
def test_a_wrong_option_is_named(name, value, found):
    with pytest.raises(SettingsError, match=found):
        options(**{name: value})


def test_without_a_connection_string_namespace_and_hub_are_needed():
    found = parse_options({
        "fullyQualifiedNamespace": "ns.servicebus.windows.net", "eventHubName": "h",
        "credential": "managed_identity:1234",
    })  # fmt: skip
    assert (found.address.hub, found.credential, found.client_id) == ("h", "managed_identity", "1234")
    with pytest.raises(SettingsError, match="connectionString"):
        parse_options({"eventHubName": "h"})
