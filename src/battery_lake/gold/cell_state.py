"""Observations to the filtered state of every cell: the recursion over days, many packs at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from battery_lake.cells.rul import RulParams, remaining_days
from battery_lake.cells.soh_filter import (
    FilterParams,
    FilterState,
    combine_day,
    initial_state,
    reported_std,
    step,
)
from battery_lake.gold.arrow import floats, lists, numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import DataFrame

    from battery_lake.cells.arrays import Floats, Ints

METHOD: Final = "kalman-1"
STATE_ARRAYS: Final = (
    "soh_pct", "fade_pct_per_day", "soh_variance", "soh_fade_covariance", "fade_variance", "observations",
)  # fmt: skip

PACK_DAYS: Final = (
    "pack_id string, as_of_date date, is_last boolean, rated_capacity_ah double, efc double,"
    " throughput_ah double, efc_per_day double, km_per_day double, soh_pct array<double>,"
    " soh_std_pct array<double>, observations array<int>, rul_days_p05 array<double>,"
    " rul_days_p50 array<double>, rul_days_p95 array<double>, censored array<boolean>,"
    " state struct<as_of_at:timestamp,soh_pct:array<double>,fade_pct_per_day:array<double>,"
    "soh_variance:array<double>,soh_fade_covariance:array<double>,fade_variance:array<double>,"
    "observations:array<int>,updated_days:array<double>,first_days:double,throughput_ah:double,"
    "distance_km:double>"
)
"""One row per pack and day with new evidence; ``state``, on a pack's last day, is as before that day."""


@dataclass(frozen=True, slots=True)
class HealthParams:
    """What the filter and the outlook assume."""

    filter: FilterParams = field(default_factory=FilterParams)
    rul: RulParams = field(default_factory=RulParams)


def pack_inputs(
    sessions: DataFrame, observations: DataFrame, packs: DataFrame, states: DataFrame
) -> DataFrame:
    """One row per pack: its days in order, with use and capacity observations, and the state to start from.

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
        F.sort_array(F.collect_list(F.struct("started_at", "throughput_ah", "distance_km"))).alias("use")
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
        .agg(F.sort_array(F.collect_list(F.struct("day", "use", "evidence"))).alias("days"))
    )
    known = packs.select("pack_id", "cells_in_series", "rated_capacity_ah", "eol_soh_pct")
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
            packs = [_Pack(row, int(width)) for row in table.filter(pa.array(widths == width)).to_pylist()]
            packs = [pack for pack in packs if pack.days.size]
            if packs:
                yield from _filtered(packs, int(width), params)


class _Pack:
    """One pack's use and evidence as arrays; days count from 1970."""

    def __init__(self, row: dict[str, Any], width: int) -> None:
        self.pack_id: str = row["pack_id"]
        self.rated_ah: float = row["rated_capacity_ah"]
        self.eol_pct = float("nan") if row["eol_soh_pct"] is None else float(row["eol_soh_pct"])
        self.start: dict[str, Any] | None = row["start"]
        entries = row["days"]
        epoch = np.datetime64("1970-01-01", "D")
        day = np.array([np.datetime64(entry["day"], "D") - epoch for entry in entries]).astype(np.int64)
        moved = [_sum(entry["use"], "throughput_ah") for entry in entries]
        driven = [_sum(entry["use"], "distance_km") for entry in entries]
        begun = self.start or {"throughput_ah": 0.0, "distance_km": 0.0, "first_days": float(day[0])}
        self.first_day = float(begun["first_days"])
        throughput = begun["throughput_ah"] + np.cumsum(moved)
        distance = begun["distance_km"] + np.cumsum(driven)
        places = [place for place, entry in enumerate(entries) if entry["evidence"]]
        self.days: Ints = day[places]
        self.throughput_ah: Floats = throughput[places]
        self.distance_km: Floats = distance[places]
        last = places[-1] if places else 0
        self.before_last = (
            float(throughput[last - 1]) if last else begun["throughput_ah"],
            float(distance[last - 1]) if last else begun["distance_km"],
        )
        combined = [_combined(entries[place]["evidence"], width) for place in places]
        self.capacity_ah: Floats = np.array([c for c, _, _ in combined]).reshape(-1, width)
        self.variance_ah2: Floats = np.array([v for _, v, _ in combined]).reshape(-1, width)
        self.count: Ints = np.array([n for _, _, n in combined], dtype=np.int64).reshape(-1, width)


def _sum(use: list[dict[str, Any]] | None, name: str) -> float:
    return float(sum(item[name] or 0.0 for item in use or ()))


def _combined(evidence: list[dict[str, Any]], width: int) -> tuple[Floats, Floats, Ints]:
    """A day's observations as one. A full discharge is the capacity test itself: it overrules windows."""
    capacity, variance = (
        np.array([_padded(item[name], width) for item in evidence], dtype=np.float64)
        for name in ("capacity_ah", "variance_ah2")
    )
    is_test = np.array([item["method"] == "full_discharge" for item in evidence])
    tested = np.isfinite(capacity[is_test]).any(axis=0)
    overruled = ~is_test[:, None] & tested[None, :]
    return combine_day(np.where(overruled, np.nan, capacity), variance)


def _padded(values: list[float | None], width: int) -> list[float]:
    whole = [float("nan") if value is None else value for value in values]
    return whole if len(whole) == width else [float("nan")] * width


def _filtered(packs: list[_Pack], width: int, params: HealthParams) -> Iterator[pa.RecordBatch]:
    """Step all packs through their k-th day with evidence together."""
    state = _joined([_begin(pack, width, params) for pack in packs])
    rated = np.repeat([pack.rated_ah for pack in packs], width)
    history: list[FilterState] = [state]
    for k in range(max(pack.days.size for pack in packs)):
        day, capacity, variance, count = (_slice(packs, k, width, name) for name in _DAILY)
        soh, soh_variance = 100.0 * capacity / rated, (100.0 / rated) ** 2 * variance
        state = step(state, day, soh, soh_variance, params.filter, np.nan_to_num(count).astype(np.int64))
        history.append(state)
    for place, pack in enumerate(packs):
        cells = slice(place * width, (place + 1) * width)
        own = [_cells_of(known, cells) for known in history[: pack.days.size + 1]]
        yield from _rows(pack, own, width, params).to_batches()


_DAILY: Final = ("days", "capacity_ah", "variance_ah2", "count")


def _slice(packs: list[_Pack], k: int, width: int, name: str) -> Floats:
    """The k-th day of every pack side by side; NaN where a pack has fewer."""
    parts = []
    for pack in packs:
        values = getattr(pack, name)
        if k >= len(values):
            parts.append(np.full(width, np.nan))
        else:
            parts.append(np.broadcast_to(np.asarray(values[k], dtype=np.float64), (width,)))
    return np.concatenate(parts)


def _begin(pack: _Pack, width: int, params: HealthParams) -> FilterState:
    if pack.start is None:
        return initial_state(width, params.filter)
    known = {name: np.array(pack.start[name]) for name in STATE_ARRAYS}
    updated = np.array(
        [np.nan if day is None else day for day in pack.start["updated_days"]], dtype=np.float64
    )
    return FilterState(**known, updated_days=updated)


def _joined(states: list[FilterState]) -> FilterState:
    return FilterState(**{
        f.name: np.concatenate([getattr(state, f.name) for state in states]) for f in fields(FilterState)
    })


def _cells_of(state: FilterState, cells: slice) -> FilterState:
    return FilterState(**{f.name: getattr(state, f.name)[cells] for f in fields(FilterState)})


def _rows(pack: _Pack, history: list[FilterState], width: int, params: HealthParams) -> pa.Table:
    """The pack's days: health and outlook of every cell that the day told of."""
    count = pack.days.size
    known = _joined(history[1:])
    told = np.isfinite(pack.capacity_ah).reshape(-1)
    p05, p50, p95, censored = remaining_days(known, np.full(count * width, pack.eol_pct), params.rul)
    used_days = np.maximum(pack.days - pack.first_day + 1.0, 1.0)
    efc = pack.throughput_ah / (2.0 * pack.rated_ah)
    is_last = np.arange(count) == count - 1

    def by_cell(values: np.ndarray, kind: pa.DataType | None = None) -> pa.Array:
        return lists(np.where(told, values, np.nan).reshape(count, width), kind)

    columns = {
        "pack_id": pa.array([pack.pack_id] * count, pa.string()),
        "as_of_date": pa.array(pack.days.astype("datetime64[D]"), pa.date32()),
        "is_last": pa.array(is_last),
        "rated_capacity_ah": numbers(np.full(count, pack.rated_ah)),
        "efc": numbers(efc),
        "throughput_ah": numbers(pack.throughput_ah),
        "efc_per_day": numbers(efc / used_days),
        "km_per_day": numbers(np.where(pack.distance_km > 0.0, pack.distance_km / used_days, np.nan)),
        "soh_pct": by_cell(known.soh_pct),
        "soh_std_pct": by_cell(reported_std(known, params.filter)),
        "observations": by_cell(known.observations.astype(np.float64), pa.int32()),
        "rul_days_p05": by_cell(p05),
        "rul_days_p50": by_cell(p50),
        "rul_days_p95": by_cell(p95),
        "censored": _bool_lists(censored.reshape(count, width)),
        "state": pa.array([_stored(pack, history[-2]) if last else None for last in is_last], STATE_TYPE),
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
    ("first_days", pa.float64()),
    ("throughput_ah", pa.float64()),
    ("distance_km", pa.float64()),
])


def _stored(pack: _Pack, state: FilterState) -> dict[str, Any]:
    """The state before the pack's last day: the day may still get more evidence."""
    return {
        "as_of_at": int(pack.days[-1]) * 86_400_000_000,
        **{name: getattr(state, name).tolist() for name in STATE_ARRAYS},
        "updated_days": [None if np.isnan(day) else day for day in state.updated_days.tolist()],
        "first_days": pack.first_day,
        "throughput_ah": pack.before_last[0],
        "distance_km": pack.before_last[1],
    }


def cell_state(days: DataFrame) -> DataFrame:
    """One row per pack: the estimator's state before the day that is still open."""
    return days.where("is_last").select("pack_id", "state.*", F.lit(METHOD).alias("method_version"))
