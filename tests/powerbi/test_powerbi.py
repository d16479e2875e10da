"""The Power BI project: published schemas, Microsoft's validators and rules of our own judge it."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft7Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT7

from battery_lake.errors import SetupError
from battery_lake.local.npm import node, npm_package
from battery_lake.serving.powerbi import NAME, rendered
from battery_lake.tables.kpis import ALL_KPIS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
SCHEMAS = ROOT.parent / "shared" / "schemas" / "powerbi"
AUTHOR = ("@microsoft/powerbi-report-authoring-cli", "0.1.4")
MODEL, REPORT = f"{NAME}.SemanticModel/definition/", f"{NAME}.Report/definition/"
Files = dict[str, str]


def beside(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"powerbi_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


tmdl, tom = beside("tmdl"), beside("tom")


def written(folder: Path, files: Files) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def changed(name: str, before: str, after: str) -> Files:
    """The project with one fault in it."""
    files = rendered()
    assert before in files[name], "nothing to plant the fault in"
    return files | {name: files[name].replace(before, after, 1)}


def visual_of(kind: str, files: Files | None = None) -> str:
    """The name of a visual's file."""
    return next(n for n, t in (files or rendered()).items() if f'"visualType": "{kind}"' in t)


def test_the_committed_files_are_those_that_the_contracts_give() -> None:
    root = ROOT / "powerbi"
    committed = {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in root.rglob("*")
        if path.is_file() and ".pbi/" not in path.as_posix()
    }
    assert committed == rendered(), "run `battery-lake dashboards`"


# --- published schemas and validators ------------------------------------------------------------------


def schema_faults(files: Files) -> list[str]:
    if not SCHEMAS.exists():
        pytest.skip("the published schemas lie beside the repository, and are not here")

    def retrieve(uri: str) -> Resource[Any]:
        path = SCHEMAS / uri.split("/json-schemas/fabric/")[1]
        tree = json.loads(path.read_text("utf-8-sig"))
        return Resource.from_contents(tree, default_specification=DRAFT7)

    registry: Registry[Any] = Registry(retrieve=retrieve)
    found = []
    for name, text in files.items():
        if not name.endswith(".tmdl"):
            tree = json.loads(text)
            judge = Draft7Validator({"$ref": tree["$schema"]}, registry=registry)
            found += [f"{name}: {fault.message}" for fault in judge.iter_errors(tree)]
    return found


def test_the_published_schemas_take_every_file_and_find_a_fault() -> None:
    assert schema_faults(rendered()) == []
    assert schema_faults(changed(visual_of("azureMap"), '"x":', '"left":'))


@pytest.fixture(scope="module")
def validated() -> Callable[[Path], list[str]]:
    """Codes of the errors that Microsoft's validator of reports finds."""
    try:
        program = [node(), str(npm_package(*AUTHOR) / "dist" / "cli.js"), "validate"]
    except SetupError as fault:
        pytest.skip(f"needs Node and npm: {fault}")

    def errors(folder: Path) -> list[str]:
        command = [*program, str(folder / f"{NAME}.Report")]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        said = json.loads(done.stdout.splitlines()[-1])["data"]
        found = [c for c, d in said["diagnostics"].items() if d["severity"] == "error"]
        assert (done.returncode == 0) == (not found) == (said["errorCount"] == 0)
        return found

    return errors


def test_microsofts_validator_takes_the_report(validated: Any, tmp_path: Path) -> None:
    assert validated(written(tmp_path, rendered())) == []


def test_microsofts_validator_finds_a_wrong_role(validated: Any, tmp_path: Path) -> None:
    files = changed(visual_of("cardVisual"), '"Data":', '"Values2":')
    assert "PBIR_ROLE_UNKNOWN" in validated(written(tmp_path, files))


@pytest.fixture(scope="module")
def reader() -> Iterator[Any]:
    """Microsoft's reader of models: preview software, fetched for the test alone and never shipped."""
    try:
        made = tom.Tom()
    except (SetupError, tom.RefusalError, OSError) as fault:
        pytest.skip(f"needs Node and npm: {fault}")
    yield made
    made.close()


def test_microsofts_reader_loads_the_model_as_we_read_it(reader: Any, tmp_path: Path) -> None:
    loaded = reader.load(written(tmp_path, rendered()) / MODEL)["model"]
    for table in tables(rendered()):
        (theirs,) = (t for t in loaded["tables"] if t["name"] == table.name)
        for kind in ("column", "measure"):
            assert {c["name"] for c in theirs.get(f"{kind}s", ())} == {c.name for c in table.all(kind)}
    assert len(loaded["relationships"]) == len(relationships(rendered()))
    assert {e["name"] for e in loaded["expressions"]} == {"ServerHostname", "HttpPath", "Catalog", "Schema"}
    assert [role["name"] for role in loaded["roles"]] == ["Fleet"]


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("tables/Pack.tmdl", "summarizeBy: none", "summarizeby2: none"),
        ("tables/Pack.tmdl", "dataType: string", "dataType: words"),
        ("relationships.tmdl", "toColumn: Pack.'Pack ID'", "toColumn: Pack.'Pack Name'"),
    ],
    ids=["unknown property", "unknown type", "dangling relationship"],
)
def test_microsofts_reader_finds_what_is_planted(
    reader: Any, tmp_path: Path, file: str, before: str, after: str
) -> None:
    folder = written(tmp_path, changed(MODEL + file, before, after))
    with pytest.raises(tom.RefusalError):
        reader.load(folder / MODEL)


# --- rules of our own ----------------------------------------------------------------------------------


def tables(files: Files) -> list[Any]:
    texts = [text for name, text in files.items() if name.startswith(f"{MODEL}tables/")]
    return [node_ for text in texts for node_ in tmdl.read(text)]


def relationships(files: Files) -> list[Any]:
    return tmdl.read(files[f"{MODEL}relationships.tmdl"])


def names(files: Files) -> set[tuple[str, str]]:
    """Table and name of every column and measure."""
    return {
        (t.name, part.name) for t in tables(files) for part in t.parts if part.kind in {"column", "measure"}
    }


def dangling_fields(files: Files) -> set[tuple[str, str]]:
    """Fields of the report that the model does not have."""

    def asked(tree: Any) -> Iterator[tuple[str, str]]:
        if isinstance(tree, dict):
            if "Property" in tree and "Expression" in tree:
                yield tree["Expression"]["SourceRef"]["Entity"], tree["Property"]
            for part in tree.values():
                yield from asked(part)
        elif isinstance(tree, list):
            for part in tree:
                yield from asked(part)

    texts = [text for name, text in files.items() if name.startswith(REPORT)]
    return {one for text in texts for one in asked(json.loads(text))} - names(files)


def dangling_references(files: Files) -> set[tuple[str, str]]:
    """Columns that measures, roles and relationships name and the model does not have."""
    texts = [m.value for t in tables(files) for m in t.all("measure")]
    texts += [p.value for role in tmdl.read(files[f"{MODEL}roles/Fleet.tmdl"]) for p in role.parts]
    used = {(a or b, c) for text in texts for a, b, c in re.findall(r"(?:'([^']+)'|(\w+))\[([^\]]+)\]", text)}
    for one in relationships(files):
        for end in ("fromColumn", "toColumn"):
            used |= {(a or b, c or d) for a, b, c, d in re.findall(
                r"(?:'([^']+)'|(\w+))\.(?:'([^']+)'|(\w+))", one.properties[end])}  # fmt: skip
    return used - names(files)


def test_every_field_of_the_report_is_in_the_model_and_a_renamed_one_is_found() -> None:
    assert dangling_fields(rendered()) == set()
    fault = changed(f"{MODEL}tables/Pack.tmdl", "measure 'SOH spread'", "measure 'SOH range'")
    assert dangling_fields(fault) == {("Pack", "SOH spread")}


def test_every_reference_of_measures_roles_and_relationships_exists_and_a_dangling_one_is_found() -> None:
    assert dangling_references(rendered()) == set()
    fault = changed(
        f"{MODEL}tables/Pack.tmdl", "AVERAGE('Pack'[SOH Spread (%)])", "AVERAGE('Pack'[SOH Range (%)])"
    )
    assert dangling_references(fault) == {("Pack", "SOH Range (%)")}
    role = changed(f"{MODEL}roles/Fleet.tmdl", "Pack[Model] IN", "Pack[Fleet] IN")
    assert dangling_references(role) == {("Pack", "Fleet")}


def broken_rules(files: Files) -> set[str]:
    """What good practice asks of a model, after the published rules for Analysis Services."""
    ends = [one.properties for one in relationships(files)]
    foreign = {end["fromColumn"].replace("'", "") for end in ends}
    facts = {end["fromColumn"].split(".")[0].strip("'") for end in ends}
    dates = [t for t in tables(files) if t.properties.get("dataCategory") == "Time"]
    is_broken = {
        "a dimension points to another": facts & {end["toColumn"].split(".")[0].strip("'") for end in ends},
        "filters run both ways": any("crossFilteringBehavior" in end for end in ends),
        "no date table is marked": [_has_key(table) for table in dates] != [True],
    }  # fmt: skip
    found = {rule for rule, broken in is_broken.items() if broken}
    for table in tables(files):
        for part in table.parts:
            is_key = f"{table.name}.{part.name}" in foreign and "isHidden" not in table.properties
            found |= {rule for rule, broken in _of_part(part, is_key).items() if broken}
    return found


def _has_key(table: Any) -> bool:
    return any("isKey" in column.properties for column in table.all("column"))


def _of_part(part: Any, is_key: bool) -> dict[str, bool]:
    is_column, properties = part.kind == "column", part.properties
    return {
        "without a description": part.kind in {"column", "measure"} and not part.said,
        "a measure without a format": part.kind == "measure" and "formatString" not in properties,
        "floating point": is_column and properties["dataType"] == "double",
        "sums that nobody declared": is_column and properties["summarizeBy"] != "none",
        "a foreign key is shown": is_column and is_key and "isHidden" not in properties,
    }


def test_the_model_keeps_good_practice_and_each_fault_is_found() -> None:
    assert broken_rules(rendered()) == set()
    pack, cells = f"{MODEL}tables/Pack.tmdl", f"{MODEL}tables/Cell Now.tmdl"
    ends = f"{MODEL}relationships.tmdl"
    planted = {
        (pack, "\t\tformatString: #,0\n\t\tdisplayFolder", "\t\tdisplayFolder"): "a measure without a format",
        (pack, "dataType: decimal", "dataType: double"): "floating point",
        (pack, "summarizeBy: none", "summarizeBy: sum"): "sums that nobody declared",
        (pack, "\t/// Packs that have sent messages.\n", ""): "without a description",
        (cells, "\t\tisHidden\n", ""): "a foreign key is shown",
        (f"{MODEL}tables/Date.tmdl", "dataCategory: Time", "dataCategory: Sp"): "no date table is marked",
        (ends, "\tfrom", "\tcrossFilteringBehavior: bothDirections\n\tfrom"): "filters run both ways",
        (ends, "fromColumn: 'Pack Health'.Day", "fromColumn: Pack.Day"): "a dimension points to another",
    }  # fmt: skip
    for fault, rule in planted.items():
        assert rule in broken_rules(changed(*fault)), rule


def test_every_key_figure_is_a_measure_and_names_within_a_table_differ() -> None:
    measured = [m.name for t in tables(rendered()) for m in t.all("measure")]
    assert sorted(measured) == sorted(kpi.title for kpi in ALL_KPIS)
    for table in tables(rendered()):
        listed = [part.name.lower() for part in table.parts if part.kind in {"column", "measure"}]
        assert len(listed) == len(set(listed)), table.name


def test_every_visual_has_an_alt_text_a_place_in_the_tab_order_and_room() -> None:
    pages: dict[str, list[Any]] = {}
    for name, text in rendered().items():
        if name.endswith("visual.json"):
            pages.setdefault(name.split("/visuals/")[0], []).append(json.loads(text))
    assert len(pages) == 5
    for visuals in pages.values():
        orders = [v["position"]["tabOrder"] for v in visuals]
        assert len(set(orders)) == len(orders)
        for visual in visuals:
            general = visual["visual"]["visualContainerObjects"]["general"][0]["properties"]
            assert len(general["altText"]["expr"]["Literal"]["Value"]) > 10
            place = visual["position"]
            assert place["x"] + place["width"] <= 1280
            assert place["y"] + place["height"] <= 720
