"""Observations to the filtered state of every cell: the recursion over days, many packs at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from battery_lake.cells.life_outlook import OutlookParams
from battery_lake.cells.resistance import ResistanceParams
from battery_lake.cells.rul import RulParams, remaining_days
from battery_lake.cells.soh_filter import (
    FilterParams,
    FilterState,
    initial_state,
    reported_std,
    step,
)
from battery_lake.cells.string_comparison import StringParams, side_by_side_soh
from battery_lake.gold.arrow import floats, lists, numbers, side_by_side
from battery_lake.gold.life_state import (
    LINE,
    MODEL,
    POINT_COLUMNS,
    POINTS_DDL,
    Lives,
    Outlook,
)
from battery_lake.gold.pack_evidence import Pack, packs_of
from battery_lake.gold.pack_use import USE_FIELDS
from battery_lake.gold.resistance_state import (
    STATE_DDL,
    STATE_FIELDS,
    STEP_COLUMNS,
    Resistances,
    collected_steps,
    follow,
    relative_pct,
    stored,
)
from battery_lake.gold.string_state import COLUMNS as STRING_COLUMNS
from battery_lake.gold.string_state import STATE_DDL as STRING_DDL
from battery_lake.gold.string_state import STATE_FIELDS as STRING_FIELDS
from battery_lake.gold.string_state import collected_strings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pyspark.sql import DataFrame

    from battery_lake.cells.arrays import Floats
    from battery_lake.cells.life_prior import LifePrior

METHOD: Final = "kalman-4"
STATE: Final = f"{METHOD} {MODEL}"
"""Version of the state: it goes on only where both are as they were."""

STATE_ARRAYS: Final = (
    "soh_pct", "fade_pct_per_day", "soh_variance", "soh_fade_covariance", "fade_variance", "observations",
)  # fmt: skip

BATCH_ROWS: Final = 256
"""So many rows leave together, some 10 kB each."""

SESSION_COLUMNS: Final = (
    "pack_id", "started_at", "throughput_ah", "distance_km", *STEP_COLUMNS, *STRING_COLUMNS
)  # fmt: skip
"""What :func:`pack_inputs` reads of gold.session."""

PACK_DAYS: Final = (
    "pack_id string, as_of_date date, rated_capacity_ah double, efc double, throughput_ah double,"
    " efc_per_day double, km_per_day double, is_last boolean, soh_pct array<double>,"
    " soh_std_pct array<double>, observations array<int>, rul_days_p05 array<double>,"
    " rul_days_p50 array<double>, rul_days_p95 array<double>, censored array<boolean>,"
    " resistance_mohm array<double>, soh_r_pct array<double>,"
    " state struct<as_of_at:timestamp,soh_pct:array<double>,fade_pct_per_day:array<double>,"
    "soh_variance:array<double>,soh_fade_covariance:array<double>,fade_variance:array<double>,"
    "observations:array<int>,updated_days:array<double>,"
    f"{','.join(f'{name}:double' for name in USE_FIELDS)},{STATE_DDL},{STRING_DDL}>, {POINTS_DDL},"
    " model_version string"
)
"""One row per pack and day with new evidence; state and points, on its last day, are as before that day."""


@dataclass(frozen=True, slots=True)
class HealthParams:
    """What the filter and the outlook assume; a prior that was trained stands for the outlook's own."""

    filter: FilterParams = field(default_factory=FilterParams)
    resistance: ResistanceParams = field(default_factory=ResistanceParams)
    string: StringParams = field(default_factory=StringParams)
    rul: RulParams = field(default_factory=RulParams)
    outlook: OutlookParams = field(default_factory=OutlookParams)
    prior: LifePrior | None = None

    @property
    def model_version(self) -> str:
        """Version of what tells the outlook where a pack's age is known."""
        return MODEL if self.prior is None else f"{MODEL} {self.prior.version}"


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
        collected_strings().alias("strings"),
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
        .agg(
            F.sort_array(F.collect_list(F.struct("day", "use", "evidence", "steps", "strings"))).alias("days")
        )
    )
    new_days = F.unix_date("warranty_from").alias("new_days")
    known = packs.select(
        "pack_id", "chemistry", "cells_in_series", "rated_capacity_ah", "eol_soh_pct", "new_resistance_mohm",
        "ocv_soc_frac", "ocv_v", new_days,
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
            packs = packs_of(
                table.filter(pa.array(widths == width)), int(width), params.rul.eol_soh_pct, params.string
            )
            packs = [pack for pack in packs if pack.days.size]
            if packs:
                yield from _filtered(packs, int(width), params)


def _filtered(packs: list[Pack], width: int, params: HealthParams) -> Iterator[pa.RecordBatch]:
    """Step all packs through their k-th day with evidence together."""
    state = begun(packs, width, params.filter)
    lives = Lives(
        [pack.kind for pack in packs],
        [pack.points for pack in packs],
        [pack.days for pack in packs],
        params.prior,
        [pack.use.efc_per_day(pack.places, pack.rated_ah) for pack in packs],
    )
    history: list[FilterState] = [state]
    shown: list[FilterState] = [state]
    for day in followed(packs, state, width, params.filter, params.string):
        history.append(day.state)
        shown.append(day.told)
        lives.take(day.days, day.soh_pct, day.variance_pct2, day.told.soh_pct, params.outlook)
    whole, told = _stacked(history), _stacked(shown)
    resistances = follow(
        [pack.steps for pack in packs], [pack.days for pack in packs], [pack.start for pack in packs], width,
        params.resistance,
    )  # fmt: skip
    tables: list[pa.Table] = []
    for place, (pack, resistance) in enumerate(zip(packs, resistances, strict=True)):
        own = slice(pack.days.size + 1), slice(place * width, (place + 1) * width)
        known = _part(told, own)
        outlook = lives.outlook(place) if pack.kind.is_known else _line(known, pack, params)
        before_last = _stored(pack, _part(whole, (own[0].stop - 2, own[1])), resistance)
        tables.append(_rows(pack, known, before_last, resistance, outlook, lives.stored(place), params))
        if sum(table.num_rows for table in tables) >= BATCH_ROWS:
            yield from _one_batch(tables)
            tables = []
    yield from _one_batch(tables)


def _one_batch(tables: list[pa.Table]) -> list[pa.RecordBatch]:
    """Rows of many packs at once: every batch costs Spark something, however short."""
    return pa.concat_tables(tables).combine_chunks().to_batches() if tables else []


@dataclass(frozen=True, slots=True)
class DayStep:
    """The k-th day with evidence of every pack; NaN where a pack has fewer.

    Parameters
    ----------
    days
        Since 1970. [d], shape ``(packs,)``
    soh_pct, variance_pct2
        What the day alone says. [%, %²], shape ``(packs x width,)``, as all others
    state, told
        The filter after it, and the same as it is told.
    """

    days: Floats
    soh_pct: Floats
    variance_pct2: Floats
    state: FilterState
    told: FilterState


def followed(
    packs: list[Pack], state: FilterState, width: int, filter_: FilterParams, string: StringParams
) -> Iterator[DayStep]:
    """Step packs through their days with evidence, the k-th days together.

    Parameters
    ----------
    packs
        With equally many cells.
    state
        Before their first days.
    width
        Cells of each.
    filter_, string
        What is assumed.
    """
    rated = np.repeat([pack.rated_ah for pack in packs], width)
    evidence = (side_by_side([getattr(pack, name) for pack in packs], width) for name in _DAILY)
    for day, capacity, variance, count, relative, std in zip(*evidence, strict=True):
        soh, soh_variance = 100.0 * capacity / rated, (100.0 / rated) ** 2 * variance
        state = step(state, day, soh, soh_variance, filter_, np.nan_to_num(count).astype(np.int64))
        told = _as_told(state, relative, std, width, string)
        yield DayStep(day[::width], soh, soh_variance, state, told)


_DAILY: Final = ("days", "capacity_ah", "variance_ah2", "count", "relative", "relative_std")


def _as_told(
    state: FilterState, relative: Floats, std: Floats, width: int, params: StringParams
) -> FilterState:
    """The state as it is told: cells of a string weighed against each other."""

    def by_string(values: Floats) -> Floats:
        return values.reshape(-1, width)

    soh, variance = side_by_side_soh(
        by_string(state.soh_pct), by_string(state.soh_variance), by_string(relative), by_string(std), params
    )
    return replace(state, soh_pct=soh.reshape(-1), soh_variance=variance.reshape(-1))


def _stacked(states: list[FilterState]) -> FilterState:
    return _each(lambda name: np.stack([getattr(state, name) for state in states]))


def begun(packs: list[Pack], width: int, params: FilterParams) -> FilterState:
    """Return the state before the packs' first days, one behind the other.

    Parameters
    ----------
    packs
        With equally many cells.
    width
        Cells of each.
    params
        What is known of packs that start anew.
    """
    states = [_begin(pack, width, params) for pack in packs]
    return _each(lambda name: np.concatenate([getattr(state, name) for state in states]))


def _begin(pack: Pack, width: int, params: FilterParams) -> FilterState:
    if pack.start is None:
        return initial_state(width, params, pack.first_age_days)
    known = {name: pack.start[name] for name in (*STATE_ARRAYS, "updated_days")}
    return FilterState(**known | {"observations": known["observations"].astype(np.int64)})


def _line(history: FilterState, pack: Pack, params: HealthParams) -> Outlook:
    """The outlook along the filtered line, after each of the pack's days."""
    known = _each(lambda name: getattr(history, name)[1:].reshape(-1))
    eol = np.full(known.soh_pct.shape, pack.kind.eol_soh_pct)
    p05, p50, p95, censored = remaining_days(known, eol, params.rul)
    shape = (pack.days.size, -1)
    return Outlook(p05.reshape(shape), p50.reshape(shape), p95.reshape(shape), censored.reshape(shape))


def _part(state: FilterState, place: Any) -> FilterState:
    return _each(lambda name: getattr(state, name)[place])


def _each(values: Callable[[str], Any]) -> FilterState:
    return FilterState(**{f.name: values(f.name) for f in fields(FilterState)})


def _rows(
    pack: Pack,
    history: FilterState,
    before_last: dict[str, Any],
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
    # Cells that are compared are told together: each on a day of its own, they would not compare.
    told = np.isfinite(pack.capacity_ah) | np.isfinite(pack.relative)
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
            [before_last if last else None for last in is_last], STATE_TYPE, from_pandas=True
        ),  # NaN as null
        **points,
        "model_version": pa.array(
            [params.model_version if pack.kind.is_known else LINE] * count, pa.string()
        ),
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
    *STRING_FIELDS,
])


def _stored(pack: Pack, state: FilterState, resistance: Resistances) -> dict[str, Any]:
    """The state before the pack's last day: the day may still get more evidence."""
    return {
        "as_of_at": int(pack.days[-1]) * 86_400_000_000,
        **{name: getattr(state, name) for name in (*STATE_ARRAYS, "updated_days")},
        **pack.use.before(int(pack.places[-1])),
        **stored(resistance.before_last),
        **pack.string_before_last,
    }


def cell_state(days: DataFrame) -> DataFrame:
    """One row per pack: the estimator's state before the day that is still open."""
    told = days.where("is_last")
    return told.select("pack_id", "state.*", *POINT_COLUMNS, F.lit(STATE).alias("method_version"))
