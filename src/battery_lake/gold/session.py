"""Silver telemetry to sessions: drives, charges and rests, cut from current and silence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyspark.sql import functions as F

from battery_lake.cells.ocv import LIMITS_V
from battery_lake.cells.session_stats import Samples, SessionStats, summarise
from battery_lake.cells.sessions import KINDS, SessionParams, cut
from battery_lake.gold.arrow import (
    by_width,
    codes,
    floats,
    known_lists,
    list_reduced,
    lists,
    matrix,
    numbers,
    seconds,
)
from battery_lake.gold.string_state import session_columns
from battery_lake.tables.gold import SESSION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import Column, DataFrame

    from battery_lake.cells.arrays import Codes

METHOD: Final = "session-3"
SCALARS: Final = (
    "duration_s", "charge_ah", "throughput_ah", "energy_wh", "sampling_ah2", "soc_start_pct", "soc_end_pct",
    "temperature_mean_c", "temperature_max_c", "distance_km", "gap_s", "start_current_a", "end_current_a",
    "current_mean_a", "current_max_a", "low_limit_charge_ah", "step_a", "step_s", "step_temperature_c",
    "step_soc_pct",
)  # fmt: skip
ARRAYS: Final = ("start_cell_voltages_v", "end_cell_voltages_v", "min_cell_voltages_v", "max_cell_voltages_v")
STEP_ARRAYS: Final = ("step_resistance_mohm", "step_variance_mohm2")


def low_limit_v() -> Column:
    """Return the voltage at which a full discharge of a pack ends: its own, else the chemistry's. [V]."""
    by_chemistry = F.create_map(*(F.lit(x) for name, (low, _) in LIMITS_V.items() for x in (name, low)))
    return F.coalesce(F.col("cell_low_v"), by_chemistry[F.col("chemistry")])


def session(telemetry: DataFrame, packs: DataFrame, params: SessionParams) -> DataFrame:
    """One row per session of the packs in the telemetry.

    Parameters
    ----------
    telemetry
        silver.telemetry, all rows of the time to be cut.
    packs
        reference.packs.
    params
        How sessions are cut.
    """
    known = packs.select("pack_id", "cells_in_series", "rated_capacity_ah", low_limit_v().alias("low_v"))
    columns = (
        "pack_id", "vehicle_id", "measured_at", "current_a", "pack_voltage_v", "soc_pct", "cell_voltages_v",
        "temperatures_c", "odometer_km", (F.col("state") == "driving").alias("is_driving"),
        "cells_in_series", "rated_capacity_ah", "low_v",
    )  # fmt: skip
    return (
        telemetry
        .join(F.broadcast(known), on="pack_id", how="inner")
        .select(*columns, "sequence")
        .repartition("pack_id")
        .sortWithinPartitions("pack_id", "measured_at", "sequence")
        .mapInArrow(lambda batches: _sessions(batches, params), SESSION.fields)
    )


def _sessions(batches: Iterable[pa.RecordBatch], params: SessionParams) -> Iterator[pa.RecordBatch]:
    for packs, width in by_width(batches):
        yield from _block(packs, width, params).to_batches()


def _block(table: pa.Table, width: int, params: SessionParams) -> pa.Table:
    """Sessions of packs with equally many cells."""
    pack_index, pack_ids = codes(table, "pack_id")
    mean_c, max_c = list_reduced(table, "temperatures_c")
    samples = Samples(
        pack_index=pack_index,
        seconds=seconds(table, "measured_at"),
        current_a=floats(table, "current_a"),
        pack_voltage_v=floats(table, "pack_voltage_v"),
        soc_pct=floats(table, "soc_pct"),
        temperature_mean_c=mean_c,
        temperature_max_c=max_c,
        odometer_km=floats(table, "odometer_km"),
        cell_voltages_v=matrix(table, "cell_voltages_v", width),
        low_v=floats(table, "low_v"),
        rated_ah=floats(table, "rated_capacity_ah"),
    )
    rest_a = params.rest_c_rate * samples.rated_ah
    driving = floats(table, "is_driving") == 1.0
    start, kind = cut(samples.seconds, samples.current_a, pack_index, rest_a, driving, params)
    return _rows(
        table, [pack_ids[i] for i in pack_index[start]], summarise(samples, start, kind, params), kind
    )


def _rows(table: pa.Table, pack_ids: list[str], stats: SessionStats, kind: Codes) -> pa.Table:
    at = table.column("measured_at").combine_chunks()
    vehicles = table.column("vehicle_id").combine_chunks()
    first, last = pa.array(stats.first), pa.array(stats.last)
    columns = {
        "pack_id": pa.array(pack_ids, pa.string()),
        "started_at": at.take(first),
        "ended_at": at.take(last),
        "kind": pa.array([KINDS[code] for code in kind[stats.first]], pa.string()),
        "vehicle_id": vehicles.take(last),
        "samples": pa.array(stats.samples, pa.int32()),
        "gaps": pa.array(stats.gaps, pa.int32()),
        "method_version": pa.array([METHOD] * len(pack_ids), pa.string()),
        **{name: numbers(getattr(stats, name)) for name in SCALARS},
        **{name: lists(getattr(stats, name)) for name in ARRAYS},
        **{name: known_lists(getattr(stats, name)) for name in STEP_ARRAYS},
        **session_columns(stats.string),
    }
    return pa.table({column.name: columns[column.name] for column in SESSION.columns})
