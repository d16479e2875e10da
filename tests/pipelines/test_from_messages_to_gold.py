"""The whole flow on packs of known capacity: the same gold in any order, and no work without news."""

import json
import random
from pathlib import Path

import pytest
from chispa import assert_df_equality

from battery_lake.tables.registry import TABLES

GOLD = (
    "gold.session", "gold.capacity_observation", "gold.cell_state", "gold.cell_health", "gold.cell_life",
    "gold.soh_change", "gold.cell_current", "gold.cell_deviation", "gold.alert_state", "gold.alert",
    "gold.day_estimate", "gold.ageing_state", "gold.pack_health", "gold.battery_passport",
    "gold.fleet_daily", "gold.vehicle_status",
)  # fmt: skip
CAPACITIES = {"A": (49.0, 47.5, 40.0), "B": (46.0, 45.0), "E": (49.0, 47.5, 40.0)}


@pytest.fixture(scope="module")
def packs(made_pack):
    """Two packs with a last day that tells nothing of capacity, one without, one that only drives past.

    One of the two sends a message at rest right before it drives or charges: these steps tell of resistance.
    """
    a, e = (
        made_pack(pack_id, vehicle_id, CAPACITIES[pack_id], wakes=wakes)
        .day()
        .day()
        .silence(24)
        .day()
        .phase("driving", 0.2, -20.0)
        for pack_id, vehicle_id, wakes in (("A", "V1", False), ("E", "V5", True))
    )
    b = made_pack("B", "V2", CAPACITIES["B"], soc=0.85).day().day()
    c = made_pack("C", "V3", (50.0, 50.0)).phase("driving", 0.3, -20.0)
    return [a, b, c, e, made_pack("D", "V4", (50.0,), model="M2")]


@pytest.fixture(scope="module")
def lines(packs, landing_line):
    return [landing_line(message) for pack in packs for message in pack.messages]


@pytest.fixture(scope="module")
def at_once(made_lake, packs, lines, tmp_path_factory):
    """A lake that took everything in one batch; tests that change it work on a copy."""
    made = made_lake(tmp_path_factory.mktemp("at-once"), packs)
    made.deliver(lines)
    return made


def in_order(lines):
    """What came before the third day, then the rest: health goes on from its state."""
    return [
        [text for text in lines if (measured_on(text) < "2026-03-04") is early] for early in (True, False)
    ]


def newest_first(lines):
    """The newer days first: everything begins anew with the older ones."""
    return in_order(lines)[::-1]


def shuffled(lines):
    """Two parts in no order at all: sessions are cut from every second message, then mended."""
    mixed = random.Random(2).sample(lines, len(lines))
    return mixed[: len(mixed) // 2], mixed[len(mixed) // 2 :]


def measured_on(text):
    return json.loads(text)["Body"]["measured_at"]


WAYS = {"A": in_order, "B": shuffled, "C": in_order, "E": newest_first}


@pytest.fixture(scope="module")
def in_parts(made_lake, packs, lines, tmp_path_factory):
    """A lake that took the same in two parts, every pack's in another way."""
    parts = [], []
    for pack_id, split in WAYS.items():
        own = [text for text in lines if json.loads(text)["Body"]["pack_id"] == pack_id]
        for part, some in zip(parts, split(own), strict=True):
            part.extend(some)
    made = made_lake(tmp_path_factory.mktemp("in-parts"), packs)
    for part in parts:
        made.deliver(part)
    return made


@pytest.mark.parametrize(
    "name",
    [
        *GOLD[:-1],
        "gold.vehicle_status",
    ],
)
def test_any_split_into_batches_in_any_order_gives_the_same_gold(at_once, in_parts, name):
    found, expected = (made.lake.read(name).orderBy(*TABLES[name].key) for made in (in_parts, at_once))
    assert_df_equality(found, expected)


def test_the_capacity_of_every_cell_lies_within_its_interval(at_once):
    rows = {row["cell_id"]: row for row in at_once.rows("gold.cell_current")}
    expected = {
        "A/01/01": 49.0, "A/01/02": 47.5, "A/02/01": 40.0,  # two cells to a module
        "B/01/01": 46.0, "B/01/02": 45.0,
        "E/01/01": 49.0, "E/01/02": 47.5, "E/02/01": 40.0,
    }  # fmt: skip
    assert set(rows) == set(expected)
    for cell_id, capacity_ah in expected.items():
        row = rows[cell_id]
        assert abs(row["soh_pct"] - 2 * capacity_ah) < 1.645 * row["soh_std_pct"], cell_id
        assert abs(row["soh_pct"] - 2 * capacity_ah) < 1.5
        assert row["capacity_ah"] == pytest.approx(row["soh_pct"] / 2)
        assert row["observations"] == (4 if cell_id[0] == "B" else 6)
    for seen in at_once.rows("gold.capacity_observation"):
        for found, variance, true in zip(
            seen["capacity_ah"], seen["variance_ah2"], CAPACITIES[seen["pack_id"]], strict=True
        ):
            assert abs(found - true) < 1.645 * variance**0.5
            # These cells do not relax: what is taken off for it is all the error there is.
            assert found == pytest.approx(true, rel=0.011)


def test_only_steps_between_near_samples_tell_of_resistance(at_once):
    """2 mΩ; the pulse adds 9.5 %, moved charge 1.5 %, SOC up to 4 %; 4.5 K take 9 % away."""
    for row in at_once.rows("gold.cell_health"):
        if row["pack_id"] == "E":
            assert row["resistance_mohm"] == pytest.approx(2.0, rel=0.07)
        else:
            assert row["resistance_mohm"] is None
    seen = [row for row in at_once.rows("gold.session") if row["step_a"] is not None]
    assert {(row["pack_id"], row["kind"], row["step_a"], row["step_s"]) for row in seen} == {
        ("E", "drive", -20.0, 10.0), ("E", "charge", 20.0, 10.0),
    }  # fmt: skip
    assert [state["resistance_observations"] for state in at_once.rows("gold.cell_state")] == [
        [0, 0, 0], [0, 0], [4, 4, 4]
    ]  # fmt: skip


def test_sessions_are_the_phases_that_were_driven(at_once):
    found = [(s["pack_id"], s["kind"], round(s["charge_ah"], 2)) for s in at_once.rows("gold.session")]
    day = [("rest", 0.0), ("drive", -19.67), ("rest", -0.33), ("charge", 19.67), ("rest", 0.33)]
    phases = {"A": [*day * 3, ("drive", -3.33)], "B": day * 2}
    expected = [(pack_id, *phase) for pack_id in ("A", "B") for phase in phases[pack_id]]
    assert [row for row in found if row[0] in "AB"] == expected
    assert [row[:2] for row in found if row[0] == "C"] == [("C", "drive")]


def test_a_pack_without_evidence_has_a_vehicle_but_no_health(at_once):
    for name in (
        "gold.cell_state",
        "gold.cell_health",
        "gold.cell_life",
        "gold.cell_current",
        "gold.pack_health",
    ):
        assert {row["pack_id"] for row in at_once.rows(name)} == {"A", "B", "E"}
    status = {row["vehicle_id"]: row for row in at_once.rows("gold.vehicle_status")}
    assert set(status) == {"V1", "V2", "V3", "V5"}
    assert (status["V3"]["pack_id"], status["V3"]["state"]) == ("C", "driving")
    assert (status["V3"]["soh_min_pct"], status["V3"]["alerts"]) == (None, None)
    assert status["V1"]["soh_min_pct"] == pytest.approx(80.0, abs=1.5)
    assert (status["V1"]["state"], status["V2"]["state"]) == ("driving", "parked")


def test_the_weak_cell_is_named_and_the_pack_alerts(at_once):
    rows = [row for row in at_once.rows("gold.pack_health") if row["pack_id"] == "A"]
    assert len(rows) == 3
    for row in rows:
        assert row["weakest_cell_id"] == "A/02/01"
        assert "weak_cell" in row["alerts"]
        assert row["soh_spread_pct"] == row["soh_max_pct"] - row["soh_min_pct"]
    assert [row["alerts"] for row in at_once.rows("gold.pack_health") if row["pack_id"] == "B"] == [[], []]
    fleet = at_once.rows("gold.fleet_daily")
    assert {(row["model"], row["chemistry"]) for row in fleet} == {("M1", "NMC")}
    assert [(row["vehicles"], row["alerts"]) for row in fleet] == [(3, 2), (3, 2), (3, 2)]


def test_running_again_without_news_writes_nothing(at_once):
    before = at_once.versions()
    results = at_once.run()
    assert {name: result.batches for name, result in results.items()} == dict.fromkeys(results, 0)
    assert at_once.versions() == before


def test_a_late_message_reopens_only_its_own_session(at_once, packs, landing_line, tmp_path):
    made = at_once.copy(tmp_path)
    before = made.versions()
    drive = [m for m in packs[0].messages if m["state"] == "driving" and m["measured_at"] < "2026-03-03"]
    earlier, later = drive[10], drive[11]
    middle = earlier["measured_at"].replace(":00Z", ":59Z")
    assert earlier["measured_at"] < middle < later["measured_at"]
    made.deliver([landing_line({**earlier, "measured_at": middle, "sequence": 9999}, delay_s=90 * 86400.0)])

    started = next(s for s in at_once.rows("gold.session") if s["pack_id"] == "A" and s["kind"] == "drive")
    sessions = made.changed_since("gold.session", before)
    assert {(r.pack_id, r.started_at, r["_change_type"], r.samples) for r in sessions} == {
        ("A", started["started_at"], "update_preimage", 30),
        ("A", started["started_at"], "update_postimage", 31),
    }
    observed = made.changed_since("gold.capacity_observation", before)
    assert {(r.pack_id, r.started_at) for r in observed} == {("A", started["started_at"])}
    assert {r.pack_id for r in made.changed_since("gold.cell_health", before)} == {"A"}
    for name in ("gold.cell_life", "gold.cell_current", "gold.cell_state", "gold.pack_health"):
        assert {r.pack_id for r in made.changed_since(name, before)} <= {"A"}, name
    assert {r.pack_id for r in made.changed_since("gold.soh_change", before)} <= {"A"}
    assert {r.vehicle_id for r in made.changed_since("gold.vehicle_status", before)} <= {"V1"}


def test_batches_that_run_again_change_no_gold(at_once, tmp_path):
    made = at_once.copy(tmp_path)
    before, versions = {name: made.rows(name) for name in GOLD}, made.versions()
    for pipeline in (
        "alerts", "sessions", "capacity", "ageing_alerts", "health", "soh_changes", "fleet",
    ):  # fmt: skip
        folder = Path(made.lake.checkpoint(pipeline), "commits")
        newest = max(
            (file for file in folder.iterdir() if file.name.isdigit()), key=lambda file: int(file.name)
        )
        newest.unlink()
        (folder / f".{newest.name}.crc").unlink(missing_ok=True)
    results = made.run(("health",))
    assert all(result.batches for result in results.values())
    assert {name: made.rows(name) for name in GOLD} == before
    assert [name for name in GOLD if made.changed_since(name, versions)] == []
