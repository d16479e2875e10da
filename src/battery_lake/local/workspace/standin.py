"""A Databricks workspace on this machine that the unmodified ``databricks-sdk`` talks to."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web

from battery_lake.closing import Closing
from battery_lake.local.web_server import HOST, WebServer
from battery_lake.local.workspace.access import Access
from battery_lake.local.workspace.catalog import Catalog
from battery_lake.local.workspace.compute import Compute
from battery_lake.local.workspace.dashboards import WAREHOUSE, Dashboards
from battery_lake.local.workspace.files import Files
from battery_lake.local.workspace.jobs import Jobs
from battery_lake.local.workspace.runs import Runs
from battery_lake.local.workspace.server import MAX_REQUEST_BYTES, answered
from battery_lake.local.workspace.store import Store

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence


PRINCIPALS: Final = ("battery-lake-staging", "battery-lake-prod")
TOKEN: Final = "of-the-stand-in"  # noqa: S105 - any will do
"""What tasks send; any other will do too."""


class WorkspaceStandIn(Closing):
    """A workspace that listens on loopback and runs jobs in processes of this machine, one after the other.

    ``WorkspaceClient(host=standin.host, token="any")`` talks to it. What a schedule or a trigger would start
    is started by ``run_now`` only.

    Parameters
    ----------
    folder
        Where everything is kept; a later stand-in on the same folder goes on with it.
    port
        Port to listen on; 0 takes a free one.
    catalogs
        Names of the catalogs that there are; None: any.
    arguments
        Added to the parameters of every task: what only this machine knows.
    longest_pause_s
        Between two tries of a task no longer than this is waited. [s]

    Raises
    ------
    SettingsError
        Where the folder is in use.
    SetupError
        Where the port cannot be had.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, WorkspaceStandIn(folder) as standin:
    ...     standin.host.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        port: int = 0,
        catalogs: Collection[str] | None = None,
        arguments: Sequence[str] = (),
        longest_pause_s: float = 1.0,
    ) -> None:
        root = Path(folder).absolute()
        self.logs = root / "runs"
        """Folder of what tasks said: ``<run>/<task>.<try>.log``."""
        self.files = root / "files"
        """Folder that stands for the root of ``/Workspace`` and ``/Volumes``."""
        with contextlib.ExitStack() as opened:
            self._store = store = Store(root)
            opened.callback(store.close)
            compute = Compute(root / "environments", self.files, tuple(arguments), longest_pause_s)
            runs = Runs(store, compute, self.logs)
            opened.callback(runs.close)
            application = web.Application(client_max_size=MAX_REQUEST_BYTES, middlewares=[answered])
            workspace = (Jobs(store, runs), Access(store), Files(self.files), Dashboards(store))
            for part in (*workspace, Catalog(store, catalogs)):
                part.add_to(application.router)
            server = WebServer(application, port, "workspace")
            opened.callback(server.close)
            self._opened = opened.pop_all()
        self.port = server.port
        self.host = f"http://{HOST}:{self.port}"
        """The address that clients are given."""
        compute.host.update(DATABRICKS_HOST=self.host, DATABRICKS_TOKEN=TOKEN)

    def prepare(self) -> None:
        """Have what the targets look up by name, as an administrator would have made it."""
        self._store.put(WAREHOUSE, "warehouse", {"id": "0000000000000001", "name": "battery-lake"})
        for name in PRINCIPALS:
            if all(one.get("displayName") != name for one in self._store.all("principal")):
                number = str(self._store.number())
                made = {"id": number, "applicationId": f"00000000-0000-0000-0000-{int(number):012d}"}
                self._store.put("principal", number, {**made, "displayName": name, "active": True})

    def close(self) -> None:
        """Stop, runs too; everything else stays on disk."""
        self._opened.close()
