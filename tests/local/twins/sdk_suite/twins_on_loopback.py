"""What the SDK's own tests need of Azure, on the stand-in: a pytest plugin for the run of that suite.

The suite and its conftest stay as they are. They ask a development library for clients, credentials, names
and a recording proxy; these are answered here. Nothing of the SDK is replaced.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
import tempfile
import time
import types
import uuid
from typing import TYPE_CHECKING, Any, Final

import pytest
from azure.core.credentials import AccessToken

from battery_lake.local.twins import DigitalTwinsStandIn

if TYPE_CHECKING:
    from collections.abc import Iterator

ENDPOINT: Final = "AZURE_DIGITALTWINS_URL"
TOKEN_S: Final = 3_600
SANITIZERS: Final = (
    "add_body_key_sanitizer", "add_header_regex_sanitizer", "add_oauth_response_sanitizer",
    "add_remove_header_sanitizer", "remove_batch_sanitizers",
)  # fmt: skip

_running: list[DigitalTwinsStandIn] = []


class _Credential:
    def get_token(self, *_scopes: str, **_kwargs: Any) -> AccessToken:
        return AccessToken(_running[0].token, int(time.time()) + TOKEN_S)


class _AsyncCredential:
    async def get_token(self, *_scopes: str, **_kwargs: Any) -> AccessToken:
        return AccessToken(_running[0].token, int(time.time()) + TOKEN_S)

    async def close(self) -> None:
        pass


class AzureRecordedTestCase:
    """What the suite's test classes inherit from."""

    is_live = False

    def get_credential(self, _client: Any, *, is_async: bool = False) -> Any:
        return _AsyncCredential() if is_async else _Credential()

    def create_client_from_credential(self, client: Any, credential: Any, **kwargs: Any) -> Any:
        return client(credential=credential, connection_verify=str(_running[0].certificate), **kwargs)

    def create_random_name(self, prefix: str) -> str:
        return f"{prefix}{uuid.uuid4().hex[:8]}"


def _module(name: str, **content: Any) -> None:
    module = types.ModuleType(name)
    module.__dict__.update(content)
    module.__path__ = []
    sys.modules[name] = module


_module("devtools_testutils", AzureRecordedTestCase=AzureRecordedTestCase)
_module("devtools_testutils.sanitizers", **{name: lambda *_args, **_kwargs: None for name in SANITIZERS})


class _Environment(dict[str, str]):
    def sanitize_batch(self, _mapping: dict[str, str]) -> None:
        self[ENDPOINT] = _running[0].endpoint


@pytest.fixture(scope="session")
def test_proxy() -> Iterator[None]:
    """The stand-in, for the whole run: some of the suite's tests use what others have left."""
    with tempfile.TemporaryDirectory(prefix="sdk-suite-") as folder, DigitalTwinsStandIn(folder) as running:
        _running.append(running)
        yield


@pytest.fixture(scope="session")
def environment_variables() -> _Environment:
    return _Environment()


@pytest.fixture
def recorded_test() -> None:
    """Nothing is recorded."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "asyncio: a coroutine")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine in a loop of its own: all that the suite needs of pytest-asyncio."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True
