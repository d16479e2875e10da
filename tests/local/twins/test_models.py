"""Models are taken all or none, told page by page, and protected by those that need them."""

import copy

import pytest
from azure.digitaltwins.core._generated.models import DigitalTwinModelsListOptions

V2, V3 = "dtmi:dtdl:context;2", "dtmi:dtdl:context;3"


def interface(name, *contents, **more):
    return {
        "@id": f"dtmi:t:{name};1",
        "@type": "Interface",
        "@context": V3,
        "contents": list(contents),
        **more,
    }


def prop(name, schema="double"):
    return {"@type": "Property", "name": name, "schema": schema}


def component(name, model):
    return {"@type": "Component", "name": name, "schema": f"dtmi:t:{model};1"}


ARRAY = {"@type": "Array", "elementSchema": "double"}


@pytest.mark.parametrize(
    ("models", "says"),
    [
        ([interface("A") | {"@context": "dtmi:other;1"}], "@context specifier"),
        ([interface("A") | {"@id": "A"}], "does not conform to the DTMI syntax"),
        ([interface("A") | {"@type": "Property"}], "does not include 'Interface'"),
        ([interface("A", prop("1a"))], "invalid name"),
        ([interface("A", prop("a_"))], "invalid name"),
        ([interface("A", prop("a"), prop("a"))], "more than once"),
        ([interface("A", {"@type": "Thing", "name": "a"})], "@type is none"),
        ([interface("A", {"@type": "Property", "name": "a"})], "requires a value for property 'schema'"),
        ([interface("A", prop("a", "number"))], "unknown schema"),
        ([interface("A", prop("a", ARRAY)) | {"@context": V2}], "schema with an Array"),
        ([interface("A", extends="dtmi:t:B;1")], "failed to resolve requisite references"),
        ([interface("A", component("c", "B"))], "failed to resolve requisite references"),
        ([interface("A", extends="dtmi:t:B;1"), interface("B", extends="dtmi:t:A;1")], "extends itself"),
        ([interface("A", prop("a"), extends="dtmi:t:B;1"), interface("B", prop("a"))], "name 'a' twice"),
        ([interface("A", extends="dtmi:t:B;1") | {"@context": V2}, interface("B")], "newer version"),
        (
            [interface("A", component("c", "B")), interface("B", component("d", "C")), interface("C")],
            "interface with components",
        ),
        ([interface("A"), interface("A")], "same identifier"),
        (["text"], "not an object"),
    ],
)
def test_faulty_models_are_refused_and_none_is_kept(standin, connect, models, says):
    client = connect(standin)
    with pytest.raises(Exception, match="DTDLParserError") as told:
        client.create_models([interface("Good"), *models])
    assert says in str(told.value)
    assert list(client.list_models()) == []


def test_more_than_250_models_at_once_are_refused(standin, connect, refused):
    client = connect(standin)
    assert refused(client.create_models, [interface(f"M{n}") for n in range(251)])[:2] == (
        400,
        "LimitExceeded",
    )


def test_models_come_in_pages_and_with_what_they_need(client, make):
    names = [model["@id"] for model in make.models]
    small = DigitalTwinModelsListOptions(max_items_per_page=1)  # the SDK's own results_per_page does not work
    pages = [list(page) for page in client.list_models(digital_twin_models_list_options=small).by_page()]
    assert len(pages[0]) == 1
    assert [model.id for page in pages for model in page] == names
    needed = {m.id for m in client.list_models(dependencies_for=["dtmi:test:Pack;1"])}
    assert needed == {"dtmi:test:Pack;1", "dtmi:test:Part;1", "dtmi:test:Thermal;1"}
    told = client.get_model("dtmi:test:Pack;1", include_model_definition=True)
    assert told.model == make.models[-1]
    assert told.display_name == {"en": "Pack"}
    assert not told.decommissioned


def test_a_hundred_and_one_models_are_two_pages(standin, connect):
    client = connect(standin)
    client.create_models([interface(f"M{n}") for n in range(101)])
    pages = [list(page) for page in client.list_models().by_page()]
    assert [len(page) for page in pages] == [100, 1]


def test_a_model_that_others_need_can_neither_be_decommissioned_nor_deleted(client, refused):
    assert refused(client.decommission_model, "dtmi:test:Part;1")[:2] == (
        409,
        "ModelReferencesNotDecommissioned",
    )
    assert refused(client.delete_model, "dtmi:test:Thermal;1")[:2] == (409, "ModelReferencesNotDeleted")
    for name in ("Pack", "Cell", "Part"):
        client.decommission_model(f"dtmi:test:{name};1")
    client.delete_model("dtmi:test:Pack;1")
    client.delete_model("dtmi:test:Thermal;1")


def test_no_twins_are_made_of_a_decommissioned_model_but_old_ones_live_on(client, refused, make):
    client.upsert_digital_twin("c1", make.cell(soh_pct=90.0))
    client.decommission_model("dtmi:test:Cell;1")
    assert refused(client.upsert_digital_twin, "c2", make.cell())[:2] == (400, "ModelDecommissioned")
    client.update_digital_twin("c1", [{"op": "replace", "path": "/soh_pct", "value": 89.0}])


def test_twins_of_a_deleted_model_stay_and_cannot_be_changed(client, refused, make):
    client.upsert_digital_twin("c1", make.cell(soh_pct=90.0))
    client.delete_model("dtmi:test:Cell;1")
    assert client.get_digital_twin("c1")["soh_pct"] == 90.0
    patch = [{"op": "replace", "path": "/soh_pct", "value": 89.0}]
    assert refused(client.update_digital_twin, "c1", patch)[2] == [
        "dtmi:test:Cell;1 or one of its dependencies does not exist."
    ]


def test_a_twin_moves_to_the_next_version_of_its_model(client, make):
    following = copy.deepcopy(make.models[2]) | {"@id": "dtmi:test:Cell;2"}
    following["contents"].append(prop("capacity_ah"))
    client.create_models([following])
    client.upsert_digital_twin("c1", make.cell(soh_pct=90.0))
    client.update_digital_twin(
        "c1",
        [
            {"op": "replace", "path": "/$metadata/$model", "value": "dtmi:test:Cell;2"},
            {"op": "add", "path": "/capacity_ah", "value": 50.0},
        ],
    )
    twin = client.get_digital_twin("c1")
    assert (twin["$metadata"]["$model"], twin["capacity_ah"], twin["soh_pct"]) == (
        "dtmi:test:Cell;2",
        50.0,
        90.0,
    )
