"""The real SDK against a stand-in on loopback, with models of a small battery."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError
from azure.digitaltwins.core import DigitalTwinsClient

from battery_lake.local.twins import DigitalTwinsStandIn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

V3 = "dtmi:dtdl:context;3"
THERMAL = {
    "@id": "dtmi:test:Thermal;1",
    "@type": "Interface",
    "@context": V3,
    "contents": [{"@type": "Property", "name": "coolant_c", "schema": "double"}],
}
PART = {
    "@id": "dtmi:test:Part;1",
    "@type": "Interface",
    "@context": V3,
    "contents": [
        {"@type": "Property", "name": "serial", "schema": "string"},
        {
            "@type": "Relationship",
            "name": "hasPart",
            "properties": [{"@type": "Property", "name": "place", "schema": "integer"}],
        },
    ],
}
CELL = {
    "@id": "dtmi:test:Cell;1",
    "@type": "Interface",
    "@context": V3,
    "extends": "dtmi:test:Part;1",
    "contents": [{"@type": "Property", "name": "soh_pct", "schema": "double"}],
}
PACK = {
    "@id": "dtmi:test:Pack;1",
    "@type": "Interface",
    "@context": V3,
    "displayName": "Pack",
    "extends": "dtmi:test:Part;1",
    "schemas": [
        {
            "@id": "dtmi:test:State;1",
            "@type": "Enum",
            "valueSchema": "string",
            "enumValues": [{"name": n, "enumValue": n} for n in ("driving", "parked")],
        }
    ],
    "contents": [
        {"@type": "Property", "name": "soh_pct", "schema": "double"},
        {"@type": "Property", "name": "count", "schema": "integer"},
        {"@type": "Property", "name": "at", "schema": "dateTime"},
        {"@type": "Property", "name": "ok", "schema": "boolean"},
        {"@type": "Property", "name": "state", "schema": "dtmi:test:State;1"},
        {"@type": "Property", "name": "alerts", "schema": {"@type": "Array", "elementSchema": "string"}},
        {
            "@type": "Property",
            "name": "cells",
            "schema": {
                "@type": "Map",
                "mapKey": {"name": "cell", "schema": "string"},
                "mapValue": {"name": "soh", "schema": "double"},
            },
        },
        {
            "@type": "Property",
            "name": "rul",
            "schema": {
                "@type": "Object",
                "fields": [{"name": "p05", "schema": "double"}, {"name": "p50", "schema": "double"}],
            },
        },
        {"@type": "Component", "name": "thermal", "schema": "dtmi:test:Thermal;1"},
        {"@type": "Relationship", "name": "hasCell", "target": "dtmi:test:Cell;1"},
    ],
}
MODELS = [THERMAL, PART, CELL, PACK]


class Credential:
    def __init__(self, token: str) -> None:
        self.token = token

    def get_token(self, *_scopes: str, **_kwargs: Any) -> AccessToken:
        return AccessToken(self.token, int(time.time()) + 3_600)


def pack(**properties: Any) -> dict[str, Any]:
    return {"$metadata": {"$model": "dtmi:test:Pack;1"}, "thermal": {"$metadata": {}}, **properties}


def cell(**properties: Any) -> dict[str, Any]:
    return {"$metadata": {"$model": "dtmi:test:Cell;1"}, **properties}


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[DigitalTwinsStandIn]:
    with DigitalTwinsStandIn(tmp_path / "twins", endpoints=["hub"]) as running:
        yield running


@pytest.fixture
def connect() -> Iterator[Callable[..., DigitalTwinsClient]]:
    """Connects to a stand-in; without retries, so that a test sees what the service answers."""

    def start(standin: DigitalTwinsStandIn, **settings: Any) -> DigitalTwinsClient:
        settings = {"retry_total": 0, **settings}
        token = settings.pop("token", standin.token)
        verify = str(standin.certificate) if settings.pop("trusts", True) else True
        return DigitalTwinsClient(standin.endpoint, Credential(token), connection_verify=verify, **settings)

    return start


@pytest.fixture
def client(standin: DigitalTwinsStandIn, connect: Any) -> DigitalTwinsClient:
    """A client of an instance that has the models."""
    made: DigitalTwinsClient = connect(standin)
    made.create_models(MODELS)
    return made


@pytest.fixture
def refused() -> Callable[..., Any]:
    """What the service says when it refuses: status, code and the texts of the details."""

    def call(operation: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[int, str, list[str]]:
        with pytest.raises(HttpResponseError) as told:
            list(operation(*args, **kwargs) or ())
        error = told.value.error
        details = [detail.message for detail in getattr(error, "details", None) or []]
        return told.value.status_code, error.code if error else "", details

    return call


@pytest.fixture
def make() -> Any:
    """Makers of twins: ``make.pack(soh_pct=90.0)``."""

    class Make:
        pack = staticmethod(pack)
        cell = staticmethod(cell)
        models = MODELS

    return Make
