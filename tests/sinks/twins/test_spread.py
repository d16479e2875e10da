"""In a worker: batches of wanted twins in, what became of them out, and why it ended where it did."""

import dataclasses
import json
from collections import Counter

import pyarrow as pa
import pytest

from battery_lake.sinks.twins.bulk import _relationships as lines_of_relationships
from battery_lake.sinks.twins.bulk import _twins as lines_of_twins
from battery_lake.sinks.twins.bulk import head, section
from battery_lake.sinks.twins.deliver import Manner
from battery_lake.sinks.twins.spread import UNREACHABLE, Courier, in_turn

VEHICLE, PACK = "dtmi:battery_lake:ElectricVehicle;1", "dtmi:battery_lake:TractionBatteryPack;1"


@pytest.fixture
def batches():
    """A vehicle and, in another batch, its pack and one that no model allows."""

    def row(level, kind, key, model, properties, *parents):
        named = [{"kind": kind, "key": key} for kind, key in parents]
        return {
            "level": level, "kind": kind, "key": key, "model": model, "properties": json.dumps(properties),
            "order": [], "parents": named,
        }  # fmt: skip

    owner = ("vehicle", "V1")
    weakest = {"m01_c01": {"soh_pct": 90.0, "soh_std_pct": None}}
    rows = [
        [row(0, "vehicle", "V1", VEHICLE, {"vehicle_id": "V1", "soc_pct": None})],
        [
            row(2, "pack", "P1", PACK, {"pack_id": "P1", "weakest_cells": weakest}, owner),
            row(2, "pack", "P2", PACK, {"pack_id": 2}, owner),
        ],
    ]
    return [pa.RecordBatch.from_pylist(part) for part in rows]


def told(courier, batches):
    return [row for batch in courier(iter(batches)) for row in batch.to_pylist()]


@pytest.mark.usefixtures("graph")
def test_every_twin_has_a_row_that_says_what_became_of_it(address, batches):
    found = told(Courier(address), batches)
    assert [(row["item_key"], row["outcome"]) for row in found] == [
        ("vehicle V1", "created"),
        ("pack P1", "created"),
        ("pack P2", "refused"),
    ]
    assert json.loads(found[2]["payload"]) == {"pack_id": 2}
    assert "pack_id" in found[2]["reason"]


@pytest.mark.usefixtures("graph")
def test_a_service_that_stays_away_ends_the_work_with_a_row_that_says_so(standin, address, batches):
    standin.faults.put("unavailable", 500)
    found = told(Courier(dataclasses.replace(address, patience_s=0.3), Manner(), 1), batches)
    assert [row["outcome"] for row in found] == [UNREACHABLE]
    assert "503" in found[0]["reason"]


def test_neighbours_in_time_are_parts_of_different_twins(spark):
    cells = [(4, "cell", f"P1/{module:02}/{place:02}") for module in range(1, 41) for place in range(1, 13)]
    twins = spark.createDataFrame([*cells, (2, "pack", "P1")], "level int, kind string, key string")
    turns = [row.key for row in in_turn(twins).collect()]
    assert (turns[0], len(turns)) == ("P1", 481)
    modules = [key.split("/")[1] for key in turns[1:]]
    at_once = [
        Counter(modules[first : first + 16]).most_common(1)[0][1] for first in range(len(modules) - 15)
    ]
    assert max(at_once) <= 4  # of 12 in the order of their keys


def test_no_twins_give_no_rows(address):
    assert told(Courier(address), []) == []


def test_the_lines_of_an_import_are_what_delivery_makes(graph, address, batches):
    told(Courier(address), batches)
    twins = [json.loads(line) for b in lines_of_twins(iter(batches)) for line in b.column("line").to_pylist()]
    made = {t["$dtId"]: t for t in graph.query("SELECT * FROM DIGITALTWINS")}
    assert {t["$dtId"] for t in twins[:2]} == set(made)
    for twin in twins[:2]:
        assert {n: v for n, v in made[twin["$dtId"]].items() if n[0] != "$"} == {
            n: v for n, v in twin.items() if n[0] != "$"
        }
    lines = [
        json.loads(x) for b in lines_of_relationships(iter(batches)) for x in b.column("line").to_pylist()
    ]
    mine = [line for line in lines if "pack-P1" in {line["$sourceId"], line["$targetId"]}]
    there = [*graph.relationships("pack-P1"), *graph.relationships("vehicle-V1")]
    assert sorted(line["$relationshipId"] for line in mine) == sorted(r["$relationshipId"] for r in there)


def test_a_file_begins_with_what_the_service_asks_for():
    lines = [json.loads(line) for line in head([{"@id": "m"}])]
    assert [line.get("Section") for line in lines] == ["Header", None, "Models", None]
    assert lines[1]["fileVersion"] == "1.0.0"
    assert json.loads(section("Twins")) == {"Section": "Twins"}
