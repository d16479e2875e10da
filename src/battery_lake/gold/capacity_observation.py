"""Sessions to capacity observations: what a charge or a drive between two rests says of every cell."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
from pyspark.sql import Window
from pyspark.sql import functions as F

from battery_lake.cells.anchors import Before, anchor_params, rest_anchor
from battery_lake.cells.capacity import full_discharge, plausible, rest_to_rest, window_params
from battery_lake.cells.coulomb import SECONDS_PER_HOUR, charge_std_ah, is_offset, rest_offset
from battery_lake.cells.ocv import OcvCurve, chemistry_limits
from battery_lake.gold.arrow import codes, floats, lists, matrix, numbers
from battery_lake.gold.session import low_limit_v
from battery_lake.tables.gold import CAPACITY_OBSERVATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import Column, DataFrame, WindowSpec

    from battery_lake.cells.arrays import Bools, Floats, Ints

METHOD: Final = "capacity-3"
SAME_SOC_PCT: Final = 1.0
"""A silence over which the BMS's SOC moved less was a rest. [%]"""

FULL_MARGIN_V: Final = 0.015
"""A cell that came so near to its high limit while charging was charged full. [V]"""

TAPER_C_RATE: Final = 0.1
"""A full charge ends with less current than this share of rated capacity per hour. [1/h]"""


@dataclass(frozen=True, slots=True)
class CapacityParams:
    """Which rests count, and how wide a window must be.

    Parameters
    ----------
    min_rest_s
        A voltage counts as relaxed after so long a rest. [s]
    max_anchor_gap_s
        Longest time between a rest and the session it anchors. [s]
    min_soc_change_frac
        Narrowest window of SOC. [1]
    rest_c_rate
        Below this current over rated capacity the pack rests. [1/h]
    """

    min_rest_s: float = 1200.0
    max_anchor_gap_s: float = 86_400.0
    min_soc_change_frac: float = 0.15
    rest_c_rate: float = 0.02


def capacity_observation(sessions: DataFrame, packs: DataFrame, params: CapacityParams) -> DataFrame:
    """One row per session and method that tells the capacity of at least one cell.

    Parameters
    ----------
    sessions
        gold.session: the sessions to look at and their neighbours.
    packs
        reference.packs.
    params
        Which rests count.
    """
    known = packs.select(
        "pack_id", "cells_in_series", "rated_capacity_ah", "chemistry", "ocv_soc_frac", "ocv_v",
        low_limit_v().alias("low_v"), "cell_high_v",
    )  # fmt: skip
    candidates = _with_neighbours(sessions, params).where("kind != 'rest' AND charge_ah IS NOT NULL")
    return (
        candidates
        .join(F.broadcast(known), on="pack_id", how="inner")
        .where(F.col("throughput_ah") > params.min_soc_change_frac / 2 * F.col("rated_capacity_ah"))
        .mapInArrow(lambda batches: _observations(batches, params), CAPACITY_OBSERVATION.fields)
    )


def _with_neighbours(sessions: DataFrame, params: CapacityParams) -> DataFrame:
    """Every session with the rests around it: voltages, how long they had lasted, and the charge in them.

    Nothing is looked at across more than ``max_anchor_gap_s``, so that what a session tells depends on its
    neighbourhood in time alone.
    """
    order = Window.partitionBy("pack_id").orderBy("started_at")
    previous, following = _Neighbour(order, -1), _Neighbour(order, 1)
    silence = _seconds("started_at") - previous(_seconds("ended_at"))
    soc_step = F.abs(F.col("soc_start_pct") - previous("soc_end_pct"))
    # A silence was a rest unless the BMS's SOC says that charge moved unseen.
    was_rest = (silence <= params.max_anchor_gap_s) & (F.coalesce(soc_step, F.lit(0.0)) <= SAME_SOC_PCT)
    is_short = F.col("duration_s") <= params.max_anchor_gap_s
    slept_too = F.when(is_short, F.coalesce("slept_s", F.lit(0.0))).otherwise(0.0)
    rested = sessions.withColumn("slept_s", F.when(was_rest, silence)).withColumn(
        "rested_s", F.when(F.col("kind") == "rest", F.col("duration_s") + slept_too)
    )
    is_charge, is_stir = F.col("kind") == "charge", F.col("kind") != "rest"
    charged = {
        name: _last_before(name, is_charge, order, is_short)
        for name in ("max_cell_voltages_v", "end_current_a")
    }
    is_rest = F.when(F.col("kind") == "rest", 1)
    return rested.withColumns({
        "before_rest_s": F.when(F.col("slept_s").isNotNull(), previous("rested_s")),
        "before_v": previous("end_cell_voltages_v"),
        "start_rest_s": F.col("slept_s"),
        "after_rest_s": F.when(following("slept_s").isNotNull(), following("rested_s")),
        "after_v": following("end_cell_voltages_v"),
        "after_charge_ah": F.when(following("kind") == "rest", following("charge_ah")),
        "wake_rest_s": following("slept_s"),
        "wake_v": following("start_cell_voltages_v"),
        "wake_current_a": following("start_current_a"),
        "charged_v": charged["max_cell_voltages_v"],
        "charged_current_a": charged["end_current_a"],
        "stirred_ah": _last_before("charge_ah", is_stir, order, is_short),
        "stirred_s": _last_before("duration_s", is_stir, order, is_short),
        "before_mean_a": F.when(F.col("slept_s").isNotNull(), previous(is_rest * F.col("current_mean_a"))),
        "before_samples": previous("samples"),
        "after_mean_a": F.when(
            following("slept_s").isNotNull(), following(is_rest * F.col("current_mean_a"))
        ),
        "after_samples": following("samples"),
    }).where(is_short)


def _seconds(name: str) -> Column:
    return F.unix_micros(name) / 1_000_000


class _Neighbour:
    """A column of the session that comes so many places later."""

    def __init__(self, order: WindowSpec, places: int) -> None:
        self.order, self.places = order, places

    def __call__(self, column: str | Column) -> Column:
        return F.lead(column, self.places).over(self.order)


def _last_before(name: str, wanted: Column, order: WindowSpec, is_short: Column) -> Column:
    """A column of the wanted session that came right before, or before the short rest in between."""
    previous, one_more = _Neighbour(order, -1), _Neighbour(order, -2)
    is_near = F.col("slept_s").isNotNull()
    after_rest = (previous("kind") == "rest") & previous(is_short) & previous("slept_s").isNotNull()
    return F.when(is_near & previous(wanted), previous(name)).when(
        is_near & after_rest & one_more(wanted), one_more(name)
    )


def _observations(batches: Iterable[pa.RecordBatch], params: CapacityParams) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        table = pa.Table.from_batches([batch])
        kinds, curves = _curves(table)
        for number, curve in enumerate(curves):
            for cells in np.unique(floats(table, "cells_in_series")):
                chosen = (kinds == number) & (floats(table, "cells_in_series") == cells)
                if chosen.any():
                    yield from _block(table.filter(pa.array(chosen)), int(cells), curve, params)


def _curves(table: pa.Table) -> tuple[Ints, list[OcvCurve]]:
    """A number for each row's curve, and the curves; packs of a model share theirs."""
    pack_index, pack_ids = codes(table, "pack_id")
    seen: dict[tuple[float, ...], int] = {}
    curves: list[OcvCurve] = []
    number_of_pack = np.empty(len(pack_ids), dtype=np.int64)
    for pack in range(len(pack_ids)):
        row = int(np.argmax(pack_index == pack))
        soc_frac, ocv_v = table.column("ocv_soc_frac")[row].as_py(), table.column("ocv_v")[row].as_py()
        key = (*soc_frac, *ocv_v)
        if key not in seen:
            seen[key] = len(curves)
            curves.append(OcvCurve(np.array(soc_frac), np.array(ocv_v)))
        number_of_pack[pack] = seen[key]
    return number_of_pack[pack_index], curves


def _block(table: pa.Table, width: int, curve: OcvCurve, params: CapacityParams) -> Iterator[pa.RecordBatch]:
    """Observations of packs with one curve and equally many cells, by both methods."""
    rated = floats(table, "rated_capacity_ah")[:, None]
    chemistry = table.column("chemistry")[0].as_py()
    start, start_std = _start_anchor(table, width, curve, params, chemistry)
    end, end_std = _end_anchor(table, width, curve, params, chemistry)
    moved, spread = _moved(table, rated[:, 0])
    between = plausible(
        *rest_to_rest(
            moved[:, None],
            spread[:, None],
            start,
            start_std,
            end,
            end_std,
            rated,
            window_params(chemistry, params.min_soc_change_frac),
        ),
        rated,
    )
    low_v = floats(table, "low_v")
    full_soc = np.where(_was_full(table, width, rated[:, 0], chemistry), 1.0, np.nan_to_num(start))
    minimum = matrix(table, "min_cell_voltages_v", width)
    limit = plausible(*full_discharge(floats(table, "low_limit_charge_ah"), minimum, low_v, full_soc), rated)
    is_full = _any_cell(limit[0])
    told = np.isfinite(between[0])
    soc = _median(np.where(told, start, np.nan)), _median(np.where(told, end, np.nan))
    yield from _rows(
        table, "full_discharge", limit, is_full, (np.ones(len(low_v)), np.zeros(len(low_v))), moved
    )
    # A full discharge is the capacity test itself: beside it the window between rests says nothing new.
    yield from _rows(table, "rest_to_rest", between, _any_cell(between[0]) & ~is_full, soc, moved)


def _moved(table: pa.Table, rated_ah: Floats) -> tuple[Floats, Floats]:
    """Charge through the string between the two rests less the offset, and its standard deviation. [Ah]."""
    mean_a = np.stack([floats(table, "before_mean_a"), floats(table, "after_mean_a")], axis=1)
    readings = np.stack([floats(table, "before_samples"), floats(table, "after_samples")], axis=1)
    offset_a, offset_std_a = rest_offset(mean_a, readings, rated_ah)
    hours = floats(table, "duration_s") / SECONDS_PER_HOUR
    # What was counted in the rest after is either the offset too, or a load that really flowed.
    is_load = ~is_offset(mean_a[:, 1], rated_ah)
    after_ah = np.where(is_load, np.nan_to_num(floats(table, "after_charge_ah")), 0.0)
    moved = floats(table, "charge_ah") - offset_a * hours + after_ah
    sampling = np.nan_to_num(floats(table, "sampling_ah2"))
    spread = charge_std_ah(moved, floats(table, "duration_s"), rated_ah, sampling, offset_std_a=offset_std_a)
    return moved, spread


def _before(table: pa.Table, charge: str, duration: str) -> Before:
    """What went through the pack before a rest."""
    rated, charge_ah = floats(table, "rated_capacity_ah"), floats(table, charge)
    hours = np.maximum(floats(table, duration), 1.0) / SECONDS_PER_HOUR
    return Before((charge_ah / hours / rated)[:, None], (charge_ah / rated)[:, None])


def _start_anchor(
    table: pa.Table, width: int, curve: OcvCurve, params: CapacityParams, chemistry: str
) -> tuple[Floats, Floats]:
    """SOC at the start: from the rest before, or from the first sample after a silence."""
    before_s = floats(table, "before_rest_s")
    start_s = np.where(_small(table, "start_current_a", params), floats(table, "start_rest_s"), np.nan)
    use_start = np.nan_to_num(start_s, nan=-1.0) > np.nan_to_num(before_s, nan=-1.0)
    rest_s = np.where(use_start, start_s, before_s)
    voltage = np.where(
        use_start[:, None], matrix(table, "start_cell_voltages_v", width), matrix(table, "before_v", width)
    )
    before = _before(table, "stirred_ah", "stirred_s")
    return rest_anchor(voltage, _long(rest_s, params), curve, anchor_params(chemistry), before)


def _end_anchor(
    table: pa.Table, width: int, curve: OcvCurve, params: CapacityParams, chemistry: str
) -> tuple[Floats, Floats]:
    """SOC at the end: from the rest after, or from the first sample after the silence that follows."""
    after_s = floats(table, "after_rest_s")
    wake_s = np.where(_small(table, "wake_current_a", params), floats(table, "wake_rest_s"), np.nan)
    use_wake = np.nan_to_num(wake_s, nan=-1.0) > np.nan_to_num(after_s, nan=-1.0)
    rest_s = np.where(use_wake, wake_s, after_s)
    voltage = np.where(use_wake[:, None], matrix(table, "wake_v", width), matrix(table, "after_v", width))
    before = _before(table, "charge_ah", "duration_s")
    return rest_anchor(voltage, _long(rest_s, params), curve, anchor_params(chemistry), before)


def _median(values: Floats) -> Floats:
    """Median over the cells; NaN where none told."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # rows where no cell told
        return np.asarray(np.nanmedian(values, axis=1), dtype=np.float64)


def _any_cell(capacity_ah: Floats) -> Bools:
    return np.asarray(np.isfinite(capacity_ah).any(axis=1))


def _small(table: pa.Table, name: str, params: CapacityParams) -> Bools:
    return np.abs(floats(table, name)) <= params.rest_c_rate * floats(table, "rated_capacity_ah")


def _long(rest_s: Floats, params: CapacityParams) -> Floats:
    return np.where(rest_s >= params.min_rest_s, rest_s, np.nan)[:, None]


def _was_full(table: pa.Table, width: int, rated_ah: Floats, chemistry: str) -> Bools:
    """Whether the charge before took each cell to its high limit with the current tapered off."""
    high = floats(table, "cell_high_v")
    high = np.where(np.isnan(high), chemistry_limits(chemistry)[1], high)
    tapered = np.abs(floats(table, "charged_current_a")) <= TAPER_C_RATE * rated_ah
    return (matrix(table, "charged_v", width) >= high[:, None] - FULL_MARGIN_V) & tapered[:, None]


def _rows(
    table: pa.Table,
    method: str,
    capacity: tuple[Floats, Floats],
    chosen: Bools,
    soc: tuple[Floats, Floats],
    moved_ah: Floats,
) -> Iterator[pa.RecordBatch]:
    if not chosen.any():
        return
    kept = table.filter(pa.array(chosen))
    count = int(chosen.sum())
    columns = {
        "pack_id": kept.column("pack_id"),
        "started_at": kept.column("started_at"),
        "method": pa.array([method] * count, pa.string()),
        "ended_at": kept.column("ended_at"),
        "capacity_ah": lists(capacity[0][chosen]),
        "variance_ah2": lists(capacity[1][chosen]),
        "charge_ah": numbers(moved_ah[chosen]),
        "soc_start_pct": numbers(100.0 * soc[0][chosen]),
        "soc_end_pct": numbers(100.0 * soc[1][chosen]),
        "temperature_mean_c": kept.column("temperature_mean_c"),
        "method_version": pa.array([METHOD] * count, pa.string()),
    }
    yield from pa.table({c.name: columns[c.name] for c in CAPACITY_OBSERVATION.columns}).to_batches()
