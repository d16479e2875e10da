"""Sessions and observations to gold.day_estimate: what a day alone says of every cell, nothing filtered."""

from __future__ import annotations

import warnings
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F

from battery_lake.cells.resistance import (
    BOLTZMANN_EV_PER_K,
    ZERO_C_K,
    ResistanceParams,
    inverse_temperature,
)
from battery_lake.cells.soh_filter import combine_day
from battery_lake.gold.arrow import bounds, days, floats, known_lists, matrix, numbers
from battery_lake.gold.resistance_state import collected_steps, read_steps
from battery_lake.tables.gold import DAY_ESTIMATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import DataFrame

    from battery_lake.cells.arrays import Bools, Floats, Ints

METHOD: Final = "estimate-1"

VALUES: Final = tuple(name for name in DAY_ESTIMATE.column_names if name != "method_version")
_ESTIMATES: Final = ", ".join(f"{name} {DAY_ESTIMATE.column_by_name[name].type}" for name in VALUES)
_OBSERVED: Final = ("started_at", "method", "capacity_ah", "variance_ah2", "temperature_mean_c")


def day_estimate(sessions: DataFrame, observations: DataFrame, packs: DataFrame) -> DataFrame:
    """One row per pack and day with a capacity or a resistance of at least one cell.

    Parameters
    ----------
    sessions, observations
        gold.session and gold.capacity_observation of the days to be told, whole.
    packs
        reference.packs.
    """
    key = ["pack_id", "as_of_date"]
    day = F.to_date("started_at").alias("as_of_date")
    steps = sessions.groupBy("pack_id", day).agg(collected_steps().alias("steps"))
    evidence = observations.groupBy("pack_id", day).agg(
        F.sort_array(F.collect_list(F.struct(*_OBSERVED))).alias("evidence")
    )
    known = packs.select("pack_id", "cells_in_series", "rated_capacity_ah")
    return (
        evidence
        .join(steps, on=key, how="full")
        .join(F.broadcast(known), on="pack_id", how="inner")
        .mapInArrow(_days, _ESTIMATES)
        .where("day_soh_pct IS NOT NULL OR day_resistance_mohm IS NOT NULL")
        .withColumn("method_version", F.lit(METHOD))
        .select(*DAY_ESTIMATE.column_names)
    )


def _days(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        table = pa.Table.from_batches([batch])
        width = floats(table, "cells_in_series")
        for cells in np.unique(width):
            yield from _block(table.filter(pa.array(width == cells)), int(cells)).to_batches()


def _block(table: pa.Table, width: int) -> pa.Table:
    """Days of packs with equally many cells."""
    rated = floats(table, "rated_capacity_ah")[:, None]
    capacity_ah, capacity_std_ah, capacity_c = _capacities(table, width)
    ohm, std_ohm, step_c = _resistances(table, width)
    columns = {
        "pack_id": table.column("pack_id"),
        "as_of_date": table.column("as_of_date"),
        "day_soh_pct": known_lists(100.0 * capacity_ah / rated),
        "day_soh_std_pct": known_lists(100.0 * capacity_std_ah / rated),
        "day_capacity_temperature_c": numbers(capacity_c),
        "day_resistance_mohm": known_lists(1e3 * ohm),
        "day_resistance_std_mohm": known_lists(1e3 * std_ohm),
        "day_resistance_temperature_c": numbers(step_c),
    }
    return pa.table({name: columns[name] for name in VALUES})


def _capacities(table: pa.Table, width: int) -> tuple[Floats, Floats, Floats]:
    """Each day's capacities, their standard deviations, and the mean temperature. [Ah, Ah, °C]."""
    evidence = table.column("evidence").combine_chunks()
    items = pc.list_flatten(evidence)
    told = pa.table({name: pc.struct_field(items, name) for name in _OBSERVED})
    capacity, variance = matrix(told, "capacity_ah", width), matrix(told, "variance_ah2", width)
    is_test = np.asarray(told.column("method").to_pylist(), dtype=object) == "full_discharge"
    places = bounds(evidence)
    for start, end in pairwise(places.tolist()):
        _overrule(capacity[start:end], is_test[start:end])
    return _combined(capacity, variance, floats(told, "temperature_mean_c"), places)


def _overrule(capacity_ah: Floats, is_test: Bools) -> None:
    """Blank what windows say of a cell whose capacity was tested on the day by a full discharge."""
    tested: Bools = np.asarray(np.isfinite(capacity_ah[is_test]).any(axis=0))
    capacity_ah[np.ix_(~is_test, tested)] = np.nan


def _resistances(table: pa.Table, width: int) -> tuple[Floats, Floats, Floats]:
    """Each day's resistances at 25 °C and 50 % SOC, standard deviations, mean temperature. [Ω, Ω, °C]."""
    series, places = read_steps(table.column("steps").combine_chunks(), days(table, "as_of_date"), width)
    params, celsius = ResistanceParams(), series.temperature_c[:, None]
    ohm = series.ohm * np.exp(-params.activation_ev * inverse_temperature(celsius))
    kelvin = celsius + ZERO_C_K
    thermal = params.thermometer_std_k * params.activation_ev / (BOLTZMANN_EV_PER_K * kelvin * kelvin)
    relative = series.variance_ohm2 / (series.ohm * series.ohm) + thermal * thermal
    return _combined(ohm, relative * ohm * ohm, series.temperature_c, places)


def _combined(
    values: Floats, variance: Floats, temperature_c: Floats, places: Ints
) -> tuple[Floats, Floats, Floats]:
    """One estimate a day and cell, its standard deviation, and the mean temperature of those that tell."""
    width, made = values.shape[1], []
    tells: Bools = np.asarray(np.isfinite(values).any(axis=1))
    for start, end in pairwise(places.tolist()):
        mean, spread, _ = combine_day(values[start:end], variance[start:end])
        chosen = temperature_c[start:end][tells[start:end]]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # days without a temperature
            made.append((mean, np.sqrt(spread), np.nanmean(chosen) if chosen.size else np.nan))
    value, std, celsius = (np.array([row[part] for row in made], dtype=np.float64) for part in range(3))
    return value.reshape(-1, width), std.reshape(-1, width), celsius.reshape(-1)
