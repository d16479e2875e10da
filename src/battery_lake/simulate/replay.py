"""Measured cells and vehicles sent again: telemetry, reference data and measured capacities."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from battery_lake.errors import ReferenceDataError, SettingsError
from battery_lake.simulate.messages import write_landing, write_lines
from battery_lake.simulate.reference import Assignment, PackReference, write_reference
from battery_lake.simulate.replay_as_sent import as_sent_lines, log_of
from battery_lake.simulate.replay_lab import (
    CALCE_RATED_AH,
    NASA_RATED_AH,
    NASA_STARTS_AT,
    LabRecording,
    calce_recording,
    nasa_recording,
)
from battery_lake.simulate.replay_vehicle import vehicle_recording
from battery_lake.simulate.truth import TruthRows, cell_ids, truth_table

if TYPE_CHECKING:
    from pathlib import Path

    from battery_lake.simulate.columns import PackMessages

SETS: Final = ("nasa_pcoe", "calce_cs2", "ev_cell_faults")
"""Every set that can be replayed."""

Progress = Callable[[str, int], None]
"""Called after each pack with its id and the number of its messages."""


@dataclass(frozen=True, slots=True)
class ReplaySummary:
    """What a replay wrote.

    Parameters
    ----------
    packs
        Packs replayed.
    messages
        Messages in the landing folder because of it.
    truth_rows
        Days on which a capacity was measured, over all cells.
    """

    packs: int
    messages: int
    truth_rows: int


@dataclass(frozen=True, slots=True)
class _Replayed:
    """A pack's messages, its row of the reference data, and its truth (None: nothing was measured)."""

    messages: PackMessages
    reference: PackReference
    truth: pa.Table | None


def replay(
    data: Path,
    out_landing: Path,
    out_reference: Path,
    out_truth: Path,
    *,
    sets: tuple[str, ...] = SETS,
    clock: dt.datetime | None = None,
    as_sent: bool = False,
    progress: Progress | None = None,
) -> ReplaySummary:
    """Replay every recording of the data sets that are there.

    Running it again completes what an interrupted run left and repeats nothing.

    Parameters
    ----------
    data
        Folder with a folder for each set, `CELL.parquet` or `VEHICLE.parquet` in it.
    out_landing
        Landing folder for the messages, see :func:`battery_lake.simulate.messages.write_landing`.
    out_reference
        Folder for `packs.csv` and `pack_assignment.csv`.
    out_truth
        Folder for `<pack_id>.parquet`, one row a cell and day on which a full discharge was measured (the
        day's last); vehicles have none.
    sets
        Names of the sets; one whose folder is missing is passed over.
    clock
        Instant at which every recording begins, aware; None: its own clock.
    as_sent
        The vehicles' logs as their platform exported them, in place of canonical messages; for the mappings
        ``ev_log_1`` and ``ev_log_23``.
    progress
        Called after each pack.

    Returns
    -------
    ReplaySummary
        Counts of what was written.

    Raises
    ------
    SettingsError
        A set's name is unknown.
    ReferenceDataError
        None of the sets is there, or a file does not have the set's form.
    """
    unknown = sorted(set(sets) - set(_READERS))
    if unknown:
        raise SettingsError(
            f"There is no replay of {', '.join(unknown)}.",
            why=f"the sets known are {', '.join(_READERS)}",
            remedy="name one of them",
        )
    packs: list[PackReference] = []
    assignments: list[Assignment] = []
    messages = truth_rows = 0
    for name, path in _paths(data, sets):
        replayed = _read(name, path, clock)
        log = log_of(path)
        if as_sent and log.exists():
            count = write_lines(out_landing, as_sent_lines(log, replayed.messages.vehicle_id))
        else:
            count = write_landing(out_landing, [replayed.messages])
        messages += count
        packs.append(replayed.reference)
        assignments.append(_assignment(replayed.messages))
        if replayed.truth is not None:
            out_truth.mkdir(parents=True, exist_ok=True)
            pq.write_table(
                replayed.truth, out_truth / f"{replayed.reference.pack_id}.parquet", compression="zstd"
            )
            truth_rows += replayed.truth.num_rows
        if progress is not None:
            progress(replayed.reference.pack_id, count)
    write_reference(out_reference, packs, assignments)
    return ReplaySummary(packs=len(packs), messages=messages, truth_rows=truth_rows)


def _paths(data: Path, sets: tuple[str, ...]) -> list[tuple[str, Path]]:
    """Return the recordings of the sets, each with its set's name."""
    paths = [(name, path) for name in sets for path in sorted((data / name).glob("*.parquet"))]
    if not paths:
        raise ReferenceDataError(
            "There is nothing to replay.",
            why=f"{data} holds no Parquet file in any of {', '.join(sets)}",
            remedy="give the folder that holds the data sets' folders",
        )
    return paths


def _read(name: str, path: Path, clock: dt.datetime | None) -> _Replayed:
    """Read one recording of a set."""
    try:
        return _READERS[name](path, clock)
    except (KeyError, IndexError, pa.ArrowException) as error:
        raise ReferenceDataError(
            f"{path.name} cannot be replayed.",
            why=f"it does not have the form of the set {name}: {error}",
            remedy="compare its columns with the description of the set",
        ) from error


def _nasa(path: Path, clock: dt.datetime | None) -> _Replayed:
    """Replay a NASA cell; its end of life is set by the laboratory at 1.4 of 2.0 Ah."""
    recording = nasa_recording(path, starts_at=clock or NASA_STARTS_AT)
    # The makers of the 18650 cells are not named; a lithium cobalt oxide cell is the usual reading.
    return _lab(recording, "NASA PCoE 18650", NASA_RATED_AH)


def _calce(path: Path, clock: dt.datetime | None) -> _Replayed:
    """Replay a CALCE cell; end of life at 0.77 of 1.1 Ah."""
    return _lab(calce_recording(path, starts_at=clock), "CALCE CS2", CALCE_RATED_AH)


def _vehicle(path: Path, clock: dt.datetime | None) -> _Replayed:
    """Replay a vehicle, of whose pack nothing is published."""
    recording = vehicle_recording(path, starts_at=clock)
    messages = recording.messages
    cells_in_series = 0 if messages.cell_voltages_v is None else messages.cell_voltages_v.shape[1]
    reference = PackReference(
        pack_id=messages.pack_id,
        # Assumed: 3.66 V at 42 % SOC and 4.15 V when full is a layered oxide; LFP and LMO lie elsewhere.
        chemistry="NMC",
        cells_in_series=cells_in_series,
        # The cut into modules is unknown: one module, so that cell 82 of the string is .../01/82.
        cells_per_module=cells_in_series,
        rated_capacity_ah=recording.rated_capacity_ah,
        model=messages.vehicle_id,
    )
    return _Replayed(messages, reference, truth=None)


_READERS: Final[dict[str, Callable[[Path, dt.datetime | None], _Replayed]]] = {
    "nasa_pcoe": _nasa,
    "calce_cs2": _calce,
    "ev_cell_faults": _vehicle,
}


def _lab(recording: LabRecording, model: str, rated_ah: float) -> _Replayed:
    """Return a laboratory cell as a pack of one LCO cell, discharged to 2.7 V, at its end with 70 %."""
    reference = PackReference(
        pack_id=recording.messages.pack_id,
        chemistry="LCO",
        cells_in_series=1,
        cells_in_parallel=1,
        cells_per_module=1,
        rated_capacity_ah=rated_ah,
        model=model,
        eol_soh_pct=70.0,
        ocv_curve="lco_marquis",
        cell_low_v=2.7,
        cell_high_v=4.2,
    )
    return _Replayed(recording.messages, reference, _measured_truth(recording, rated_ah))


def _measured_truth(recording: LabRecording, rated_ah: float) -> pa.Table:
    """Return the measured capacities as truth, one row a day with a measurement; resistance is unknown."""
    days = recording.ended_at_s // 86_400
    by_day = np.full((int(days[-1] - days[0]) + 1, 1), np.nan)
    by_day[(days - days[0]).astype(np.int64), 0] = (
        recording.capacity_ah
    )  # of several on a day the last one stays
    pack_id = recording.messages.pack_id
    table = truth_table(
        TruthRows(
            pack_id=pack_id,
            cell_ids=cell_ids(pack_id, 1, 1),
            first_date=dt.datetime.fromtimestamp(recording.ended_at_s[0], tz=dt.UTC).date(),
            rated_capacity_ah=rated_ah,
            capacity_ah=by_day,
            resistance_mohm=np.full_like(by_day, np.nan),
        )
    )
    measured = table.filter(pa.array(np.isfinite(by_day[:, 0])))
    resistance = measured.schema.get_field_index("resistance_mohm")
    return measured.set_column(resistance, "resistance_mohm", pa.nulls(measured.num_rows, pa.float64()))


def _assignment(messages: PackMessages) -> Assignment:
    """Return that the pack is in its vehicle from its first message on."""
    first = dt.datetime.fromtimestamp(int(messages.measured_at_s[0]), tz=dt.UTC)
    return Assignment(messages.pack_id, messages.vehicle_id, valid_from=first)
