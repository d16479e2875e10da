"""A Digital Twins instance on this machine that the unmodified SDK talks to."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from battery_lake.closing import Closing
from battery_lake.errors import SetupError
from battery_lake.local.eventhub.certificate import server_context
from battery_lake.local.faults import Faults
from battery_lake.local.twins.instance import Instance
from battery_lake.local.twins.rates import Rates
from battery_lake.local.twins.server import Server
from battery_lake.local.web_server import WebServer

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
        self.certificate = Path(folder) / CERTIFICATE_FILE
        """What clients trust."""
        application = Server(self._instance, self.rates, self.faults).application()
        try:
            self._server = WebServer(
                application, port, "digital-twins", tls=server_context(self.certificate, [HOST])
            )
        except SetupError:
            self._instance.close()
            raise
        self.port = self._server.port

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
        self._server.close()
        self._instance.close()
