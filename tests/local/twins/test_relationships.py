"""Relationships lead where models allow; event routes and telemetry are answered."""

import pytest
from azure.digitaltwins.core import DigitalTwinsEventRoute


@pytest.fixture
def related(client, make):
    client.upsert_digital_twin("p1", make.pack())
    for number in (1, 2, 3):
        client.upsert_digital_twin(f"c{number}", make.cell(soh_pct=90.0 + number))
    return client


def to(target, name="hasCell", **properties):
    return {"$relationshipName": name, "$targetId": target, **properties}


@pytest.mark.parametrize(
    ("source", "body", "status", "code"),
    [
        ("p1", to("c1", "drives"), 400, "ValidationFailed"),
        ("p1", to("c1", place=1), 400, "ValidationFailed"),
        ("p1", to("c1", "hasPart", place="first"), 400, "ValidationFailed"),
        ("p1", to("p2"), 400, "InvalidRelationship"),
        ("p1", to("p1", "hasPart"), 400, "OperationNotAllowed"),
        ("p1", to("nobody"), 404, "TargetDigitalTwinNotFound"),
        ("nobody", to("c1"), 404, "DigitalTwinNotFound"),
        ("p1", {"$targetId": "c1"}, 400, "InvalidArgument"),
    ],
)
def test_a_relationship_that_does_not_fit_is_refused(related, refused, make, source, body, status, code):
    related.upsert_digital_twin("p2", make.pack())
    assert refused(related.upsert_relationship, source, "r1", body)[:2] == (status, code)
    assert list(related.list_relationships("p1")) == []


def test_relationships_are_listed_by_name_and_seen_from_the_other_end(related):
    related.upsert_relationship("p1", "r1", to("c1"))
    related.upsert_relationship("p1", "r2", to("c2", "hasPart", place=2))
    by_name = related.list_relationships("p1", relationship_id="hasPart")
    assert [r["$relationshipId"] for r in by_name] == ["r2"]
    incoming = [r.as_dict() for r in related.list_incoming_relationships("c2")]
    assert incoming == [
        {
            "relationship_id": "r2",
            "source_id": "p1",
            "relationship_name": "hasPart",
            "relationship_link": "/digitaltwins/p1/relationships/r2",
        }
    ]


def test_more_than_a_page_of_relationships_comes_whole(related):
    for number in range(101):
        related.upsert_relationship("p1", f"r{number}", to("c1", "hasPart", place=number))
    assert len(list(related.list_relationships("p1"))) == 101
    assert len(list(related.list_incoming_relationships("c1"))) == 101


def test_a_twin_goes_only_without_relationships(related, refused):
    related.upsert_relationship("p1", "r1", to("c1"))
    for twin_id in ("p1", "c1"):
        assert refused(related.delete_digital_twin, twin_id)[:2] == (400, "RelationshipsNotDeleted")
    related.delete_relationship("p1", "r1")
    related.delete_digital_twin("c1")


def test_event_routes_lead_to_known_endpoints_only(related, refused):
    route = DigitalTwinsEventRoute(endpoint_name="hub", filter="true")
    related.upsert_event_route("r1", route)
    assert [r.endpoint_name for r in related.list_event_routes()] == ["hub"]
    assert related.get_event_route("r1").filter == "true"
    other = DigitalTwinsEventRoute(endpoint_name="nowhere", filter="true")
    assert refused(related.upsert_event_route, "r2", other)[:2] == (400, "EventRouteEndpointInvalid")
    related.delete_event_route("r1")
    assert refused(related.get_event_route, "r1")[:2] == (404, "EventRouteNotFound")


def test_telemetry_needs_a_twin_and_a_component(related, refused):
    related.publish_telemetry("p1", {"volts": 3.7})
    related.publish_component_telemetry("p1", "thermal", {"flow": 1})
    assert refused(related.publish_telemetry, "nobody", {})[:2] == (404, "DigitalTwinNotFound")
    assert refused(related.publish_component_telemetry, "p1", "engine", {})[1] == "ComponentNotFound"
