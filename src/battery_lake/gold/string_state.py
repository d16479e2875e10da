"""How the cells of a string differ: sums of every session, added up over a pack's days."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F

from battery_lake.cells.ocv import OcvCurve
from battery_lake.cells.string_comparison import (
    BINS,
    StringParams,
    StringSums,
    added,
    no_sums,
    relative_capacity,
)
from battery_lake.gold.arrow import bounds, floats, lists, matrix, numbers

if TYPE_CHECKING:
    from pyspark.sql import Column

    from battery_lake.cells.arrays import Floats, Ints

COLUMNS: Final = (
    "string_bins", "string_samples", "string_c_rates", "string_c_rate2", "string_apart_v",
    "string_c_rate_apart", "string_apart_v2",
)  # fmt: skip
"""Columns of gold.session that hold a session's sums."""

STATE_FIELDS: Final = tuple(
    (name, pa.list_(pa.float64()) if is_list else pa.float64())
    for name, is_list in (
        ("string_days", False), ("string_sum_samples", True), ("string_sum_c_rates", True),
        ("string_sum_c_rate2", False),
        ("string_sum_apart_v", True), ("string_sum_c_rate_apart", True), ("string_sum_apart_v2", True),
    )
)  # fmt: skip
STATE_DDL: Final = ",".join(
    f"{name}:{'array<double>' if pa.types.is_list(type_) else 'double'}" for name, type_ in STATE_FIELDS
)


def session_columns(sums: StringSums) -> dict[str, pa.Array]:
    """Return the columns of gold.session; null where a session has no sums."""
    count = sums.count.astype(np.int64)
    told = count > 0
    some: Any = pa.array(told.any(axis=1))
    place, bins = np.nonzero(told)
    cells = sums.volts.shape[2]

    def ragged(values: pa.Array, per_bin: int = 1) -> pa.Array:
        ends = np.concatenate([[0], np.cumsum(told.sum(axis=1) * per_bin)]).astype(np.int32)
        return pc.if_else(some, pa.ListArray.from_arrays(ends, values), None)

    def by_cell(values: Floats) -> pa.Array:
        return pc.if_else(some, lists(values, pa.float32()), None)

    apart = sums.volts[place, bins].reshape(-1)
    return {
        "string_bins": ragged(pa.array(bins, pa.int32())),
        "string_samples": ragged(pa.array(count[place, bins], pa.int32())),
        "string_c_rates": ragged(pa.array(sums.c_rate[place, bins])),
        "string_c_rate2": numbers(np.where(told.any(axis=1), sums.c_rate2, np.nan)),
        "string_apart_v": ragged(pa.array(apart, pa.float32()), cells),
        "string_c_rate_apart": by_cell(sums.c_rate_volts),
        "string_apart_v2": by_cell(sums.volts2),
    }


def collected_strings() -> Column:
    """Return the sums of a group of sessions, in order of time."""
    told = F.when(F.col("string_bins").isNotNull(), F.struct("started_at", *COLUMNS))
    return F.sort_array(F.collect_list(told))


def read_strings(strings: pa.Array, width: int) -> StringSums:
    """Add up lists of sessions' sums, one list a day.

    Parameters
    ----------
    strings
        What :func:`collected_strings` gave, by day; null where there is none.
    width
        Cells of each string.

    Returns
    -------
    StringSums
        One row a day.
    """
    places = bounds(strings)
    count = len(places) - 1
    items = pc.list_flatten(strings)
    told = pa.table({name: pc.struct_field(items, name) for name in COLUMNS})
    fits = np.isfinite(matrix(told, "string_apart_v2", width)).all(axis=1) if len(told) else np.zeros(0, bool)
    day = np.repeat(np.arange(count), np.diff(places))[fits]
    told = told.filter(pa.array(fits, pa.bool_()))
    made = no_sums(count, width)
    if not len(told):
        return made
    length = np.diff(bounds(told.column("string_bins").combine_chunks()))
    slot = np.repeat(day, length), _flat(told, "string_bins").astype(np.int64)
    np.add.at(made.count, slot, _flat(told, "string_samples"))
    np.add.at(made.c_rate, slot, _flat(told, "string_c_rates"))
    np.add.at(made.volts, slot, _flat(told, "string_apart_v").reshape(-1, width))
    np.add.at(made.c_rate2, day, floats(told, "string_c_rate2"))
    np.add.at(made.c_rate_volts, day, matrix(told, "string_c_rate_apart", width))
    np.add.at(made.volts2, day, matrix(told, "string_apart_v2", width))
    return made


def _flat(table: pa.Table, name: str) -> Floats:
    values = pc.list_flatten(table.column(name).combine_chunks()).cast(pa.float64())
    return np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)


class StringDays:
    """What comparing the cells of one pack says on each of its days with evidence.

    Parameters
    ----------
    day, sums
        All days with sessions, since 1970, and their sums. [d]
    places
        Which of them have evidence.
    start
        The pack's row of gold.cell_state; None: it starts anew.
    curve
        Of its new cells; None: they are not compared.
    params
        What is assumed.
    """

    def __init__(
        self,
        day: Ints,
        sums: StringSums,
        places: Ints,
        start: dict[str, Any] | None,
        curve: OcvCurve | None,
        params: StringParams,
    ) -> None:
        cells = sums.volts.shape[2]
        so_far, at_day = _begun(start, cells)
        told = np.full((2, len(places), cells), np.nan)
        self.before_last: dict[str, Any] = _stored(so_far, at_day)
        evident = {int(place): row for row, place in enumerate(places)}
        for place in range(int(places[-1]) + 1 if len(places) else 0):
            if place == places[-1]:
                self.before_last = _stored(so_far, at_day)
            if sums.count[place].any():
                since = 0.0 if np.isnan(at_day) else float(day[place]) - at_day
                so_far, at_day = (
                    added(so_far, sums.part(slice(place, place + 1)), since, params),
                    float(day[place]),
                )
            if place in evident and curve is not None:
                for values, found in zip(told, relative_capacity(so_far, curve, params), strict=True):
                    values[evident[place]] = found[0]
        self.relative, self.std = told


def _begun(start: dict[str, Any] | None, cells: int) -> tuple[StringSums, float]:
    """The sums before the first day, and the day that they are of."""
    if start is None or start["string_days"] is None:
        return no_sums(1, cells), float("nan")

    def stored(name: str, *shape: int) -> Floats:
        return np.asarray(start[name], dtype=np.float64).reshape(1, *shape)

    sums = StringSums(
        stored("string_sum_samples", BINS), stored("string_sum_c_rates", BINS),
        stored("string_sum_c_rate2").reshape(1),
        stored("string_sum_apart_v", BINS, cells), stored("string_sum_c_rate_apart", cells),
        stored("string_sum_apart_v2", cells),
    )  # fmt: skip
    return sums, float(start["string_days"])


def _stored(sums: StringSums, at_day: float) -> dict[str, Any]:
    """The sums as fields of gold.cell_state."""
    if np.isnan(at_day):
        return {name: None for name, _ in STATE_FIELDS}
    return {
        "string_days": at_day,
        "string_sum_samples": sums.count[0],
        "string_sum_c_rates": sums.c_rate[0],
        "string_sum_c_rate2": float(sums.c_rate2[0]),
        "string_sum_apart_v": sums.volts[0].reshape(-1),
        "string_sum_c_rate_apart": sums.c_rate_volts[0],
        "string_sum_apart_v2": sums.volts2[0],
    }


def curves_of(table: pa.Table) -> list[OcvCurve | None]:
    """Return each row's curve from ``ocv_soc_frac`` and ``ocv_v``; equal ones are one object."""
    at = bounds(table.column("ocv_soc_frac").combine_chunks())
    soc_flat, volts_flat = _flat(table, "ocv_soc_frac"), _flat(table, "ocv_v")
    known: dict[bytes, OcvCurve] = {}
    found: list[OcvCurve | None] = []
    for begin, end in pairwise(at.tolist()):
        if end - begin < 2:  # noqa: PLR2004 - a curve has two points at least
            found.append(None)
            continue
        key = soc_flat[begin:end].tobytes() + volts_flat[begin:end].tobytes()
        if key not in known:
            known[key] = OcvCurve(soc_flat[begin:end], volts_flat[begin:end])
        found.append(known[key])
    return found
