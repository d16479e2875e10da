"""A Digital Twins instance on this machine that the unmodified SDK talks to."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from battery_lake.closing import Closing
from battery_lake.errors import SetupError
from battery_lake.local.eventhub.certificate import server_context
from battery_lake.local.faults import Faults
from battery_lake.local.twins.instance import Instance
from battery_lake.local.twins.rates import Rates
from battery_lake.local.twins.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

HOST: Final = "localhost"
CERTIFICATE_FILE: Final = "certificate.pem"
TOKEN_LIFE_S: Final = 365 * 86_400


class DigitalTwinsStandIn(Closing):
    """An instance that listens on loopback, over TLS, in a thread of this process.

    A client trusts it by `certificate` (``connection_verify=``): the SDK sends no token without TLS.

    Parameters
    ----------
    folder
        Where the graph is kept; a later stand-in on the same folder goes on with it.
    port
        Port to listen on; 0 takes a free one.
    limits
        Whether the published rate limits are enforced with 429.
    endpoints
        Names of endpoints that event routes may lead to; nothing is sent there.
    sign
        Opens the address of a blob for import jobs, as the identity of an instance does; None: addresses are
        open.

    Raises
    ------
    SettingsError
        Where the folder is in use.
    SetupError
        Where the port cannot be had.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, DigitalTwinsStandIn(folder) as standin:
    ...     standin.endpoint.startswith("https://localhost:")
    True
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        port: int = 0,
        limits: bool = False,
        endpoints: Collection[str] = (),
        sign: Callable[[str], str] | None = None,
    ) -> None:
        self._instance = Instance(Path(folder), endpoints, sign)
        self.faults = Faults()
        self.rates = Rates(limits)
        self.port = port
        self.certificate = Path(folder) / CERTIFICATE_FILE
        """What clients trust."""
        self._tls = server_context(self.certificate, [HOST])
        self._server = Server(self._instance, self.rates, self.faults)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._started = threading.Event()
        self._failures: list[OSError] = []
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve()), name="digital-twins", daemon=True
        )
        self._thread.start()
        self._started.wait()
        for failure in self._failures:
            self._instance.close()
            raise SetupError(
                f"The stand-in cannot listen on port {self.port}",
                why=str(failure),
                remedy="choose another port, or 0 for a free one",
            )

    @property
    def endpoint(self) -> str:
        """The address that the SDK is given."""
        return f"https://{HOST}:{self.port}"

    @property
    def token(self) -> str:
        """A bearer token that is taken: unsigned, good for a year."""
        claims = {"aud": "https://digitaltwins.azure.net", "exp": int(time.time()) + TOKEN_LIFE_S}
        parts = [json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims)]
        return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts) + "."

    def close(self) -> None:
        """Stop; the graph stays on disk."""
        if self._thread.is_alive() and self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()
            self._instance.close()

    async def _serve(self) -> None:
        """Listen until told to stop."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        runner = web.AppRunner(self._server.application(), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, ssl_context=self._tls)
        try:
            await site.start()
        except OSError as error:
            self._failures.append(error)
        else:
            self.port = runner.addresses[0][1]
        self._started.set()
        if not self._failures:
            await self._stop.wait()
        await runner.cleanup()
