"""Models: what is missing is added, what has changed under its version is refused."""

import json

import pytest

from battery_lake.errors import SettingsError
from battery_lake.sinks.twins import ontology
from battery_lake.sinks.twins.client import Graph
from battery_lake.sinks.twins.plan import apply_models, model_plan, models

OWN = {
    "@context": ["dtmi:dtdl:context;3"],
    "@id": "dtmi:com:maker:Cell;1",
    "@type": "Interface",
    "extends": "dtmi:battery_lake:BatteryCell;1",
    "contents": [{"@type": "Property", "name": "lot", "schema": "string"}],
}


def test_what_is_missing_is_added_once(address, tmp_path):
    (tmp_path / "own.json").write_text(json.dumps(OWN))
    graph = Graph(address)
    wanted = models(str(tmp_path))
    plan = model_plan(wanted, graph.models())
    assert len(plan.missing) == len(ontology.interfaces()) + 1
    apply_models(graph, plan)
    assert model_plan(wanted, graph.models()) == type(plan)([], [])
    following = OWN | {"@id": "dtmi:com:maker:Cell;2"}
    assert model_plan([*wanted, following], graph.models()).missing == [following]


def test_a_model_that_changed_under_its_version_is_a_conflict(graph):
    changed = [m | {"description": "other"} if m["@id"].endswith("Forklift;1") else m for m in models("")]
    plan = model_plan(changed, graph.models())
    assert plan.conflicting == ["dtmi:battery_lake:Forklift;1"]
    with pytest.raises(SettingsError, match="without a new version"):
        apply_models(graph, plan)


def test_a_file_that_is_none_is_told(tmp_path):
    (tmp_path / "own.json").write_text("{")
    with pytest.raises(SettingsError, match=r"own\.json cannot be read"):
        models(str(tmp_path))
