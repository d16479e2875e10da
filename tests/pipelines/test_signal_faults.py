"""Faults that only a look back shows: the same whatever the order in which messages came."""

import random

import pytest

JOBS = ("ingest", "refine")


@pytest.fixture(scope="module")
def pack(made_pack):
    """A day whose SOC, odometer and a cell are wrong once each."""
    pack = made_pack("P1", "V1", (50.0, 48.0))
    pack.phase("driving", 1.5, -1.0)
    wrong = {10: ("soc_pct", 12.0), 20: ("odometer_km", 3.0), 30: ("soc_pct", 20.0)}
    for place, (signal, value) in wrong.items():
        pack.messages[place][signal] = value
    return pack


def deliver(made, pack, landing_line, *orders):
    for places in orders:
        made.deliver([landing_line(pack.messages[place]) for place in places], JOBS)
    return made.rows("silver.signal_fault")


def test_a_late_message_changes_what_is_said_of_those_after_it(made_lake, pack, landing_line, tmp_path):
    every = list(range(len(pack.messages)))
    shuffled = random.Random(3).sample(every, len(every))
    folders = [tmp_path / name for name in ("in order", "shuffled", "late")]
    for folder in folders:
        folder.mkdir()
    lakes = [made_lake(folder, [pack]) for folder in folders]
    in_order = deliver(lakes[0], pack, landing_line, every)
    assert {(r["sequence"], r["code"]) for r in in_order} == {
        (11, "soc_jump"), (12, "soc_jump"), (21, "odometer_backwards"), (31, "soc_jump"), (32, "soc_jump"),
    }  # fmt: skip
    assert deliver(lakes[1], pack, landing_line, *(shuffled[n::3] for n in range(3))) == in_order

    without = [place for place in every if place not in {20, 29, 30, 31}]
    early = deliver(lakes[2], pack, landing_line, without)
    assert {(r["sequence"], r["code"]) for r in early} == {(11, "soc_jump"), (12, "soc_jump")}
    assert deliver(lakes[2], pack, landing_line, [20, 29, 30, 31]) == in_order
