"""An aiohttp application on loopback, in a thread of its own: what every HTTP stand-in runs in."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Final

from aiohttp import web

from battery_lake.errors import SetupError

if TYPE_CHECKING:
    import ssl

HOST: Final = "127.0.0.1"


class WebServer:
    """A server that listens until it is closed.

    Parameters
    ----------
    application
        What answers.
    port
        Port to listen on; 0 takes a free one.
    name
        Of the thread.
    tls
        Speak TLS with this; None: plain HTTP.
    auto_decompress
        Whether bodies are unpacked by what their header says.

    Raises
    ------
    SetupError
        The port cannot be had.
    """

    def __init__(
        self,
        application: web.Application,
        port: int,
        name: str,
        *,
        tls: ssl.SSLContext | None = None,
        auto_decompress: bool = True,
    ) -> None:
        self.port = port
        self._application, self._tls, self._auto_decompress = application, tls, auto_decompress
        self._failure = ""
        self._started = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name=name, daemon=True)
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
        runner = web.AppRunner(
            self._application, auto_decompress=self._auto_decompress, access_log=None, shutdown_timeout=1.0
        )
        try:
            await runner.setup()
            await web.TCPSite(runner, HOST, self.port, ssl_context=self._tls).start()
            self.port = runner.addresses[0][1]
        except Exception as fault:  # noqa: BLE001 - raised where the start is waited for
            self._failure = str(fault)
            self._stop.set()
        self._started.set()
        await self._stop.wait()
        await runner.cleanup()

    def close(self) -> None:
        """Stop listening; once more does nothing."""
        if self._thread.is_alive() and self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
