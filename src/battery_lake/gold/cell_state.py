"""Observations to the filtered state of every cell: the recursion over days, many packs at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F

from battery_lake.cells.resistance import ResistanceParams
from battery_lake.cells.rul import RulParams, remaining_days
from battery_lake.cells.soh_filter import (
    FilterParams,
    FilterState,
    combine_day,
    initial_state,
    reported_std,
    step,
)
from battery_lake.gold.arrow import bounds, floats, lists, matrix, numbers, side_by_side
from battery_lake.gold.resistance_state import (
    STATE_DDL,
    STATE_FIELDS,
    Resistances,
    collected_steps,
    follow,
    nullable,
    read_steps,
    relative_pct,
    stored,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pyspark.sql import DataFrame

    from battery_lake.cells.arrays import Bools, Floats, Ints

METHOD: Final = "kalman-3"
STATE_ARRAYS: Final = (
    "soh_pct", "fade_pct_per_day", "soh_variance", "soh_fade_covariance", "fade_variance", "observations",
)  # fmt: skip

PACK_DAYS: Final = (
    "pack_id string, as_of_date date, rated_capacity_ah double, efc double, throughput_ah double,"
    " efc_per_day double, km_per_day double, is_last boolean, soh_pct array<double>,"
    " soh_std_pct array<double>, observations array<int>, rul_days_p05 array<double>,"
    " rul_days_p50 array<double>, rul_days_p95 array<double>, censored array<boolean>,"
    " resistance_mohm array<double>, soh_r_pct array<double>,"
    " state struct<as_of_at:timestamp,soh_pct:array<double>,fade_pct_per_day:array<double>,"
    "soh_variance:array<double>,soh_fade_covariance:array<double>,fade_variance:array<double>,"
    "observations:array<int>,updated_days:array<double>,first_days:double,throughput_ah:double,"
    f"distance_km:double,{STATE_DDL}>"
)
"""One row per pack and day with new evidence; ``state``, on a pack's last day, is as before that day."""


@dataclass(frozen=True, slots=True)
class HealthParams:
    """What the filter and the outlook assume."""

    filter: FilterParams = field(default_factory=FilterParams)
    resistance: ResistanceParams = field(default_factory=ResistanceParams)
    rul: RulParams = field(default_factory=RulParams)


def pack_inputs(
    sessions: DataFrame, observations: DataFrame, packs: DataFrame, states: DataFrame
) -> DataFrame:
    """One row per pack: its days in order, with use, steps and capacities, and the state to start from.

    Parameters
    ----------
    sessions, observations
        gold.session and gold.capacity_observation from the packs' starting points on.
    packs
        reference.packs.
    states
        gold.cell_state of the packs that go on from there; the others start anew.
    """
    use = sessions.groupBy("pack_id", F.to_date("started_at").alias("day")).agg(
        F.sort_array(F.collect_list(F.struct("started_at", "throughput_ah", "distance_km"))).alias("use"),
        collected_steps().alias("steps"),
    )
    evidence = observations.groupBy("pack_id", F.to_date("started_at").alias("day")).agg(
        F.sort_array(F.collect_list(F.struct("started_at", "method", "capacity_ah", "variance_ah2"))).alias(
            "evidence"
        )
    )
    days = (
        use
        .join(evidence, on=["pack_id", "day"], how="full")
        .groupBy("pack_id")
        .agg(F.sort_array(F.collect_list(F.struct("day", "use", "evidence", "steps"))).alias("days"))
    )
    new_days = F.unix_date("warranty_from").alias("new_days")
    known = packs.select(
        "pack_id", "cells_in_series", "rated_capacity_ah", "eol_soh_pct", "new_resistance_mohm", new_days
    )
    start = states.select("pack_id", F.struct(*(c for c in states.columns if c != "pack_id")).alias("start"))
    return days.join(F.broadcast(known), on="pack_id", how="inner").join(start, on="pack_id", how="left")


def pack_days(inputs: DataFrame, params: HealthParams) -> DataFrame:
    """One row per pack and day with new evidence, one array entry a cell: see :data:`PACK_DAYS`."""
    return inputs.mapInArrow(lambda batches: _pack_days(batches, params), PACK_DAYS)


def _pack_days(batches: Iterable[pa.RecordBatch], params: HealthParams) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        table = pa.Table.from_batches([batch])
        widths = floats(table, "cells_in_series")
        for width in np.unique(widths):
            packs = _packs(table.filter(pa.array(widths == width)), int(width))
            packs = [pack for pack in packs if pack.days.size]
            if packs:
                yield from _filtered(packs, int(width), params)


def _packs(table: pa.Table, width: int) -> list[_Pack]:
    """Return the packs of a table, all with equally many cells."""
    entries, places = _Entries(table, width), bounds(table.column("days").combine_chunks())
    rows = table.drop_columns(["days"]).to_pylist()
    return [
        _Pack(row, entries, slice(*place)) for row, place in zip(rows, pairwise(places.tolist()), strict=True)
    ]


class _Entries:
    """The days of all packs of a table, one after the other, as arrays; days count from 1970.

    Nested lists are taken apart as columns: as Python objects they cost more than all that is computed.
    """

    def __init__(self, table: pa.Table, width: int) -> None:
        entries = pc.list_flatten(table.column("days").combine_chunks())
        self.day: Ints = pc.struct_field(entries, "day").cast(pa.int32()).to_numpy().astype(np.int64)
        use, evidence = (pc.struct_field(entries, name) for name in ("use", "evidence"))
        self.throughput_ah: Floats = _sums(use, "throughput_ah")
        self.distance_km: Floats = _sums(use, "distance_km")
        self.evidence: Ints = bounds(evidence)
        items = pc.list_flatten(evidence)
        told = pa.table({
            name: pc.struct_field(items, name) for name in ("method", "capacity_ah", "variance_ah2")
        })
        self.capacity_ah: Floats = matrix(told, "capacity_ah", width)
        self.variance_ah2: Floats = matrix(told, "variance_ah2", width)
        self.steps, self.step_bounds = read_steps(pc.struct_field(entries, "steps"), self.day, width)
        self.is_test: Bools = np.asarray(told.column("method").to_pylist(), dtype=object) == "full_discharge"

    def combined(self, place: int) -> tuple[Floats, Floats, Ints]:
        """A day's observations as one. A full discharge is the capacity test itself: it overrules windows."""
        items = slice(self.evidence[place], self.evidence[place + 1])
        capacity, is_test = self.capacity_ah[items], self.is_test[items]
        tested = np.asarray(np.isfinite(capacity[is_test]).any(axis=0))
        overruled = ~is_test[:, None] & tested[None, :]
        return combine_day(np.where(overruled, np.nan, capacity), self.variance_ah2[items])


def _sums(use: pa.Array, name: str) -> Floats:
    """Sum of a field over each row's list, added in order; what is missing counts as nothing."""
    values = pc.fill_null(pc.struct_field(pc.list_flatten(use), name), 0.0).to_numpy(zero_copy_only=False)
    row_of = np.repeat(np.arange(len(use)), np.diff(bounds(use)))
    return np.asarray(np.bincount(row_of, weights=values, minlength=len(use)), dtype=np.float64)


class _Pack:
    """One pack's use and evidence as arrays; days count from 1970."""

    def __init__(self, row: dict[str, Any], entries: _Entries, own: slice) -> None:
        self.pack_id: str = row["pack_id"]
        self.rated_ah: float = row["rated_capacity_ah"]
        self.eol_pct = _known(row["eol_soh_pct"])
        self.new_mohm = _known(row["new_resistance_mohm"])
        self.start: dict[str, Any] | None = row["start"]
        day = entries.day[own]
        self.new_day = _known(row["new_days"])
        begun = self.start or {"throughput_ah": 0.0, "distance_km": 0.0, "first_days": float(day[0])}
        self.first_day = float(begun["first_days"])
        throughput = _running(begun["throughput_ah"], entries.throughput_ah[own])
        distance = _running(begun["distance_km"], entries.distance_km[own])
        self.steps = entries.steps.part(slice(*entries.step_bounds[[own.start, own.stop]]))
        places = np.flatnonzero(np.diff(entries.evidence[own.start : own.stop + 1]))
        self.days: Ints = day[places]
        self.throughput_ah: Floats = throughput[places]
        self.distance_km: Floats = distance[places]
        last = places[-1] if places.size else 0
        self.before_last = (
            float(throughput[last - 1]) if last else begun["throughput_ah"],
            float(distance[last - 1]) if last else begun["distance_km"],
        )
        width = entries.capacity_ah.shape[1]
        combined = [entries.combined(own.start + place) for place in places]
        self.capacity_ah: Floats = np.array([c for c, _, _ in combined]).reshape(-1, width)
        self.variance_ah2: Floats = np.array([v for _, v, _ in combined]).reshape(-1, width)
        self.count: Ints = np.array([n for _, _, n in combined], dtype=np.int64).reshape(-1, width)


def _known(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _filtered(packs: list[_Pack], width: int, params: HealthParams) -> Iterator[pa.RecordBatch]:
    """Step all packs through their k-th day with evidence together."""
    state = _joined([_begin(pack, width, params) for pack in packs])
    rated = np.repeat([pack.rated_ah for pack in packs], width)
    history: list[FilterState] = [state]
    evidence = (side_by_side([getattr(pack, name) for pack in packs], width) for name in _DAILY)
    for day, capacity, variance, count in zip(*evidence, strict=True):
        soh, soh_variance = 100.0 * capacity / rated, (100.0 / rated) ** 2 * variance
        state = step(state, day, soh, soh_variance, params.filter, np.nan_to_num(count).astype(np.int64))
        history.append(state)
    whole = _each(lambda name: np.stack([getattr(known, name) for known in history]))
    resistances = follow(
        [pack.steps for pack in packs], [pack.days for pack in packs], [pack.start for pack in packs], width,
        params.resistance,
    )  # fmt: skip
    for place, (pack, resistance) in enumerate(zip(packs, resistances, strict=True)):
        own = slice(pack.days.size + 1), slice(place * width, (place + 1) * width)
        yield from _rows(pack, _part(whole, own), resistance, params).to_batches()


_DAILY: Final = ("days", "capacity_ah", "variance_ah2", "count")


def _begin(pack: _Pack, width: int, params: HealthParams) -> FilterState:
    if pack.start is None:
        return initial_state(width, params.filter, pack.first_day - pack.new_day)
    known = {name: np.array(pack.start[name]) for name in STATE_ARRAYS}
    # NumPy reads None as NaN.
    return FilterState(**known, updated_days=np.array(pack.start["updated_days"], dtype=np.float64))


def _running(begun: float, parts: Floats) -> Floats:
    """Sums so far, one addition after the other: going on from a sum gives the bits of one run."""
    return np.cumsum(np.concatenate([[begun], parts]))[1:]


def _joined(states: list[FilterState]) -> FilterState:
    return _each(lambda name: np.concatenate([getattr(state, name) for state in states]))


def _part(state: FilterState, place: Any) -> FilterState:
    return _each(lambda name: getattr(state, name)[place])


def _each(values: Callable[[str], Any]) -> FilterState:
    return FilterState(**{f.name: values(f.name) for f in fields(FilterState)})


def _rows(pack: _Pack, history: FilterState, resistance: Resistances, params: HealthParams) -> pa.Table:
    """The pack's days: health and outlook of every cell that the day told of.

    The history holds the state before the first day, then that after each: shape ``(1 + days, width)``.
    """
    count, width = pack.capacity_ah.shape
    known = _each(lambda name: getattr(history, name)[1:].reshape(-1))
    told = np.isfinite(pack.capacity_ah).reshape(-1)
    p05, p50, p95, censored = remaining_days(known, np.full(count * width, pack.eol_pct), params.rul)
    is_last = np.arange(count) == count - 1

    def by_cell(values: np.ndarray, kind: pa.DataType | None = None) -> pa.Array:
        return lists(np.where(told, values, np.nan).reshape(count, width), kind)

    columns = {
        **_use(pack),
        "is_last": pa.array(is_last),
        "soh_pct": by_cell(known.soh_pct),
        "soh_std_pct": by_cell(reported_std(known, params.filter)),
        "observations": by_cell(known.observations.astype(np.float64), pa.int32()),
        "rul_days_p05": by_cell(p05),
        "rul_days_p50": by_cell(p50),
        "rul_days_p95": by_cell(p95),
        "censored": _bool_lists(censored.reshape(count, width)),
        "resistance_mohm": by_cell(resistance.mohm.reshape(-1)),
        "soh_r_pct": by_cell(
            relative_pct(resistance, pack.new_mohm, pack.first_day - pack.new_day).reshape(-1)
        ),
        "state": pa.array(
            [_stored(pack, _part(history, -2), resistance) if last else None for last in is_last], STATE_TYPE
        ),
    }
    return pa.table(columns)


def _use(pack: _Pack) -> dict[str, pa.Array]:
    """What the pack did up to each of its days."""
    count = pack.days.size
    used_days = np.maximum(pack.days - pack.first_day + 1.0, 1.0)
    efc = pack.throughput_ah / (2.0 * pack.rated_ah)
    return {
        "pack_id": pa.array([pack.pack_id] * count, pa.string()),
        "as_of_date": pa.array(pack.days.astype("datetime64[D]"), pa.date32()),
        "rated_capacity_ah": numbers(np.full(count, pack.rated_ah)),
        "efc": numbers(efc),
        "throughput_ah": numbers(pack.throughput_ah),
        "efc_per_day": numbers(efc / used_days),
        "km_per_day": numbers(np.where(pack.distance_km > 0.0, pack.distance_km / used_days, np.nan)),
    }


def _bool_lists(values: np.ndarray) -> pa.Array:
    """Return a boolean matrix as lists, one a row."""
    rows, width = values.shape
    return pa.ListArray.from_arrays(
        np.arange(0, rows * width + 1, width, dtype=np.int32), pa.array(values.reshape(-1))
    )


STATE_TYPE: Final = pa.struct([
    ("as_of_at", pa.timestamp("us", tz="UTC")),
    *((name, pa.list_(pa.float64())) for name in STATE_ARRAYS[:-1]),
    ("observations", pa.list_(pa.int32())),
    ("updated_days", pa.list_(pa.float64())),
    ("first_days", pa.float64()),
    ("throughput_ah", pa.float64()),
    ("distance_km", pa.float64()),
    *STATE_FIELDS,
])


def _stored(pack: _Pack, state: FilterState, resistance: Resistances) -> dict[str, Any]:
    """The state before the pack's last day: the day may still get more evidence."""
    return {
        "as_of_at": int(pack.days[-1]) * 86_400_000_000,
        **{name: getattr(state, name).tolist() for name in STATE_ARRAYS},
        "updated_days": nullable(state.updated_days),
        "first_days": pack.first_day,
        "throughput_ah": pack.before_last[0],
        "distance_km": pack.before_last[1],
        **stored(resistance.before_last),
    }


def cell_state(days: DataFrame) -> DataFrame:
    """One row per pack: the estimator's state before the day that is still open."""
    return days.where("is_last").select("pack_id", "state.*", F.lit(METHOD).alias("method_version"))
