"""Silver telemetry to gold.cell_deviation: how a pack's cells lay on a day, what single messages showed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from battery_lake.cells.alerts import cell_far_off
from battery_lake.cells.deviation import DeviationParams, day_deviation
from battery_lake.gold.arrow import by_width, codes, days, floats, lists, matrix, numbers, ragged
from battery_lake.gold.day_safety import PackSpec, Signals, day_safety
from battery_lake.tables.gold import CELL_DEVIATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pyspark.sql import DataFrame

    from battery_lake.cells.arrays import Floats, Ints
    from battery_lake.cells.safety_alerts import SafetyLimits

METHOD: Final = "deviation-2"

BAND_V: Final = MappingProxyType({"LFP": (3.18, 3.25)})
"""Chemistry to the pack medians between which trends are read, where not the default ones. [V]

LFP is flat from about 45 % on. Below 20 % its slope changes too fast to compare days; between, on the
shoulder, its voltage rises by 0.4 V over the charge, about half as steeply as NMC's.
"""

FROZEN: Final = ("voltages_frozen", "soc_frozen")
"""Codes of silver.signal_fault that say that a signal stood still."""

FACTS: Final = tuple(
    column.name for column in CELL_DEVIATION.columns if not column.name.startswith(("frozen_", "method_"))
)
"""Columns that come from the messages themselves."""

_LISTS: Final = ("deviation_mv", "deviation_std_mv", "band_deviation_mv", "band_std_mv")
_AT: Final = pa.timestamp("us", tz="UTC")
_FAR_OFF: Final = pa.list_(
    pa.struct([
        ("series_index", pa.int32()),
        ("deviation_mv", pa.float64()),
        ("voltage_v", pa.float64()),
        ("messages", pa.int32()),
        ("first_at", _AT),
    ])
)
_LYING: Final = pa.list_(
    pa.struct([
        ("series_index", pa.int32()),
        ("follow_frac", pa.float64()),
        ("step_follow_frac", pa.float64()),
    ])
)
_TYPES: Final = MappingProxyType({
    "messages": pa.int32(), "quiet_messages": pa.int32(), "far_off": _FAR_OFF, "hot_severity": pa.string(),
    "hot_probe": pa.int32(), "hot_messages": pa.int32(), "hot_first_at": _AT, "plating_severity": pa.string(),
    "insulation_severity": pa.string(), "insulation_readings": pa.int32(), "insulation_first_at": _AT,
    "lying_cells": _LYING, "apart_probe": pa.int32(), "apart_messages": pa.int32(),
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class CellDeviationParams:
    """How cells are compared, and what packs may do.

    Parameters
    ----------
    limits
        By chemistry; ``default`` for the others.
    quiet_c_rate
        Cells are compared below this current over the pack's capacity: 5 A of a car of 150 Ah. [1/h]
    quiet_min_a
        Current sensors of small packs are no better than this. [A]
    cells
        All else.
    """

    limits: Mapping[str, SafetyLimits]
    quiet_c_rate: float = 1.0 / 30.0
    quiet_min_a: float = 0.5
    cells: DeviationParams = field(default_factory=DeviationParams)

    def of(self, chemistry: str, rated_ah: float) -> DeviationParams:
        """Return how the cells of a pack are compared.

        Parameters
        ----------
        chemistry
            Of the pack: chooses the band.
        rated_ah
            Its rated capacity: sets what is quiet. [Ah]
        """
        quiet_a = max(self.quiet_c_rate * rated_ah, self.quiet_min_a)
        return replace(self.cells, quiet_a=quiet_a, band_v=BAND_V.get(chemistry, self.cells.band_v))


def cell_deviation(
    telemetry: DataFrame, faults: DataFrame, packs: DataFrame, params: CellDeviationParams
) -> DataFrame:
    """One row per pack and day with messages.

    Parameters
    ----------
    telemetry
        silver.telemetry, all of the days to be told.
    faults
        silver.signal_fault of the same days.
    packs
        reference.packs.
    params
        How cells are compared.
    """
    known = packs.select("pack_id", "chemistry", "cells_in_series", "rated_capacity_ah", "cell_high_v")
    columns = (
        "pack_id", F.to_date("measured_at").alias("as_of_date"), "measured_at", "current_a", "pack_voltage_v",
        "cell_voltages_v", "temperatures_c", "insulation_kohm", "chemistry", "cells_in_series",
        "rated_capacity_ah", "cell_high_v",
    )  # fmt: skip
    fields = ", ".join(f"{name} {CELL_DEVIATION.column_by_name[name].type}" for name in FACTS)
    days = (
        telemetry
        .join(F.broadcast(known), on="pack_id", how="inner")
        .select(*columns, "sequence")
        .repartition("pack_id")
        .sortWithinPartitions("pack_id", "measured_at", "sequence")
        .mapInArrow(lambda batches: _days(batches, params), fields)
    )
    frozen = _frozen(faults)
    return (
        days
        .join(frozen, on=["pack_id", "as_of_date"], how="left")
        .withColumns({
            "frozen_messages": F.coalesce("frozen_messages", F.lit(0)).cast("int"),
            "method_version": F.lit(METHOD),
        })
        .select(*CELL_DEVIATION.column_names)
    )


def _frozen(faults: DataFrame) -> DataFrame:
    """One row per pack and day on which a signal stood still: messages that showed it, and the first."""
    return (
        faults
        .where(F.col("code").isin(*FROZEN))
        .groupBy("pack_id", F.to_date("measured_at").alias("as_of_date"))
        .agg(
            F.countDistinct("measured_at", "sequence").alias("frozen_messages"),
            F.min("measured_at").alias("frozen_first_at"),
        )
    )


def _days(batches: Iterable[pa.RecordBatch], params: CellDeviationParams) -> Iterator[pa.RecordBatch]:
    for packs, width in by_width(batches):
        yield from _block(packs, width, params).to_batches()


def _block(table: pa.Table, width: int, params: CellDeviationParams) -> pa.Table:
    """Days of packs with equally many cells."""
    pack_index, pack_ids = codes(table, "pack_id")
    day = days(table, "as_of_date")
    at_us = table.column("measured_at").combine_chunks().cast(pa.int64()).to_numpy()
    signals = Signals(
        at_us=at_us,
        current_a=floats(table, "current_a"),
        voltage_v=matrix(table, "cell_voltages_v", width),
        pack_voltage_v=floats(table, "pack_voltage_v"),
        temperature_c=ragged(table, "temperatures_c"),
        insulation_kohm=floats(table, "insulation_kohm"),
    )
    rated, high = floats(table, "rated_capacity_ah"), floats(table, "cell_high_v")
    starts = np.flatnonzero(np.diff(pack_index, prepend=-1) | np.diff(day, prepend=-1))
    rows = []
    for first, end in zip(starts, [*starts[1:], day.size], strict=True):
        chemistry = table.column("chemistry")[int(first)].as_py()
        chosen = params.of(chemistry, float(rated[first]))
        limits = params.limits.get(chemistry, params.limits["default"])
        spec = PackSpec(chemistry, width, float(rated[first]), float(high[first]), chosen.quiet_a, limits)
        own = signals.rows(slice(first, end))
        rows.append({
            "messages": int(end - first),
            **_beside(own.voltage_v, own.current_a, chosen),
            "far_off": _far_off(own.voltage_v, own.at_us, chosen),
            **day_safety(own, spec),
        })
    columns = {
        "pack_id": pa.array([pack_ids[i] for i in pack_index[starts]], pa.string()),
        "as_of_date": pa.array(day[starts].astype("datetime64[D]"), pa.date32()),
    }
    return pa.table({name: columns.get(name, _column(rows, name)) for name in FACTS})


def _column(rows: list[dict[str, Any]], name: str) -> pa.Array | None:
    """Return a value of every day; what a day does not say is null."""
    if name in _LISTS:
        return lists(np.stack([row[name] for row in rows]))
    if name in _TYPES:
        return pa.array([row.get(name) for row in rows], _TYPES[name])
    return numbers(np.array([row.get(name, np.nan) for row in rows], dtype=np.float64))


def _beside(voltage_v: Floats, current_a: Floats, params: DeviationParams) -> dict[str, Any]:
    lay = day_deviation(voltage_v, current_a, params)
    in_volts: dict[str, Any] = {
        "deviation_mv": lay.deviation_v,
        "deviation_std_mv": lay.std_v,
        "band_deviation_mv": lay.band_deviation_v,
        "band_std_mv": lay.band_std_v,
        "spread_mv": lay.spread_v,
        "width_mv": lay.imbalance_v,
        "width_std_mv": lay.imbalance_std_v,
    }
    return {name: 1e3 * value for name, value in in_volts.items()} | {"quiet_messages": lay.rows}


def _far_off(voltage_v: Floats, at_us: Ints, params: DeviationParams) -> list[dict[str, Any]] | None:
    """Cells that a message shows far off, each at its worst; None where no voltage is known."""
    if not np.isfinite(voltage_v).any():
        return None
    finding = cell_far_off(voltage_v, deviation=params)
    deviation_mv, found = finding.evidence["deviation_mv"], finding.severity >= 0
    cells = []
    for cell in np.flatnonzero(found.any(axis=0)):
        shown = np.flatnonzero(found[:, cell])
        worst = shown[np.argmax(np.abs(deviation_mv[shown, cell]))]
        cells.append({
            "series_index": int(cell),
            "deviation_mv": float(deviation_mv[worst, cell]),
            "voltage_v": float(voltage_v[worst, cell]),
            "messages": int(shown.size),
            "first_at": int(at_us[shown[0]]),
        })
    return cells
