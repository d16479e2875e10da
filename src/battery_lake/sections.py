"""What a group of settings is, and the groups of the sinks."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

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

Points = tuple[tuple[float, float], ...]


def _rising(curves: dict[str, Points]) -> dict[str, Points]:
    """Points of a curve come in order of what they are points over."""
    for name, points in curves.items():
        at = [place for place, _ in points]
        if not at or at != sorted(set(at)):
            raise ValueError(f"the points of {name} must rise, and there must be one")
    return curves


CurveByChemistry = Annotated[dict[str, Points], BeforeValidator(_by_chemistry), AfterValidator(_rising)]
"""A curve for each chemistry, and ``default`` for the others; straight between its points."""


class Section(BaseModel):
    """A group of settings; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AlertSettings(Section):
    """What a pack may do, by chemistry: a maker's own limits belong here.

    Where the defaults come from stands in docs/methods.md, section 12.
    """

    charge_c_rate: CurveByChemistry = Field(
        {
            "default": ((-10.0, 0.07), (0.0, 0.17), (10.0, 0.38), (15.0, 0.52)),
            "LFP": ((-1.0, 0.02), (0.0, 0.1), (5.0, 0.2), (10.0, 1.0)),
        },
        description="Fastest charge by the coldest probe, as [°C, 1/h]: faster may plate lithium.",
    )
    hot_warning_c: ByChemistry = Field(
        {"default": 55.0, "LFP": 60.0}, description="A probe so hot is a warning. [°C]"
    )
    hot_critical_c: ByChemistry = Field({"default": 65.0}, description="A probe so hot is critical. [°C]")
    insulation_warning_ohm_per_v: Positive = Field(
        500.0, description="Less insulation resistance over the pack's highest voltage: a warning. [Ω/V]"
    )
    insulation_critical_ohm_per_v: Positive = Field(
        100.0, description="Less insulation resistance over the pack's highest voltage: critical. [Ω/V]"
    )


class AdxSettings(Section):
    """Data Explorer, which takes gold's changes."""

    cluster: str = Field(
        "", description="https://name.region.kusto.windows.net; a stand-in's on loopback; empty: none."
    )
    database: str = Field("battery", description="The database.")
    credential: str = Field("default", description="default or managed_identity, :client id behind it.")
    tables: str = Field(
        "session,cell_health,cell_life,cell_current,pack_health,alert,fleet_daily,vehicle_status,"
        "pack_now,fleet_now,message_daily",
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
    position_cell_km: Positive = Field(
        5.0, description="Positions in gold and twins tell no more than a square of this size. [km]"
    )
    live: Literal["off", "once", "always"] = Field(
        "off", description="State from silver in the job push_twins: off; once: what is new; always: goes on."
    )
    live_every_s: Positive = Field(10.0, description="Between two batches of state that goes on. [s]")
    live_seen_s: float = Field(
        60.0, ge=0, description="A vehicle that says the same is patched only so often. [s]"
    )
    dead_bands: Annotated[dict[str, float], BeforeValidator(_from_json)] = Field(
        {}, description="By property: a smaller change alone sends no patch."
    )
    container: SecretStr = Field(
        SecretStr(""), description="https://account.blob.core.windows.net/container of `twins load`."
    )
    checked_only: bool = Field(True, description="Push only what `quality` has checked and passed.")
    concurrency: int = Field(16, ge=1, le=64, description="Calls at the same time.")
    patience_s: Positive = Field(300.0, description="So long a failing service is waited for. [s]")


class ModelSettings(Section):
    """Where models are trained, kept, and looked up."""

    name: str = Field("battery_rul", description="Registered model; catalog.schema.name in Unity Catalog.")
    tracking: str = Field("", description="MLflow's tracking server, or databricks; empty: SQLite in folder.")
    registry: str = Field("", description="MLflow's registry, or databricks-uc; empty: as tracking.")
    experiment: str = Field("/Shared/battery_lake", description="Experiment that trainings belong to.")
    folder: str = Field(
        "", description="Folder of the SQLite store and of the champion's copy; empty: mlflow under home."
    )
    most_packs: int = Field(1000, ge=1, description="Packs that a training or a comparison takes at most.")


class MaintenanceSettings(Section):
    """What `maintain` keeps."""

    retention_days: int = Field(
        30, ge=7, description="Old versions and the change feed can be read so far back. [d]"
    )
