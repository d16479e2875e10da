"""The real Kusto SDKs against the stand-in on loopback."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from azure.kusto.data import KustoClient, KustoConnectionStringBuilder
from azure.kusto.data.data_format import DataFormat
from azure.kusto.ingest import IngestionProperties, KustoStreamingIngestClient, QueuedIngestClient
from azure.kusto.ingest.ingestion_properties import ReportLevel

from battery_lake.clock import monotonic_s
from battery_lake.errors import SetupError
from battery_lake.local.kusto import KustoStandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_S = 30.0
TABLE = ".create-merge table sample (name: string, at: datetime, volts: dynamic, version: long)"
MAPPING = """.create-or-alter table sample ingestion {kind} mapping "lake" ```
[{{"Column": "name", "Properties": {{"Path": "$.name"}}}},
 {{"Column": "volts", "Properties": {{"Path": "$.v"}}}}]
```"""


def wait_for(condition: Callable[[], Any]) -> Any:
    """What a condition gives as soon as it gives something."""
    import time

    until = monotonic_s() + PATIENCE_S
    while not (found := condition()):
        assert monotonic_s() < until, "it never came"
        time.sleep(0.05)
    return found


class Cluster:
    """A stand-in and the SDK's clients for it."""

    def __init__(self, folder: Path, *, queued: bool) -> None:
        self.standin = KustoStandIn(folder, queued=queued)
        self._kcsb = KustoConnectionStringBuilder.with_no_authentication(self.standin.address)
        self.client = KustoClient(self._kcsb)
        self.streaming = KustoStreamingIngestClient(self._kcsb)
        self.queued = QueuedIngestClient(self._kcsb)

    def close(self) -> None:
        for client in (self.client, self.streaming, self.queued):
            client.close()
        self.standin.close()

    def manage(self, command: str) -> list[dict[str, Any]]:
        answer = self.client.execute_mgmt(self.standin.database, command).primary_results[0]
        return [row.to_dict() for row in answer]

    def query(self, text: str) -> list[dict[str, Any]]:
        answer = self.client.execute_query(self.standin.database, text).primary_results[0]
        return [row.to_dict() for row in answer]

    def count(self, table: str = "sample") -> int:
        return int(self.query(f"{table} | count")[0]["Count"])

    def queue(self, rows: pa.Table, tag: str | None = None, table: str = "sample", **more: Any) -> None:
        """Queue rows as Parquet, tagged and only if the tag is not there yet."""
        given = {"ingest_by_tags": [tag], "ingest_if_not_exists": [tag]} if tag else {}
        properties = IngestionProperties(
            self.standin.database,
            table,
            DataFormat.PARQUET,
            report_level=ReportLevel.FailuresAndSuccesses,
            **{**given, **more},
        )
        self.queued.ingest_from_stream(parquet(rows), properties)


def parquet(rows: pa.Table) -> io.BytesIO:
    file = io.BytesIO()
    pq.write_table(rows, file)
    file.seek(0)
    return file


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Without a queue: nothing but Python is needed."""
    made = Cluster(tmp_path / "kusto", queued=False)
    yield made
    made.close()


@pytest.fixture
def queued(tmp_path: Path) -> Iterator[Cluster]:
    """With Azurite behind it."""
    try:
        made = Cluster(tmp_path / "kusto", queued=True)
    except SetupError as fault:
        pytest.skip(f"needs Node and npm for Azurite: {fault}")
    made.manage(TABLE)
    yield made
    made.close()
