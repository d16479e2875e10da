"""What is known of a pack: its use and its observed capacities, day by day, as arrays."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from battery_lake.cells.soh_filter import combine_day
from battery_lake.gold.arrow import bounds, matrix, structs
from battery_lake.gold.life_state import POINT_COLUMNS, LifeKind, read_points
from battery_lake.gold.pack_use import PackUse, daily_sums, pack_use
from battery_lake.gold.resistance_state import read_steps
from battery_lake.gold.string_state import StringDays, curves_of, read_strings

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats, Ints
    from battery_lake.cells.life_points import LifePoints
    from battery_lake.cells.ocv import OcvCurve
    from battery_lake.cells.string_comparison import StringParams


def packs_of(table: pa.Table, width: int, eol_soh_pct: float, strings: StringParams) -> list[Pack]:
    """Return the packs of a table, all with equally many cells.

    Parameters
    ----------
    table
        What :func:`battery_lake.gold.cell_state.pack_inputs` gives.
    width
        Cells of each.
    eol_soh_pct
        End of life of packs that have none of their own. [%]
    strings
        What is assumed where cells are compared.
    """
    entries, places = Entries(table, width), bounds(table.column("days").combine_chunks())
    points = read_points(table, width)
    rows = table.drop_columns(["days", "start", "ocv_soc_frac", "ocv_v", *POINT_COLUMNS]).to_pylist()
    starts = structs(table.column("start").combine_chunks())
    return [
        Pack(
            row | {"start": start},
            entries,
            slice(*place),
            points[np.array([k])],
            eol_soh_pct,
            (curve, strings),
        )
        for k, (row, start, place, curve) in enumerate(
            zip(rows, starts, pairwise(places.tolist()), curves_of(table), strict=True)
        )
    ]


class Entries:
    """The days of all packs of a table, one after the other, as arrays; days count from 1970.

    Nested lists are taken apart as columns: as Python objects they cost more than all that is computed.
    """

    def __init__(self, table: pa.Table, width: int) -> None:
        entries = pc.list_flatten(table.column("days").combine_chunks())
        self.day: Ints = pc.struct_field(entries, "day").cast(pa.int32()).to_numpy().astype(np.int64)
        use, evidence = (pc.struct_field(entries, name) for name in ("use", "evidence"))
        self.throughput_ah: Floats = daily_sums(use, "throughput_ah")
        self.distance_km: Floats = daily_sums(use, "distance_km")
        self.evidence: Ints = bounds(evidence)
        items = pc.list_flatten(evidence)
        told = pa.table({
            name: pc.struct_field(items, name) for name in ("method", "capacity_ah", "variance_ah2")
        })
        self.capacity_ah: Floats = matrix(told, "capacity_ah", width)
        self.variance_ah2: Floats = matrix(told, "variance_ah2", width)
        self.strings = read_strings(pc.struct_field(entries, "strings"), width)
        self.steps, self.step_bounds = read_steps(pc.struct_field(entries, "steps"), self.day, width)
        self.is_test: Bools = np.asarray(told.column("method").to_pylist(), dtype=object) == "full_discharge"

    def combined(self, place: int) -> tuple[Floats, Floats, Ints]:
        """A day's observations as one. A full discharge is the capacity test itself: it overrules windows."""
        items = slice(self.evidence[place], self.evidence[place + 1])
        capacity, is_test = self.capacity_ah[items], self.is_test[items]
        tested = np.asarray(np.isfinite(capacity[is_test]).any(axis=0))
        overruled = ~is_test[:, None] & tested[None, :]
        return combine_day(np.where(overruled, np.nan, capacity), self.variance_ah2[items])


class Pack:
    """One pack's use and evidence as arrays; days count from 1970."""

    def __init__(
        self,
        row: dict[str, Any],
        entries: Entries,
        own: slice,
        points: LifePoints,
        eol_soh_pct: float,
        compared: tuple[OcvCurve | None, StringParams],
    ) -> None:
        self.pack_id: str = row["pack_id"]
        self.rated_ah: float = row["rated_capacity_ah"]
        self.new_mohm = _known(row["new_resistance_mohm"])
        self.start: dict[str, Any] | None = row["start"]
        self.points = points
        eol_pct = _known(row["eol_soh_pct"])
        day, new_day = entries.day[own], _known(row["new_days"])
        self.use: PackUse = pack_use(day, entries.throughput_ah[own], entries.distance_km[own], self.start)
        self.first_age_days = self.use.first_day - new_day
        self.kind = LifeKind(
            row["chemistry"],
            eol_soh_pct if np.isnan(eol_pct) else eol_pct,
            new_day if self.first_age_days >= 0.0 else float("nan"),
        )
        self.steps = entries.steps.part(slice(*entries.step_bounds[[own.start, own.stop]]))
        places = np.flatnonzero(np.diff(entries.evidence[own.start : own.stop + 1]))
        self.places: Ints = places
        self.days: Ints = day[places]
        width = entries.capacity_ah.shape[1]
        combined = [entries.combined(own.start + place) for place in places]
        self.capacity_ah: Floats = np.array([c for c, _, _ in combined]).reshape(-1, width)
        self.variance_ah2: Floats = np.array([v for _, v, _ in combined]).reshape(-1, width)
        self.count: Ints = np.array([n for _, _, n in combined], dtype=np.int64).reshape(-1, width)
        strings = StringDays(day, entries.strings.part(own), places, self.start, *compared)
        self.relative: Floats = strings.relative
        self.relative_std: Floats = strings.std
        self.string_before_last = strings.before_last


def _known(value: float | None) -> float:
    return float("nan") if value is None else float(value)
