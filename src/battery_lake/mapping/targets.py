"""The canonical signals: what a mapping may fill, in which unit, and what must be filled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["text", "time", "integer", "number", "list"]


@dataclass(frozen=True, slots=True)
class Target:
    """A canonical signal.

    Parameters
    ----------
    name
        A column of silver.telemetry.
    kind
        What its value is; ``list`` is a list of numbers.
    unit
        Unit of its numbers, as pint reads it; empty: none.
    required
        Whether every mapping must fill it.
    """

    name: str
    kind: Kind
    unit: str = ""
    required: bool = False

    @property
    def sql_type(self) -> str:
        """Its type in Spark SQL."""
        return {
            "text": "STRING", "time": "TIMESTAMP", "integer": "BIGINT", "number": "DOUBLE",
            "list": "ARRAY<DOUBLE>",
        }[self.kind]  # fmt: skip


TARGETS: Final[dict[str, Target]] = {
    target.name: target
    for target in (
        Target("pack_id", "text", required=True),
        Target("measured_at", "time", required=True),
        Target("sequence", "integer", required=True),
        Target("state", "text"),
        Target("current_a", "number", "A"),
        Target("pack_voltage_v", "number", "V"),
        Target("soc_pct", "number", "percent"),
        Target("cell_voltages_v", "list", "V"),
        Target("cell_voltage_min_v", "number", "V"),
        Target("cell_voltage_max_v", "number", "V"),
        Target("temperatures_c", "list", "degC"),
        Target("insulation_kohm", "number", "kohm"),
        Target("odometer_km", "number", "km"),
        Target("latitude", "number", "degree"),
        Target("longitude", "number", "degree"),
    )
}
"""Every signal that a mapping may fill, by name, in the order of the table."""

STATES: Final = ("driving", "charging", "parked")
"""What ``state`` may say."""
