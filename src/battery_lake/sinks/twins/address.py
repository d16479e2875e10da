"""Where an instance is, and what its client tells apart: small, and without the SDK."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Address:
    """Where the instance is, and how to be let in; small enough to be sent to a worker.

    Parameters
    ----------
    endpoint
        ``https://...``
    credential
        ``default`` or ``managed_identity``, with ``:client id`` behind it.
    token
        A bearer token in the place of a credential; empty: none.
    certificate
        File of the authority that signed the endpoint's certificate; empty: the usual ones.
    patience_s
        So long a failing service is waited for. [s]
    """

    endpoint: str
    credential: str = "default"
    token: str = ""
    certificate: str = ""
    patience_s: float = 300.0

    def __repr__(self) -> str:
        return f"Address({self.endpoint!r})"


@dataclass(frozen=True, slots=True)
class ImportState:
    """Where an import job stands: its status, and the service's words where it failed."""

    status: str
    error: str = ""


class GoneError(Exception):
    """What was asked for is not there."""


class ChangedError(Exception):
    """It was changed, or made, by somebody else since it was read."""
