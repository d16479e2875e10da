"""A lake with the lives of a simulated fleet as gold holds them, and a model trained on it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest

from battery_lake.lake.access import Lake
from battery_lake.lake.create import ensure
from battery_lake.lake.write import upsert
from battery_lake.pipelines.reference import load_reference
from battery_lake.settings import load
from battery_lake.simulate.fleet import FleetSpec, references
from battery_lake.simulate.lives import LivesSpec, seen_lives
from battery_lake.simulate.reference import write_reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import SparkSession

FLEET = FleetSpec(
    vehicles=40, days=12 * 365, start=dt.date(2012, 1, 1), cells_in_series=4, cells_per_module=4,
    lfp_share=0.5, seed=7,
)  # fmt: skip


@pytest.fixture(scope="session")
def aged(spark: SparkSession, frame: Callable, tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Twelve years of forty packs; many of their cells have come to their end."""
    home = tmp_path_factory.mktemp("aged")
    settings, _ = load([f"home={home}"], environment={})
    lake = Lake(spark, settings)
    write_reference(home / "reference", *references(FLEET))
    load_reference(lake, home / "reference")
    ensure(lake, ("gold.session", "gold.capacity_observation"))
    lives = list(seen_lives(LivesSpec(FLEET, evidence_share=0.03)))
    upsert(lake, "gold.session", frame("gold.session", [row for life in lives for row in sessions(life)]))
    upsert(
        lake,
        "gold.capacity_observation",
        frame("gold.capacity_observation", [row for life in lives for row in observations(life)]),
    )
    return lake


def sessions(life):
    return [
        {
            "pack_id": life.reference.pack_id, "started_at": at, "ended_at": at + dt.timedelta(hours=1),
            "kind": "drive", "samples": 60, "throughput_ah": float(ah), "distance_km": float(km),
            "method_version": "lives",
        }
        for at, ah, km in zip(life.at, life.throughput_ah, life.distance_km, strict=True)
    ]  # fmt: skip


def observations(life):
    return [
        {
            "pack_id": life.reference.pack_id, "started_at": at, "method": "rest_to_rest",
            "ended_at": at + dt.timedelta(hours=1), "capacity_ah": capacity.tolist(),
            "variance_ah2": variance.tolist(), "method_version": "lives",
        }
        for at, capacity, variance in zip(life.at, life.capacity_ah, life.variance_ah2, strict=True)
    ]  # fmt: skip
