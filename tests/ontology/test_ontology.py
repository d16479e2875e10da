"""The ontology is valid DTDL, equals the contracts, and has what the graph needs."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from battery_lake.errors import ContractError, SetupError
from battery_lake.local.npm import npm_package
from battery_lake.local.twins import dtdl
from battery_lake.sinks.twins import ontology
from battery_lake.tables import registry

FOLDER = Path(__file__).parents[2] / "ontology"
PARSER, VERSION = "@azure/dtdl-parser", "1.0.0-beta.2"
SCRIPT = """
const { createParser, ModelParsingOption } = require(process.argv[1]);
const chunks = [];
process.stdin.on("data", (chunk) => chunks.push(chunk));
process.stdin.on("end", async () => {
  const parser = createParser(ModelParsingOption.PermitAnyTopLevelElement);
  const answers = [];
  for (const models of JSON.parse(Buffer.concat(chunks).toString())) {
    try {
      await parser.parse(models.map((model) => JSON.stringify(model)));
      answers.push([]);
    } catch (fault) {
      answers.push([JSON.stringify(fault._parsingErrors || String(fault))]);
    }
  }
  process.stdout.write(JSON.stringify(answers));
});
"""


def files() -> dict[str, dict]:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def examples() -> list[dict]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("examples/*.json"))]


def faults_of(*sets: list[dict]) -> list[list[str]]:
    """What the language's own parser says of sets of interfaces."""
    if shutil.which("node") is None:
        pytest.skip("no node on the PATH")
    try:
        package = npm_package(PARSER, VERSION)
    except SetupError as fault:
        pytest.skip(f"{PARSER} cannot be had: {fault}")
    ran = subprocess.run(
        ["node", "-e", SCRIPT, "--", str(package)],
        input=json.dumps(sets),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(ran.stdout)


def test_the_files_are_what_the_contracts_say() -> None:
    rendered = {entity.name: ontology.interface(entity) for entity in ontology.entities()}
    assert files() == rendered, "render them: battery-lake twins export --models --to ontology"


def test_the_languages_own_parser_takes_every_interface_and_names_planted_faults() -> None:
    good = [*files().values(), *examples()]
    lost = [model for model in good if not model["@id"].endswith(":Part;1")]
    wrong_unit = json.loads(json.dumps(good).replace('"unit": "milliohm"', '"unit": "volt"'))
    wrong_name = json.loads(json.dumps(good).replace('"name": "soh_pct"', '"name": "soh pct"'))
    found = faults_of(good, lost, wrong_unit, wrong_name)
    assert found[0] == []
    assert "ResistanceUnit" in " ".join(found[2])
    assert "soh pct" in " ".join(found[3])
    assert found[1]


def test_the_stand_in_takes_every_interface() -> None:
    read = [dtdl.read(model) for model in [*files().values(), *examples()]]
    dtdl.check(read, lambda _: None)


def test_a_column_renamed_in_its_contract_only_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    contract = registry.TABLES["gold.cell_current"]
    columns = tuple(
        dataclasses.replace(column, name="health_pct") if column.name == "soh_pct" else column
        for column in contract.columns
    )
    planted = dataclasses.replace(contract, columns=columns)
    monkeypatch.setitem(registry.TABLES, "gold.cell_current", planted)
    with pytest.raises((ContractError, KeyError), match="soh_pct"):
        ontology.interfaces()


def test_a_column_whose_type_or_meaning_changes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    contract = registry.TABLES["gold.vehicle_status"]
    columns = tuple(
        dataclasses.replace(column, type="string") if column.name == "soc_pct" else column
        for column in contract.columns
    )
    planted = dataclasses.replace(contract, columns=columns)
    monkeypatch.setitem(registry.TABLES, "gold.vehicle_status", planted)
    assert files()["Product"] != ontology.interface(ontology.entity("Product"))


def test_every_kind_can_have_parts_and_be_one() -> None:
    read = {model["@id"]: dtdl.read(model) for model in files().values()}
    for name in read:
        relationships = {r for base in dtdl.ancestors(name, read.get) for r in base.relationships}
        assert relationships == {"hasPart", "isContainedIn"}, name


def test_measured_properties_say_their_unit() -> None:
    for model in files().values():
        for content in model["contents"]:
            if content.get("schema") == "double" and content["name"] not in {"efc", "latitude", "longitude"}:
                assert (
                    "unit" in content or "[" in content["description"] or "cycles" in content["description"]
                )
