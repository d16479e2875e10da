"""Estimates of single days to ageing alerts, pack by pack: a day is judged by the year that ends with it.

Of a cell with an open alert the year before that was raised counts too, and all since: an alert goes when
evidence clears it, not when what raised it has become old.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from battery_lake.gold.ageing_rules import LOOK_BACK_DAYS, ageing_rules, read_estimates
from battery_lake.gold.alert_history import History
from battery_lake.gold.arrow import by_width, codes, days
from battery_lake.tables.gold import AGEING_STATE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import DataFrame

    from battery_lake.cells.ageing_alerts import AgeingParams
    from battery_lake.cells.arrays import Ints

METHOD: Final = "ageing-2"

STATE: Final = ("as_of_at", "open_alerts")
PACK_AGEING: Final = (
    "pack_id string, alerts array<struct<series_index:int,code:string,raised_at:timestamp,severity:string,"
    "evidence:string,cleared_at:timestamp>>, "
    + ", ".join(f"{name} {AGEING_STATE.column_by_name[name].type}" for name in STATE)
)
"""One row per pack: its ageing alerts from where it goes on, and what was open before its last day."""


def look_back(plan: DataFrame, states: DataFrame) -> DataFrame:
    """One row per planned pack: ``from_at``, and ``first_date``, after which its estimates are looked at.

    Parameters
    ----------
    plan
        ``pack_id`` and ``from_at``, where it goes on.
    states
        gold.ageing_state of the packs that go on from there; the others start anew.
    """
    raised = F.array_min(F.transform("open_alerts", lambda alert: alert["raised_at"]))
    oldest = F.to_date(F.least("from_at", "raised_at"))
    return plan.join(states.select("pack_id", raised.alias("raised_at")), on="pack_id", how="left").select(
        "pack_id", "from_at", F.date_sub(oldest, LOOK_BACK_DAYS).alias("first_date")
    )


def ageing_inputs(estimates: DataFrame, packs: DataFrame, seen: DataFrame, states: DataFrame) -> DataFrame:
    """One row per pack and day of the look-backs; what was open on the day from which the pack goes on.

    Parameters
    ----------
    estimates
        gold.day_estimate of the planned packs, after their ``first_date``.
    packs
        reference.packs.
    seen
        What :func:`look_back` gives.
    states
        gold.ageing_state of the packs that go on from there; the others start anew.
    """
    known = packs.select("pack_id", "cells_in_series")
    start = seen.select("pack_id", "first_date", F.to_date("from_at").alias("from_date"))
    begun = states.select("pack_id", F.to_date("as_of_at").alias("as_of_date"), "open_alerts")
    return (
        estimates
        .drop("method_version")
        .join(F.broadcast(known), on="pack_id", how="inner")
        .join(F.broadcast(start), on="pack_id", how="inner")
        .where("as_of_date > first_date")
        .drop("first_date")
        .join(begun, on=["pack_id", "as_of_date"], how="left")
    )


def pack_ageing(inputs: DataFrame, params: AgeingParams) -> DataFrame:
    """One row per pack: see :data:`PACK_AGEING`.

    Parameters
    ----------
    inputs
        What :func:`ageing_inputs` gives.
    params
        When a change is one.
    """
    return (
        inputs
        .repartition("pack_id")
        .sortWithinPartitions("pack_id", "as_of_date")
        .mapInArrow(lambda batches: _pack_ageing(batches, params), PACK_AGEING)
    )


def ageing_state(alerts: DataFrame) -> DataFrame:
    """One row per pack: what is open before the day that is still open.

    Parameters
    ----------
    alerts
        What :func:`pack_ageing` gives.
    """
    return alerts.select("pack_id", *STATE, F.lit(METHOD).alias("method_version"))


def _pack_ageing(batches: Iterable[pa.RecordBatch], params: AgeingParams) -> Iterator[pa.RecordBatch]:
    for packs, width in by_width(batches):
        pack_index, _ = codes(packs, "pack_id")
        starts = np.flatnonzero(np.diff(pack_index, prepend=-1)).tolist()
        for start, end in zip(starts, [*starts[1:], pack_index.size], strict=True):
            yield from _pack(packs.slice(start, end - start), width, params).to_batches()


def _pack(table: pa.Table, width: int, params: AgeingParams) -> pa.Table:
    """Take one pack through its days from where it goes on."""
    known, day = read_estimates(table, width), days(table, "as_of_date")
    first = int(np.searchsorted(day, days(table, "from_date")[0]))
    history = History(table.column("open_alerts").slice(first, 1).combine_chunks())
    for place in range(first, day.size):
        history.keep(np.array([place == day.size - 1]))
        for told in ageing_rules(known, place, history, params):
            history.take(told, known.today(place))
    columns = {
        "pack_id": table.column("pack_id").slice(0, 1),
        "alerts": history.alerts(),
        "as_of_at": _midnight(day[-1:]),
        "open_alerts": history.open_before(),
    }
    return pa.table({name: columns[name] for name in ("pack_id", "alerts", *STATE)})


def _midnight(day: Ints) -> pa.Array:
    return pa.array(day.astype("datetime64[D]"), pa.date32()).cast(pa.timestamp("us", tz="UTC"))
