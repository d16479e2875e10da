"""Queued ingestion: the real SDK, real blobs and queues."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from azure.kusto.ingest.status import KustoIngestStatusQueues

from battery_lake.local.kusto import KustoStandIn

from .conftest import MAPPING, Cluster, wait_for

if TYPE_CHECKING:
    from pathlib import Path

ROWS = pa.table({
    "name": ["a", "b"],
    "at": [dt.datetime(2026, 1, 1, tzinfo=dt.UTC), None],
    "volts": pa.array([[3.5, None], None], pa.list_(pa.float64())),
})


def outcomes(cluster: Cluster, wanted: int) -> list[dict[str, object]]:
    queues = KustoIngestStatusQueues(cluster.queued)
    found: list[dict[str, object]] = []

    def more() -> bool:
        for queue in (queues.success, queues.failure):
            found.extend(json.loads(str(message)) for message in queue.pop(10))
        return len(found) >= wanted

    wait_for(more)
    return found


def test_what_is_queued_is_there_with_its_types_and_its_tag(queued: Cluster) -> None:
    queued.queue(ROWS, "v1-0")
    wait_for(lambda: queued.count() == 2)
    assert queued.query("sample | sort by name asc") == [
        {"name": "a", "at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "volts": [3.5, None], "version": None},
        {"name": "b", "at": None, "volts": None, "version": None},
    ]
    extents = queued.manage(".show table sample extents where tags has 'ingest-by:v1-0'")
    assert [extent["RowCount"] for extent in extents] == [2]
    assert queued.manage(".show table sample extents where tags has 'ingest-by:v2-0'") == []


def test_what_was_ingested_by_a_tag_is_not_taken_by_it_again(queued: Cluster) -> None:
    for tag in ("v1", "v1", "v2", "v1"):
        queued.queue(ROWS, tag)
    assert [each["Table"] for each in outcomes(queued, 4)] == ["sample"] * 4
    assert queued.count() == 4


def test_a_tag_holds_for_its_table_alone(queued: Cluster) -> None:
    queued.manage(".create-merge table other (name: string)")
    queued.queue(ROWS, "v1")
    queued.queue(ROWS, "v1", table="other")
    outcomes(queued, 2)
    assert (queued.count(), queued.count("other")) == (2, 2)


def test_without_a_tag_what_comes_twice_is_there_twice(queued: Cluster) -> None:
    queued.queue(ROWS)
    queued.queue(ROWS)
    wait_for(lambda: queued.count() == 4)


def test_a_mapping_says_which_column_goes_where(queued: Cluster) -> None:
    queued.manage(MAPPING.format(kind="parquet"))
    rows = pa.table({"v": [[1.0]], "name": ["a"], "unknown": [1]})
    queued.queue(rows, ingestion_mapping_reference="lake")
    wait_for(queued.count)
    assert queued.query("sample | project name, volts") == [{"name": "a", "volts": [1.0]}]


@pytest.mark.parametrize(
    ("table", "more", "code"),
    [
        ("missing", {}, "BadRequest_EntityNotFound"),
        ("sample", {"ingestion_mapping_reference": "none"}, "BadRequest_MappingReference"),
    ],
)
def test_what_cannot_be_taken_is_reported_for_good(
    queued: Cluster, table: str, more: dict, code: str
) -> None:
    queued.queue(ROWS, "v1", table=table, **more)
    [failure] = outcomes(queued, 1)
    assert (failure["ErrorCode"], failure["FailureStatus"], failure["ShouldRetry"]) == (
        code,
        "Permanent",
        False,
    )
    assert queued.count() == 0


def test_what_waits_while_the_service_gathers_a_batch_comes_later(queued: Cluster) -> None:
    queued.standin.hold_queue()
    queued.queue(ROWS, "v1")
    queued.queue(ROWS, "v1")
    assert queued.count() == 0
    queued.standin.hold_queue(held=False)
    wait_for(lambda: queued.count() == 2)
    outcomes(queued, 2)
    assert queued.count() == 2


def test_everything_is_there_after_the_process_was_killed(tmp_path: Path) -> None:
    """Killed with SIGKILL: what was ingested stays, and its tag still keeps it from coming twice."""
    try:
        before = Cluster(tmp_path / "probe", queued=True)
    except Exception as fault:  # noqa: BLE001 - Node or npm
        pytest.skip(str(fault))
    before.close()
    script = (
        "import sys, time\nfrom battery_lake.local.kusto import KustoStandIn\n"
        "standin = KustoStandIn(sys.argv[1])\nprint(standin.port, flush=True)\ntime.sleep(600)\n"
    )
    folder = tmp_path / "kusto"
    process = subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = f"http://127.0.0.1:{int(process.stdout.readline())}"
    remote = Remote(address)
    remote.fill()
    process.kill()
    process.wait()
    with KustoStandIn(folder) as standin:
        again = Remote(standin.address)
        assert again.count() == 2
        again.queue_and_wait()
        assert again.count() == 2


class Remote(Cluster):
    """The SDK's clients for a stand-in that runs elsewhere."""

    def __init__(self, address: str) -> None:
        from types import SimpleNamespace

        from azure.kusto.data import KustoClient, KustoConnectionStringBuilder
        from azure.kusto.ingest import QueuedIngestClient

        kcsb = KustoConnectionStringBuilder.with_no_authentication(address)
        self.standin = SimpleNamespace(database="battery")  # type: ignore[assignment]
        self.client, self.queued = KustoClient(kcsb), QueuedIngestClient(kcsb)

    def fill(self) -> None:
        self.manage(".create-merge table sample (name: string, at: datetime, volts: dynamic, version: long)")
        self.queue_and_wait()

    def queue_and_wait(self) -> None:
        self.queue(ROWS, "v1")
        outcomes(self, 1)
