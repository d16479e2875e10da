"""The first load: a blob, one import job of the service, and twins that need nothing more."""

import datetime as dt

import pytest
from pydantic import SecretStr

from battery_lake.errors import SettingsError, SetupError
from battery_lake.lake.access import Lake
from battery_lake.lake.create import ensure
from battery_lake.local.kusto.azurite import Azurite
from battery_lake.local.twins import DigitalTwinsStandIn
from battery_lake.pipelines.load_twins import load_graph
from battery_lake.pipelines.push_twins import READS, bring_about, synchronise
from battery_lake.settings import load
from battery_lake.sinks.twins.client import Address, Graph
from battery_lake.tables.ops import BATCH

SEEN = dt.datetime(2026, 3, 2, 6)  # noqa: DTZ001 - Spark takes UTC without a zone
HOSTILE = 'P"1\'; DROP {"Section": "Models"}\n{ü🔋' + "k" * 3_000


@pytest.fixture
def filled(spark, frame, tmp_path):
    """Two vehicles with packs, one with a name of every kind of character, and an instance with blobs."""
    try:
        blobs = Azurite(tmp_path / "azurite")
    except SetupError as fault:
        pytest.skip(str(fault))
    with blobs, DigitalTwinsStandIn(tmp_path / "twins", sign=blobs.signed) as standin:
        settings, _ = load([f"home={tmp_path / 'home'}"], environment={})
        changes = {
            "endpoint": standin.endpoint,
            "token": SecretStr(standin.token),
            "certificate": str(standin.certificate),
            "container": SecretStr(blobs.container("twins")),
            "checked_only": False,
        }
        lake = Lake(spark, settings.model_copy(update={"twins": settings.twins.model_copy(update=changes)}))
        ensure(lake, dict.fromkeys((*READS, BATCH.name)))
        packs = [
            {"pack_id": p, "chemistry": "NMC", "cells_in_series": 3, "rated_capacity_ah": 50.0}
            for p in ("P1", HOSTILE)
        ]
        vehicles = [
            {"vehicle_id": f"V{n}", "pack_id": p["pack_id"], "alerts": [], "last_seen_at": SEEN}
            for n, p in enumerate(packs)
        ]
        for name, rows in (("reference.packs", packs), ("gold.vehicle_status", vehicles)):
            lake.save(name, frame(name, rows).coalesce(1).write.format("delta").mode("append"))
        yield (
            lake,
            Graph(Address(standin.endpoint, token=standin.token, certificate=str(standin.certificate))),
        )


def with_twins(lake, **changes):
    settings = lake.settings
    return Lake(lake.spark, settings.model_copy(update={"twins": settings.twins.model_copy(update=changes)}))


def test_a_loaded_graph_is_what_gold_says_and_counts_as_pushed(filled):
    lake, graph = filled
    said = []
    loaded = load_graph(lake, said.append)
    assert (loaded.status, loaded.twins, loaded.relationships, loaded.faults) == ("succeeded", 4, 4, [])
    assert "running" in " ".join(said) or "succeeded" in said[-1]
    assert {t["pack_id"] for t in graph.query("SELECT T.pack_id FROM DIGITALTWINS T")} == {"P1", HOSTILE}
    assert synchronise(lake).twins == {}
    assert bring_about(lake, is_rehearsal=True).twins == {"same": 4}
    job = graph._imports.get_by_id(loaded.job_id)
    assert "?" not in job.input_blob_uri + job.output_blob_uri  # the service opens blobs by itself
    with pytest.raises(SettingsError, match="first load") as full:
        load_graph(lake, said.append)
    assert "4 twins" in full.value.why


def test_what_a_job_refuses_is_told_and_made_by_apply(filled):
    lake, _ = filled
    strange = with_twins(lake, pack_model="dtmi:com:nobody:Pack;1")
    loaded = load_graph(strange, lambda _: None)
    assert loaded.status == "failed"
    assert "dtmi:com:nobody:Pack;1" in loaded.faults[0]
    assert bring_about(lake, is_rehearsal=False).twins == {"same": 2, "created": 2}
    for container in ("", "https://account.blob.core.windows.net"):
        with pytest.raises(SettingsError, match=r"no container|first load"):
            load_graph(with_twins(lake, container=SecretStr(container)), lambda _: None)
