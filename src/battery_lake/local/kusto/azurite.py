"""Blobs and queues on loopback: Azurite, Microsoft's own, as a child that ends when this process does."""

from __future__ import annotations

import base64
import datetime as dt
import os
import re
import secrets
import subprocess
import threading
from typing import TYPE_CHECKING, Final

from battery_lake.clock import utc_now
from battery_lake.closing import Closing
from battery_lake.errors import SetupError
from battery_lake.local.npm import node, npm_package

if TYPE_CHECKING:
    from pathlib import Path

VERSION: Final = "3.37.0"
ACCOUNT: Final = "local"
_KEY_FILE: Final = "account.key"
_STOP_TIMEOUT_S: Final = 10
_LIFETIME: Final = dt.timedelta(days=30)
# The pipe closes when this process ends, however it ends: Azurite then saves what it has and goes too.
_START: Final = (
    "process.stdin.on('close', () => process.kill(process.pid, 'SIGTERM')).resume();"
    "process.argv.splice(1, 0, 'azurite'); require(process.argv.splice(2, 1)[0]);"
)
_LISTENS: Final = re.compile(r"Azurite (Blob|Queue|Table) service is successfully listening at (\S+)")


def program() -> list[str]:
    """Return the command that starts Azurite, fetching it if it is missing.

    Raises
    ------
    SetupError
        Node or Azurite cannot be had.
    """
    script = npm_package("azurite", VERSION) / "dist" / "src" / "azurite.js"
    return [node(), "-e", _START, str(script)]


class Azurite(Closing):
    """Azurite on free ports.

    Parameters
    ----------
    folder
        Where it keeps blobs and queues; a later one on the same folder goes on with them.

    Raises
    ------
    SetupError
        Node or Azurite cannot be had, or it does not start.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._key = _key(folder / _KEY_FILE)
        ports = [option for name in ("blob", "queue", "table") for option in (f"--{name}Port", "0")]
        options = ["--location", str(folder), "--disableTelemetry", "--silent", "--skipApiVersionCheck"]
        self._process = subprocess.Popen(
            [*program(), *options, *ports],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{self._key}"},
        )
        self._addresses = self._wait()

    def _wait(self) -> dict[str, str]:
        """Read what it prints until all three services listen; then read on, so that it never blocks."""
        assert self._process.stdout is not None
        addresses: dict[str, str] = {}
        said = []
        for line in self._process.stdout:
            said.append(line)
            if found := _LISTENS.search(line):
                addresses[found[1].lower()] = found[2]
            if len(addresses) == 3:  # noqa: PLR2004 - blob, queue, table
                threading.Thread(target=self._process.stdout.read, daemon=True).start()
                return addresses
        raise SetupError("Azurite does not start.", why="".join(said)[-300:] or "it said nothing")

    def address(self, service: str, name: str) -> str:
        """Return the address of a container or queue, with a signature that opens the account.

        Parameters
        ----------
        service
            blob, queue or table.
        name
            Of the container, the queue or the table.
        """
        return f"{self._addresses[service]}/{ACCOUNT}/{name}?{self._signature()}"

    def container(self, name: str) -> str:
        """Make a container unless it is there; return its address, with a signature."""
        from azure.storage.blob import ContainerClient  # noqa: PLC0415 - comes with the azure extra

        address = self.address("blob", name)
        client = ContainerClient.from_container_url(address)
        if not client.exists():
            client.create_container()
        return address

    def signed(self, address: str) -> str:
        """Return the address of a blob with a signature that opens it."""
        return f"{address}?{self._signature()}"

    def connection_string(self) -> str:
        """Return what Azure's storage SDKs connect with."""
        parts = [f"{kind.title()}Endpoint={at}/{ACCOUNT}" for kind, at in sorted(self._addresses.items())]
        return f"AccountName={ACCOUNT};AccountKey={self._key};{';'.join(parts)};"

    def _signature(self) -> str:
        """A signature for the whole account, in the query's form."""
        from azure.storage.blob import (  # noqa: PLC0415 - comes with the azure extra
            AccountSasPermissions,
            ResourceTypes,
            Services,
            generate_account_sas,
        )

        return str(
            generate_account_sas(
                ACCOUNT,
                self._key,
                ResourceTypes(service=True, container=True, object=True),
                AccountSasPermissions(
                    read=True, write=True, delete=True, list=True, add=True, create=True, process=True
                ),
                expiry=utc_now() + _LIFETIME,
                services=Services(blob=True, queue=True),
            )
        )

    def close(self) -> None:
        """Let it save and end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _key(file: Path) -> str:
    """The account's key: of this folder alone, readable by its owner alone."""
    if not file.exists():
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(base64.b64encode(secrets.token_bytes(64)).decode())
    return file.read_text(encoding="utf-8")
