"""Where a hub is and how to be let in: connection strings in both forms of the portal, or a credential."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from battery_lake.errors import SettingsError

WHERE: Final = (
    "Azure portal > your IoT Hub > Hub settings > Built-in endpoints > 'Event Hub-compatible endpoint'"
    " (with shared access policy 'service')"
)


@dataclass(frozen=True, slots=True)
class HubAddress:
    """One hub.

    Parameters
    ----------
    namespace
        Host of the namespace, with a port where there is one.
    hub
        The hub's name; for IoT Hub its Event Hub-compatible name.
    connection_string
        Complete with EntityPath; empty where a credential of Microsoft Entra ID is used.
    """

    namespace: str
    hub: str
    connection_string: str = field(default="", repr=False)


def parse_connection_string(
    text: str, hub: str = "", *, named: str = "eventHubName", where: str = WHERE
) -> HubAddress:
    """Read a connection string of the built-in endpoint or of an Event Hubs namespace.

    Parameters
    ----------
    text
        ``Endpoint=sb://...;SharedAccessKeyName=...;SharedAccessKey=...;EntityPath=...``.
    hub
        The hub's name, needed where the text has no EntityPath.
    named, where
        For errors: what the hub's name is called, and where in the portal such a text is found.

    Raises
    ------
    SettingsError
        It is the hub's own connection string for devices or service calls, or a part is missing.
    """
    parts = _parts(text, where)
    if "hostname" in parts:
        raise SettingsError(
            "this is IoT Hub's own connection string, not that of its built-in endpoint",
            why=f"it begins with HostName={parts['hostname']}; messages are read from another address",
            remedy=f"copy {where}",
        )
    endpoint = parts.get("endpoint", "")
    namespace = endpoint.split("://", maxsplit=1)[-1].strip("/")
    if not namespace:
        raise SettingsError(
            "the connection string names no Endpoint", why=f"it holds {_names(parts)}", remedy=f"copy {where}"
        )
    if namespace.split(":", maxsplit=1)[0].endswith("azure-devices.net"):
        raise SettingsError(
            "the endpoint is IoT Hub itself, not its built-in endpoint",
            why=f"Endpoint={endpoint}; the built-in endpoint's host ends in servicebus.windows.net",
            remedy=f"copy {where}",
        )
    return _complete(parts, text, namespace, (named, hub))


def _complete(parts: dict[str, str], text: str, namespace: str, given: tuple[str, str]) -> HubAddress:
    """The address; ``given`` is what the hub's name is called, and the name."""
    named, hub = given
    has_key = "sharedaccesskeyname" in parts and "sharedaccesskey" in parts
    if not has_key and "sharedaccesssignature" not in parts:
        raise SettingsError(
            "the connection string holds no key",
            why=f"it holds {_names(parts)}",
            remedy="it needs SharedAccessKeyName and SharedAccessKey, or SharedAccessSignature",
        )
    entity = parts.get("entitypath", "")
    if entity and hub and entity != hub:
        raise SettingsError(
            f"the connection string and {named} name different hubs",
            why=f"EntityPath={entity}, {named}={hub}",
            remedy=f"leave {named} out",
        )
    if not entity and not hub:
        raise SettingsError(
            "the connection string names a namespace but no hub",
            why="it has no EntityPath",
            remedy=f"append ;EntityPath=<the hub's name>, or set {named}: it stands beside the endpoint in"
            " the portal",
        )
    whole = text.strip().rstrip(";") + ("" if entity else f";EntityPath={hub}")
    return HubAddress(namespace, entity or hub, whole)


def _parts(text: str, where: str) -> dict[str, str]:
    """The parts by lower-cased name; a key may end in equals signs."""
    parts = {}
    for piece in filter(None, (piece.strip() for piece in text.strip().split(";"))):
        name, sign, value = piece.partition("=")
        if not sign:
            raise SettingsError(
                "the connection string cannot be read",
                why="a part of it is no name=value",
                remedy=f"copy {where}",
            )
        parts[name.strip().lower()] = value.strip()
    return parts


def _names(parts: dict[str, str]) -> str:
    """Names only: values may be secrets."""
    return ", ".join(sorted(parts)) or "nothing"
