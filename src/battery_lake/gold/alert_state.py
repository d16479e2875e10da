"""Days of deviation to alerts and what the rules know: the recursion over days, many packs at a time."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F

from battery_lake.gold.alert_days import PackDays, slopes_v
from battery_lake.gold.alert_history import History
from battery_lake.gold.alert_rules import Known, nothing_known, rules, step
from battery_lake.gold.arrow import by_width, floats, lists, matrix
from battery_lake.tables.gold import ALERT_STATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import DataFrame

    from battery_lake.cells.alerts import AlertParams
    from battery_lake.cells.arrays import Bools, Floats
    from battery_lake.cells.odd_cells import Evidence, Trend

METHOD: Final = "alerts-2"
TREND_DAYS: Final = 21
"""A trend needs so many days: in fewer, one of the state of charge looks like one of a cell. [d]"""

STATE: Final = tuple(name for name in ALERT_STATE.column_names if name not in {"pack_id", "method_version"})
PARTS: Final = (("evidence", "cell_evidence"), ("cells", "cell_trend"), ("width", "width_trend"))

PACK_ALERTS: Final = (
    "pack_id string, alerts array<struct<series_index:int,code:string,raised_at:timestamp,severity:string,"
    "evidence:string,cleared_at:timestamp>>, "
    + ", ".join(f"{name} {ALERT_STATE.column_by_name[name].type}" for name in STATE)
)
"""One row per pack: its alerts from where it goes on, and the state before its last day."""


def alert_inputs(days: DataFrame, packs: DataFrame, states: DataFrame) -> DataFrame:
    """One row per pack and day, with what is known of the pack; on its first day the state to go on from.

    Parameters
    ----------
    days
        gold.cell_deviation from the packs' starting points on.
    packs
        reference.packs.
    states
        gold.alert_state of the packs that go on from there: their first day is the state's; the others start
        anew.
    """
    known = packs.select(
        "pack_id", "chemistry", "cells_in_series", "rated_capacity_ah", "ocv_soc_frac", "ocv_v"
    )
    start = states.select("pack_id", *STATE).withColumn("as_of_date", F.to_date("as_of_at"))
    return (
        days
        .drop("method_version")
        .join(F.broadcast(known), on="pack_id", how="inner")
        .join(start, on=["pack_id", "as_of_date"], how="left")
    )


def pack_alerts(inputs: DataFrame, params: AlertParams) -> DataFrame:
    """One row per pack: see :data:`PACK_ALERTS`.

    Parameters
    ----------
    inputs
        What :func:`alert_inputs` gives.
    params
        Limits of the rules.
    """
    return (
        inputs
        .repartition("pack_id")
        .sortWithinPartitions("pack_id", "as_of_date")
        .mapInArrow(lambda batches: _pack_alerts(batches, params), PACK_ALERTS)
    )


def alert_state(alerts: DataFrame) -> DataFrame:
    """One row per pack: what the rules know before the day that is still open.

    Parameters
    ----------
    alerts
        What :func:`pack_alerts` gives.
    """
    return alerts.select("pack_id", *STATE, F.lit(METHOD).alias("method_version"))


def _pack_alerts(batches: Iterable[pa.RecordBatch], params: AlertParams) -> Iterator[pa.RecordBatch]:
    for packs, width in by_width(batches):
        yield from _block(packs, width, params).to_batches()


def _block(table: pa.Table, width: int, params: AlertParams) -> pa.Table:
    """Step all packs, each with equally many cells, through their k-th days together."""
    days = PackDays(table, width)
    heads = table.take(pa.array(days.first))
    slope_v = slopes_v(heads.select(["chemistry", "ocv_soc_frac", "ocv_v"]))
    rated_ah = floats(heads, "rated_capacity_ah")
    known = before = _begun(heads, width)
    history = History(heads.column("open_alerts").combine_chunks())
    for place in range(int(days.count.max())):
        is_last = days.count == place + 1
        before = _where(is_last, known, before, width)
        history.keep(is_last)
        day = days.at(place)
        known = step(known, day)
        for told in rules(known, day, slope_v, rated_ah, params):
            history.take(told, day)
    last = days.day[days.first + days.count - 1]
    columns = {
        "pack_id": pa.array(days.pack_ids, pa.string()),
        "alerts": history.alerts(),
        "as_of_at": pa.array(last.astype("datetime64[D]"), pa.date32()).cast(pa.timestamp("us", tz="UTC")),
        **{name: _stored(getattr(before, part), len(days.pack_ids)) for part, name in PARTS},
        "open_alerts": history.open_before(),
    }
    return pa.table({name: columns[name] for name in ("pack_id", "alerts", *STATE)})


def _begun(heads: pa.Table, width: int) -> Known:
    """The packs' states to go on from; of the others nothing is known.

    A state of another number of cells, since the reference data were corrected, is none.
    """
    nothing = nothing_known(heads.num_rows, width)
    parts: dict[str, Any] = {}
    for part, name in PARTS:
        column = heads.column(name).combine_chunks()
        own = getattr(nothing, part)
        size = 1 if part == "width" else width
        fits = _lengths(pc.struct_field(column, "days")) == size
        parts[part] = type(own)(**{
            f.name: _read(pc.struct_field(column, f.name), getattr(own, f.name), fits) for f in fields(own)
        })
    return Known(**parts)


def _read(column: pa.Array, otherwise: np.ndarray, fits: Bools) -> np.ndarray:
    """Return stored lists one after the other; the pack's part of ``otherwise`` where they do not fit."""
    size = otherwise.size // fits.size
    values = matrix(pa.table({"values": column}), "values", size).reshape(-1)
    chosen: Floats = np.where(np.repeat(fits, size), values, otherwise.astype(np.float64))
    return chosen.astype(otherwise.dtype)


def _lengths(column: pa.Array) -> np.ndarray:
    return np.asarray(pc.fill_null(pc.list_value_length(column), -1).to_numpy(zero_copy_only=False))


def _where(packs: Bools, chosen: Known, otherwise: Known, width: int) -> Known:
    """Return the chosen state of the named packs, the other state of the others."""
    parts: dict[str, Any] = {}
    for part, _ in PARTS:
        one, other = getattr(chosen, part), getattr(otherwise, part)
        mask = packs if part == "width" else np.repeat(packs, width)
        parts[part] = type(one)(**{
            f.name: np.where(mask, getattr(one, f.name), getattr(other, f.name)) for f in fields(one)
        })
    return Known(**parts)


def _stored(part: Evidence | Trend, packs: int) -> pa.Array:
    """Return a part of the state as structs of lists, one a pack."""
    arrays = {f.name: getattr(part, f.name).reshape(packs, -1) for f in fields(part)}
    types = {"i": pa.int32(), "b": pa.bool_(), "f": pa.float64()}
    return pa.StructArray.from_arrays(
        [lists(values, types[values.dtype.kind]) for values in arrays.values()], names=list(arrays)
    )
