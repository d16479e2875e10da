"""Data Explorer through its SDKs; the only place that imports them."""

from __future__ import annotations

import datetime as dt
import io
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from azure.kusto.data import ClientRequestProperties, KustoClient, KustoConnectionStringBuilder
from azure.kusto.data.data_format import DataFormat
from azure.kusto.data.exceptions import (
    KustoApiError,
    KustoAuthenticationError,
    KustoBlobError,
    KustoNetworkError,
    KustoServiceError,
    KustoThrottlingError,
)
from azure.kusto.ingest import (
    FileDescriptor,
    IngestionProperties,
    KustoStreamingIngestClient,
    QueuedIngestClient,
)
from azure.kusto.ingest.exceptions import KustoQueueError

from battery_lake.closing import Closing
from battery_lake.errors import RemoteError, SettingsError
from battery_lake.sinks.limiter import Limiter
from battery_lake.sinks.retry import PATIENCE_S, Fault, RefusedError, with_retries

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

REQUESTS_PER_SECOND: Final = 50.0
"""The service counts requests against its cores; this is far less than the smallest cluster takes."""
_REQUEST_TIMEOUT: Final = dt.timedelta(seconds=60)
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_SERVER_ERROR: Final = 500
_THROTTLED: Final = 429
_NO_LOGIN: Final = 401
_NO_RIGHT: Final = 403


class ExplorerClient(Closing):
    """A database of Data Explorer; every call is repeated while that helps.

    Parameters
    ----------
    cluster
        ``https://name.region.kusto.windows.net``; a stand-in on loopback needs no TLS and no login.
    database
        The database.
    credential
        ``default`` or ``managed_identity``, a client id behind a colon.
    patience_s
        So long a fault that passes is waited for. [s]

    Raises
    ------
    SettingsError
        The address is none, or would send a token without TLS.
    """

    def __init__(
        self, cluster: str, database: str, credential: str = "default", *, patience_s: float = PATIENCE_S
    ) -> None:
        self.database = database
        self._patience_s = patience_s
        self._limiter = Limiter(REQUESTS_PER_SECOND, burst=5)
        self._client = KustoClient(_connection(cluster, credential))
        self._queued = QueuedIngestClient(_connection(cluster, credential))
        self._streaming = KustoStreamingIngestClient(_connection(cluster, credential))

    def close(self) -> None:
        """Close the connections."""
        for client in (self._client, self._queued, self._streaming):
            client.close()

    def manage(self, command: str) -> list[dict[str, Any]]:
        """Carry out a management command; its answer row by row.

        Raises
        ------
        RefusedError
            The service refuses it.
        RemoteError
            The service does not answer.
        """
        answer = self._ask(lambda: self._client.execute_mgmt(self.database, command, _in_time()))
        return [row.to_dict() for row in answer.primary_results[0]]

    def query(self, text: str) -> list[dict[str, Any]]:
        """Ask a query; its answer row by row.

        Raises
        ------
        RefusedError
            The service refuses it.
        RemoteError
            The service does not answer.
        """
        answer = self._ask(lambda: self._client.execute_query(self.database, text, _in_time()))
        return [row.to_dict() for row in answer.primary_results[0]]

    def queue(self, table: str, file: Path, tag: str, mapping: str) -> str:
        """Queue a Parquet file; the service takes it once, however often it is queued under the tag.

        Parameters
        ----------
        table
            The table.
        file
            The file.
        tag
            Names the file's rows: ``ingest-by:`` of the extent.
        mapping
            Name of the table's mapping.

        Returns
        -------
        str
            Where the file was put, without a signature: failures name it.

        Raises
        ------
        RefusedError
            The service refuses it.
        RemoteError
            The service does not answer.
        """
        properties = IngestionProperties(
            self.database,
            table,
            DataFormat.PARQUET,
            ingestion_mapping_reference=mapping,
            ingest_by_tags=[tag],
            ingest_if_not_exists=[tag],
        )
        result = self._ask(lambda: self._queued.ingest_from_file(FileDescriptor(str(file)), properties))
        return str(result.blob_uri).split("?")[0]

    def stream(self, table: str, lines: Sequence[str], mapping: str) -> None:
        """Send rows that are there within seconds; sent twice, they are there twice.

        Parameters
        ----------
        table
            The table.
        lines
            Objects as JSON.
        mapping
            Name of the table's mapping.

        Raises
        ------
        RefusedError
            The service refuses them.
        RemoteError
            The service does not answer.
        """
        properties = IngestionProperties(
            self.database, table, DataFormat.MULTIJSON, ingestion_mapping_reference=mapping
        )
        body = "\n".join(lines).encode()
        self._ask(lambda: self._streaming.ingest_from_stream(io.BytesIO(body), properties))

    def tags(self, table: str, part: str) -> set[str]:
        """Return what extents of a table were ingested by, of the tags that hold a text."""
        rows = self.manage(f".show table {table} extents where tags contains '{part}'")
        found = {tag for row in rows for tag in str(row["Tags"]).split()}
        return {tag.removeprefix("ingest-by:") for tag in found if tag.startswith("ingest-by:")}

    def failures(self, places: Sequence[str]) -> dict[str, str]:
        """Return why files that were queued could not be ingested for good, by where they were put."""
        rows = self.manage(".show ingestion failures")
        return {
            place: f"{row['ErrorCode']}: {row['Details']}"
            for row in rows
            for place in places
            if str(row["IngestionSourcePath"]).split("?")[0] == place and row["FailureKind"] == "Permanent"
        }

    def _ask(self, call: Callable[[], Any]) -> Any:
        try:
            return with_retries(call, judge, self._limiter, patience_s=self._patience_s)
        except RefusedError as fault:
            if not _is_shut(fault.__cause__):
                raise
            raise RemoteError(
                "Data Explorer does not let this in",
                why=str(fault),
                remedy="log in, and see that the identity has the roles of docs/sinks.md on adx.database",
            ) from fault


def _is_shut(cause: BaseException | None) -> bool:
    """Whether it is the caller who is refused, and not what it sends."""
    status = getattr(getattr(cause, "http_response", None), "status_code", None)
    return isinstance(cause, KustoAuthenticationError) or status in {_NO_LOGIN, _NO_RIGHT}


def judge(raised: Exception) -> Fault | None:
    """Return what an error of the SDKs means; None: it is none of theirs."""
    if isinstance(raised, KustoThrottlingError):
        response = raised.args[1] if len(raised.args) > 1 else None
        return Fault("429: throttled", passes=True, wait_s=_asked_s(response))
    if isinstance(raised, KustoNetworkError | KustoQueueError | KustoBlobError):
        return Fault(f"{type(raised).__name__}: {_cause(raised)}", passes=True)
    if isinstance(raised, KustoAuthenticationError):
        return Fault("the login was refused", passes=False)
    if isinstance(raised, KustoServiceError):
        return _service_fault(raised)
    return None


def _service_fault(raised: KustoServiceError) -> Fault:
    response: Any = raised.http_response
    status = getattr(response, "status_code", None)
    reason = f"{status}: {str(raised).splitlines()[0][:500]}" if str(raised) else f"{status}"
    permanent = raised.get_api_error().permanent if isinstance(raised, KustoApiError) else None
    passes = status is None or status == _THROTTLED or status >= _SERVER_ERROR
    return Fault(reason, passes=passes or permanent is False, wait_s=_asked_s(response))


def _asked_s(response: Any) -> float | None:
    """How long the service asks to wait. [s]."""
    after = str(getattr(response, "headers", {}).get("Retry-After", ""))
    return float(after) if after.replace(".", "", 1).isdigit() else None


def _in_time() -> ClientRequestProperties:
    """A request that a silent service does not hold up for the hour that the SDK would wait."""
    properties = ClientRequestProperties()  # type: ignore[no-untyped-call]  # the SDK says no type here
    properties.set_option(ClientRequestProperties.request_timeout_option_name, _REQUEST_TIMEOUT)
    return properties


def _cause(raised: BaseException) -> str:
    inner = getattr(raised, "inner", None) or raised.__cause__
    return type(inner).__name__ if inner is not None else "no cause"


def _connection(cluster: str, credential: str) -> KustoConnectionStringBuilder:
    address = urlsplit(cluster)
    if address.scheme == "http" and address.hostname in _LOOPBACK:
        return KustoConnectionStringBuilder.with_no_authentication(cluster)
    if address.scheme != "https" or not address.hostname:
        raise SettingsError(
            f"adx.cluster = {cluster!r} cannot be used",
            why="a login needs TLS",
            remedy="give it as https://name.region.kusto.windows.net",
        )
    return KustoConnectionStringBuilder.with_azure_token_credential(cluster, _credential(credential))


def _credential(text: str) -> Any:
    from azure.identity import DefaultAzureCredential, ManagedIdentityCredential  # noqa: PLC0415 - an import of a second, not needed on loopback

    kind, _, client_id = text.partition(":")
    if kind == "managed_identity":
        return ManagedIdentityCredential(client_id=client_id or None)
    return DefaultAzureCredential()
