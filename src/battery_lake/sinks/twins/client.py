"""The service through its SDK: every call in its turn, and again where that helps."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from azure.core import MatchConditions
from azure.core.credentials import AccessToken
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.digitaltwins.core import DigitalTwinsClient

from battery_lake.errors import RemoteError, SettingsError
from battery_lake.sinks.limiter import Limiter, burst_for
from battery_lake.sinks.retry import Fault, with_retries
from battery_lake.sinks.twins import limits
from battery_lake.sinks.twins.address import Address, ChangedError, GoneError, ImportState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from azure.core.credentials import TokenCredential

__all__ = ["Address", "ChangedError", "GoneError", "Graph", "ImportState", "credential_of", "reason"]

Answer = TypeVar("Answer")
Document = dict[str, Any]

TOKEN_LIFE_S: Final = 3_600
THROTTLED, TIMED_OUT, SERVER_FAULT, NO_RIGHT = 429, 408, 500, 403
READ_TIMEOUT_S, CONNECT_TIMEOUT_S = 30, 10


class Graph:
    """Models, twins and relationships of an instance; may be used from many threads.

    Parameters
    ----------
    address
        Where it is.
    threads
        That call at the same time.

    Raises
    ------
    SettingsError
        The address or the credential cannot be used.
    """

    def __init__(self, address: Address, threads: int = 1) -> None:
        if not address.endpoint.startswith("https://"):
            raise SettingsError(
                "the address of Digital Twins is not usable",
                why=f"twins.endpoint is {address.endpoint!r}",
                remedy="set twins.endpoint to https://...: the service sends and takes nothing without TLS",
            )
        _check_certificate(address.certificate)
        more = {"connection_verify": address.certificate} if address.certificate else {}
        # Retries are ours: the SDK's own know nothing of the limiter that all threads share.
        self._client = DigitalTwinsClient(
            address.endpoint,
            _credential(address),
            retry_total=0,
            read_timeout=READ_TIMEOUT_S,
            connection_timeout=CONNECT_TIMEOUT_S,
            **more,
        )
        self._patience_s = address.patience_s
        self._reads = _limiter(limits.READS_PER_SECOND, threads)
        self._patches = _limiter(limits.PATCHES_PER_SECOND, threads)
        self._creates = _limiter(limits.CREATES_PER_SECOND, threads)
        self._models = _limiter(limits.MODELS_PER_SECOND, threads)
        self._queries = _limiter(limits.QUERIES_PER_SECOND, threads)
        self._jobs = _limiter(limits.JOBS_PER_SECOND, threads)
        # The SDK's own operations, with its pipeline, though its public client does not offer them.
        self._imports: Any = self._client._client.import_jobs  # noqa: SLF001

    def models(self) -> dict[str, Document]:
        """Return the definition of every model by its identifier."""
        found = self._ask(self._models, lambda: list(self._client.list_models(include_model_definition=True)))
        return {str(model.id): dict(model.model or {}) for model in found}

    def add_models(self, models: Sequence[Document]) -> None:
        """Add models that are not there yet, what is extended before what extends it."""
        for first in range(0, len(models), limits.MAX_MODELS_AT_ONCE):
            part = list(models[first : first + limits.MAX_MODELS_AT_ONCE])
            self._ask(self._models, lambda part=part: self._client.create_models(part))  # type: ignore[misc]

    def twin(self, twin_id: str) -> Document | None:
        """Return a twin, or None where it is not there."""
        try:
            return dict(self._ask(self._reads, lambda: self._client.get_digital_twin(twin_id)))
        except GoneError:
            return None

    def add_twin(self, twin_id: str, body: Document) -> Document:
        """Add a twin, and return it as it now is.

        Raises
        ------
        ChangedError
            It is there already.
        """
        made = self._ask(
            self._creates,
            lambda: self._client.upsert_digital_twin(
                twin_id, body, match_condition=MatchConditions.IfMissing
            ),
        )
        return dict(made)

    def patch(self, twin_id: str, operations: list[Document], etag: str) -> None:
        """Patch a twin that is still as it was read.

        Raises
        ------
        ChangedError
            It is no longer so.
        GoneError
            It is no longer there.
        """
        self._ask(
            self._patches,
            lambda: self._client.update_digital_twin(
                twin_id, operations, etag=etag, match_condition=MatchConditions.IfNotModified
            ),
        )

    def relationships(self, twin_id: str) -> list[Document]:
        """Return the relationships of a twin; none where the twin is not there."""
        try:
            return self._ask(self._reads, lambda: [dict(r) for r in self._client.list_relationships(twin_id)])
        except GoneError:
            return []

    def is_related(self, twin_id: str, relationship_id: str) -> bool:
        """Tell whether a twin has a relationship."""
        try:
            self._ask(self._reads, lambda: self._client.get_relationship(twin_id, relationship_id))
        except GoneError:
            return False
        return True

    def relate(self, source: str, relationship_id: str, name: str, target: str) -> None:
        """Make a relationship; one that is there is put in its own place."""
        body: dict[str, object] = {"$relationshipName": name, "$targetId": target}
        self._ask(self._creates, lambda: self._client.upsert_relationship(source, relationship_id, body))

    def unrelate(self, source: str, relationship_id: str) -> None:
        """Delete a relationship; one that has gone already is no matter."""
        try:
            self._ask(self._creates, lambda: self._client.delete_relationship(source, relationship_id))
        except GoneError:
            return

    def incoming(self, twin_id: str) -> list[tuple[str, str]]:
        """Return the relationships that lead to a twin: source and id; none where the twin is not there."""
        try:
            told = self._ask(self._reads, lambda: list(self._client.list_incoming_relationships(twin_id)))
        except GoneError:
            return []
        return [(str(one.source_id), str(one.relationship_id)) for one in told]

    def delete_twin(self, twin_id: str) -> None:
        """Delete a twin without relationships; one that has gone already is no matter."""
        try:
            self._ask(self._creates, lambda: self._client.delete_digital_twin(twin_id))
        except GoneError:
            return

    def query(self, text: str) -> Iterator[Document]:
        """Yield the rows of a query."""
        pages = self._client.query_twins(text).by_page()
        while True:
            page = self._ask(self._queries, lambda: next(pages, None))
            if page is None:
                return
            yield from map(dict, page)

    def count(self) -> int:
        """Return how many twins there are."""
        return int(next(iter(self.query("SELECT COUNT() FROM DIGITALTWINS")))["COUNT"])

    def start_import(self, job_id: str, file: str, log: str) -> ImportState:
        """Start a job that imports a blob and writes what it met into another.

        The SDK's public client has no such call; that which it is made of has (API 2023-10-31).

        Parameters
        ----------
        job_id
            A new one.
        file, log
            Addresses of the blobs; the instance's own identity opens them.
        """
        body = {"inputBlobUri": file, "outputBlobUri": log}
        try:
            return _state(self._ask(self._jobs, lambda: self._imports.add(job_id, body)))
        except ChangedError:  # the answer to the first try was lost
            return self.import_job(job_id)

    def import_job(self, job_id: str) -> ImportState:
        """Return where a job stands."""
        return _state(self._ask(self._jobs, lambda: self._imports.get_by_id(job_id)))

    def _ask(self, limiter: Limiter, ask: Callable[[], Answer]) -> Answer:
        """Ask in turn, and again while that helps.

        Raises
        ------
        GoneError, ChangedError
            What the callers above tell apart.
        RefusedError
            The service refuses the call for good.
        RemoteError
            It lets nobody in, or does not answer.
        """
        try:
            return with_retries(ask, _judge, limiter, patience_s=self._patience_s)
        except ResourceNotFoundError as fault:
            raise GoneError(reason(fault)) from fault
        except (ResourceModifiedError, ResourceExistsError) as fault:
            raise ChangedError(reason(fault)) from fault
        except HttpResponseError as fault:  # what is left: no login, or no right
            raise RemoteError(
                "Digital Twins lets nobody in",
                why=reason(fault),
                remedy="give the identity the role 'Azure Digital Twins Data Owner' on the instance",
            ) from fault


def _limiter(per_second: int, threads: int) -> Limiter:
    return Limiter(per_second, burst=burst_for(per_second, threads))


def _state(job: Any) -> ImportState:
    error = job.error
    return ImportState(str(job.status), "" if error is None else f"{error.code}: {error.message}")


def reason(fault: Exception) -> str:
    """Return what the service said, in one line, its single faults too."""
    error = getattr(fault, "error", None)
    if error is None:
        return f"{type(fault).__name__}: {str(fault).splitlines()[0] if str(fault) else ''}"[:1000]
    details = [detail.message for detail in error.details or [] if detail.message]
    return " ".join([f"{error.code}: {error.message}", *details])[:1000]


def _judge(fault: Exception) -> Fault | None:
    """What a fault means; None for those that the caller tells apart."""
    told_apart = (
        ResourceNotFoundError,
        ResourceModifiedError,
        ResourceExistsError,
        ClientAuthenticationError,
    )
    if isinstance(fault, told_apart) or getattr(fault, "status_code", None) == NO_RIGHT:
        return None
    if isinstance(fault, HttpResponseError) and fault.status_code is not None:
        status = fault.status_code
        passes = status in {THROTTLED, TIMED_OUT} or status >= SERVER_FAULT
        return Fault(f"{status} {reason(fault)}", passes, _retry_after_s(fault) if passes else None)
    # No answer, half an answer, an answer that is no JSON: the connection's fault.
    is_connection = isinstance(fault, AzureError | OSError | ValueError)
    return Fault(reason(fault), passes=True) if is_connection else None


def _retry_after_s(fault: HttpResponseError) -> float | None:
    told = str(getattr(fault.response, "headers", {}).get("Retry-After", ""))
    return float(told) if told.isdigit() else None


def _check_certificate(file: str) -> None:
    """Refuse what is no certificate here: a call would only tell of a lost connection, again and again."""
    if not file:
        return
    try:
        ssl.create_default_context(cafile=file)
    except OSError as fault:
        raise SettingsError(
            "the certificate for Digital Twins cannot be read",
            why=f"twins.certificate is {file!r}: {fault.strerror or fault}",
            remedy="set it to a file that every worker has, or to nothing: the usual authorities then count",
        ) from fault


class _Token:
    """A bearer token that is given, not asked for."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *_scopes: str, **_more: Any) -> AccessToken:
        return AccessToken(self._token, int(time.time()) + TOKEN_LIFE_S)


def _credential(address: Address) -> TokenCredential:
    return _Token(address.token) if address.token else credential_of(address.credential)


def credential_of(name: str) -> TokenCredential:
    """Return the credential of a name.

    Parameters
    ----------
    name
        ``default`` or ``managed_identity``, with ``:client id`` behind it.

    Raises
    ------
    SettingsError
        There is none of that name.
    """
    from azure.identity import (  # noqa: PLC0415 - half a second, not needed where a token is given
        DefaultAzureCredential,
        ManagedIdentityCredential,
    )

    kind, _, client = name.partition(":")
    if kind == "managed_identity":
        return ManagedIdentityCredential(client_id=client or None)
    if kind == "default":
        return DefaultAzureCredential(managed_identity_client_id=client or None)
    raise SettingsError(
        "the credential for Digital Twins is unknown",
        why=f"twins.credential is {name!r}",
        remedy="default, default:client_id, managed_identity or managed_identity:client_id",
    )
