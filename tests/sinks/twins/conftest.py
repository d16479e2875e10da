"""A stand-in with the ontology, and the client that the product itself uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from battery_lake.local.twins import DigitalTwinsStandIn
from battery_lake.sinks.twins import ontology
from battery_lake.sinks.twins.client import Address, Graph

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def standin(tmp_path: Path) -> Iterator[DigitalTwinsStandIn]:
    with DigitalTwinsStandIn(tmp_path / "twins") as running:
        yield running


@pytest.fixture
def address(standin: DigitalTwinsStandIn) -> Address:
    return Address(
        standin.endpoint, token=standin.token, certificate=str(standin.certificate), patience_s=30.0
    )


@pytest.fixture
def graph(address: Address) -> Graph:
    """An instance that has the ontology's models."""
    made = Graph(address)
    made.add_models(ontology.interfaces())
    return made
