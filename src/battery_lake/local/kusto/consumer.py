"""The queue of files that wait to be ingested: taken one by one, as the service does."""

from __future__ import annotations

import contextlib
import json
import threading
import uuid
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from battery_lake.clock import utc_now
from battery_lake.local.kusto.errors import RefusalError, unknown
from battery_lake.local.kusto.ingestion import read
from battery_lake.log import logger

if TYPE_CHECKING:
    from battery_lake.local.kusto.azurite import Azurite
    from battery_lake.local.kusto.store import Store

READY: Final = "ready-for-aggregation"
FAILED: Final = "failed-ingestions"
SUCCEEDED: Final = "successful-ingestions"
STAGED: Final = "temp-storage"
STATUS: Final = "ingestionsstatus"
_HIDDEN_S: Final = 30
_POLL_S: Final = 0.1
_TRIES: Final = 5
_FAILURES_ONLY, _ALL = 0, 2


class Consumer:
    """Takes what is queued into the store, in a thread of its own.

    Parameters
    ----------
    store
        The database.
    database
        Its name.
    azurite
        The storage.
    """

    def __init__(self, store: Store, database: str, azurite: Azurite) -> None:
        from azure.storage.blob import BlobServiceClient  # noqa: PLC0415 - comes with the azure extra
        from azure.storage.queue import (  # noqa: PLC0415
            QueueServiceClient,
            TextBase64DecodePolicy,
            TextBase64EncodePolicy,
        )

        self._store, self._database = store, database
        connection = azurite.connection_string()
        self._blobs = BlobServiceClient.from_connection_string(connection).get_container_client(STAGED)
        queues = QueueServiceClient.from_connection_string(connection)
        policies = {
            "message_encode_policy": TextBase64EncodePolicy(),
            "message_decode_policy": TextBase64DecodePolicy(),
        }
        self._queues = {
            name: queues.get_queue_client(name, **policies) for name in (READY, FAILED, SUCCEEDED)
        }
        _made(self._blobs.create_container)
        for queue in self._queues.values():
            _made(queue.create_queue)
        self.resources = [
            ["SecuredReadyForAggregationQueue", azurite.address("queue", READY)],
            ["FailedIngestionsQueue", azurite.address("queue", FAILED)],
            ["SuccessfulIngestionsQueue", azurite.address("queue", SUCCEEDED)],
            ["TempStorage", azurite.address("blob", STAGED)],
            ["IngestionsStatusTable", azurite.address("table", STATUS)],
        ]
        """What ``.get ingestion resources`` answers."""
        self.go_on = threading.Event()
        """While it is not set nothing is taken: as if a batch were not full yet."""
        self.go_on.set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kusto-ingestion", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop taking; what waits stays queued."""
        self._stop.set()
        self.go_on.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self.go_on.wait()
            try:
                taken = self._take()
            except Exception as fault:  # noqa: BLE001 - the service does not end because of one message
                logger("kusto").warning("message_failed", reason=str(fault)[:300])
                taken = False
            if not taken:
                self._stop.wait(_POLL_S)

    def _take(self) -> bool:
        """Ingest what is next in the queue; tell whether there was something."""
        ready = self._queues[READY]
        taken = False
        for message in ready.receive_messages(visibility_timeout=_HIDDEN_S, max_messages=16):
            if self._stop.is_set():
                break
            taken = True
            order = json.loads(message.content)
            try:
                self._ingest(order)
            except RefusalError as fault:
                self._report(FAILED, order, fault)
            except Exception as fault:
                if (message.dequeue_count or 0) < _TRIES:
                    raise
                self._report(FAILED, order, RefusalError(f"{type(fault).__name__}: {fault}", permanent=False))
            else:
                self._report(SUCCEEDED, order, None)
            # The order of these matters: killed between, the message comes again and finds its file.
            ready.delete_message(message)
            self._forget(_blob_name(order))
        return taken

    def _ingest(self, order: dict[str, Any]) -> None:
        told = order.get("AdditionalProperties") or {}
        if order["DatabaseName"] != self._database:
            raise unknown("database", order["DatabaseName"])
        table = self._store.table(order["TableName"])
        body = self._blobs.download_blob(_blob_name(order)).readall()
        inline = told.get("ingestionMapping")
        rows = read(
            body,
            str(told.get("format", "csv")),
            table,
            told.get("ingestionMappingReference"),
            json.loads(inline) if inline else None,
        )
        tags, unless = json.loads(told.get("tags", "[]")), json.loads(told.get("ingestIfNotExists", "[]"))
        self._store.append(order["TableName"], rows, tags, unless)

    def _forget(self, blob: str) -> None:
        """Remove a file of the staging container; it may be gone."""
        from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - comes with the azure extra

        with contextlib.suppress(ResourceNotFoundError):
            self._blobs.delete_blob(blob)

    def _report(self, queue: str, order: dict[str, Any], fault: RefusalError | None) -> None:
        """Keep a failure; tell what became of a file, where its sender wants to know."""
        told = _told(order, fault)
        if fault is not None:
            self._store.fail(told)
        level = order.get("ReportLevel", _FAILURES_ONLY)
        if level == _ALL or (fault is not None and level == _FAILURES_ONLY):
            self._queues[queue].send_message(json.dumps(told))


def _told(order: dict[str, Any], fault: RefusalError | None) -> dict[str, Any]:
    """What became of a file, in the service's words."""
    now = utc_now().isoformat()
    told: dict[str, Any] = {
        "OperationId": str(uuid.uuid4()),
        "Database": order["DatabaseName"],
        "Table": order["TableName"],
        "IngestionSourceId": order["Id"],
        "IngestionSourcePath": order["BlobPath"].split("?")[0],
        "RootActivityId": str(uuid.uuid4()),
    }
    if fault is None:
        return {**told, "SucceededOn": now}
    return {
        **told,
        "FailedOn": now,
        "Details": fault.message,
        "ErrorCode": fault.code,
        "FailureStatus": "Permanent" if fault.permanent else "Transient",
        "OriginatesFromUpdatePolicy": False,
        "ShouldRetry": not fault.permanent,
    }


def _blob_name(order: dict[str, Any]) -> str:
    """Name of the file within its container: behind account and container."""
    return unquote(urlsplit(order["BlobPath"]).path.split("/", 3)[3])


def _made(make: Any) -> None:
    """Make something unless it is there."""
    from azure.core.exceptions import ResourceExistsError  # noqa: PLC0415 - comes with the azure extra

    with contextlib.suppress(ResourceExistsError):
        make()
