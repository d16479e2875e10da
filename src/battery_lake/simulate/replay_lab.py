"""Laboratory recordings as the telemetry of one-cell packs: NASA PCoE and CALCE CS2."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.parquet as pq

from battery_lake.simulate.columns import PackMessages
from battery_lake.simulate.thinning import SendOnChange, send_on_change

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]

NASA_RATED_AH: Final = 2.0
CALCE_RATED_AH: Final = 1.1

NASA_THINNING: Final = SendOnChange(
    voltage_v=0.012, current_a=0.02 * NASA_RATED_AH, interval_s=120.0, below_v=2.75, near_full_v=4.195
)
"""Leaves some 36,000 of a cell's 591,000 samples."""

CALCE_THINNING: Final = SendOnChange(
    voltage_v=0.020, current_a=0.02 * CALCE_RATED_AH, interval_s=300.0, below_v=2.75, near_full_v=4.195
)
"""Leaves some 80,000 of a cell's 265,000 samples."""

NASA_STARTS_AT: Final = dt.datetime(2008, 4, 2, 13, tzinfo=dt.UTC)
"""Where the NASA cells' clock begins unless told otherwise: assumed, the files hold no wall clock."""

REST_AFTER_CHARGE_S: Final = 20 * 60.0
REST_AFTER_DISCHARGE_S: Final = 40 * 60.0
REST_WHERE_A_STEP_IS_MISSING_S: Final = 24 * 3_600.0

# Charges and discharges are counted apart, and the counts come apart. Balancing what a charge puts in against
# what the discharge before it took out shows where: charge 13 refills a discharge that is not in the files,
# charge 33 tops up a full cell, and before discharge 91 a charge is missing. The cells shared a schedule.
_CHARGES_BEFORE_NO_DISCHARGE: Final[Mapping[str, frozenset[int]]] = {
    "B0005": frozenset({12, 32}),
    "B0006": frozenset({12, 32}),
}
_DISCHARGES_AFTER_NO_CHARGE: Final[Mapping[str, frozenset[int]]] = {
    "B0005": frozenset({91}),
    "B0006": frozenset({91}),
}

_FLOWS_A: Final = 0.05  # over the testers' noise; less is rest or the tail of constant voltage
_PLAUSIBLE_V: Final = (0.5, 4.5)  # spurious rows of the NASA tester read 0.003, 4.98 and 8.4 V
_CALCE_DISCHARGE: Final = 7
_NEIGHBOURS: Final = 15
_BROKEN_FRAC: Final = 0.05


@dataclass(frozen=True, slots=True)
class LabRecording:
    """A cell's replayed life: what it would have sent, and what the laboratory measured.

    Parameters
    ----------
    messages
        Telemetry of the pack of one cell, without state and SOC, which a tester does not know.
    ended_at_s
        End of each measured discharge, shape (n_discharges,). [s since 1970-01-01 UTC]
    capacity_ah
        Capacity that it measured, shape (n_discharges,). [Ah]
    """

    messages: PackMessages
    ended_at_s: Floats
    capacity_ah: Floats


def nasa_recording(
    path: Path, *, starts_at: dt.datetime = NASA_STARTS_AT, thinning: SendOnChange = NASA_THINNING
) -> LabRecording:
    """Replay a cell of the NASA PCoE battery data set.

    The files give the time within a step only. Assumed here: a pause of 20 minutes follows a charge and one
    of 40 minutes a discharge, and 24 hours pass where a step is missing from the record. Nothing is sent in a
    pause; a rest shows by the samples without current with which most steps begin and end. Left out as
    spurious: voltages that no cell has, the tester's discharge pulse at the start of each charge, and steps
    without current.

    Parameters
    ----------
    path
        ``B0005.parquet`` or its like.
    starts_at
        Begin of the first step, aware.
    thinning
        Which samples are sent.

    References
    ----------
    Saha and Goebel (2007), Battery Data Set, NASA Prognostics Data Repository.
    """
    table = pq.read_table(path)
    cell_id = str(table["cell_id"][0])
    charging = table["step"].to_numpy() == "charge"
    number = table["cycle_number"].to_numpy().astype(np.int64)
    elapsed_s, voltage_v, current_a, temperature_c, capacity_ah = (
        table[name].to_numpy().astype(np.float64)
        for name in ("elapsed_s", "voltage_v", "current_a", "temperature_c", "measured_capacity_ah")
    )
    sound = (
        (voltage_v > _PLAUSIBLE_V[0]) & (voltage_v < _PLAUSIBLE_V[1]) & ~(charging & (current_a < -_FLOWS_A))
    )
    steps = _nasa_steps(charging, number, sound, current_a)
    rows, run, time_s = _laid_out(_nasa_order(cell_id, steps), elapsed_s, starts_at.timestamp())
    sent = send_on_change(run, time_s, voltage_v[rows], current_a[rows], thinning)
    discharging = current_a[rows] < -_FLOWS_A
    last = np.flatnonzero(discharging & ~np.append((run[1:] == run[:-1]) & discharging[1:], False))
    kept = rows[sent]
    return LabRecording(
        messages=_one_cell_messages(
            cell_id, time_s[sent], voltage_v[kept], current_a[kept], temperature_c[kept]
        ),
        ended_at_s=time_s[last],
        capacity_ah=capacity_ah[rows[last]],
    )


def calce_recording(
    path: Path, *, starts_at: dt.datetime | None = None, thinning: SendOnChange = CALCE_THINNING
) -> LabRecording:
    """Replay a cell of the CALCE CS2 data set, on the tester's own clock.

    Two samples may bear the same second where one step follows another; their sequence tells them apart.
    A discharge's capacity is what the tester's counter rose by since the sample before it, within a file:
    about 0.5 % more than the samples hold, as the first comes half a minute after the current has set in.
    Broken discharges, over 5 % off the median of 15 neighbours, are sent but do not count as measurements.

    Parameters
    ----------
    path
        ``CS2_35.parquet`` or its like.
    starts_at
        Instant to which the first sample is moved, aware; None: the tester's time, taken as UTC.
    thinning
        Which samples are sent.

    References
    ----------
    He, Williard, Osterman and Pecht, J. Power Sources 196 (2011) 10314.
    """
    table = pq.read_table(path)
    time_s = table["measured_at"].to_numpy().astype("datetime64[ms]").astype(np.int64) / 1_000.0
    if starts_at is not None:
        time_s += starts_at.timestamp() - time_s[0]
    voltage_v, current_a, counter_ah = (
        table[name].to_numpy().astype(np.float64)
        for name in ("voltage_v", "current_a", "discharge_counter_ah")
    )
    step = table["step_index"].to_numpy().astype(np.int64)
    file = np.unique(table["source_file"].to_numpy().astype(str), return_inverse=True)[1]
    begins = np.append(True, (step[1:] != step[:-1]) | (file[1:] != file[:-1]))
    sent = send_on_change(np.cumsum(begins), time_s, voltage_v, current_a, thinning)
    first = np.flatnonzero(begins & (step == _CALCE_DISCHARGE))
    last = np.append(np.flatnonzero(begins)[1:], len(step))[np.cumsum(begins)[first] - 1] - 1
    before = np.where((first > 0) & (file[first - 1] == file[first]), first - 1, first)
    capacity_ah = counter_ah[last] - counter_ah[before]
    sound = ~_broken(capacity_ah)
    return LabRecording(
        messages=_one_cell_messages(str(table["cell_id"][0]), time_s[sent], voltage_v[sent], current_a[sent]),
        ended_at_s=time_s[last][sound],
        capacity_ah=capacity_ah[sound],
    )


def _nasa_steps(charging: Mask, number: Ints, sound: Mask, current_a: Floats) -> dict[tuple[bool, int], Ints]:
    """Return the sound rows of each step in which current flows, by (is it a charge, its number)."""
    begins = np.flatnonzero((charging[1:] != charging[:-1]) | (number[1:] != number[:-1])) + 1
    steps: dict[tuple[bool, int], Ints] = {}
    for rows in np.split(np.arange(len(number)), begins):
        held = rows[sound[rows]]
        if np.any(np.abs(current_a[held]) > _FLOWS_A):
            steps[bool(charging[rows[0]]), int(number[rows[0]])] = held
    return steps


def _nasa_order(cell_id: str, steps: Mapping[tuple[bool, int], Ints]) -> list[tuple[bool, Ints]]:
    """Return the steps, each with whether it is a charge, in the order in which they took place."""
    charges = [number for is_charge, number in steps if is_charge]
    alone = _CHARGES_BEFORE_NO_DISCHARGE.get(cell_id, frozenset())
    uncharged = _DISCHARGES_AFTER_NO_CHARGE.get(cell_id, frozenset())
    order: list[tuple[bool, int]] = []
    for number in (number for is_charge, number in steps if not is_charge):
        if number not in uncharged:
            while charges and charges[0] in alone:
                order.append((True, charges.pop(0)))
            order.extend((True, charge) for charge in charges[:1])
            del charges[:1]
        order.append((False, number))
    order.extend((True, charge) for charge in charges)
    return [(key[0], steps[key]) for key in order]


def _laid_out(
    order: list[tuple[bool, Ints]], elapsed_s: Floats, starts_at_s: float
) -> tuple[Ints, Ints, Floats]:
    """Return rows, number of the step and instant of all samples, pauses put between the steps."""
    instants: list[Floats] = []
    begins_s = starts_at_s
    for position, (is_charge, rows) in enumerate(order):
        instants.append(begins_s + elapsed_s[rows])
        if position + 1 < len(order):
            pause_s = REST_AFTER_CHARGE_S if is_charge else REST_AFTER_DISCHARGE_S
            if order[position + 1][0] == is_charge:
                pause_s = REST_WHERE_A_STEP_IS_MISSING_S
            begins_s = instants[-1][-1] + pause_s
    run = np.repeat(np.arange(len(order)), [len(rows) for _, rows in order])
    return np.concatenate([rows for _, rows in order]), run, np.concatenate(instants)


def _broken(capacity_ah: Floats) -> Mask:
    """Mark discharges that are off the median of their neighbours."""
    half = _NEIGHBOURS // 2
    padded = np.pad(capacity_ah, half, constant_values=np.nan)
    trend_ah = np.nanmedian(np.lib.stride_tricks.sliding_window_view(padded, _NEIGHBOURS), axis=1)
    broken: Mask = np.abs(capacity_ah - trend_ah) > _BROKEN_FRAC * trend_ah
    return broken


def _one_cell_messages(
    cell_id: str, time_s: Floats, voltage_v: Floats, current_a: Floats, temperature_c: Floats | None = None
) -> PackMessages:
    """Return the samples as messages of a pack of one cell in series."""
    return PackMessages(
        vehicle_id=f"LAB-{cell_id}",
        pack_id=cell_id,
        measured_at_s=time_s,
        sequence=np.arange(len(time_s)),
        current_a=current_a,
        pack_voltage_v=voltage_v,
        cell_voltages_v=voltage_v[:, np.newaxis],
        temperatures_c=None if temperature_c is None else temperature_c[:, np.newaxis],
    )
