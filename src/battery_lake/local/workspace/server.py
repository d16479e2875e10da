"""The HTTP side: tokens, refusals, and a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import uuid
from typing import TYPE_CHECKING, Final

import orjson
from aiohttp import web

from battery_lake.errors import SetupError
from battery_lake.local.workspace.errors import RefusalError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HOST: Final = "127.0.0.1"
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


class Server:
    """An application on loopback, in a thread with a loop of its own.

    Parameters
    ----------
    application
        What answers.
    port
        Port to listen on; 0 takes a free one.

    Raises
    ------
    SetupError
        The port cannot be had.
    """

    def __init__(self, application: web.Application, port: int) -> None:
        self.port = port
        self._application, self._failure = application, ""
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve()), name="workspace", daemon=True
        )
        self._thread.start()
        self._started.wait()
        if self._failure:
            raise SetupError(
                f"The stand-in cannot listen on port {port}",
                why=self._failure,
                remedy="choose another port, or 0 for a free one",
            )

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        runner = web.AppRunner(self._application, access_log=None, shutdown_timeout=1.0)
        try:
            await runner.setup()
            await web.TCPSite(runner, HOST, self.port).start()
            self.port = runner.addresses[0][1]
        except OSError as fault:
            self._failure = str(fault)
            self._stop.set()
        self._started.set()
        await self._stop.wait()
        await runner.cleanup()

    def close(self) -> None:
        """Stop listening."""
        assert self._loop is not None
        assert self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
