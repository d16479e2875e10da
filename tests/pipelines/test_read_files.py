"""A daily run reads what is new: old files of packs that just go on may be missing, whoever comes late."""

import datetime as dt
from contextlib import ExitStack

import numpy as np

from battery_lake.lake.create import ensure
from battery_lake.lake.write import upsert
from battery_lake.pipelines.ageing_alerts import AGEING_ALERTS
from battery_lake.pipelines.fleet import FLEET
from battery_lake.pipelines.health import HEALTH
from battery_lake.pipelines.soh_changes import SOH_CHANGES

START, CELLS = dt.datetime(2026, 3, 2, 6), 2  # noqa: DTZ001 - Spark takes UTC without a zone
SOURCES = ("gold.session", "gold.capacity_observation")
DATED = ("gold.day_estimate", "gold.cell_health", "gold.cell_life", "gold.soh_change", "gold.pack_health",
         "gold.battery_passport")  # fmt: skip
LONG_AGO = START.date() - dt.timedelta(days=400)
MODELS = {"A": "M", "B": "M", "LATE": "OTHER", "NEW": "M"}
BEFORE = [(p, d) for p in "AB" for d in (-500, -499, -498)]
NOW = [(p, d) for p in ("A", "B", "LATE") for d in (0, 1)]
NEXT = [("A", 2), ("B", 2), ("NEW", 2), ("LATE", -499)]


def evidence(pack_id, day):
    """A day's session and observation; their values follow from pack and day alone."""
    chance = np.random.default_rng([sum(map(ord, pack_id)), day % 1_000])
    at = START + dt.timedelta(days=day)
    soh = (97.0 if day < 0 else 92.0) + chance.normal(0.0, 0.2, CELLS)
    known = {
        "pack_id": pack_id, "started_at": at, "ended_at": at + dt.timedelta(hours=1), "method_version": "1",
        "temperature_mean_c": 20.0, "charge_ah": -40.0,
    }  # fmt: skip
    session = known | {
        "vehicle_id": f"V{pack_id}", "kind": "drive", "samples": 9, "duration_s": 3600.0, "gap_s": 0.0,
        "throughput_ah": 40.0, "energy_wh": -14_000.0, "soc_start_pct": 90.0, "soc_end_pct": 10.0,
    }  # fmt: skip
    capacity = known | {
        "method": "rest_to_rest", "capacity_ah": (0.5 * soh).tolist(), "variance_ah2": [0.0625] * CELLS,
    }  # fmt: skip
    return session, capacity


def take(lake, frame, days):
    rows = [evidence(*day) for day in days]
    for place, name in enumerate(SOURCES):
        upsert(lake, name, frame(name, [row[place] for row in rows]))


def run(lake):
    for pipeline in (AGEING_ALERTS, HEALTH, SOH_CHANGES, FLEET):
        pipeline.run(lake)


def split(lake, name):
    """Lay every row into a file of its own; clustering does so with more of them. No change for streams."""
    writer = lake.read(name).write.format("delta").mode("overwrite").option("dataChange", "false")
    writer.option("maxRecordsPerFile", 1).save(lake.path(name))


def test_old_files_of_packs_that_go_on_are_not_read_and_nothing_is_missing(lake, frame, without_files):
    ensure(lake, (*SOURCES, "reference.packs", "gold.alert", "gold.cell_state", "ops.batch"))
    packs = [
        {"pack_id": pack_id, "model": model, "chemistry": "NMC", "cells_in_series": CELLS,
         "cells_per_module": 2, "rated_capacity_ah": 50.0, "rated_energy_wh": 17_500.0,
         "warranty_from": dt.date(2024, 2, 1)}
        for pack_id, model in MODELS.items()
    ]  # fmt: skip
    upsert(lake, "reference.packs", frame("reference.packs", packs))
    for days in (BEFORE, NOW):
        take(lake, frame, days)
        run(lake)
    take(lake, frame, NEXT)
    with ExitStack() as stack:
        for name in (*SOURCES, *DATED):
            day = "started_at" if name in SOURCES else "as_of_date"
            split(lake, name)
            assert stack.enter_context(without_files(lake, name, day, LONG_AGO, "B")), name
        run(lake)
    every = {(pack_id, (START + dt.timedelta(days=day)).date()) for pack_id, day in [*BEFORE, *NOW, *NEXT]}
    for name in ("gold.cell_health", "gold.pack_health", "gold.battery_passport"):
        found = lake.read(name).select("pack_id", "as_of_date").distinct().collect()
        assert {(row.pack_id, row.as_of_date) for row in found} == every, name
