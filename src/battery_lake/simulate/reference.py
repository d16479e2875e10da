"""The reference files that go with simulated or replayed telemetry: the packs, and who carries them."""

from __future__ import annotations

import csv
import datetime as dt
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class PackReference:
    """A pack's row of reference.packs; None is unknown. Columns and units as there."""

    pack_id: str
    chemistry: str
    cells_in_series: int
    rated_capacity_ah: float
    model: str | None = None
    cells_in_parallel: int | None = None
    cells_per_module: int | None = None
    rated_energy_wh: float | None = None
    eol_soh_pct: float | None = None
    ocv_curve: str | None = None
    cell_low_v: float | None = None
    cell_high_v: float | None = None
    warranty_from: dt.date | None = None
    warranty_years: float | None = None
    warranty_km: float | None = None
    warranty_soh_pct: float | None = None
    new_resistance_mohm: float | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """A pack in a vehicle for a time; instants are aware, valid_to is None while it lasts."""

    pack_id: str
    vehicle_id: str
    valid_from: dt.datetime
    valid_to: dt.datetime | None = None


Row = PackReference | Assignment


def write_reference(folder: Path, packs: Iterable[PackReference], assignments: Iterable[Assignment]) -> None:
    """Write packs.csv and pack_assignment.csv.

    Parameters
    ----------
    folder
        Made if it is not there; older files are replaced.
    packs, assignments
        The rows. The OCV curves themselves are looked up by name when the files are loaded.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "packs.csv", PackReference, packs)
    _write(folder / "pack_assignment.csv", Assignment, assignments)


def _write(path: Path, kind: type[Row], rows: Iterable[Row]) -> None:
    """One CSV file with the fields of a kind of row."""
    names = [field.name for field in fields(kind)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(names)
        writer.writerows([_text(getattr(row, name)) for name in names] for row in rows)


def _text(value: Any) -> Any:
    """A value as the reference files spell it: times ISO 8601 with Z, nothing for unknown."""
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    return "" if value is None else value
