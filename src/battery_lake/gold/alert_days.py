"""Rows of gold.cell_deviation as arrays: the k-th days of many packs side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from battery_lake.cells.alerts import NONE, SEVERITIES
from battery_lake.cells.deviation import DeviationParams
from battery_lake.gold.arrow import codes, days, floats, matrix
from battery_lake.gold.cell_deviation import BAND_V
from battery_lake.gold.day_safety import DAY_US

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Codes, Floats, Ints

_CELLS: Final = ("deviation_mv", "deviation_std_mv", "band_deviation_mv", "band_std_mv")
_NUMBERS: Final = (
    "spread_mv", "width_mv", "width_std_mv", "messages", "temperature_max_c", "hot_probe",
    "hot_temperature_c", "hot_above_others_c", "hot_messages", "plating_excess_ah", "plating_excess_pct",
    "plating_coldest_c", "plating_current_max_a", "insulation_low_kohm", "insulation_low_ohm_per_v",
    "insulation_readings", "probe_apart_c", "apart_probe", "apart_messages", "string_gap_pct",
    "frozen_messages",
)  # fmt: skip
_SEVERITIES: Final = ("hot_severity", "plating_severity", "insulation_severity")
_INSTANTS: Final = ("hot_first_at", "insulation_first_at", "frozen_first_at")


@dataclass(frozen=True, slots=True)
class FarOff:
    """What single messages of a day say of each cell; NaN where nothing. Shape ``(packs, cells)``.

    ``is_known`` is false where no voltage was told; ``first_us`` is in microseconds since 1970.
    """

    deviation_mv: Floats
    voltage_v: Floats
    messages: Floats
    first_us: Ints
    is_known: Bools

    @property
    def found(self) -> Bools:
        """Cells that are far off."""
        return np.isfinite(self.deviation_mv)


@dataclass(frozen=True, slots=True)
class Lying:
    """How the readings of cells that lie on a day follow the string; NaN elsewhere. Shape ``(packs, cells)``.

    ``is_known`` is false where the day does not tell.
    """

    follow_frac: Floats
    step_follow_frac: Floats
    is_known: Bools


@dataclass(frozen=True, slots=True)
class PackDay:
    """One day of each of many packs; a pack that has none is NaN everywhere.

    Parameters
    ----------
    has_day
        Packs that have one. Shape ``(packs,)``
    day
        Days since 1970, NaN where there is none. [d], shape ``(packs,)``
    start_us
        Its first instant, microseconds since 1970. Shape ``(packs,)``
    cells
        Column of gold.cell_deviation to values, one a cell. Shape ``(packs, cells)``
    numbers, severities, instants_us
        Column to values, one a pack. Shape ``(packs,)``
    far_off
        What single messages say of cells.
    lying
        Cells whose reading does not follow the string.
    """

    has_day: Bools
    day: Floats
    start_us: Ints
    cells: dict[str, Floats]
    numbers: dict[str, Floats]
    severities: dict[str, Codes]
    instants_us: dict[str, Ints]
    far_off: FarOff
    lying: Lying


class PackDays:
    """All days of the packs of a table, each with equally many cells; rows sorted by pack and day."""

    def __init__(self, table: pa.Table, width: int) -> None:
        self._width = width
        pack_index, self.pack_ids = codes(table, "pack_id")
        self.first: Ints = np.flatnonzero(np.diff(pack_index, prepend=-1)).astype(np.int64)
        self.count: Ints = np.diff([*self.first, pack_index.size]).astype(np.int64)
        self.day: Ints = days(table, "as_of_date")
        # One row more, of nothing: for packs that have no such day.
        self._cells = {name: _with_nothing(matrix(table, name, width)) for name in _CELLS}
        self._numbers = {name: _with_nothing(floats(table, name)) for name in _NUMBERS}
        self._severities = {name: _severities(table, name) for name in _SEVERITIES}
        self._instants = {name: _instants(table, name) for name in _INSTANTS}
        self._far_off = _CellLists(table, "far_off", width)
        self._lying = _CellLists(table, "lying_cells", width)

    def at(self, place: int) -> PackDay:
        """Return every pack's day of that place, from 0.

        Parameters
        ----------
        place
            Which of its days.
        """
        has_day = place < self.count
        rows = np.where(has_day, self.first + place, self.day.size)
        day = np.append(self.day, 0)[rows]
        return PackDay(
            has_day=has_day,
            day=np.where(has_day, day.astype(np.float64), np.nan),
            start_us=day * DAY_US,
            cells={name: values[rows] for name, values in self._cells.items()},
            numbers={name: values[rows] for name, values in self._numbers.items()},
            severities={name: values[rows] for name, values in self._severities.items()},
            instants_us={name: values[rows] for name, values in self._instants.items()},
            far_off=FarOff(**self._far_off.at(rows), is_known=self._far_off.is_known[rows]),
            lying=Lying(**self._lying.at(rows), is_known=self._lying.is_known[rows]),
        )


class _CellLists:
    """A column of lists of cells, most of them empty, by row; one row more, of nothing."""

    def __init__(self, table: pa.Table, name: str, width: int) -> None:
        self._width = width
        column = table.column(name).combine_chunks()
        items = column.type.value_type
        self._fields: dict[str, str] = {
            f.name: f"{f.name.removesuffix('_at')}_us" if pa.types.is_timestamp(f.type) else f.name
            for f in items
            if f.name != "series_index"
        }
        self.is_known: Bools = np.append(column.is_valid().to_numpy(zero_copy_only=False), False)
        some = pc.fill_null(pc.greater(pc.list_value_length(column), 0), False)
        places = np.flatnonzero(some.to_numpy(zero_copy_only=False))
        self._rows: dict[int, list[dict[str, Any]]] = dict(
            zip(places.tolist(), _microseconds(column.filter(some)), strict=True)
        )

    def at(self, rows: Ints) -> dict[str, Any]:
        """Return matrices of the fields: NaN, or 0 for an instant, where a row has no such cell."""
        shape = rows.size, self._width
        found = {
            key: np.zeros(shape, dtype=np.int64) if key != name else np.full(shape, np.nan)
            for name, key in self._fields.items()
        }
        for pack, row in enumerate(rows.tolist()):
            for cell in self._rows.get(row, ()):
                place = pack, cell["series_index"]
                if place[1] < self._width:
                    for name, key in self._fields.items():
                        found[key][place] = cell[name]
        return found


def slopes_v(packs: pa.Table) -> Floats:
    """Slope of each pack's voltage curve in the band of trends; NaN without a curve. [V].

    Parameters
    ----------
    packs
        One row a pack: chemistry, ocv_soc_frac, ocv_v.
    """
    return np.array([_slope_v(row) for row in packs.to_pylist()], dtype=np.float64)


def _slope_v(pack: dict[str, Any]) -> float:
    if not pack["ocv_soc_frac"] or not pack["ocv_v"]:
        return float("nan")
    soc, ocv = np.array(pack["ocv_soc_frac"]), np.array(pack["ocv_v"])
    low, high = np.clip(BAND_V.get(pack["chemistry"], DeviationParams().band_v), ocv[0], ocv[-1])
    soc_low, soc_high = np.interp([low, high], ocv, soc)
    return float((high - low) / (soc_high - soc_low)) if soc_high > soc_low else float("nan")


def _with_nothing(values: Floats) -> Floats:
    return np.concatenate([values, np.full((1, *values.shape[1:]), np.nan)])


def _severities(table: pa.Table, name: str) -> Codes:
    place = pc.index_in(table.column(name).combine_chunks(), pa.array(SEVERITIES))
    return np.append(pc.fill_null(place, NONE).to_numpy(zero_copy_only=False), NONE).astype(np.int8)


def _instants(table: pa.Table, name: str) -> Ints:
    """Microseconds since 1970, 0 where there is none."""
    column = pc.fill_null(table.column(name).combine_chunks().cast(pa.int64()), 0)
    return np.append(column.to_numpy(zero_copy_only=False), 0).astype(np.int64)


def _microseconds(lists: pa.Array) -> list[list[dict[str, Any]]]:
    """Lists of structs as Python sees them, their instants as numbers."""
    items = lists.flatten()
    fields = {field.name: items.field(field.name) for field in items.type}
    for name, values in fields.items():
        fields[name] = values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values
    flat = pa.table(fields).to_pylist()
    ends = np.cumsum(lists.value_lengths().to_numpy(zero_copy_only=False))
    return [flat[end - size : end] for end, size in zip(ends, np.diff(ends, prepend=0), strict=True)]
