"""Silver to alerts: what is planted is named, and any order or splitting of messages gives the same."""

import dataclasses
import datetime as dt
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from deltalake import DeltaTable

from battery_lake.lake.access import Lake
from battery_lake.lake.create import ensure
from battery_lake.lake.write import delete, upsert
from battery_lake.pipelines.alerts import ALERTS, _run
from battery_lake.pipelines.model import Counts, Silent
from battery_lake.settings import load
from battery_lake.tables.registry import TABLES

CELLS, DAYS, WEAK_FROM, COLD_ON, DAMP_ON, LIES_ON = 24, 8, 2, 4, 3, 5
START = dt.datetime(2026, 3, 2, 6)  # noqa: DTZ001 - Spark takes UTC without a zone
NAMES = ("gold.cell_deviation", "gold.alert_state", "gold.alert")
PACKS = {
    "HOT": ("NMC", CELLS), "WEAK": ("NMC", CELLS), "FAR": ("LFP", CELLS), "COLD": ("NMC", CELLS),
    "MUTE": ("NMC", 12), "FINE": ("LFP", CELLS), "DAMP": ("NMC", CELLS), "LIES": ("NMC", CELLS),
}  # fmt: skip
REFERENCE = [
    {"pack_id": pack_id, "chemistry": chemistry, "cells_in_series": cells, "cells_per_module": 6,
     "rated_capacity_ah": 150.0, "ocv_soc_frac": [0.0, 1.0], "ocv_v": [3.0, 4.2]}
    for pack_id, (chemistry, cells) in PACKS.items()
]  # fmt: skip


def message(pack_id, day, place):
    """A message of a rest of 20 minutes; its values follow from pack, day and place alone."""
    chance = np.random.default_rng([sum(map(ord, pack_id)), day, place])
    chemistry, cells = PACKS[pack_id]
    level = 3.22 if chemistry == "LFP" else 3.9
    own = 0.002 * np.sin(1.7 * np.arange(cells))
    voltage = level + own + chance.normal(0.0, 0.0005, cells)
    row = {"current_a": 0.0, "temperatures_c": [20.0, 21.0, 22.0]}
    if pack_id == "WEAK" and day >= WEAK_FROM:
        voltage[7] -= 0.04
    if pack_id == "FAR" and day == 3 and place in {5, 6}:
        voltage[20] -= 0.5 + 0.1 * place
    if pack_id == "HOT" and (day, place) in {(1, 3), (1, 9), (2, 4)}:
        row["temperatures_c"] = [20.0, 70.0 if day == 1 else 58.0, 22.0]
    if pack_id == "COLD" and day == COLD_ON:
        row |= {"current_a": 90.0, "temperatures_c": [-5.0, 1.0]}
    if pack_id == "DAMP":
        low = day == DAMP_ON and place >= 10
        row["insulation_kohm"] = 30.0 if low else 5000.0 if place % 2 else None
    if pack_id == "LIES" and day == LIES_ON:
        row["current_a"] = 60.0 if place // 2 % 2 else -60.0
        voltage += 0.001 * row["current_a"]
        voltage[4] = level
    row["cell_voltages_v"] = [round(float(v), 6) for v in voltage]
    if pack_id == "MUTE":
        row = {
            "current_a": (None, 0.0, float("nan"))[place % 3],
            "cell_voltages_v": (None, [3.7] * 5, [float("nan")] * 12, [], [None] * 12)[place % 5],
            "temperatures_c": (None, [], [None, None], [float("nan")])[place % 4],
        }
    at = START + dt.timedelta(days=day, seconds=60 * place)
    return {"pack_id": pack_id, "measured_at": at, "sequence": 100 * day + place, "vehicle_id": "V",
            "flags": [], "hub": "h", "partition_id": "0", "message_index": 0,
            "sequence_number": 10_000 * list(PACKS).index(pack_id) + 100 * day + place, **row}  # fmt: skip


MESSAGES = [message(pack_id, day, place) for pack_id in PACKS for day in range(DAYS) for place in range(20)]


@pytest.fixture(scope="module")
def taken(spark, frame, tmp_path_factory):
    """A lake that takes messages straight into silver, in parts, and tells of alerts after each."""

    def build(*parts):
        settings, _ = load([f"home={tmp_path_factory.mktemp('alerts')}"], environment={})
        lake = Lake(spark, settings)
        ensure(lake, (*ALERTS.reads, "ops.batch"))
        upsert(lake, "reference.packs", frame("reference.packs", REFERENCE))
        return lake, [add(lake, frame, part) for part in parts]

    return build


def add(lake, frame, part):
    upsert(lake, "silver.telemetry", frame("silver.telemetry", part))
    return ALERTS.run(lake)


def rows(lake, name):
    return sorted((row.asDict(recursive=True) for row in lake.read(name).collect()), key=repr)


def told(lake):
    return {name: rows(lake, name) for name in NAMES}


@pytest.fixture(scope="module")
def at_once(taken):
    return taken(MESSAGES)[0]


def found(lake, pack_id):
    return [row for row in rows(lake, "gold.alert") if row["pack_id"] == pack_id]


def at(day, place=0):
    return START + dt.timedelta(days=day, seconds=60 * place)


def midnight(day):
    return at(day).replace(hour=0)


def test_a_weak_cell_is_named_within_days_and_stays(at_once):
    (alert,) = found(at_once, "WEAK")
    assert (alert["cell_id"], alert["code"]) == ("WEAK/02/02", "weak_cell")
    assert midnight(WEAK_FROM) <= alert["raised_at"] <= midnight(WEAK_FROM + 3)
    assert alert["cleared_at"] is None
    evidence = json.loads(alert["evidence"])
    assert evidence["as_of_date"] == f"{at(DAYS - 1):%Y-%m-%d}"
    assert -45.0 < evidence["deviation_mv"] < -35.0


def test_a_hot_probe_is_told_of_at_once_and_one_alert_lasts_until_it_is_cool(at_once):
    (alert,) = found(at_once, "HOT")
    assert (alert["cell_id"], alert["code"], alert["severity"]) == ("HOT", "over_temperature", "warning")
    assert (alert["raised_at"], alert["cleared_at"]) == (at(1, 3), midnight(3))
    assert json.loads(alert["evidence"]) == {
        "as_of_date": "2026-03-04", "temperature_c": 58.0, "above_others_k": 36.0, "messages": 1.0,
        "probe": 2.0,
    }  # fmt: skip


def test_a_cell_that_one_message_shows_far_off_is_critical(at_once):
    (alert,) = found(at_once, "FAR")
    assert (alert["cell_id"], alert["code"], alert["severity"]) == ("FAR/04/03", "weak_cell", "critical")
    assert (alert["raised_at"], alert["cleared_at"]) == (at(3, 5), midnight(4))
    evidence = json.loads(alert["evidence"])
    assert evidence["far_off_messages"] == 2.0
    assert evidence["far_off_mv"] == pytest.approx(-1100.0, abs=5.0)


def test_charging_in_the_cold_is_told_of(at_once):
    (alert,) = found(at_once, "COLD")
    assert (alert["code"], alert["severity"]) == ("plating_risk", "critical")
    assert (alert["raised_at"], alert["cleared_at"]) == (midnight(COLD_ON), midnight(COLD_ON + 1))
    # 90 A less 0.12 C of 150 Ah at -5 °C, through 19 minutes
    assert json.loads(alert["evidence"])["excess_ah"] == pytest.approx(72.0 * 19 / 60)


def test_insulation_that_stays_low_is_told_of_from_its_first_message(at_once):
    (alert,) = found(at_once, "DAMP")
    assert (alert["cell_id"], alert["code"], alert["severity"]) == ("DAMP", "insulation", "warning")
    assert (alert["raised_at"], alert["cleared_at"]) == (at(DAMP_ON, 10), midnight(DAMP_ON + 1))
    evidence = json.loads(alert["evidence"])
    assert (evidence["resistance_kohm"], evidence["readings"]) == (30.0, 15.0)
    assert evidence["resistance_ohm_per_v"] == pytest.approx(30_000.0 / (CELLS * 4.2), rel=1e-5)


def test_a_wire_that_shows_nothing_is_told_of_until_a_day_shows_that_it_follows(at_once):
    (alert,) = found(at_once, "LIES")
    assert (alert["cell_id"], alert["code"], alert["severity"]) == ("LIES/01/05", "lying_sensor", "critical")
    # The days after it are days of rest: they do not tell.
    assert (alert["raised_at"], alert["cleared_at"]) == (midnight(LIES_ON), None)
    assert abs(json.loads(alert["evidence"])["step_follow_frac"]) < 0.05


def test_packs_that_are_well_or_say_nothing_have_no_alert(at_once):
    assert found(at_once, "FINE") == found(at_once, "MUTE") == []
    mute = [row for row in rows(at_once, "gold.cell_deviation") if row["pack_id"] == "MUTE"]
    assert [row["messages"] for row in mute] == [20] * DAYS
    assert {str(row["temperature_max_c"]) + str(row["plating_excess_ah"]) for row in mute} == {"NoneNone"}


def newest_first(pack_rows):
    return pack_rows[len(pack_rows) // 2 :], pack_rows[: len(pack_rows) // 2]


def within_a_day(pack_rows):
    return pack_rows[:108], pack_rows[108:]


def shuffled(pack_rows):
    mixed = random.Random(5).sample(pack_rows, len(pack_rows))
    return mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]


def one_late(pack_rows):
    late = [row for row in pack_rows if row["measured_at"] == at(1, 3)]
    return [row for row in pack_rows if row not in late], late


WAYS = {
    "HOT": one_late, "WEAK": within_a_day, "FAR": newest_first, "COLD": shuffled, "MUTE": shuffled,
    "FINE": lambda pack_rows: (pack_rows, []), "DAMP": within_a_day, "LIES": newest_first,
}  # fmt: skip


@pytest.fixture(scope="module")
def in_parts(taken):
    """A lake that took the same in two parts, every pack's in another way."""
    parts = [], []
    for pack_id, split in WAYS.items():
        own = [row for row in MESSAGES if row["pack_id"] == pack_id]
        for part, some in zip(parts, split(own), strict=True):
            part.extend(some)
    return taken(*parts)[0]


@pytest.mark.parametrize("name", NAMES)
def test_any_order_and_splitting_of_messages_gives_the_same(in_parts, at_once, name):
    assert rows(in_parts, name) == rows(at_once, name)


def versions(lake):
    return {name: DeltaTable(lake.path(name)).version() for name in NAMES}


def changed_packs(lake, name, before):
    """The packs of which rows were written since; none where there is no newer version."""
    now = DeltaTable(lake.path(name)).version()
    if now == before[name]:
        return set()
    return {row.pack_id for row in lake.changed(name, before[name] + 1, now).collect()}


def test_without_news_nothing_runs_and_a_batch_that_runs_again_changes_nothing(at_once):
    before, held = versions(at_once), told(at_once)
    assert ALERTS.run(at_once).batches == 0
    folder = Path(at_once.checkpoint("alerts"), "commits")
    newest = max((file for file in folder.iterdir() if file.name.isdigit()), key=lambda file: int(file.name))
    newest.unlink()
    (folder / f".{newest.name}.crc").unlink(missing_ok=True)
    result = ALERTS.run(at_once)
    assert (result.batches, result.counts.rows_in) == (1, 0)
    assert told(at_once) == held
    assert [changed_packs(at_once, name, before) for name in NAMES] == [set()] * len(NAMES)


def test_an_alert_goes_with_its_evidence_and_no_other_pack_is_touched(in_parts, frame, tmp_path):
    shutil.copytree(in_parts.settings.home, tmp_path / "home")
    lake = Lake(in_parts.spark, in_parts.settings.model_copy(update={"home": tmp_path / "home"}))
    before = versions(lake)
    others = {
        name: [row for row in rows(lake, name) if row["pack_id"] not in {"HOT", "WEAK"}] for name in NAMES
    }
    hot = [row for row in MESSAGES if row["pack_id"] == "HOT" and max(row["temperatures_c"]) > 50.0]
    weak = [row for row in MESSAGES if row["pack_id"] == "WEAK" and row["measured_at"] >= at(WEAK_FROM)]
    delete(lake, "silver.telemetry", frame("silver.telemetry", [*hot, *weak]))
    # An alert of another pipeline's code is none of its business.
    knee = {"pack_id": "HOT", "cell_id": "HOT/01/01", "code": "knee", "raised_at": at(1), "severity": "info"}
    upsert(lake, "gold.alert", frame("gold.alert", [knee]))
    assert ALERTS.run(lake).counts.rows_in == 2
    assert found(lake, "WEAK") == []
    assert [alert["code"] for alert in found(lake, "HOT")] == ["knee"]
    for name in NAMES:
        assert [row for row in rows(lake, name) if row["pack_id"] not in {"HOT", "WEAK"}] == others[name]
        assert changed_packs(lake, name, before) <= {"HOT", "WEAK"}
    days = [row["as_of_date"] for row in rows(lake, "gold.cell_deviation") if row["pack_id"] == "WEAK"]
    assert days == [at(0).date(), at(1).date()]
    states = {row["pack_id"]: row for row in rows(lake, "gold.alert_state")}
    assert states["WEAK"]["as_of_at"] == midnight(1)
    assert states["WEAK"]["cell_evidence"]["days"] == [1] * CELLS


def test_a_lake_from_before_a_signal_gets_its_column_and_the_stream_goes_on(
    spark, frame, tmp_path, monkeypatch
):
    """Insulation came later: what a lake of before has streamed already is not streamed again."""
    lake = Lake(spark, load([f"home={tmp_path}"], environment={})[0])
    now = TABLES["silver.telemetry"]
    before = tuple(column for column in now.columns if column.name != "insulation_kohm")
    old, new = ([m for m in MESSAGES if m["pack_id"] == "DAMP" and m["measured_at"].day == d] for d in (2, 5))
    with monkeypatch.context() as patched:
        patched.setitem(TABLES, now.name, dataclasses.replace(now, columns=before))
        ensure(lake, (*ALERTS.reads, *NAMES, "ops.batch"))
        upsert(lake, "reference.packs", frame("reference.packs", REFERENCE))
        upsert(lake, now.name, frame(now.name, [{k: m[k] for k in m if k != "insulation_kohm"} for m in old]))
        patched.setattr("battery_lake.pipelines.alerts.alerts_batch", lambda *_: Counts())
        assert _run(lake, Silent()).batches == 1
    ensure(lake, ALERTS.reads)
    assert lake.read(now.name).where("insulation_kohm IS NULL").count() == len(old)
    upsert(lake, now.name, frame(now.name, new))
    assert ALERTS.run(lake).batches == 1
    (day,) = rows(lake, "gold.cell_deviation")
    assert (day["as_of_date"], day["insulation_low_kohm"]) == (new[0]["measured_at"].date(), 30.0)
    assert [alert["code"] for alert in rows(lake, "gold.alert")] == ["insulation"]
