"""Bronze to silver: each message once, whatever the order and however often it comes."""

import itertools
import json
import random
import shutil
from pathlib import Path

import pytest

JOBS = ("ingest", "refine")
NOT_OF_THE_MESSAGE = ("refused_at",)


@pytest.fixture(scope="module")
def pack(made_pack):
    return made_pack("P1", "V1", (50.0, 48.0)).phase("parked", 0.6)


@pytest.fixture(scope="module")
def two_files(pack, landing_line):
    """Two files with messages in common: equal ones, contradicting ones, one from half a year ago."""
    usual = pack.messages
    old = {**usual[0], "measured_at": "2025-09-01T00:00:00Z", "sequence": 77}
    late = 200 * 86400.0
    contradicting = {**usual[5], "current_a": 1.5}
    broken = [landing_line(usual[0], device="V9"), "no message at all"]
    first = [
        *map(landing_line, usual[:12]),
        landing_line(usual[3], delay_s=40),  # again, later, in the same file
        landing_line(contradicting, delay_s=60),
        landing_line(old, delay_s=late),
        *broken,
    ]
    second = [
        *map(landing_line, usual[12:]),
        landing_line(usual[7], delay_s=50),
        landing_line({**usual[8], "soc_pct": 1.0}, delay_s=70),
        landing_line({**usual[9], "soc_pct": 2.0}, delay_s=0.5),  # contradicts, but the hub took it first
        landing_line({**usual[14], "soc_pct": 3.0}, delay_s=0.5),  # the same within the file
        landing_line(old, delay_s=late + 5),
        landing_line({**old, "soc_pct": 4.0}, delay_s=late + 6),
    ]
    random.Random(7).shuffle(first)
    random.Random(8).shuffle(second)
    return first, second


@pytest.fixture(scope="module")
def refined(made_lake, pack, two_files, tmp_path_factory):
    """The two files in one batch, one after the other, and the other way round."""
    lakes = {}
    for name, deliveries in {
        "together": [[*two_files[0], *two_files[1]]],
        "in order": two_files,
        "reversed": two_files[::-1],
    }.items():
        made = made_lake(tmp_path_factory.mktemp("lake"), [pack])
        results = [made.deliver(lines, JOBS)["refine"].counts for lines in deliveries]
        lakes[name] = made, results
    return lakes


ORIGIN = ("hub", "partition_id", "sequence_number")


def test_any_order_of_arrival_gives_the_same_silver(refined, pack):
    silver = {name: made.rows("silver.telemetry", *ORIGIN) for name, (made, _) in refined.items()}
    assert len(silver["together"]) == len(pack.messages) + 1
    assert silver["in order"] == silver["together"]
    assert silver["reversed"] == silver["together"]


def test_of_contradicting_messages_the_one_that_the_hub_took_first_is_kept(refined, pack):
    for made, _ in refined.values():
        soc = {row["sequence"]: row["soc_pct"] for row in made.rows("silver.telemetry")}
        expected = {m["sequence"]: m["soc_pct"] for m in pack.messages} | {77: pack.messages[0]["soc_pct"]}
        assert soc == expected | {10: 2.0, 15: 3.0}


def test_the_others_are_in_quarantine_with_their_bytes_whatever_the_order(refined):
    without = (*NOT_OF_THE_MESSAGE, *ORIGIN)
    quarantined = {name: made.rows("silver.quarantine", *without) for name, (made, _) in refined.items()}
    codes = sorted(row["reasons"][0]["code"] for row in quarantined["together"])
    assert codes == ["bad_envelope", *["conflicting_duplicate"] * 5, "not_assigned"]
    assert all(row["body"] for row in quarantined["together"])
    assert quarantined["in order"] == quarantined["together"]
    assert quarantined["reversed"] == quarantined["together"]


def test_in_all_24_orders_only_what_differs_from_the_first_taken_is_in_quarantine(
    made_lake, pack, landing_line, tmp_path
):
    """Two messages under one key and a copy of each, batch by batch; every key comes in another order."""
    first, first_again, other, other_again = (1.0, 2.0), (7.0, 2.0), (5.0, 3.0), (9.0, 3.0)
    orders = list(itertools.permutations((first, first_again, other, other_again)))
    made = made_lake(tmp_path, [pack])
    for batch in zip(*orders, strict=True):
        made.deliver(
            [
                landing_line({**pack.messages[0], "sequence": key, "soc_pct": soc}, delay_s=delay_s)
                for key, (delay_s, soc) in enumerate(batch)
            ],
            JOBS,
        )
    silver = {row["sequence"]: row["soc_pct"] for row in made.rows("silver.telemetry")}
    assert silver == dict.fromkeys(range(len(orders)), 2.0)
    quarantined = [json.loads(row["body"]) for row in made.rows("silver.quarantine")]
    expected = [(key, 3.0) for key in range(len(orders)) for _ in (other, other_again)]
    assert sorted((body["sequence"], body["soc_pct"]) for body in quarantined) == expected


def test_every_message_is_accounted_for(refined, two_files):
    for made, results in refined.values():
        assert sum(c.rows_in for c in results) == sum(map(len, two_files))
        assert all(c.rows_kept + c.rows_refused + c.rows_duplicate == c.rows_in for c in results)
        accounts = [row for row in made.rows("ops.batch") if row["pipeline"] == "refine"]
        assert sum(row["rows_in"] for row in accounts) == sum(map(len, two_files))
        assert sum(row["rows_duplicate"] for row in accounts) == sum(c.rows_duplicate for c in results)
    (together,) = refined["together"][1]
    assert (together.rows_refused, together.rows_duplicate) == (7, 3)


def test_the_same_files_under_other_names_change_no_silver_row(refined, two_files, tmp_path):
    made = refined["in order"][0].copy(tmp_path)
    before, versions = made.rows("silver.telemetry"), made.versions()
    counts = made.deliver([*two_files[1], *two_files[0]], JOBS)["refine"].counts
    assert made.rows("silver.telemetry") == before
    assert made.changed_since("silver.telemetry", versions) == []
    assert counts.rows_kept == 0
    assert counts.rows_in == counts.rows_refused + counts.rows_duplicate == sum(map(len, two_files))


@pytest.mark.parametrize("order", ["together", "reversed"])
def test_a_batch_that_runs_again_changes_nothing(refined, order, tmp_path):
    made = refined[order][0].copy(tmp_path)
    tables = ("silver.telemetry", "silver.quarantine")
    before, versions = [made.rows(name) for name in tables], made.versions()
    accounts = made.rows("ops.batch", "seconds", "finished_at")

    commits = sorted(
        Path(made.lake.checkpoint("refine"), "commits").glob("[0-9]*"), key=lambda f: int(f.name)
    )
    commits[-1].unlink()
    (commits[-1].parent / f".{commits[-1].name}.crc").unlink(missing_ok=True)
    assert made.run(("refine",))["refine"].batches == 1

    assert [made.rows(name) for name in tables] == before
    assert made.changed_since("silver.telemetry", versions) == []
    replayed = made.rows("ops.batch", "seconds", "finished_at")
    assert len(replayed) == len(accounts)
    assert [row["rows_in"] for row in replayed] == [row["rows_in"] for row in accounts]


def test_a_new_checkpoint_reads_everything_again_and_changes_nothing(refined, tmp_path):
    made = refined["together"][0].copy(tmp_path)
    before = made.rows("silver.telemetry"), made.rows("silver.quarantine")
    for stream in (made.lake.settings.source.stream, "refine"):
        shutil.rmtree(made.lake.checkpoint(stream))
    made.run(JOBS)
    assert (made.rows("silver.telemetry"), made.rows("silver.quarantine")) == before
    assert (
        made.lake.read("bronze.telemetry").count()
        == sum(row["rows_in"] for row in made.rows("ops.batch") if row["pipeline"] == "refine") / 2
    )


def test_an_impossible_time_of_the_hub_is_refused_and_stops_nothing(made_lake, pack, landing_line, tmp_path):
    made = made_lake(tmp_path, [pack])
    good = landing_line(pack.messages[0])
    bad = [
        good.replace("2026-03-02T06:02:02+00:00", at)
        for at in ("0001-01-01T00:00:00Z", "20260-03-02T06:00:00Z")
    ]
    assert good not in bad
    counts = made.deliver([good, *bad], JOBS)["refine"].counts
    assert (counts.rows_in, counts.rows_refused) == (3, 2)


def test_quarantined_messages_go_in_once_the_reference_data_is_mended(
    made_lake, pack, landing_line, tmp_path
):
    from battery_lake.lake.write import upsert
    from battery_lake.pipelines.replay import replay_quarantine

    other = type(pack)("P2", "V1", (50.0, 48.0)).phase("parked", 0.1)
    made = made_lake(tmp_path, [pack, type(pack)("P2", "V2", (50.0, 48.0))])
    counts = made.deliver([*map(landing_line, other.messages), "nothing"], JOBS)["refine"].counts
    assert (counts.rows_in, counts.rows_refused) == (4, 4)

    assignment = made.lake.read("reference.pack_assignment").where("pack_id = 'P2'").replace("V2", "V1")
    upsert(made.lake, "reference.pack_assignment", assignment)
    replayed = replay_quarantine(made.lake, ("not_assigned",))
    assert (replayed.rows_in, replayed.rows_kept) == (3, 3)
    assert [row["sequence"] for row in made.rows("silver.telemetry")] == [1, 2, 3]
    (left,) = made.rows("silver.quarantine")
    assert left["reasons"][0]["code"] == "bad_envelope"
