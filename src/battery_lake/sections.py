"""What a group of settings is, and the groups of the sinks."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

Positive = Annotated[float, Field(gt=0)]


def _from_json(given: object) -> object:
    """What a file has as a table comes as JSON from the environment and from arguments."""
    return json.loads(given) if isinstance(given, str) else given


def _by_chemistry(given: object) -> object:
    """A limit for each chemistry has one for those that it does not name."""
    found = _from_json(given)
    if isinstance(found, dict) and "default" not in found:
        raise ValueError("it needs a default for the other chemistries")
    return found


ByChemistry = Annotated[dict[str, float], BeforeValidator(_by_chemistry)]
"""A limit for each chemistry, and ``default`` for the others."""


class Section(BaseModel):
    """A group of settings; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AdxSettings(Section):
    """Data Explorer, which takes gold's changes."""

    cluster: str = Field(
        "", description="https://name.region.kusto.windows.net; a stand-in's on loopback; empty: none."
    )
    database: str = Field("battery", description="The database.")
    credential: str = Field("default", description="default or managed_identity, :client id behind it.")
    tables: str = Field(
        "session,cell_health,cell_life,cell_current,pack_health,alert,fleet_daily,vehicle_status",
        description="Tables that are pushed, commas; telemetry and vehicle_position may be added.",
    )
    checked_only: bool = Field(True, description="Push only what `quality` has checked and passed.")
    position_readers: str = Field(
        "", description="Who may see positions, aadgroup=name@example.org say; empty: nobody."
    )
    patience_s: Positive = Field(900.0, description="So long a run waits for files to be taken. [s]")

    @property
    def table_names(self) -> tuple[str, ...]:
        """The tables one by one."""
        return tuple(name.strip() for name in self.tables.split(",") if name.strip())


class TwinsSettings(Section):
    """Azure Digital Twins: where the graph is, and what of it is kept."""

    endpoint: str = Field("", description="https://name.api.region.digitaltwins.azure.net of the instance.")
    credential: str = Field("default", description="default or managed_identity, :client id behind it.")
    token: SecretStr = Field(SecretStr(""), description="A bearer token in the place of a credential.")
    certificate: str = Field("", description="File of the authority that signed the endpoint's certificate.")
    layout: Literal["packs", "cells"] = Field(
        "packs", description="packs: vehicles and packs; cells: modules, cells and control units too."
    )
    weakest_cells: int = Field(8, ge=0, le=100, description="Cells that a pack twin itself tells of.")
    vehicle_model: str = Field("dtmi:battery_lake:ElectricVehicle;1", description="Interface of vehicles.")
    pack_model: str = Field("dtmi:battery_lake:TractionBatteryPack;1", description="Interface of packs.")
    cell_model: str = Field("dtmi:battery_lake:BatteryCell;1", description="Interface of cells.")
    models: str = Field("", description="Folder of further interfaces, your own, as JSON files.")
    positions: bool = Field(False, description="Write coarse positions, which are personal, to vehicles.")
    dead_bands: Annotated[dict[str, float], BeforeValidator(_from_json)] = Field(
        {}, description="By property: a smaller change alone sends no patch."
    )
    checked_only: bool = Field(True, description="Push only what `quality` has checked and passed.")
    concurrency: int = Field(16, ge=1, le=64, description="Calls at the same time.")
    patience_s: Positive = Field(300.0, description="So long a failing service is waited for. [s]")
