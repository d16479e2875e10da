"""The HTTP side: the four addresses that the SDKs ask."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from battery_lake.local.faults import Faults, cut, half
from battery_lake.local.kusto.commands import manage
from battery_lake.local.kusto.errors import RefusalError, unknown
from battery_lake.local.kusto.frames import Answer, version_1, version_2
from battery_lake.local.kusto.ingestion import MAPPED_ONLY, read
from battery_lake.local.kusto.query import run

if TYPE_CHECKING:
    from battery_lake.local.kusto.store import Store

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_STREAM_BYTES: Final = 4 * 1024 * 1024
"""A larger stream is refused, as the service does."""
_MAX_REQUEST_BYTES: Final = 16 * 1024 * 1024
_REFUSED: Final = {
    429: ("TooManyRequests", False), 401: ("Unauthorized", True), 403: ("Forbidden", True),
    500: ("InternalServiceError", False),
}  # fmt: skip
_SWITCHED_ON: Final = "enable"
_INGESTED: Final = Answer({"ConsumedRecordsCount": "long", "UpdatePolicyStatus": "string"}, [])
_LOGIN: Final = {
    "AzureAD": {
        "LoginEndpoint": "http://127.0.0.1",
        "LoginMfaRequired": False,
        "KustoClientAppId": "00000000-0000-0000-0000-000000000000",
        "KustoClientRedirectUri": "http://localhost",
        "KustoServiceResourceId": "http://127.0.0.1",
        "FirstPartyAuthorityUrl": "http://127.0.0.1",
    }
}


@dataclass(slots=True)
class Throttle:
    """How many of the next requests are refused, and how; how many are carried out without an answer."""

    left: int = 0
    status: int = 429
    retry_after_s: float | None = None
    delay_s: float = 0.0
    answers_lost: int = 0


class Explorer:
    """Answers for one database.

    Parameters
    ----------
    store
        The database.
    database
        Its name; ``NetDefaultDB`` stands for it too.
    resources
        What ``.get ingestion resources`` answers.
    """

    def __init__(self, store: Store, database: str, resources: list[list[str]]) -> None:
        self._store, self._database, self._resources = store, database, resources
        self.throttle = Throttle()
        self.faults = Faults()

    def application(self) -> web.Application:
        """Return what aiohttp serves."""
        application = web.Application(client_max_size=_MAX_REQUEST_BYTES, middlewares=[self._refusals])
        application.router.add_get("/v1/rest/auth/metadata", self._metadata)
        application.router.add_post("/v1/rest/mgmt", self._manage)
        application.router.add_post("/v2/rest/query", self._query)
        application.router.add_post("/v1/rest/ingest/{database}/{table}", self._stream)
        return application

    @web.middleware
    async def _refusals(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse what is to be throttled; turn refusals into answers."""
        if self.throttle.delay_s:
            await asyncio.sleep(self.throttle.delay_s)
        if self.throttle.left > 0:
            self.throttle.left -= 1
            return _refused(self.throttle.status, self.throttle.retry_after_s)
        fault = self.faults.take()
        if fault is not None and fault.kind == "cut":
            return cut(request)
        if fault is not None and fault.status is not None:
            return _refused(fault.status, fault.retry_after_s)
        try:
            answer = await handler(request)
        except RefusalError as refusal:
            answer = web.json_response(refusal.body(), status=refusal.status)
        if self.throttle.answers_lost > 0:
            self.throttle.answers_lost -= 1
            return cut(request)
        if fault is not None:
            return cut(request) if fault.kind == "lost" else await half(request, answer)
        return answer

    async def _metadata(self, _request: web.Request) -> web.Response:
        return web.json_response(_LOGIN)

    async def _manage(self, request: web.Request) -> web.Response:
        asked = await self._asked(request)
        answer = await asyncio.to_thread(manage, self._store, asked["csl"], self._database, self._resources)
        return web.json_response(version_1(answer))

    async def _query(self, request: web.Request) -> web.Response:
        asked = await self._asked(request)
        answer = await asyncio.to_thread(run, self._store, asked["csl"])
        return web.json_response(version_2(answer, request.headers.get("x-ms-client-request-id", "")))

    async def _stream(self, request: web.Request) -> web.Response:
        """Take rows at once. Tags are not of this way: what comes twice is there twice."""
        self._check(request.match_info["database"])
        name = request.match_info["table"]
        table = self._store.table(name)
        if not table.policies.get("streamingingestion", "").startswith(_SWITCHED_ON):
            raise RefusalError(
                f"Streaming ingestion policy is not enabled for table '{name}'",
                code="BadRequest_StreamingIngestionPolicyNotEnabled",
            )
        format_, mapping = request.query.get("streamFormat", "csv").lower(), request.query.get("mappingName")
        if format_ in MAPPED_ONLY and mapping is None:
            raise RefusalError(f"mappingName is needed for the format '{format_}'")
        body = await request.read()
        if len(body) > MAX_STREAM_BYTES:
            raise RefusalError("The stream is larger than 4 MB", status=413, code="Stream_TooLarge")
        rows = await asyncio.to_thread(read, body, format_, table, mapping, None)
        await asyncio.to_thread(self._store.append, name, rows)
        return web.json_response(version_1(Answer(_INGESTED.columns, [[rows.num_rows, "Inactive"]])))

    async def _asked(self, request: web.Request) -> dict[str, Any]:
        try:
            asked = json.loads(await request.text())
            text, database = asked["csl"], asked.get("db")
        except (ValueError, KeyError, TypeError) as fault:
            raise RefusalError("the body has no 'csl'") from fault
        self._check(database or self._database)
        return {"csl": text}

    def _check(self, database: str) -> None:
        if database not in {self._database, "NetDefaultDB"}:
            raise unknown("database", database)


def _refused(status: int, after_s: float | None) -> web.Response:
    code, permanent = _REFUSED.get(status, ("ServiceUnavailable", False))
    text = "The identity may not do this." if permanent else "The service is busy."
    fault = RefusalError(text, status=status, code=code, permanent=permanent)
    headers = {} if after_s is None else {"Retry-After": str(after_s)}
    return web.json_response(fault.body(), status=status, headers=headers)
