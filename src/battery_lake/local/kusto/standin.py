"""A database of Data Explorer on this machine that the unmodified SDKs talk to."""

from __future__ import annotations

import contextlib
from pathlib import Path

from battery_lake.closing import Closing
from battery_lake.local.kusto.azurite import Azurite
from battery_lake.local.kusto.consumer import Consumer
from battery_lake.local.kusto.server import Explorer
from battery_lake.local.kusto.store import Store
from battery_lake.local.web_server import HOST, WebServer


class KustoStandIn(Closing):
    """A database that listens on loopback and runs in threads of this process.

    Parameters
    ----------
    folder
        Where everything is kept; a later stand-in on the same folder goes on with it.
    database
        The database's name.
    port
        Port to listen on; 0 takes a free one.
    queued
        Whether files are taken by queue too: that needs Node, for Azurite.

    Raises
    ------
    SettingsError
        Where the folder is in use.
    SetupError
        Where the port, Node or Azurite cannot be had.
    """

    def __init__(
        self, folder: str | Path, *, database: str = "battery", port: int = 0, queued: bool = True
    ) -> None:
        self.database = database
        with contextlib.ExitStack() as opened:
            self.store = Store(Path(folder))
            """What it holds, for whoever looks at it without asking over HTTP."""
            opened.callback(self.store.close)
            self._consumer: Consumer | None = None
            self.azurite: Azurite | None = None
            """Blobs and queues, where files are taken."""
            if queued:
                self.azurite = opened.enter_context(Azurite(Path(folder) / "azurite"))
                self._consumer = Consumer(self.store, database, self.azurite)
                opened.callback(self._consumer.close)
            resources = self._consumer.resources if self._consumer else []
            self._explorer = Explorer(self.store, database, resources)
            self.faults = self._explorer.faults
            """Makes single requests, or a share of all, go wrong."""
            # Bodies are handed over as they came: a stream's header says gzip, also of what is none.
            self._server = WebServer(self._explorer.application(), port, "kusto", auto_decompress=False)
            opened.callback(self._server.close)
            self._opened = opened.pop_all()
        self.port = self._server.port
        self.address = f"http://{HOST}:{self.port}"
        """The cluster, as connection strings name it."""

    def throttle(self, times: int, *, status: int = 429, retry_after_s: float | None = None) -> None:
        """Refuse the next requests.

        Parameters
        ----------
        times
            How many.
        status
            429 or 503; 401 or 403 for an identity without a login or a role.
        retry_after_s
            How long the answer asks to wait; None: it does not say. [s]
        """
        throttle = self._explorer.throttle
        throttle.status, throttle.retry_after_s, throttle.left = status, retry_after_s, times

    def lose_answers(self, times: int) -> None:
        """Carry the next requests out and cut the connection instead of answering."""
        self._explorer.throttle.answers_lost = times

    def delay(self, seconds: float) -> None:
        """Wait before every answer; 0 ends it. [s]."""
        self._explorer.throttle.delay_s = seconds

    def hold_queue(self, *, held: bool = True) -> None:
        """Let what is queued wait, as while the service gathers a batch; or go on."""
        assert self._consumer is not None, "the stand-in takes no files by queue"
        if held:
            self._consumer.go_on.clear()
        else:
            self._consumer.go_on.set()

    def close(self) -> None:
        """Stop; everything stays on disk."""
        self._opened.close()
