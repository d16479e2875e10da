"""The HTTP side: addresses to operations, headers, paging, tokens, faults."""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import web

from battery_lake.local.eventhub.tokens import reason_to_refuse_jwt
from battery_lake.local.faults import cut, half
from battery_lake.local.twins.errors import MalformedError, ServiceError
from battery_lake.local.twins.routes import Routes
from battery_lake.local.twins.wire import JSON, MAX_MODELS_BYTES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from battery_lake.local.faults import Fault, Faults
    from battery_lake.local.twins.instance import Instance
    from battery_lake.local.twins.rates import Rates

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

API_VERSIONS: Final = frozenset({"2020-10-31", "2022-05-31", "2023-06-30", "2023-10-31"})
PROBLEM: Final = "application/problem+json; charset=utf-8"
BEARER: Final = "Bearer "


class Server:
    """Answers as the service does.

    Parameters
    ----------
    instance
        What is asked.
    rates, faults
        What is refused, and what goes wrong.
    """

    def __init__(self, instance: Instance, rates: Rates, faults: Faults) -> None:
        self._rates, self._faults = rates, faults
        self._instance = instance

    def application(self) -> web.Application:
        """Return what aiohttp runs."""
        application = web.Application(middlewares=[self._answer], client_max_size=MAX_MODELS_BYTES)
        Routes(self._instance, self._rates).add_to(application.router)
        application.on_startup.append(self._started)
        application.on_cleanup.append(self._stopped)
        return application

    async def _started(self, _: web.Application) -> None:
        self._instance.jobs.resume()

    async def _stopped(self, _: web.Application) -> None:
        await self._instance.jobs.close()

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Do what is asked, or say why not; and what every answer has in common."""
        if self._faults.delay_s:
            await asyncio.sleep(self._faults.delay_s)
        fault = self._faults.take()
        if fault is not None and fault.kind == "cut":
            return cut(request)
        try:
            _check_request(request, fault)
            response = await handler(request)
        except ServiceError as refusal:
            response = _refusal(refusal, fault)
        except web.HTTPNotFound:
            response = _refusal(ServiceError(404, "NotFound", "There is nothing at this address."), None)
        except web.HTTPMethodNotAllowed:
            response = _refusal(ServiceError(405, "MethodNotAllowed", "The method is not allowed."), None)
        response.headers["mise-correlation-id"] = str(uuid.uuid4())
        response.headers["Strict-Transport-Security"] = "max-age=2592000"
        if fault is not None and fault.kind == "lost":
            return cut(request)
        if fault is not None and fault.kind == "half":
            return await half(request, response)
        return response


def _check_request(request: web.Request, fault: Fault | None) -> None:
    """Refuse what no operation takes."""
    if fault is not None and fault.status is not None:
        raise ServiceError(fault.status, "ServiceUnavailable", "The service is busy; please retry.")
    given = request.headers.get("Authorization", "")
    reason = "a bearer token is needed"
    if given.startswith(BEARER):
        reason = reason_to_refuse_jwt(given.removeprefix(BEARER), time.time()) or ""
    if reason:
        raise ServiceError(401, "AuthenticationFailed", f"The request is not authenticated: {reason}")
    version = request.query.get("api-version", "")
    if version not in API_VERSIONS:
        code = "UnsupportedApiVersion" if version else "ApiVersionUnspecified"
        raise ServiceError(400, code, f"The API version {version!r} is none of {sorted(API_VERSIONS)}.")


def _refusal(refusal: ServiceError, fault: Fault | None) -> web.Response:
    is_problem = isinstance(refusal, MalformedError)
    headers = {"Content-Type": PROBLEM if is_problem else JSON}
    if refusal.code and refusal.code != "BadRequest":
        headers["x-ms-error-code"] = refusal.code
    if refusal.status == 401:  # noqa: PLR2004 - HTTP
        headers["WWW-Authenticate"] = "Bearer"
    waits = fault.retry_after_s if fault is not None else 1
    if refusal.status == 429 and waits is not None:  # noqa: PLR2004 - HTTP
        headers["Retry-After"] = str(waits)
    return web.Response(status=refusal.status, body=orjson.dumps(refusal.body()), headers=headers)
