"""The HTTP side: tokens and refusals."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import web

from battery_lake.local.workspace.errors import RefusalError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_REQUEST_BYTES: Final = 512 * 1024 * 1024
BEARER: Final = "Bearer "
OPEN: Final = ("/.well-known/", "/oidc/")
"""Addresses that are asked before there is a token."""


@web.middleware
async def answered(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Do what is asked, or say why not, as the service does."""
    try:
        _check_token(request)
        response = await handler(request)
    except RefusalError as refusal:
        response = web.Response(
            status=refusal.status, body=orjson.dumps(refusal.body()), content_type="application/json"
        )
    except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
        body = {
            "error_code": "ENDPOINT_NOT_FOUND",
            "message": f"No API found for '{request.method} {request.path}'",
        }
        response = web.Response(status=404, body=orjson.dumps(body), content_type="application/json")
    response.headers["x-request-id"] = str(uuid.uuid4())
    return response


def _check_token(request: web.Request) -> None:
    given = request.headers.get("Authorization", "")
    if request.path.startswith(OPEN) or (given.startswith(BEARER) and len(given) > len(BEARER)):
        return
    raise RefusalError(401, "UNAUTHENTICATED", "Credential was not sent or was of an unsupported type.")
