"""From gold to twins: what is checked is pushed, only what differs is sent, and nothing is lost."""

import dataclasses
import datetime as dt
import json
import shutil

import pytest
from pydantic import SecretStr

from battery_lake.errors import RemoteError, SettingsError
from battery_lake.lake.access import Lake
from battery_lake.lake.create import ensure
from battery_lake.lake.write import upsert
from battery_lake.local.twins import DigitalTwinsStandIn
from battery_lake.pipelines.export_twins import export_graph
from battery_lake.pipelines.push_twins import FOLLOWED, PUSH_TWINS, READS, bring_about, synchronise
from battery_lake.settings import load
from battery_lake.sinks.twins.client import Address, Graph
from battery_lake.tables.ops import BATCH

DAY = dt.date(2026, 3, 2)
SEEN = dt.datetime(2026, 3, 2, 6)  # noqa: DTZ001 - Spark takes UTC without a zone
PACKS, CELLS = ("P1", "P2"), 3


def cells(*packs, soh_pct=90.0, day=DAY):
    return [
        {"cell_id": f"{p}/01/{n:02}", "pack_id": p, "series_index": n - 1, "as_of_date": day,
         "soh_pct": soh_pct + n, "method_version": "m"}
        for p in packs
        for n in range(1, CELLS + 1)
    ]  # fmt: skip


def health(*packs, soh_pct=91.0, day=DAY):
    return [
        {"pack_id": p, "as_of_date": day, "soh_min_pct": soh_pct, "alerts": [], "method_version": "m"}
        for p in packs
    ]


def with_settings(lake, **changes):
    settings = lake.settings
    twins = settings.twins.model_copy(update=changes)
    return Lake(lake.spark, settings.model_copy(update={"twins": twins}))


@pytest.fixture
def standin(tmp_path):
    with DigitalTwinsStandIn(tmp_path / "twins") as running:
        yield running


@pytest.fixture
def graph(standin):
    return Graph(Address(standin.endpoint, token=standin.token, certificate=str(standin.certificate)))


@pytest.fixture(scope="module")
def built(spark, frame, tmp_path_factory):
    """Two packs of three cells in two vehicles."""
    home = tmp_path_factory.mktemp("twins") / "home"
    lake = Lake(spark, load([f"home={home}"], environment={})[0])
    ensure(lake, dict.fromkeys((*READS, BATCH.name)))
    rows = {
        "reference.packs": [
            {"pack_id": p, "chemistry": "NMC", "cells_in_series": 3, "rated_capacity_ah": 50.0} for p in PACKS
        ],
        "gold.pack_health": health(*PACKS),
        "gold.cell_current": cells(*PACKS),
        "gold.vehicle_status": [
            {"vehicle_id": f"V{p[1]}", "pack_id": p, "soc_pct": 50.0, "alerts": [], "last_seen_at": SEEN}
            for p in PACKS
        ],
    }
    for name, content in rows.items():
        lake.save(name, frame(name, content).coalesce(1).write.format("delta").mode("append"))
    return lake


@pytest.fixture
def filled(built, standin, tmp_path):
    """A copy of the lake, and an instance to push it to."""
    shutil.copytree(built.settings.home, tmp_path / "home")
    settings, _ = load([f"home={tmp_path / 'home'}"], environment={})
    return with_settings(
        Lake(built.spark, settings),
        endpoint=standin.endpoint,
        token=SecretStr(standin.token),
        certificate=str(standin.certificate),
        checked_only=False,
        patience_s=20.0,
    )


def twins(graph):
    return {t["$dtId"]: t for t in graph.query("SELECT * FROM DIGITALTWINS")}


def test_from_an_empty_instance_to_a_graph_that_follows_gold(filled, frame, graph, standin):
    whole = with_settings(filled, layout="cells")
    planned = bring_about(whole, is_rehearsal=True)
    assert (planned.models, planned.twins) == (13, {"created": 20})
    assert "+ pack P1" in planned.changes
    assert twins(graph) == {}
    assert bring_about(whole, is_rehearsal=False).twins == {"created": 20}

    upsert(filled, "gold.cell_current", frame("gold.cell_current", cells("P2", soh_pct=88.0)))
    upsert(filled, "gold.pack_health", frame("gold.pack_health", health("P2", soh_pct=89.0)))
    before = twins(graph)
    standin.faults.storm(0.2, seed=2)
    pushed = synchronise(whole)
    standin.faults.storm(0.0)
    assert (pushed.twins["patched"], pushed.refused) == (4, [])
    after = twins(graph)
    changed = {name for name in after if after[name]["$etag"] != before[name]["$etag"]}
    assert changed == {"pack-P2", "cell-P2.01.01", "cell-P2.01.02", "cell-P2.01.03"}
    assert after["pack-P2"]["weakest_cells"]["m01_c01"]["soh_pct"] == 89.0
    gold = {row.cell_id: row.soh_pct for row in filled.read("gold.cell_current").collect()}
    assert {t["cell_id"]: t["soh_pct"] for t in after.values() if "cell_id" in t} == gold
    assert synchronise(whole).twins == {}


def test_a_twin_deleted_by_hand_is_planned_and_made_again(filled, graph):
    assert bring_about(filled, is_rehearsal=False).twins == {"created": 4}
    graph.unrelate("vehicle-V1", "hasPart-pack-P1")
    graph.unrelate("pack-P1", "isContainedIn-vehicle-V1")
    graph._client.delete_digital_twin("pack-P1")
    graph.add_twin("stranger", {"$metadata": {"$model": "dtmi:battery_lake:Part;1"}})
    planned = bring_about(filled, is_rehearsal=True)
    assert (planned.twins, planned.changes, planned.extra) == ({"same": 3, "created": 1}, ["+ pack P1"], 1)
    bring_about(filled, is_rehearsal=False)
    assert bring_about(filled, is_rehearsal=True).twins == {"same": 4}


def test_a_push_that_breaks_off_is_done_again_and_ends_alike(filled, frame, graph, standin):
    bring_about(filled, is_rehearsal=False)
    upsert(filled, "gold.pack_health", frame("gold.pack_health", health(*PACKS, soh_pct=80.0)))
    standin.faults.put("unavailable", 2_000)
    with pytest.raises(RemoteError, match="did not answer"):
        synchronise(with_settings(filled, patience_s=0.5))
    standin.faults._next.clear()
    assert synchronise(filled).twins["patched"] == 2
    assert {t["soh_min_pct"] for t in twins(graph).values() if "pack_id" in t and "soh_min_pct" in t} == {
        80.0
    }


def test_what_is_refused_waits_with_its_reason_and_is_retried_on_demand(filled):
    bring_about(filled, is_rehearsal=False)
    strange = with_settings(filled, pack_model="dtmi:com:nobody:Pack;1")
    assert bring_about(strange, is_rehearsal=False).twins == {"same": 2, "refused": 2}
    waiting = {row.item_key: row for row in filled.read("ops.delivery_failure").collect()}
    assert sorted(waiting) == ["pack P1", "pack P2"]
    assert "dtmi:com:nobody:Pack;1" in waiting["pack P1"].reason
    synchronise(strange, retries=True)
    assert {row.tries for row in filled.read("ops.delivery_failure").collect()} == {2}
    assert synchronise(filled, retries=True).refused == []
    assert filled.read("ops.delivery_failure").count() == 0


def test_only_what_a_check_has_passed_leaves_the_lake(filled, frame, graph):
    strict = with_settings(filled, checked_only=True)
    assert bring_about(strict, is_rehearsal=False).unchecked["gold.cell_current"] > 0
    assert "weakest_cells" not in twins(graph)["pack-P1"]
    told = [
        {
            "table_name": name, "rule_code": "r", "batch_id": "0 to 1", "from_version": 0, "to_version": 1,
            "checked": 1, "failed": 0, "passed": passed, "severity": "critical", "checked_at": SEEN,
        }
        for name, passed in (("gold.cell_current", True), ("gold.pack_health", False))
    ]  # fmt: skip
    upsert(filled, "gold.data_quality", frame("gold.data_quality", told))
    assert "gold.cell_current" not in synchronise(strict).unchecked
    found = twins(graph)["pack-P1"]
    assert len(found["weakest_cells"]) == CELLS
    assert "as_of_date" not in found


def test_a_table_made_anew_has_never_been_pushed_and_a_push_is_counted_once(filled, frame, graph):
    assert synchronise(filled).twins == {"created": 4}
    told = filled.read("ops.batch").where("pipeline LIKE 'push_twins:%'")
    assert told.agg({"rows_in": "sum"}).collect()[0][0] == 4
    assert {row.pipeline for row in told.collect()} == {f"push_twins:{name}" for name in FOLLOWED}

    for soh_pct in (90.0, 80.0):  # more versions than the new table will have
        upsert(filled, "gold.pack_health", frame("gold.pack_health", health(*PACKS, soh_pct=soh_pct)))
        synchronise(filled)
    shutil.rmtree(filled.path("gold.pack_health"))
    ensure(filled, ["gold.pack_health"])
    upsert(filled, "gold.pack_health", frame("gold.pack_health", health(*PACKS, soh_pct=95.0)))
    assert synchronise(filled).twins == {"same": 2, "patched": 2}
    assert {twins(graph)[f"pack-{p}"]["soh_min_pct"] for p in PACKS} == {95.0}
    assert synchronise(filled).twins == {}


def test_the_job_says_where_to_write_and_counts_what_it_did(filled, lake):
    with pytest.raises(SettingsError, match="no Digital Twins instance"):
        PUSH_TWINS.run(lake)
    bring_about(filled, is_rehearsal=False)
    counts = PUSH_TWINS.run(filled).counts
    assert dataclasses.astuple(counts)[:4] == (0, 0, 0, 0)


def test_the_exported_file_holds_what_an_import_needs(filled, tmp_path):
    file = tmp_path / "out" / "graph.ndjson"
    export_graph(filled, file)
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    sections = [line["Section"] for line in lines if "Section" in line]
    assert sections == ["Header", "Models", "Twins", "Relationships"]
    assert sorted(line["$dtId"] for line in lines if "$dtId" in line) == [
        "pack-P1", "pack-P2", "vehicle-V1", "vehicle-V2",
    ]  # fmt: skip
    assert len([line for line in lines if "$relationshipId" in line]) == 4
    assert [path.name for path in file.parent.iterdir()] == ["graph.ndjson"]
