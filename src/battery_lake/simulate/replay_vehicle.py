"""Recordings of electric cars as the telemetry of their packs, every cell voltage included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from battery_lake.simulate.columns import PackMessages
from battery_lake.simulate.thinning import at_intervals

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_CHARGING: Final = 1  # GB/T 32960: charging while parked; 3 is not charging, 4 charge finished
_UNBROKEN_S: Final = 95.0  # three messages of the slowest vehicle may be lost in a run
_LEAST_SOC_CHANGE_PCT: Final = 5.0  # the BMS resolves 0.1 to 1 %


@dataclass(frozen=True, slots=True)
class VehicleRecording:
    """A vehicle's replayed record.

    Parameters
    ----------
    messages
        Telemetry of its pack.
    rated_capacity_ah
        Capacity read from the record itself, see :func:`capacity_from_soc_ah`. [Ah]
    """

    messages: PackMessages
    rated_capacity_ah: float


def vehicle_recording(
    path: Path, *, starts_at: dt.datetime | None = None, interval_s: float = 10.0
) -> VehicleRecording:
    """Replay a vehicle of the set `ev_cell_faults` as it sent, its errors included.

    Impossible voltages, an odometer of 0 and silent probes go out as they stand: telling them from the truth
    is a reader's work. The state follows from the charge status and the speed; it is absent where the vehicle
    did not send its charge status.

    Parameters
    ----------
    path
        ``EV1.parquet`` or its like.
    starts_at
        Instant to which the first sample is moved, aware; None: the platform's time, taken as UTC.
    interval_s
        Least time between two messages, but for a change of state, which is sent at once. [s]

    References
    ----------
    Nie, Deng et al., Energy 323 (2025) 135754.
    """
    table = pq.read_table(path)
    time_s = table["measured_at"].to_numpy().astype("datetime64[ms]").astype(np.int64) / 1_000.0
    if starts_at is not None:
        time_s += starts_at.timestamp() - time_s[0]
    state = _state(_floats(table["charge_status"]), _floats(table["speed_kmh"]))
    changed = np.append(True, state[1:] != state[:-1])
    sent = at_intervals(time_s, changed, interval_s)
    rated_ah = capacity_from_soc_ah(time_s, _floats(table["current_a"]), _floats(table["soc_pct"]))
    messages = _pack_messages(table.filter(pa.array(sent)), time_s[sent], state[sent])
    return VehicleRecording(messages=messages, rated_capacity_ah=float(np.round(rated_ah)))


def capacity_from_soc_ah(time_s: Floats, current_a: Floats, soc_pct: Floats) -> float:
    """Return the capacity on which a BMS bases its SOC: charge counted over SOC changed.

    Stands for a rated capacity that is not published. It is what the BMS holds the capacity to be at the time
    of the record, so SOH then counts from there. The three vehicles give 114, 111 and 116 Ah; their charges
    lie 2 to 5 % over their discharges.

    Parameters
    ----------
    time_s, current_a, soc_pct
        The record in order of time, charge positive, shape (n,). [s], [A], [%]

    Returns
    -------
    float
        Over all runs without a gap, from the lowest to the highest SOC of each; NaN where none is wide
        enough. [Ah]
    """
    step_s = np.diff(time_s)
    trapezoid_ah = step_s * (current_a[1:] + current_a[:-1]) / 2.0 / 3_600.0
    charge_ah = np.append(0.0, np.cumsum(np.where(step_s > _UNBROKEN_S, 0.0, trapezoid_ah)))
    change_pct = moved_ah = 0.0
    for run in np.split(np.arange(len(time_s)), np.flatnonzero(step_s > _UNBROKEN_S) + 1):
        low, high = run[np.argmin(soc_pct[run])], run[np.argmax(soc_pct[run])]
        if soc_pct[high] - soc_pct[low] >= _LEAST_SOC_CHANGE_PCT:
            change_pct += soc_pct[high] - soc_pct[low]
            moved_ah += charge_ah[high] - charge_ah[low]
    return 100.0 * moved_ah / change_pct if change_pct else float("nan")


def _pack_messages(table: pa.Table, time_s: Floats, state: NDArray[np.object_]) -> PackMessages:
    """Return the rows of a vehicle's table as messages."""
    vehicle_id = str(table["vehicle_id"][0])
    return PackMessages(
        vehicle_id=vehicle_id,
        pack_id=f"PACK-{vehicle_id}",
        measured_at_s=time_s,
        sequence=np.arange(table.num_rows),
        current_a=_floats(table["current_a"]),
        pack_voltage_v=_floats(table["pack_voltage_v"]),
        state=state,
        soc_pct=_floats(table["soc_pct"]),
        cell_voltages_v=_matrix(table["cell_voltages_v"]),
        temperatures_c=_matrix(table["temperatures_c"]),
        odometer_km=_floats(table["odometer_km"]),
    )


def _state(charge_status: Floats, speed_kmh: Floats) -> NDArray[np.object_]:
    """Return what each sample says the vehicle does, None where it says nothing."""
    moving = np.where(speed_kmh > 0, "driving", "parked")
    state = np.where(charge_status == _CHARGING, "charging", moving).astype(np.object_)
    state[np.isnan(charge_status)] = None
    return state


def _floats(column: pa.ChunkedArray) -> Floats:
    """Return a column's values, null as NaN."""
    values: Floats = column.cast(pa.float64()).to_numpy().astype(np.float64)
    return values


def _matrix(column: pa.ChunkedArray) -> Floats:
    """Return lists of equal length as rows, null as NaN."""
    values: Floats = column.combine_chunks().flatten().cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values.reshape(len(column), -1)
