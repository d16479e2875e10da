"""Sessions and capacities to ageing alerts: what happens at once is told, what the cold does is not."""

import datetime as dt
import json
import random
import shutil

import numpy as np
import pytest
from deltalake import DeltaTable

from battery_lake.cells.alerts import CODES
from battery_lake.gold import ageing_rules, alert_rules
from battery_lake.gold.ageing_rules import LOOK_BACK_DAYS
from battery_lake.lake.access import Lake
from battery_lake.lake.create import ensure
from battery_lake.lake.write import delete, upsert
from battery_lake.pipelines.ageing_alerts import AGEING_ALERTS
from battery_lake.settings import load

CELLS, DAYS, RATED_AH, EVENT, MENDED_ON, KNEE_ON = 4, 56, 50.0, 30, 40, 25
START = dt.datetime(2026, 3, 2, 6)  # noqa: DTZ001 - Spark takes UTC without a zone
NAMES = ("gold.day_estimate", "gold.ageing_state", "gold.alert")
LONG_DAYS = range(DAYS - 1 - 20 * 44, DAYS, 20)
"""A pack with little evidence, over more than two years; its cell fades more than a year before the end."""
LONG_EVENT = LONG_DAYS[12]
PACKS = ("FADE", "MEND", "JUMP", "KNEE", "COLD", "FINE", "LONG")
REFERENCE = [
    {"pack_id": pack_id, "chemistry": "NMC", "cells_in_series": CELLS, "cells_per_module": 2,
     "rated_capacity_ah": RATED_AH}
    for pack_id in PACKS
]  # fmt: skip
HOT = {
    "pack_id": "FADE",
    "cell_id": "FADE",
    "code": "over_temperature",
    "raised_at": START,
    "severity": "info",
}


def at(day, hours=0):
    return START + dt.timedelta(days=day, hours=hours)


def midnight(day):
    return at(day).replace(hour=0)


def celsius(pack_id, day):
    return 2.0 if pack_id == "COLD" and day >= EVENT else 22.0


def evidence(pack_id, day):
    """A day's session and observation; their values follow from pack and day alone."""
    chance = np.random.default_rng([sum(map(ord, pack_id)), day % 10_000])
    soh = 96.0 - 0.01 * day + chance.normal(0.0, 0.5, CELLS)
    mohm = 1.5 * np.exp(chance.normal(0.0, 0.02, CELLS))
    if (pack_id == "FADE" and day >= EVENT) or (pack_id == "MEND" and EVENT <= day < MENDED_ON):
        soh[2] -= 6.0
    if pack_id == "LONG" and day >= LONG_EVENT:
        soh[1] -= 6.0
        mohm[3] *= 1.6
    if pack_id == "KNEE":
        soh[1] -= 0.2 * max(day - KNEE_ON, 0)
    if pack_id == "JUMP" and day >= EVENT:
        mohm[3] *= 1.6
    if pack_id == "COLD" and day >= EVENT:
        # 0.4 %/K less capacity; resistance of 0.25 eV, where 0.15 is believed.
        soh -= 0.4 * 20.0
        mohm *= 1.6
    known = {"pack_id": pack_id, "started_at": at(day), "method_version": "1"}
    capacity = known | {
        "method": "rest_to_rest", "capacity_ah": (0.01 * RATED_AH * soh).tolist(),
        "variance_ah2": [(0.005 * RATED_AH) ** 2] * CELLS, "temperature_mean_c": celsius(pack_id, day),
    }  # fmt: skip
    session = known | {
        "ended_at": at(day, 1), "kind": "charge", "samples": 9, "step_s": 10.0, "step_soc_pct": 50.0,
        "step_temperature_c": celsius(pack_id, day), "step_resistance_mohm": mohm.tolist(),
        "step_variance_mohm2": [9e-4] * CELLS,
    }  # fmt: skip
    return session, capacity


EVIDENCE = [
    evidence(pack_id, day) for pack_id in PACKS for day in (LONG_DAYS if pack_id == "LONG" else range(DAYS))
]


@pytest.fixture(scope="module")
def taken(spark, frame, tmp_path_factory):
    """A lake that takes sessions and capacities straight into gold, in parts, and judges after each."""

    def build(*parts):
        settings, _ = load([f"home={tmp_path_factory.mktemp('ageing')}"], environment={})
        lake = Lake(spark, settings)
        ensure(lake, (*AGEING_ALERTS.reads, "gold.alert", "ops.batch"))
        upsert(lake, "reference.packs", frame("reference.packs", REFERENCE))
        upsert(lake, "gold.alert", frame("gold.alert", [HOT]))
        return lake, [add(lake, frame, part) for part in parts]

    return build


def add(lake, frame, part):
    upsert(lake, "gold.session", frame("gold.session", [session for session, _ in part]))
    upsert(
        lake,
        "gold.capacity_observation",
        frame("gold.capacity_observation", [capacity for _, capacity in part]),
    )
    return AGEING_ALERTS.run(lake)


@pytest.fixture(scope="module")
def at_once(taken):
    return taken(EVIDENCE)[0]


@pytest.fixture(scope="module")
def in_parts(taken):
    """Day by day at the end, after a shuffled half of everything and then the other half."""
    early = [row for row in EVIDENCE if row[0]["started_at"] < at(DAYS - 2)]
    random.Random(4).shuffle(early)
    half = len(early) // 2
    last = [[row for row in EVIDENCE if row[0]["started_at"] == at(day)] for day in (DAYS - 2, DAYS - 1)]
    return taken(early[:half], early[half:], *last)[0]


def rows(lake, name):
    return sorted((row.asDict(recursive=True) for row in lake.read(name).collect()), key=repr)


def found(lake, pack_id):
    own = [row for row in rows(lake, "gold.alert") if row["pack_id"] == pack_id]
    return [row for row in own if row["code"] != HOT["code"]]


def test_a_sudden_fade_is_raised_by_its_third_estimate_and_stays(at_once):
    (alert,) = found(at_once, "FADE")
    assert (alert["cell_id"], alert["code"], alert["severity"]) == ("FADE/02/01", "sudden_fade", "warning")
    assert midnight(EVENT + 2) <= alert["raised_at"] <= midnight(EVENT + 4)
    assert alert["cleared_at"] is None
    told = json.loads(alert["evidence"])
    assert told["as_of_date"] == f"{at(DAYS - 1):%Y-%m-%d}"
    # what the cell ages by since then is in it: a quarter of a point
    assert told["loss_pct"] == pytest.approx(6.25, abs=1.0)


def test_a_fade_that_comes_back_is_cleared_by_then(at_once):
    (alert,) = found(at_once, "MEND")
    assert midnight(EVENT + 2) <= alert["raised_at"] <= midnight(EVENT + 4)
    assert midnight(MENDED_ON + 2) <= alert["cleared_at"] <= midnight(MENDED_ON + 4)


def test_a_jump_of_resistance_is_told(at_once):
    (alert,) = found(at_once, "JUMP")
    assert (alert["cell_id"], alert["code"], alert["severity"]) == (
        "JUMP/02/02", "resistance_jump", "warning",
    )  # fmt: skip
    assert midnight(EVENT + 2) <= alert["raised_at"] <= midnight(EVENT + 4)
    assert json.loads(alert["evidence"])["rise_pct"] == pytest.approx(60.0, abs=10.0)


def test_a_knee_is_told_with_its_place(at_once):
    (alert,) = found(at_once, "KNEE")
    assert alert["code"] == "knee"
    assert (alert["cell_id"], alert["severity"], alert["cleared_at"]) == ("KNEE/01/02", "critical", None)
    told = json.loads(alert["evidence"])
    first = (START.date() - dt.date(1970, 1, 1)).days
    assert told["knee_days_p05"] - 3 <= first + KNEE_ON <= told["knee_days_p95"] + 3


def test_an_alert_stays_open_when_what_raised_it_is_older_than_the_look_back(at_once):
    alerts = found(at_once, "LONG")
    assert [(a["code"], a["cell_id"], a["cleared_at"]) for a in alerts] == [
        ("sudden_fade", "LONG/01/02", None), ("resistance_jump", "LONG/02/02", None),
    ]  # fmt: skip
    assert {a["raised_at"] < at(LONG_EVENT + 100) for a in alerts} == {True}
    assert at(DAYS) - at(LONG_EVENT + 100) > dt.timedelta(days=LOOK_BACK_DAYS)


def test_a_cold_spell_raises_nothing_and_neither_does_a_healthy_pack(at_once):
    assert found(at_once, "COLD") == found(at_once, "FINE") == []


@pytest.mark.parametrize("name", NAMES)
def test_any_order_and_splitting_gives_the_same(at_once, in_parts, name):
    assert rows(in_parts, name) == rows(at_once, name)


def version(lake, name):
    return DeltaTable(lake.path(name)).version()


def test_nothing_new_writes_nothing(at_once):
    before = [version(at_once, name) for name in NAMES]
    assert AGEING_ALERTS.run(at_once).batches == 0
    assert [version(at_once, name) for name in NAMES] == before


def test_the_same_evidence_again_changes_nothing(taken, frame):
    lake, _ = taken(EVIDENCE[: 2 * DAYS])
    before = {name: rows(lake, name) for name in NAMES}
    again = [(session, capacity | {"method_version": "2"}) for session, capacity in EVIDENCE[:DAYS]]
    result = add(lake, frame, again)
    assert (result.batches, result.counts.rows_in) == (1, 0)
    assert {name: rows(lake, name) for name in NAMES} == before


def test_an_alert_goes_with_its_evidence_and_late_data_changes_its_pack_only(in_parts, frame, tmp_path):
    shutil.copytree(in_parts.settings.home, tmp_path / "home")
    lake = Lake(in_parts.spark, in_parts.settings.model_copy(update={"home": tmp_path / "home"}))
    before = {name: rows(lake, name) for name in NAMES}
    versions = {name: version(lake, name) for name in NAMES}
    gone = [row for row in EVIDENCE if row[0]["pack_id"] == "FADE" and row[0]["started_at"] >= at(EVENT)]
    delete(lake, "gold.session", frame("gold.session", [session for session, _ in gone]))
    delete(lake, "gold.capacity_observation", frame("gold.capacity_observation", [c for _, c in gone]))
    assert AGEING_ALERTS.run(lake).counts.rows_in == 1
    assert found(lake, "FADE") == []
    for name in NAMES:
        others = [row for row in before[name] if row["pack_id"] != "FADE"]
        assert [row for row in rows(lake, name) if row["pack_id"] != "FADE"] == others
        reader = lake.spark.read.format("delta").option("readChangeFeed", "true")
        changed = reader.option("startingVersion", versions[name] + 1).load(lake.path(name))
        assert {row.pack_id for row in changed.select("pack_id").distinct().collect()} <= {"FADE"}
    # What another pipeline raised is still there.
    assert [row for row in rows(lake, "gold.alert") if row["code"] == HOT["code"]] != []
    (state,) = [row for row in rows(lake, "gold.ageing_state") if row["pack_id"] == "FADE"]
    assert (state["as_of_at"], state["open_alerts"]) == (midnight(EVENT - 1), [])


def test_pipelines_share_the_table_by_codes_that_all_are_explained():
    ageing, others = set(ageing_rules.CODES), set(alert_rules.CODES)
    assert not ageing & others
    assert ageing | others <= set(CODES)
