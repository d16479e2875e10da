"""Twins are what their models allow, within the service's limits; patches are applied as a whole."""

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ResourceExistsError, ResourceModifiedError
from hypothesis import given
from hypothesis import strategies as st

from battery_lake.local.twins.patch import Step, apply
from battery_lake.local.twins.values import faults

WRONG = "Expected value of type {} for {} on Twin."


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        ({"soh_pct": "90"}, WRONG.format("double", "soh_pct")),
        ({"soh_pct": True}, WRONG.format("double", "soh_pct")),
        ({"count": 1.5}, WRONG.format("integer", "count")),
        ({"count": 2**31}, WRONG.format("integer", "count")),
        ({"ok": 1}, WRONG.format("boolean", "ok")),
        ({"at": "yesterday"}, WRONG.format("dateTime", "at")),
        ({"state": "flying"}, WRONG.format("enum", "state")),
        ({"alerts": "knee"}, WRONG.format("array", "alerts")),
        ({"alerts": [1]}, WRONG.format("string", "alerts/0")),
        ({"cells": {"c1": "x"}}, WRONG.format("double", "cells/c1")),
        ({"cells": {"P1/01/02": 1.0}}, "P1/01/02 is not a valid key of the map cells on Twin."),
        ({"rul": {"p05": 1.0, "p95": 2.0}}, "rul/p95 does not appear on the DTDL for Twin."),
        ({"rul": {"p05": "1"}}, WRONG.format("double", "rul/p05")),
        ({"unknown": 1}, "unknown does not appear on the DTDL for Twin."),
        ({"thermal": {"coolant_c": "hot"}}, "Expected value of type double for coolant_c on thermal."),
        ({"thermal": {"oil_c": 1}}, "oil_c does not appear on the DTDL for thermal."),
        ({"serial": "x" * 4097}, "The value of serial on Twin is longer than 4096 bytes."),
        ({"serial": "ü" * 2049}, "The value of serial on Twin is longer than 4096 bytes."),
    ],
)
def test_what_the_model_does_not_allow_is_refused(client, refused, make, properties, says):
    status, code, details = refused(client.upsert_digital_twin, "p1", make.pack(**properties))
    assert (status, code, details) == (400, "ValidationFailed", [says])
    for name, value in properties.items():
        client.upsert_digital_twin("p1", make.pack())
        patch = [{"op": "add", "path": f"/{name}", "value": value}]
        assert refused(client.update_digital_twin, "p1", patch)[2] == [says]
        assert name == "thermal" or name not in client.get_digital_twin("p1")


def test_what_the_model_allows_comes_back_as_it_was_sent(client, make):
    properties = {
        "soh_pct": 90, "count": -3, "at": "2026-03-02T06:00:00.5Z", "ok": False, "state": "parked",
        "alerts": ["knee", "weak_cell"], "cells": {"c_01_02": 88.5}, "rul": {"p50": 900.0},
        "serial": "x" * 4096, "thermal": {"coolant_c": 21.5},
    }  # fmt: skip
    made = client.upsert_digital_twin("p1", make.pack(**properties))
    twin = client.get_digital_twin("p1")
    assert twin == made
    assert twin["thermal"].pop("$metadata")["coolant_c"]["lastUpdateTime"].endswith("Z")
    assert {name: twin[name] for name in properties} == properties
    assert list(twin)[:2] == ["$dtId", "$etag"]
    assert list(twin)[-1] == "$metadata"


@pytest.mark.parametrize("sent", [[], "text", {}, {"$metadata": {}}, {"$metadata": {"$model": 1}}])
def test_a_body_that_is_no_twin_is_refused(client, refused, sent):
    assert refused(client.upsert_digital_twin, "p1", sent)[0] == 400


def test_a_component_must_be_there(client, refused):
    bare = {"$metadata": {"$model": "dtmi:test:Pack;1"}}
    assert refused(client.upsert_digital_twin, "p1", bare)[2] == ["Component thermal is missing on Twin."]


@pytest.mark.parametrize("twin_id", ["a b", "a/b", "a\\b", "x" * 129, 'a"b', "ü", "a;b", "{a}"])
def test_an_id_outside_the_alphabet_is_refused(client, refused, make, twin_id):
    assert refused(client.upsert_digital_twin, twin_id, make.cell())[0] in {400, 404}
    assert list(client.query_twins("SELECT * FROM DIGITALTWINS")) == []


def test_a_twin_above_32_kb_is_refused(client, refused, make):
    many = {f"k{number:05}": 0.5 for number in range(2_000)}
    too_many = refused(client.upsert_digital_twin, "p2", make.pack(cells=many, alerts=["x" * 4000] * 3))
    assert too_many[:2] == (413, "PayloadTooLarge")
    client.upsert_digital_twin("p1", make.pack(cells=many))
    client.update_digital_twin("p1", [{"op": "add", "path": "/serial", "value": "x" * 4096}])
    patch = [{"op": "add", "path": f"/cells/m{number:05}", "value": 0.5} for number in range(500)]
    assert refused(client.update_digital_twin, "p1", patch)[:2] == (413, "PayloadTooLarge")
    assert len(client.get_digital_twin("p1")["cells"]) == 2_000


def test_a_patch_is_applied_as_a_whole_or_not_at_all(client, refused, make):
    client.upsert_digital_twin("p1", make.pack(soh_pct=90.0))
    before = client.get_digital_twin("p1")
    patch = [
        {"op": "replace", "path": "/soh_pct", "value": 80.0},
        {"op": "replace", "path": "/count", "value": 1},
    ]
    assert refused(client.update_digital_twin, "p1", patch)[:2] == (400, "JsonPatchInvalid")
    assert client.get_digital_twin("p1") == before


@pytest.mark.parametrize(
    "step",
    [
        {"op": "replace", "path": "/count", "value": 1},
        {"op": "remove", "path": "/count"},
        {"op": "add", "path": "/cells/c1", "value": 1.0},
        {"op": "add", "path": "/count"},
        {"op": "add", "path": "count", "value": 1},
        {"op": "replace", "path": "/$dtId", "value": "p2"},
        {"op": "replace", "path": "/$metadata/soh_pct/lastUpdateTime", "value": "2026-01-01T00:00:00Z"},
        {"op": "test", "path": "/soh_pct", "value": 90.0},
        {"op": "copy", "from": "/soh_pct", "path": "/count"},
    ],
)
def test_steps_that_the_service_does_not_take(client, refused, make, step):
    client.upsert_digital_twin("p1", make.pack(soh_pct=90.0))
    assert refused(client.update_digital_twin, "p1", [step])[:2] == (400, "JsonPatchInvalid")


def test_only_what_is_patched_gets_a_new_time(client, make):
    client.upsert_digital_twin("p1", make.pack(soh_pct=90.0, cells={"a": 1.0}, thermal={"coolant_c": 20.0}))
    before = client.get_digital_twin("p1")
    client.update_digital_twin("p1", [{"op": "replace", "path": "/cells/a", "value": 2.0}])
    client.update_component("p1", "thermal", [{"op": "replace", "path": "/coolant_c", "value": 21.0}])
    after = client.get_digital_twin("p1")
    times = {
        name: (before["$metadata"][name]["lastUpdateTime"], after["$metadata"][name]["lastUpdateTime"])
        for name in ("soh_pct", "cells")
    }
    assert times["soh_pct"][0] == times["soh_pct"][1]
    assert times["cells"][0] < times["cells"][1]
    assert before["thermal"]["$metadata"]["coolant_c"] != after["thermal"]["$metadata"]["coolant_c"]
    assert after["$metadata"]["$lastUpdateTime"] > before["$metadata"]["$lastUpdateTime"]


def test_a_source_time_is_kept_beside_its_property(client, make):
    at = "2026-03-02T06:00:00Z"
    client.upsert_digital_twin("p1", make.pack(soh_pct=90.0))
    client.update_digital_twin(
        "p1",
        [
            {"op": "replace", "path": "/soh_pct", "value": 89.0},
            {"op": "add", "path": "/$metadata/soh_pct/sourceTime", "value": at},
        ],
    )
    assert client.get_digital_twin("p1")["$metadata"]["soh_pct"]["sourceTime"] == at


def test_every_change_has_an_etag_of_its_own_and_is_guarded_by_it(client, make):
    made = client.upsert_digital_twin(
        "c1", make.cell(soh_pct=90.0), match_condition=MatchConditions.IfMissing
    )
    with pytest.raises(ResourceExistsError):
        client.upsert_digital_twin("c1", make.cell(), match_condition=MatchConditions.IfMissing)
    patch = [{"op": "replace", "path": "/soh_pct", "value": 89.0}]
    guarded = {"etag": made["$etag"], "match_condition": MatchConditions.IfNotModified}
    client.update_digital_twin("c1", patch, **guarded)
    with pytest.raises(ResourceModifiedError):
        client.update_digital_twin("c1", patch, **guarded)
    with pytest.raises(ResourceModifiedError):
        client.delete_digital_twin("c1", **guarded)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
schemas = st.recursive(
    st.sampled_from([
        "boolean",
        "date",
        "dateTime",
        "double",
        "duration",
        "integer",
        "long",
        "string",
        "time",
    ]),
    lambda inner: st.one_of(
        inner.map(lambda s: {"@type": "Map", "value": s}),
        inner.map(lambda s: {"@type": "Array", "element": s}),
        st.dictionaries(st.sampled_from(["a", "b"]), inner).map(lambda f: {"@type": "Object", "fields": f}),
        st.just({"@type": "Enum", "values": ["x", 1]}),
    ),
    max_leaves=4,
)


@given(json_values, schemas)
def test_any_value_is_judged_against_any_schema_without_falling_over(value, schema):
    assert all(isinstance(text, str) for text in faults(value, schema, "p", "Twin"))


@given(st.dictionaries(st.text(max_size=4), json_values, max_size=4), st.text(max_size=4), json_values)
def test_adding_then_removing_gives_the_document_without_it(document, key, value):
    added = apply([Step("add", (key,), value)], document)
    assert added == {**document, key: value}
    assert apply([Step("remove", (key,))], added) == {k: v for k, v in document.items() if k != key}
