"""Files of dashboards: the committed ones are those of the contracts, and the published schema takes them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from jsonschema import Draft7Validator

from battery_lake.serving import explorer_board, grafana, lakeview
from battery_lake.serving.assets import rendered
from battery_lake.serving.figures import GRID_WIDTH, PAGES, laid_out
from battery_lake.tables.kpis import ALL_KPIS

if TYPE_CHECKING:
    from battery_lake.lake.access import Lake

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT.parent / "shared" / "schemas" / "grafana" / "dashboard.jsonschema.json"
FOLDERS = ("dashboards", "grafana")


def boards() -> dict[str, Any]:
    return {name: json.loads(text) for name, text in grafana.rendered().items() if name.endswith(".json")}


def test_the_committed_files_are_those_that_the_contracts_give() -> None:
    committed = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for folder in FOLDERS
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix in {".json", ".yml", ".sql"}
    }
    made = {name: text for name, text in rendered().items() if name.split("/")[0] in FOLDERS}
    assert committed == made, "run `battery-lake dashboards`"
    assert (ROOT / "docs" / "kpis.md").read_text(encoding="utf-8") == rendered()["docs/kpis.md"]


def test_every_key_figure_is_on_a_page() -> None:
    shown = {figure.name for page in PAGES for figure in page.figures}
    assert {kpi.name for kpi in ALL_KPIS} <= shown


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_figures_lie_within_the_grid_and_not_on_each_other(page: Any) -> None:
    taken = [
        (column, row)
        for figure, x, y in laid_out(page.figures)
        for column in range(x, x + figure.width)
        for row in range(y, y + figure.height)
    ]
    assert len(taken) == len(set(taken))
    assert max(column for column, _ in taken) < GRID_WIDTH


# --- Grafana -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def schema() -> Draft7Validator:
    """Grafana's own schema of a dashboard."""
    if not SCHEMA.exists():
        pytest.skip("the published schemas lie beside the repository, and are not here")
    tree = json.loads(SCHEMA.read_text(encoding="utf-8")) | {"$ref": "#/definitions/Dashboard"}
    return Draft7Validator(tree)


def test_grafanas_schema_takes_every_dashboard(schema: Draft7Validator) -> None:
    faults = {name: [e.message for e in schema.iter_errors(board)] for name, board in boards().items()}
    assert {name: found for name, found in faults.items() if found} == {}


@pytest.mark.parametrize(
    "plant",
    [
        lambda board: board.update(colour="red"),
        lambda board: board["panels"][0]["gridPos"].update(x="left"),
        lambda board: board["panels"][0].update(type=7),
    ],
    ids=["unknown key", "place is text", "type is a number"],
)
def test_grafanas_schema_finds_what_is_planted(schema: Draft7Validator, plant: Any) -> None:
    board = copy.deepcopy(boards()["dashboards/explorer/fleet.json"])
    plant(board)
    assert list(schema.iter_errors(board))


def test_dashboards_have_stable_names_units_thresholds_and_ask_the_chosen_source() -> None:
    found = boards()
    assert len({board["uid"] for board in found.values()}) == len(found) == 2 * len(PAGES)
    for name, board in found.items():
        plugin = grafana.INFINITY if "infinity" in name else grafana.EXPLORER
        variables = {v["name"]: v for v in board["templating"]["list"]}
        assert variables["datasource"]["query"] == plugin
        for panel in board["panels"]:
            assert panel["description"]
            assert panel["fieldConfig"]["defaults"]["unit"]
            assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
            for target in panel["targets"]:
                assert target["datasource"] == {"type": plugin, "uid": "${datasource}"}


def test_the_infinity_variant_sends_the_same_query() -> None:
    for name, board in boards().items():
        if "infinity" not in name:
            continue
        twin = boards()[name.replace("infinity", "explorer")]
        for panel, other in zip(board["panels"], twin["panels"], strict=True):
            body = json.loads(panel["targets"][0]["url_options"]["data"])
            assert body == {"db": "${database}", "csl": other["targets"][0]["query"]}


def test_alert_rules_are_those_that_are_asked_for_and_name_the_provisioned_source() -> None:
    files = {name: yaml.safe_load(text) for name, text in grafana.rendered().items() if name.endswith(".yml")}
    (group,) = files["provisioning/alerting/battery_lake.yml"]["groups"]
    (source,) = files["provisioning/datasources/battery_lake.yml"]["datasources"]
    assert {rule["uid"] for rule in group["rules"]} == {
        "battery-lake-soh-below-eol", "battery-lake-imbalance", "battery-lake-silent-vehicle",
        "battery-lake-quarantine-rate", "battery-lake-pipeline-lag",
    }  # fmt: skip
    for rule in group["rules"]:
        refs = {part["refId"]: part for part in rule["data"]}
        assert rule["condition"] in refs
        assert refs["A"]["datasourceUid"] == source["uid"]
        assert refs["B"]["model"]["expression"] == "A"
    assert "secret" not in str(files).lower()


# --- AI/BI and Data Explorer ---------------------------------------------------------------------------


def test_every_dataset_runs_and_gives_the_fields_that_its_widgets_ask_for(kpi_lake: Lake) -> None:
    queries = lakeview.queries(kpi_lake.identifier)
    stats = [f.name for page in PAGES for f in page.figures if f.kind == "stat"]
    rows = " UNION ALL ".join(f"SELECT '{name}' AS name, value FROM ({queries.pop(name)})" for name in stats)
    values = {row.name: row.value for row in kpi_lake.spark.sql(rows).collect()}
    assert set(values) == set(stats)
    assert None not in values.values()
    figures = {figure.name: figure for page in PAGES for figure in page.figures}
    for name, query in queries.items():
        frame = kpi_lake.spark.sql(query)
        assert frame.columns == [column for column, _ in figures[name].columns], name
        assert not frame.isEmpty(), name


def dangling(board: dict[str, Any]) -> set[str]:
    """Names that an AI/BI dashboard uses and does not have: datasets of widgets, fields of encodings."""
    datasets = {dataset["name"] for dataset in board["datasets"]}
    found = set()
    for page in board["pages"]:
        for part in page["layout"]:
            (query,) = (each["query"] for each in part["widget"]["queries"])
            fields = {field["name"] for field in query["fields"]}
            used = {query["datasetName"]} - datasets
            text = json.dumps(part["widget"]["spec"]["encodings"])
            named = {piece.split('"')[0] for piece in text.split('"fieldName": "')[1:]}
            found |= used | (named - fields)
    return found


def test_widgets_use_what_is_there_and_a_missing_field_is_found() -> None:
    board = json.loads(lakeview.rendered()["battery_lake.lvdash.json"])
    assert dangling(board) == set()
    names = [part["widget"]["name"] for page in board["pages"] for part in page["layout"]]
    assert len(names) == len(set(names))
    board["pages"][0]["layout"][0]["widget"]["queries"][0]["query"]["fields"][0]["name"] = "valeu"
    assert dangling(board) == {"value"}


def test_tiles_of_data_explorer_have_their_query_page_and_source() -> None:
    board = explorer_board.board()
    queries, pages = ({part["id"] for part in board[kind]} for kind in ("queries", "pages"))
    assert {tile["queryRef"]["queryId"] for tile in board["tiles"]} <= queries
    assert {tile["pageId"] for tile in board["tiles"]} == pages
    (source,) = board["dataSources"]
    assert {query["dataSource"]["dataSourceId"] for query in board["queries"]} == {source["id"]}
