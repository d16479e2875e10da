"""Packs that send one cell a message: put together, whatever the order, they are whole messages."""

import json
import random

import pytest

MAPPING = """\
mapping: by_cell
signals:
  pack_id: {path: pack}
  measured_at: {path: at}
  sequence: {path: frame}
  current_a: {path: i}
  soc_pct: {path: soc}
  cell_voltages_v: {path: mv, cell: cell, first: 0, unit: mV}
"""
JOBS = ("ingest", "refine")


@pytest.fixture(scope="module")
def pack(made_pack):
    return made_pack("P1", "V1", (50.0, 48.0, 45.0)).phase("parked", 0.2).phase("driving", 0.2, -20.0)


def parts_of(message, landing_line):
    """The landing lines of a message's cells; only the first tells current and state of charge."""
    lines = []
    for cell, voltage in enumerate(message["cell_voltages_v"]):
        line = json.loads(landing_line(message, delay_s=2.0 + cell))
        body = {"pack": message["pack_id"], "at": message["measured_at"], "frame": message["sequence"]}
        body |= {"cell": cell, "mv": voltage * 1000}
        if cell == 0:
            body |= {"i": message["current_a"], "soc": message["soc_pct"]}
        lines.append(json.dumps({**line, "Body": body}))
    return lines


@pytest.fixture(scope="module")
def deliveries(pack, landing_line):
    """All parts; a copy of some; one that contradicts; one of a cell that is not there."""
    lines = [part for message in pack.messages for part in parts_of(message, landing_line)]
    odd = json.loads(lines[4])
    odd["Body"]["mv"] += 5
    odd["EnqueuedTimeUtc"] = odd["EnqueuedTimeUtc"].replace("T06", "T07")  # later than the one it contradicts
    beyond = json.loads(lines[0])
    beyond["Body"]["cell"] = 3
    return [*lines, *lines[5:9], json.dumps(odd), json.dumps(beyond)]


@pytest.fixture(scope="module")
def lakes(made_lake, pack, deliveries, tmp_path_factory):
    """At once; the other way round in two batches; shuffled in three."""
    folder = tmp_path_factory.mktemp("parts")
    (folder / "by_cell.yml").write_text(MAPPING, encoding="utf-8")
    shuffled = deliveries[:]
    random.Random(3).shuffle(shuffled)
    backwards = deliveries[::-1]
    ways = {
        "at once": [deliveries],
        "backwards": [backwards[n::2] for n in range(2)],
        "shuffled": [shuffled[n::3] for n in range(3)],
    }
    found = {}
    for name, batches in ways.items():
        home = folder / name.replace(" ", "-")
        home.mkdir()
        made = made_lake(home, [pack], f"refine.mappings={folder / 'by_cell.yml'}")
        counts = [made.deliver(batch, JOBS)["refine"].counts for batch in batches]
        found[name] = made, counts, made.rows("silver.quarantine")
    return found


ORIGIN = ("hub", "partition_id", "sequence_number")


def test_cells_are_put_together_to_the_messages_that_they_were(lakes, pack):
    made, *_ = lakes["at once"]
    rows = {row["sequence"]: row for row in made.rows("silver.telemetry")}
    assert set(rows) == {message["sequence"] for message in pack.messages}
    for message in pack.messages:
        row = rows[message["sequence"]]
        assert row["cell_voltages_v"] == pytest.approx(message["cell_voltages_v"])
        assert (row["current_a"], row["soc_pct"]) == (message["current_a"], message["soc_pct"])
        assert row["mapping"] == "by_cell"


def test_any_order_of_the_parts_gives_the_same_silver(lakes):
    silver = {name: made.rows("silver.telemetry", *ORIGIN) for name, (made, *_) in lakes.items()}
    assert silver["backwards"] == silver["at once"]
    assert silver["shuffled"] == silver["at once"]
    parts = {name: made.rows("silver.telemetry_part", *ORIGIN) for name, (made, *_) in lakes.items()}
    assert parts["backwards"] == parts["at once"] == parts["shuffled"]


def test_every_part_is_accounted_for_and_the_odd_ones_are_in_quarantine(lakes, deliveries):
    for _, results, quarantined in lakes.values():
        assert sum(c.rows_in for c in results) == len(deliveries)
        assert sum(c.rows_kept for c in results) == len(deliveries) - 6
        assert (sum(c.rows_duplicate for c in results), sum(c.rows_refused for c in results)) == (4, 2)
        reasons = sorted((r["reasons"][0]["code"], r["reasons"][0]["detail"]) for r in quarantined)
        assert [code for code, _ in reasons] == ["cell_count", "conflicting_duplicate"]
        assert reasons[0][1] == "cell 4 of 3"


def test_parts_that_come_again_change_nothing(lakes, deliveries):
    made, *_ = lakes["at once"]
    before, versions = made.rows("silver.telemetry"), made.versions()
    counts = made.deliver(deliveries, JOBS)["refine"].counts
    assert made.rows("silver.telemetry") == before
    assert made.changed_since("silver.telemetry", versions) == []
    assert (counts.rows_in, counts.rows_kept) == (len(deliveries), 0)
