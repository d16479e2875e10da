"""Silver telemetry to gold.cell_deviation: how a pack's cells lay on a day, what single messages showed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F

from battery_lake.cells.alerts import SEVERITIES, cell_far_off
from battery_lake.cells.deviation import DeviationParams, day_deviation
from battery_lake.cells.safety_alerts import over_temperature, plating_risk
from battery_lake.gold.arrow import by_width, codes, days, floats, lists, matrix, numbers, ragged
from battery_lake.tables.gold import CELL_DEVIATION

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import DataFrame

    from battery_lake.cells.arrays import Floats, Ints

METHOD: Final = "deviation-1"

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
_MICROSECONDS: Final = 1e-6
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
_TYPES: Final = MappingProxyType({
    "messages": pa.int32(), "quiet_messages": pa.int32(), "far_off": _FAR_OFF, "hot_severity": pa.string(),
    "hot_probe": pa.int32(), "hot_messages": pa.int32(), "hot_first_at": _AT, "plating_severity": pa.string(),
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class CellDeviationParams:
    """How cells are compared.

    Parameters
    ----------
    quiet_c_rate
        Cells are compared below this current over the pack's capacity: 5 A of a car of 150 Ah. [1/h]
    quiet_min_a
        Current sensors of small packs are no better than this. [A]
    cells
        All else.
    """

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
    known = packs.select("pack_id", "chemistry", "cells_in_series", "rated_capacity_ah")
    columns = (
        "pack_id", F.to_date("measured_at").alias("as_of_date"), "measured_at", "current_a",
        "cell_voltages_v", "temperatures_c", "chemistry", "cells_in_series", "rated_capacity_ah",
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
    voltage, temperature = matrix(table, "cell_voltages_v", width), ragged(table, "temperatures_c")
    current, rated = floats(table, "current_a"), floats(table, "rated_capacity_ah")
    starts = np.flatnonzero(np.diff(pack_index, prepend=-1) | np.diff(day, prepend=-1))
    rows = []
    for first, end in zip(starts, [*starts[1:], day.size], strict=True):
        own, rated_ah = slice(first, end), float(rated[first])
        chosen = params.of(table.column("chemistry")[int(first)].as_py(), rated_ah)
        rows.append({
            "messages": int(end - first),
            **_beside(voltage[own], current[own], chosen),
            "far_off": _far_off(voltage[own], at_us[own], chosen),
            **_hot(temperature[own], at_us[own]),
            **_plating(temperature[own], current[own], at_us[own], rated_ah),
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


def _hot(temperature_c: Floats, at_us: Ints) -> dict[str, Any]:
    """The worst probe of the day: by severity, then by its reading."""
    if not np.isfinite(temperature_c).any():
        return {}
    highest = {"temperature_max_c": float(np.nanmax(temperature_c))}
    finding = over_temperature(temperature_c)
    found = finding.severity >= 0
    if not found.any():
        return highest
    top = int(finding.severity.max())
    worst = np.argmax(np.where(finding.severity == top, temperature_c, -np.inf))
    message, probe = np.unravel_index(worst, temperature_c.shape)
    shown = np.flatnonzero(found.any(axis=1))
    return highest | {
        "hot_severity": SEVERITIES[top],
        "hot_probe": int(probe),
        "hot_temperature_c": float(temperature_c[message, probe]),
        "hot_above_others_c": float(finding.evidence["above_others_k"][message, probe]),
        "hot_messages": int(shown.size),
        "hot_first_at": int(at_us[shown[0]]),
    }


def _plating(temperature_c: Floats, current_a: Floats, at_us: Ints, rated_ah: float) -> dict[str, Any]:
    known = np.isfinite(temperature_c)
    coldest: Floats = np.where(known, temperature_c, np.inf).min(axis=1, initial=np.inf)
    coldest[~known.any(axis=1)] = np.nan
    if not (np.isfinite(coldest) & np.isfinite(current_a)).any():
        return {}
    seconds = np.asarray(at_us, dtype=np.float64) * _MICROSECONDS
    finding = plating_risk(seconds, current_a, coldest, rated_ah)
    severity = int(finding.severity[0])
    return {
        "plating_severity": SEVERITIES[severity] if severity >= 0 else None,
        "plating_excess_ah": float(finding.evidence["excess_ah"][0]),
        "plating_excess_pct": float(finding.evidence["excess_pct"][0]),
        "plating_coldest_c": float(finding.evidence["coldest_c"][0]),
        "plating_current_max_a": float(finding.evidence["current_max_a"][0]),
    }
