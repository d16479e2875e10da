"""A container of blobs: where an import job finds its file and leaves its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob import ContainerClient

from battery_lake.errors import RemoteError, SettingsError
from battery_lake.sinks.twins.client import credential_of, reason

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from battery_lake.sinks.twins.address import Address

AT_ONCE: Final = 4
"""Blocks of a file that are sent at the same time."""


class Container:
    """A container.

    Parameters
    ----------
    url
        ``https://account.blob.core.windows.net/container``; a signature may follow.
    address
        The instance: its credential opens the container where no signature does.

    Raises
    ------
    SettingsError
        The address cannot be used.
    """

    def __init__(self, url: str, address: Address) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"https", "http"} or not parts.path.strip("/"):
            raise SettingsError(
                "there is no container for an import job",
                why="twins.container is " + ("no address of a container" if url else "empty"),
                remedy="set it to https://ACCOUNT.blob.core.windows.net/CONTAINER",
            )
        self._client = ContainerClient.from_container_url(
            url, credential=None if parts.query else credential_of(address.credential)
        )
        self._url = parts._replace(query="").geturl().rstrip("/")

    def address(self, name: str) -> str:
        """Return a blob's address, without a signature: the instance has an identity of its own."""
        return f"{self._url}/{name}"

    def put(self, name: str, file: Path) -> None:
        """Upload a file.

        Raises
        ------
        SettingsError
            There is no such container.
        RemoteError
            The storage account does not take it.
        """
        try:
            with file.open("rb") as opened:
                self._client.upload_blob(name, opened, overwrite=True, max_concurrency=AT_ONCE)
        except ResourceNotFoundError as fault:
            raise SettingsError(
                "there is no container for an import job",
                why=f"{self._url}: {reason(fault)}",
                remedy="make it, or set twins.container to one that there is",
            ) from fault
        except AzureError as fault:
            raise RemoteError(
                "the file for the import job could not be uploaded",
                why=reason(fault),
                remedy="give the identity the role 'Storage Blob Data Contributor' on the container",
            ) from fault

    def lines(self, name: str) -> Iterator[str]:
        """Yield the lines of a blob; none where it is not there.

        Raises
        ------
        RemoteError
            The storage account does not give it.
        """
        rest = b""
        try:
            for chunk in self._client.download_blob(name).chunks():
                *whole, rest = (rest + chunk).split(b"\n")
                yield from (line.decode("utf-8", "replace") for line in whole)
        except ResourceNotFoundError:
            return
        except AzureError as fault:
            raise RemoteError("the log of the import job cannot be read", why=reason(fault)) from fault
        if rest:
            yield rest.decode("utf-8", "replace")
