"""What a mapping file may say: its keys, their types and their meaning."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from battery_lake.mapping.targets import TARGETS

Path = str | list[str]
"""Where a value stands: ``data.battery.soc``; as a list where a name itself holds a dot."""
Scalar = bool | int | float | str
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Part(BaseModel):
    """A part of a mapping file; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FieldCondition(Part):
    """A field of the body and the value that it must have."""

    path: Path
    value: int | str


class Applies(Part):
    """Which messages the mapping is for; all that is given must hold."""

    device: str = Field("", description="Regular expression that the whole device id matches.")
    properties: dict[str, str] = Field({}, description="Application properties with the value of each.")
    field: FieldCondition | None = Field(None, description="A field of the body and its value.")


class Body(Part):
    """How the messages stand in a body."""

    kind: Literal["json", "avro"] = Field("json", description="What the bytes are, once unzipped.")
    messages: Path | None = Field(None, description="Where the list of messages stands in an envelope.")
    avro_schema: str = Field("", description="The writer's schema: JSON, or a file beside the mapping.")


class Case(Part):
    """One line of a decision: where the field is as said, the signal is ``gives``."""

    path: Path
    equals: Scalar | None = None
    above: float | None = None
    below: float | None = None
    gives: Scalar


class Signal(Part):
    """Where a canonical signal comes from, and how its value is made."""

    path: Path | None = Field(None, description="Where the value stands in the message.")
    envelope: Path | None = Field(None, description="Where it stands beside the list of messages.")
    property: str | None = Field(None, description="Application property that holds it.")
    constant: Scalar | None = Field(None, description="The same for every message; {device} is the device.")
    fields: str | list[str] | None = Field(
        None, description="A list made of fields: their names, or CELL_{n}, CELL_{n:03} for numbered ones."
    )
    count: int | None = Field(None, ge=1, le=1000, description="How many numbered fields there can be.")
    first: int = Field(1, ge=0, description="Number of the first field, or of the first cell.")
    cell: Path | None = Field(None, description="One cell a message: where the cell's number stands.")
    cases: list[Case] | None = Field(None, description="Decides by other fields; the first that holds.")
    otherwise: Scalar | None = Field(None, description="What it is where no case holds.")
    as_text: bool = Field(False, description="Numbers are sent as text.")
    unit: str = Field("", description="Unit as sent; empty: the canonical one.")
    scale: float = Field(1.0, description="The value as sent is multiplied by it, before the unit.")
    offset: float = Field(0.0, description="Added after the scale, before the unit.")
    sign: Literal["charge_positive", "discharge_positive"] = Field(
        "charge_positive", description="Which direction of current is positive as sent."
    )
    invalid: list[int | float | str] = Field([], description="Values as sent that mean: no value.")
    enum: dict[str | int, str] | None = Field(None, description="Value as sent to canonical value.")
    format: str = Field("iso", description="iso, epoch_s, epoch_ms, epoch_us, or a pattern of Java.")
    zone: str = Field("UTC", description="Time zone of a pattern that has none.")


class Mapping(Part):
    """A mapping file."""

    mapping: Name = Field(description="The mapping's name.")
    description: str = ""
    applies: Applies = Applies()
    body: Body = Body()
    signals: dict[str, Signal] = Field(description=f"By canonical name: {', '.join(TARGETS)}.")
