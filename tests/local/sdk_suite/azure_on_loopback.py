"""What the SDK's own tests need of Azure, on the stand-in: a pytest plugin for the run of that suite.

The suite and its conftest stay as they are. They ask a management client for a namespace and for a
hub a test, a development library for a credential, and the name service for addresses; these three
are answered here. Nothing of the SDK is replaced.
"""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import os
import socket
import sys
import tempfile
import time
import types
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import certifi
import pytest
from azure.core.credentials import AccessToken

from battery_lake.local.eventhub import EventHubStandIn
from battery_lake.local.eventhub.standin import KEY_NAME

NAMESPACE: Final = "battery-lake"
HOST: Final = f"{NAMESPACE}.servicebus.windows.net"
KEY: Final = base64.b64encode(b"a key of the stand-in").decode()
STANDARD_PORTS: Final = {5671, 443}
LOOPBACK: Final = {"localhost", "127.0.0.1", "::1", ""}
TOKEN_S: Final = 3_600
LEFT_OUT_FILE: Final = Path(__file__).with_name("left_out.json")

_resolve = socket.getaddrinfo
_trusted = certifi.where
_hubs: dict[str, EventHubStandIn] = {}


def _current() -> EventHubStandIn | None:
    """The hub of the test that runs."""
    return next(reversed(_hubs.values()), None)


def _resolve_here(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
    """Resolve the namespace to the stand-in's port; no other name exists."""
    name = host.decode() if isinstance(host, bytes) else host or ""
    if name in LOOPBACK:
        return _resolve(host, port, *args, **kwargs)
    running = _current()
    if name != HOST or running is None or int(port) not in STANDARD_PORTS:
        raise socket.gaierror(socket.EAI_NONAME, f"{name} does not exist here")
    return _resolve("127.0.0.1", running.port, *args, **kwargs)


def _trust_here() -> str:
    """The certificate of the hub that runs, as if an authority had signed it."""
    running = _current()
    return str(running.certificate) if running else _trusted()


class _EventHubs:
    """Hubs of the namespace: a stand-in for each."""

    def __init__(self) -> None:
        self._folders: dict[str, tempfile.TemporaryDirectory[str]] = {}

    def create_or_update(self, _group: str, _namespace: str, name: str, wanted: dict[str, Any]) -> Any:
        folder = self._folders[name] = tempfile.TemporaryDirectory(prefix="sdk-suite-")
        _hubs[name] = EventHubStandIn(
            folder.name,
            hub=name,
            partitions=wanted["partition_count"],
            key=KEY,
            tls=True,
            host_names=[HOST],
        )
        return SimpleNamespace(name=name)

    def delete(self, _group: str, _namespace: str, name: str) -> None:
        _hubs.pop(name).close()
        self._folders.pop(name).cleanup()


class EventHubManagementClient:
    """The part of Azure's management client that the suite's conftest uses."""

    def __init__(self, *_args: Any, **_kwargs: Any) -> None:
        self.event_hubs = _EventHubs()
        self.namespaces = SimpleNamespace(
            list_keys=lambda *_args: SimpleNamespace(
                primary_connection_string=f"Endpoint=sb://{HOST}/;SharedAccessKeyName={KEY_NAME};SharedAccessKey={KEY}",
                key_name=KEY_NAME,
                primary_key=KEY,
            )
        )


def _token() -> AccessToken:
    """A token as of Microsoft Entra, unsigned."""
    expires = int(time.time()) + TOKEN_S
    parts = ({"alg": "none", "typ": "JWT"}, {"aud": "https://eventhubs.azure.net", "exp": expires})
    text = ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts
    )
    return AccessToken(text + ".", expires)


class _Credential:
    def get_token(self, *_scopes: str, **_kwargs: Any) -> AccessToken:
        return _token()


class _AsyncCredential:
    async def get_token(self, *_scopes: str, **_kwargs: Any) -> AccessToken:
        return _token()

    async def close(self) -> None:
        pass


def get_credential(*, is_async: bool = False) -> Any:
    """The suite's credential of Microsoft Entra."""
    return _AsyncCredential() if is_async else _Credential()


def _module(name: str, **content: Any) -> None:
    """Put a module where an import finds it."""
    module = types.ModuleType(name)
    module.__dict__.update(content)
    module.__path__ = []
    sys.modules[name] = module


def _stand_in_for_azure() -> None:
    """Let the suite's conftest be imported and find its namespace."""
    _module("devtools_testutils", get_region_override=lambda region: region, get_credential=get_credential)
    _module("dotenv", load_dotenv=lambda: None)
    _module("azure.mgmt")
    _module("azure.mgmt.eventhub", EventHubManagementClient=EventHubManagementClient)
    _module("azure.eventhub.extensions")
    for name in ("checkpointstoreblob", "checkpointstoreblobaio"):
        _module(f"azure.eventhub.extensions.{name}", BlobCheckpointStore=None)
    os.environ |= {
        "AZURE_SUBSCRIPTION_ID": "none",
        "EVENTHUB_RESOURCE_GROUP": "none",
        "EVENT_HUB_NAMESPACE": NAMESPACE,
    }
    socket.getaddrinfo = _resolve_here
    certifi.where = _trust_here


_stand_in_for_azure()


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark that the suite puts on coroutines, and the one that is nowhere registered."""
    config.addinivalue_line("markers", "asyncio: a coroutine")
    config.addinivalue_line("markers", "livetest: needs the service")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine in a loop of its own: all that the suite needs of pytest-asyncio."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what needs another resource of Azure, by name and with the reason."""
    left_out = {
        name: reason for reason, names in json.loads(LEFT_OUT_FILE.read_text()).items() for name in names
    }
    for item in items:
        name = getattr(item, "originalname", item.name)
        if name in left_out:
            item.add_marker(pytest.mark.skip(reason=f"left out: {left_out[name]}"))
