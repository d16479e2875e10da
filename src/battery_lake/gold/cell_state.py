"""Observations to the filtered state of every cell: the recursion over days, many packs at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F

from battery_lake.cells.life_outlook import OutlookParams
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
from battery_lake.gold.life_state import (
    LINE,
    MODEL,
    POINT_COLUMNS,
    POINTS_DDL,
    LifeKind,
    Lives,
    Outlook,
    read_points,
)
from battery_lake.gold.pack_use import USE_FIELDS, PackUse, daily_sums, pack_use
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
    from battery_lake.cells.life_points import LifePoints

METHOD: Final = "kalman-3"
STATE: Final = f"{METHOD} {MODEL}"
"""Version of the state: it goes on only where both are as they were."""

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
    "observations:array<int>,updated_days:array<double>,"
    f"{','.join(f'{name}:double' for name in USE_FIELDS)},{STATE_DDL}>, {POINTS_DDL}, model_version string"
)
"""One row per pack and day with new evidence; state and points, on its last day, are as before that day."""


@dataclass(frozen=True, slots=True)
class HealthParams:
    """What the filter and the outlook assume."""

    filter: FilterParams = field(default_factory=FilterParams)
    resistance: ResistanceParams = field(default_factory=ResistanceParams)
    rul: RulParams = field(default_factory=RulParams)
    outlook: OutlookParams = field(default_factory=OutlookParams)


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
        "pack_id", "chemistry", "cells_in_series", "rated_capacity_ah", "eol_soh_pct", "new_resistance_mohm",
        new_days,
    )  # fmt: skip
    others = (c for c in states.columns if c not in {"pack_id", *POINT_COLUMNS})
    start = states.select("pack_id", F.struct(*others).alias("start"), *POINT_COLUMNS)
    return days.join(F.broadcast(known), on="pack_id", how="inner").join(start, on="pack_id", how="left")


def pack_days(inputs: DataFrame, params: HealthParams) -> DataFrame:
    """One row per pack and day with new evidence, one array entry a cell: see :data:`PACK_DAYS`."""
    return inputs.mapInArrow(lambda batches: _pack_days(batches, params), PACK_DAYS)


def _pack_days(batches: Iterable[pa.RecordBatch], params: HealthParams) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        table = pa.Table.from_batches([batch])
        widths = floats(table, "cells_in_series")
        for width in np.unique(widths):
            packs = _packs(table.filter(pa.array(widths == width)), int(width), params)
            packs = [pack for pack in packs if pack.days.size]
            if packs:
                yield from _filtered(packs, int(width), params)


def _packs(table: pa.Table, width: int, params: HealthParams) -> list[_Pack]:
    """Return the packs of a table, all with equally many cells."""
    entries, places = _Entries(table, width), bounds(table.column("days").combine_chunks())
    points = read_points(table, width)
    rows = table.drop_columns(["days", *POINT_COLUMNS]).to_pylist()
    return [
        _Pack(row, entries, slice(*place), points[np.array([k])], params.rul.eol_soh_pct)
        for k, (row, place) in enumerate(zip(rows, pairwise(places.tolist()), strict=True))
    ]


class _Entries:
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
        self.steps, self.step_bounds = read_steps(pc.struct_field(entries, "steps"), self.day, width)
        self.is_test: Bools = np.asarray(told.column("method").to_pylist(), dtype=object) == "full_discharge"

    def combined(self, place: int) -> tuple[Floats, Floats, Ints]:
        """A day's observations as one. A full discharge is the capacity test itself: it overrules windows."""
        items = slice(self.evidence[place], self.evidence[place + 1])
        capacity, is_test = self.capacity_ah[items], self.is_test[items]
        tested = np.asarray(np.isfinite(capacity[is_test]).any(axis=0))
        overruled = ~is_test[:, None] & tested[None, :]
        return combine_day(np.where(overruled, np.nan, capacity), self.variance_ah2[items])


class _Pack:
    """One pack's use and evidence as arrays; days count from 1970."""

    def __init__(
        self, row: dict[str, Any], entries: _Entries, own: slice, points: LifePoints, eol_soh_pct: float
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


def _known(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _filtered(packs: list[_Pack], width: int, params: HealthParams) -> Iterator[pa.RecordBatch]:
    """Step all packs through their k-th day with evidence together."""
    state = _joined([_begin(pack, width, params) for pack in packs])
    rated = np.repeat([pack.rated_ah for pack in packs], width)
    lives = Lives([pack.kind for pack in packs], [pack.points for pack in packs], [p.days for p in packs])
    history: list[FilterState] = [state]
    evidence = (side_by_side([getattr(pack, name) for pack in packs], width) for name in _DAILY)
    for day, capacity, variance, count in zip(*evidence, strict=True):
        soh, soh_variance = 100.0 * capacity / rated, (100.0 / rated) ** 2 * variance
        state = step(state, day, soh, soh_variance, params.filter, np.nan_to_num(count).astype(np.int64))
        history.append(state)
        lives.take(day[::width], soh, soh_variance, state.soh_pct, params.outlook)
    whole = _each(lambda name: np.stack([getattr(known, name) for known in history]))
    resistances = follow(
        [pack.steps for pack in packs], [pack.days for pack in packs], [pack.start for pack in packs], width,
        params.resistance,
    )  # fmt: skip
    for place, (pack, resistance) in enumerate(zip(packs, resistances, strict=True)):
        own = slice(pack.days.size + 1), slice(place * width, (place + 1) * width)
        known = _part(whole, own)
        outlook = lives.outlook(place) if pack.kind.is_known else _line(known, pack, params)
        yield from _rows(pack, known, resistance, outlook, lives.stored(place), params).to_batches()


_DAILY: Final = ("days", "capacity_ah", "variance_ah2", "count")


def _begin(pack: _Pack, width: int, params: HealthParams) -> FilterState:
    if pack.start is None:
        return initial_state(width, params.filter, pack.first_age_days)
    known = {name: np.array(pack.start[name]) for name in STATE_ARRAYS}
    # NumPy reads None as NaN.
    return FilterState(**known, updated_days=np.array(pack.start["updated_days"], dtype=np.float64))


def _line(history: FilterState, pack: _Pack, params: HealthParams) -> Outlook:
    """The outlook along the filtered line, after each of the pack's days."""
    known = _each(lambda name: getattr(history, name)[1:].reshape(-1))
    eol = np.full(known.soh_pct.shape, pack.kind.eol_soh_pct)
    p05, p50, p95, censored = remaining_days(known, eol, params.rul)
    shape = (pack.days.size, -1)
    return Outlook(p05.reshape(shape), p50.reshape(shape), p95.reshape(shape), censored.reshape(shape))


def _joined(states: list[FilterState]) -> FilterState:
    return _each(lambda name: np.concatenate([getattr(state, name) for state in states]))


def _part(state: FilterState, place: Any) -> FilterState:
    return _each(lambda name: getattr(state, name)[place])


def _each(values: Callable[[str], Any]) -> FilterState:
    return FilterState(**{f.name: values(f.name) for f in fields(FilterState)})


def _rows(
    pack: _Pack,
    history: FilterState,
    resistance: Resistances,
    outlook: Outlook,
    points: dict[str, pa.Array],
    params: HealthParams,
) -> pa.Table:
    """The pack's days: health and outlook of every cell that the day told of.

    The history holds the state before the first day, then that after each: shape ``(1 + days, width)``.
    """
    count = pack.days.size
    known = _each(lambda name: getattr(history, name)[1:])
    told = np.isfinite(pack.capacity_ah)
    is_last = np.arange(count) == count - 1

    def by_cell(values: np.ndarray, kind: pa.DataType | None = None) -> pa.Array:
        return lists(np.where(told, values, np.nan), kind)

    columns = {
        "pack_id": pa.array([pack.pack_id] * count, pa.string()),
        "as_of_date": pa.array(pack.days.astype("datetime64[D]"), pa.date32()),
        "rated_capacity_ah": numbers(np.full(count, pack.rated_ah)),
        **pack.use.columns(pack.places, pack.rated_ah),
        "is_last": pa.array(is_last),
        "soh_pct": by_cell(known.soh_pct),
        "soh_std_pct": by_cell(reported_std(known, params.filter)),
        "observations": by_cell(known.observations.astype(np.float64), pa.int32()),
        "rul_days_p05": by_cell(outlook.p05_days),
        "rul_days_p50": by_cell(outlook.p50_days),
        "rul_days_p95": by_cell(outlook.p95_days),
        "censored": _bool_lists(outlook.is_censored),
        "resistance_mohm": by_cell(resistance.mohm),
        "soh_r_pct": by_cell(relative_pct(resistance, pack.new_mohm, pack.first_age_days)),
        "state": pa.array(
            [_stored(pack, _part(history, -2), resistance) if last else None for last in is_last], STATE_TYPE
        ),
        **points,
        "model_version": pa.array([MODEL if pack.kind.is_known else LINE] * count, pa.string()),
    }
    return pa.table(columns)


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
    *((name, pa.float64()) for name in USE_FIELDS),
    *STATE_FIELDS,
])


def _stored(pack: _Pack, state: FilterState, resistance: Resistances) -> dict[str, Any]:
    """The state before the pack's last day: the day may still get more evidence."""
    return {
        "as_of_at": int(pack.days[-1]) * 86_400_000_000,
        **{name: getattr(state, name).tolist() for name in STATE_ARRAYS},
        "updated_days": nullable(state.updated_days),
        **pack.use.before(int(pack.places[-1])),
        **stored(resistance.before_last),
    }


def cell_state(days: DataFrame) -> DataFrame:
    """One row per pack: the estimator's state before the day that is still open."""
    told = days.where("is_last")
    return told.select("pack_id", "state.*", *POINT_COLUMNS, F.lit(STATE).alias("method_version"))
