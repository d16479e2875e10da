"""Files reach a table once, whatever happens on the way."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from battery_lake.errors import RemoteError
from battery_lake.serving.kql import MAPPING
from battery_lake.sinks.adx.delivery import STREAM_BYTES, Target, _chunks, queued, streamed, tag_of
from battery_lake.sinks.adx.progress import Progress, State

if TYPE_CHECKING:
    from pathlib import Path

    from battery_lake.local.kusto import KustoStandIn
    from battery_lake.sinks.adx.client import ExplorerClient

PATIENCE_S = 20.0


def written(folder: Path, rows: list[dict[str, Any]], files: int = 3) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        pq.write_table(
            pa.Table.from_pylist(rows[number::files]), folder / f"part-{number:05d}-x.snappy.parquet"
        )


def alerts(count: int, pack: str) -> list[dict[str, Any]]:
    return [
        {
            "pack_id": pack, "cell_id": f"{pack}/01/{i:02d}", "code": 'knee"; .drop table alert_change',
            "raised_at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "severity": "info",
            "evidence": "{}", "lake_version": 7, "lake_deleted": False,
        }
        for i in range(count)
    ]  # fmt: skip


def by_tag(folder: Path, prefix: str) -> dict[str, Path]:
    return {tag_of(prefix, file): file for file in sorted(folder.glob("*.parquet"))}


def count(client: ExplorerClient, pack: str, table: str = "alert_change") -> int:
    return int(client.query(f"{table} | where pack_id == '{pack}' | count")[0]["Count"])


def test_files_are_taken_once_however_often_they_are_sent(client: ExplorerClient, tmp_path: Path) -> None:
    written(tmp_path, alerts(10, "P1"))
    target, files = Target(client, "alert_change", MAPPING), by_tag(tmp_path, "t1-000000000007")
    for _ in range(2):
        told = queued(target, files, "t1-000000000007", PATIENCE_S)
        assert (told.rows, told.refused_rows) == (10, 0)
    assert count(client, "P1") == 10
    assert (
        client.query("alert | where pack_id == 'P1' | take 1")[0]["code"] == 'knee"; .drop table alert_change'
    )


def test_what_the_service_has_queued_is_waited_for_and_never_doubled(
    standin: KustoStandIn, client: ExplorerClient, tmp_path: Path
) -> None:
    written(tmp_path, alerts(6, "P2"))
    target, files = Target(client, "alert_change", MAPPING), by_tag(tmp_path, "t2-1")
    standin.hold_queue()
    try:
        with pytest.raises(RemoteError, match="has not taken 3 files"):
            queued(target, files, "t2-1", 0.3)
    finally:
        standin.hold_queue(held=False)
    assert queued(target, files, "t2-1", PATIENCE_S).rows == 6
    assert count(client, "P2") == 6


def test_a_file_that_is_refused_is_told_with_its_reason_and_the_others_arrive(
    client: ExplorerClient, tmp_path: Path
) -> None:
    written(tmp_path, alerts(4, "P3"), files=1)
    broken = alerts(1, "P3")[0] | {"raised_at": "no instant"}
    pq.write_table(pa.Table.from_pylist([broken]), tmp_path / "part-00009-x.snappy.parquet")
    told = queued(Target(client, "alert_change", MAPPING), by_tag(tmp_path, "t3-1"), "t3-1", PATIENCE_S)
    [failure] = told.failures
    assert failure.item_key == "alert_change/t3-1-part-00009-x"
    assert "raised_at" in failure.reason
    assert (told.rows, told.refused_rows, list(told.refused_files)) == (5, 1, ["t3-1-part-00009-x"])
    assert count(client, "P3") == 4


NASTY = (
    'knee"; .drop table alert_change //', "' or 1 == 1 //", "``` | take 0", "a\nb\r\nc\t|", "\\", "{}",
    "[1,2]", "null", "123", "\u202eüñí漢字🔋", "x" * 10_000, " ",
)  # fmt: skip


def test_names_full_of_syntax_arrive_as_they_are_by_either_way(
    client: ExplorerClient, tmp_path: Path
) -> None:
    rows = [alerts(1, "P6")[0] | {"cell_id": name, "evidence": name} for name in NASTY]
    written(tmp_path / "queued", rows, files=2)
    files = by_tag(tmp_path / "queued", "t6-1")
    assert queued(Target(client, "alert_change", MAPPING), files, "t6-1", PATIENCE_S).refused_rows == 0
    found = client.query("alert | where pack_id == 'P6'")
    assert sorted((row["cell_id"], row["evidence"]) for row in found) == sorted(
        zip(NASTY, NASTY, strict=True)
    )

    vehicles = [
        {"vehicle_id": name, "state": name, "alerts": [name], "lake_version": 900, "lake_deleted": False}
        for name in NASTY
    ]
    written(tmp_path / "streamed", vehicles, files=1)
    target = Target(client, "vehicle_status_change", MAPPING)
    assert streamed(target, by_tag(tmp_path / "streamed", "t6-2")).refused_rows == 0
    shown = {
        row["vehicle_id"]: row for row in client.query("vehicle_status_change | where lake_version == 900")
    }
    assert {name: (row["state"], row["alerts"]) for name, row in shown.items()} == {
        name: (name, [name]) for name in NASTY
    }


def test_a_file_without_rows_is_not_sent(client: ExplorerClient, tmp_path: Path) -> None:
    empty = pa.Table.from_pylist(alerts(1, "P4")).slice(0, 0)
    pq.write_table(empty, tmp_path / "part-00000-x.parquet")
    assert queued(Target(client, "alert_change", MAPPING), by_tag(tmp_path, "t4-1"), "t4-1", 0.1).rows == 0
    assert client.tags("alert_change", "t4-1") == set()


def test_a_stream_that_is_sent_twice_is_seen_once(client: ExplorerClient, tmp_path: Path) -> None:
    rows = [
        {"vehicle_id": f"V{i}", "state": "parked", "soc_pct": float("nan") if i == 0 else 1.0 * i,
         "alerts": ["a"], "last_seen_at": dt.datetime(2026, 1, 1, 0, 0, i, tzinfo=dt.UTC),
         "lake_version": 3, "lake_deleted": False}
        for i in range(5)
    ]  # fmt: skip
    written(tmp_path, rows, files=1)
    target = Target(client, "vehicle_status_change", MAPPING)
    for _ in range(2):
        assert streamed(target, by_tag(tmp_path, "t7-1")).rows == 5
    shown = client.query("vehicle_status | where state == 'parked' | sort by vehicle_id asc")
    assert [row["soc_pct"] for row in shown] == [None, 1.0, 2.0, 3.0, 4.0]
    assert [row["last_seen_at"] for row in shown] == [row["last_seen_at"] for row in rows]
    assert client.query("vehicle_status_change | where state == 'parked' | count") == [{"Count": 10}]


def test_a_stream_is_cut_below_what_the_service_takes(tmp_path: Path) -> None:
    rows = [{"vehicle_id": "V" * 10_000, "place": i} for i in range(500)]
    written(tmp_path, rows, files=1)
    chunks = list(_chunks(next(tmp_path.glob("*.parquet"))))
    assert [json.loads(line)["place"] for chunk in chunks for line in chunk] == list(range(500))
    assert len(chunks) > 1
    assert all(sum(len(line) + 1 for line in chunk) <= STREAM_BYTES + len(chunk) for chunk in chunks)


def test_what_was_not_written_whole_is_dropped_and_what_was_is_found(tmp_path: Path) -> None:
    progress = Progress(tmp_path)

    def fails(_folder: str) -> None:
        raise OSError("no space")

    progress.stage("000000000001", "id", lambda folder: written(tmp_path / folder, alerts(1, "P")))
    with pytest.raises(OSError, match="no space"):
        progress.stage("000000000002", "id", fails)
    (tmp_path / "staged" / "000000000003").mkdir()
    progress.stage("000000000004", "another id", lambda folder: written(tmp_path / folder, alerts(1, "P")))
    assert [staged.label for staged in progress.waiting("id")] == ["000000000001"]
    assert {folder.name for folder in (tmp_path / "staged").iterdir()} == {"000000000001"}
    progress.remember(State("id", 4))
    assert progress.state() == State("id", 4)
    progress.forget()
    assert (progress.state(), progress.waiting("id")) == (None, [])


SENDER = """
import os, signal, sys, threading
from pathlib import Path
from battery_lake.sinks.adx.client import ExplorerClient
from battery_lake.sinks.adx.delivery import Target, queued, tag_of
from battery_lake.sinks.adx.progress import Progress, State

address, folder, kill_after = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
if kill_after:
    threading.Timer(kill_after, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
progress = Progress(folder)
with ExplorerClient(address, "battery") as client:
    for staged in progress.waiting("t5"):
        files = {tag_of("t5-" + staged.label, file): file for file in staged.files}
        queued(Target(client, "alert_change", "lake"), files, "t5-" + staged.label, 20.0)
        if kill_after:
            os.kill(os.getpid(), signal.SIGKILL)
        progress.remember(State("t5", int(staged.label)))
        staged.drop()
os._exit(0)
"""


def test_a_sender_that_is_killed_anywhere_leaves_nothing_out_and_nothing_twice(
    standin: KustoStandIn, client: ExplorerClient, tmp_path: Path
) -> None:
    """SIGKILL while it uploads, while it waits, and between the last answer and remembering it."""
    progress = Progress(tmp_path)
    progress.stage("000000000005", "t5", lambda folder: written(tmp_path / folder, alerts(40, "P5"), files=8))
    process = [sys.executable, "-c", SENDER, standin.address, str(tmp_path)]
    ended = [
        subprocess.run([*process, str(after)], check=False, timeout=60, capture_output=True).returncode
        for after in (0.9, 1.3, 30.0)
    ]
    assert ended == [-9, -9, -9]
    assert progress.state() is None
    assert subprocess.run([*process, "0"], check=True, timeout=60).returncode == 0
    assert progress.state() == State("t5", 5)
    assert progress.waiting("t5") == []
    assert count(client, "P5") == 40
