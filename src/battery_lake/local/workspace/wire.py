"""Requests and answers: bodies, queries, pages."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import web

from battery_lake.local.workspace.errors import RefusalError, invalid

if TYPE_CHECKING:
    from collections.abc import Sequence


async def body_of(request: web.Request) -> dict[str, Any]:
    """Return the JSON object that was sent.

    Raises
    ------
    RefusalError
        It is none.
    """
    text = await request.read()
    try:
        sent = orjson.loads(text or b"{}")
    except orjson.JSONDecodeError as fault:
        raise RefusalError(400, "MALFORMED_REQUEST", f"Could not parse request object: {fault}") from fault
    if not isinstance(sent, dict):
        raise RefusalError(400, "MALFORMED_REQUEST", "Could not parse request object: expected an object")
    return sent


def needed(values: Any, name: str) -> Any:
    """Return a value of a body or a query.

    Raises
    ------
    RefusalError
        It is not there.
    """
    value = values.get(name)
    if value is None or value == "":
        raise invalid(f"Missing required field: {name}")
    return value


def answer(body: Any = None) -> web.Response:
    """Return an answer in JSON; an empty object where there is nothing to say."""
    return web.Response(body=orjson.dumps({} if body is None else body), content_type="application/json")


def page(request: web.Request, name: str, found: Sequence[Any], size: int, most: int) -> dict[str, Any]:
    """Return one page of what was found, with the token of the next one.

    Parameters
    ----------
    request
        Asks by ``limit`` or ``max_results``, and ``page_token``.
    name
        Key of the list.
    found
        Everything.
    size, most
        Entries of a page where nothing is said, and at most.

    Raises
    ------
    RefusalError
        The size or the token is none.
    """
    asked = request.query.get("limit") or request.query.get("max_results") or "0"
    if not asked.isdigit() or int(asked) > most:
        raise invalid(f"Invalid page size {asked}: it must lie between 0 and {most}")
    length = int(asked) or size
    first = _place(request.query.get("page_token", ""))
    body: dict[str, Any] = {name: list(found[first : first + length])}
    if first + length < len(found):
        body["next_page_token"] = base64.urlsafe_b64encode(str(first + length).encode()).decode()
    return body


def _place(token: str) -> int:
    try:
        return int(base64.urlsafe_b64decode(token) or b"0")
    except ValueError as fault:
        raise invalid("The provided page token is invalid") from fault
