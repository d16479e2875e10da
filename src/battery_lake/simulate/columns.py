"""What a pack sends, as columns: the common form of simulated and replayed telemetry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from battery_lake.errors import ContractError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PackMessages:
    """The messages of one pack in order of time; NaN is an absent value, None an absent column.

    Parameters
    ----------
    vehicle_id, pack_id
        Whose messages these are.
    measured_at_s
        Instant of each message, shape (n,). [s since 1970-01-01 UTC]
    sequence
        The device's counter, shape (n,).
    current_a
        Current, charge positive, shape (n,). [A]
    pack_voltage_v
        Voltage of the whole string, shape (n,). [V]
    state
        "driving", "charging" or "parked", shape (n,).
    soc_pct
        State of charge as the BMS reports it, shape (n,). [%]
    cell_voltages_v
        Shape (n, cells). [V]
    temperatures_c
        Shape (n, probes). [°C]
    insulation_kohm
        Insulation resistance against the chassis, shape (n,). [kΩ]
    odometer_km, latitude, longitude
        Shape (n,). [km], [°], [°]

    Raises
    ------
    ContractError
        If a column's length differs from the others'.
    """

    vehicle_id: str
    pack_id: str
    measured_at_s: NDArray[np.float64]
    sequence: NDArray[np.int64]
    current_a: NDArray[np.float64]
    pack_voltage_v: NDArray[np.float64]
    state: NDArray[np.object_] | None = None
    soc_pct: NDArray[np.float64] | None = None
    cell_voltages_v: NDArray[np.float64] | None = None
    temperatures_c: NDArray[np.float64] | None = None
    insulation_kohm: NDArray[np.float64] | None = None
    odometer_km: NDArray[np.float64] | None = None
    latitude: NDArray[np.float64] | None = None
    longitude: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        rows = len(self.measured_at_s)
        for name in self.__slots__[2:]:
            column = getattr(self, name)
            if column is not None and len(column) != rows:
                raise ContractError(
                    f"The messages of pack {self.pack_id} do not line up.",
                    why=f"{name} has {len(column)} rows, measured_at_s has {rows}",
                    remedy="give every column one row a message",
                )

    def __len__(self) -> int:
        return len(self.measured_at_s)
