"""Bodies and pages: how requests are read and answers written."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

import orjson
from aiohttp import web

from battery_lake.local.twins.errors import MalformedError, ServiceError, too_large

MAX_BODY_BYTES: Final = 32_768
MAX_MODELS_BYTES: Final = 250 * 1_048_576
JSON: Final = "application/json; charset=utf-8"


async def body_of(request: web.Request, limit_bytes: int = MAX_BODY_BYTES) -> Any:
    """Return a request's JSON.

    Parameters
    ----------
    request
        The request.
    limit_bytes
        Longest body. [bytes]

    Raises
    ------
    ServiceError
        There is none, it is too long, or no JSON.
    """
    raw = await request.read()
    if not raw:
        raise ServiceError(400, "BadRequest", "A non-empty request body is required.")
    if len(raw) > limit_bytes:
        raise too_large("request", limit_bytes)
    try:
        return orjson.loads(raw)
    except ValueError as fault:
        raise MalformedError("$", str(fault)) from fault


def answer(content: Any, status: int = 200, etag: str | None = None) -> web.Response:
    """Return an answer with a body."""
    headers = {"Content-Type": JSON, **({"ETag": etag} if etag else {})}
    return web.Response(status=status, body=orjson.dumps(content), headers=headers)


def done(etag: str | None = None) -> web.Response:
    """Return an answer without a body."""
    return web.Response(status=204, headers={"ETag": etag} if etag else None)


def place_of(request: web.Request) -> int:
    """Return the place after which a page begins.

    Raises
    ------
    ServiceError
        The token is none of ours.
    """
    token = request.query.get("continuationToken", "0")
    if not token.isdigit():
        raise ServiceError(400, "BadRequest", "The continuation token is invalid.")
    return int(token)


def page_size(request: web.Request, most: int) -> int:
    """Return how many items a page has."""
    wanted = request.headers.get("max-items-per-page", "")
    return min(int(wanted), most) if wanted.isdigit() and int(wanted) > 0 else most


def page(request: web.Request, found: list[tuple[int, Any]], size: int) -> web.Response:
    """Return a page and the address of the next.

    Parameters
    ----------
    request
        What asks.
    found
        Places and items, one more than the page takes where there are more.
    size
        Items of a page.
    """
    following = None
    if len(found) > size:
        query = [(name, value) for name, value in request.query.items() if name != "continuationToken"]
        query.append(("continuationToken", str(found[size - 1][0])))
        following = f"{request.url.origin()}{request.rel_url.raw_path}?{urlencode(query)}"
    return answer({"value": [item for _, item in found[:size]], "nextLink": following})
