"""What there is to know of a message before it is judged: the columns that the rules ask about.

A fact that names something wrong is a text that says what, null where all is well. A
fact with a unit says by how much something is beyond its limit, null where there is nothing to compare.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.silver.decode import CORRUPT
from battery_lake.tables.bronze import PLAUSIBLE_TIMES

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

EARLIEST: Final = "2000-01-01"
DEFAULT: Final = "default"
"""The entry of a limit that holds for every chemistry that has none of its own."""


def _of(value: float, **others: float) -> dict[str, float]:
    return {DEFAULT: value, **others}


@dataclass(frozen=True, slots=True)
class Limits:
    """What no healthy or ill battery can show, by chemistry; wide on purpose.

    Parameters
    ----------
    cell_voltage_min_v, cell_voltage_max_v
        Of a cell. [V]
    temperature_min_c, temperature_max_c
        Of a probe. [°C]
    current_max_a
        Of a pack, either way. [A]
    string_gap_v
        Most by which the mean cell voltage may differ from the pack's voltage by its cells. [V]
    cell_voltage_jump_v
        Most by which a cell may move from one message to the next, within a minute. [V]
    soc_jump_pct
        Most by which the state of charge may move at once. [%]
    """

    cell_voltage_min_v: dict[str, float] = field(default_factory=lambda: _of(0.5))
    cell_voltage_max_v: dict[str, float] = field(default_factory=lambda: _of(5.0, LFP=4.5))
    temperature_min_c: dict[str, float] = field(default_factory=lambda: _of(-39.5))
    temperature_max_c: dict[str, float] = field(default_factory=lambda: _of(150.0))
    current_max_a: dict[str, float] = field(default_factory=lambda: _of(5_000.0))
    string_gap_v: dict[str, float] = field(default_factory=lambda: _of(0.1))
    cell_voltage_jump_v: dict[str, float] = field(default_factory=lambda: _of(1.0))
    soc_jump_pct: dict[str, float] = field(default_factory=lambda: _of(10.0))


def with_reference(decoded: DataFrame, packs: DataFrame, assignments: DataFrame, limits: Limits) -> DataFrame:
    """Every decoded row with its pack's number of cells and limits, and who carries the pack when.

    The pack says how many cell voltages there are: empty ones beyond them are no cells.
    """
    carriers = assignments.groupBy("pack_id").agg(
        F.collect_list(F.struct("vehicle_id", "valid_from", "valid_to")).alias("carriers"),
        F.min("valid_from").alias("first_carried_at"),
    )
    known = packs.select(
        "pack_id",
        "cells_in_series",
        limit_of(limits.cell_voltage_min_v).alias("cell_voltage_floor_v"),
        limit_of(limits.cell_voltage_max_v).alias("cell_voltage_ceiling_v"),
        limit_of(limits.temperature_min_c).alias("temperature_floor_c"),
        limit_of(limits.temperature_max_c).alias("temperature_ceiling_c"),
        limit_of(limits.current_max_a).alias("current_ceiling_a"),
        limit_of(limits.string_gap_v).alias("string_gap_ceiling_v"),
    ).join(carriers, on="pack_id", how="left")
    beyond = "slice(cell_voltages_v, cells_in_series + 1, size(cell_voltages_v))"
    cells = (
        f"if(size(cell_voltages_v) > cells_in_series AND size(array_compact({beyond})) = 0,"
        " slice(cell_voltages_v, 1, cells_in_series), cell_voltages_v)"
    )
    joined = decoded.join(F.broadcast(known), on="pack_id", how="left")
    return joined.withColumn("cell_voltages_v", F.expr(cells))


def limit_of(by_chemistry: dict[str, float]) -> Column:
    """Return the limit of a pack's chemistry."""
    own = {name: value for name, value in by_chemistry.items() if name != DEFAULT}
    limit = F.lit(by_chemistry[DEFAULT])
    for name, value in own.items():
        limit = F.when(F.col("chemistry") == name, value).otherwise(limit)
    return limit


def with_facts(messages: DataFrame) -> DataFrame:
    """Every message with the facts that the rules ask about."""
    facts = _facts()
    if "cell_number" in messages.columns:  # a mapping in use sends cells one by one
        beyond = "if(cell_number BETWEEN 1 AND cells_in_series, 0, cell_number - cells_in_series)"
        named = "concat('cell ', cell_number, ' of ', cells_in_series)"
        facts["cell_count_said"] = f"if(cell_number IS NOT NULL, {named}, {facts['cell_count_said']})"
        facts["cells_too_many"] = f"if(cell_number IS NOT NULL, {beyond}, {facts['cells_too_many']})"
    return messages.withColumns({name: F.expr(sql) for name, sql in facts.items()})


def _facts() -> dict[str, str]:
    readable = f"(is_object AND mapping IS NOT NULL AND {CORRUPT} IS NULL)"
    in_time = "enqueued_at BETWEEN TIMESTAMP'{}' AND TIMESTAMP'{}'".format(*PLAUSIBLE_TIMES)
    shown = "left(make_valid_utf8(coalesce(text, cast(body AS string))), 80)"
    unreadable = f"{CORRUPT} IS NOT NULL OR coalesce(size(unreadable) > 0, false)"
    is_carrier = (
        "coalesce(exists(carriers, c -> c.vehicle_id = device_id AND c.valid_from <= measured_at"
        " AND (c.valid_to IS NULL OR measured_at < c.valid_to)), false)"
    )
    # In doubles: a difference of extreme times would overflow.
    measured_us, taken_us, carried_us = (
        f"double(unix_micros({name}))" for name in ("measured_at", "enqueued_at", "first_carried_at")
    )
    told = "coalesce(array_join(nullif(unreadable, cast(array() AS array<string>)), ', '), "
    return {
        "shown": shown,
        "encoding": "lower(content_encoding)",
        "body_bytes": "octet_length(body)",
        "envelope_problem":
            "CASE WHEN device_id IS NULL OR enqueued_at IS NULL THEN 'no device or no enqueued time'"
            f" WHEN NOT {in_time} THEN concat('enqueued at ', enqueued_at) END",
        "unreadable_text":
            f"if(is_object AND ({unreadable}),"
            f" {told}{shown}), null)",
        "schema_problem":
            f"if(is_object AND (mapping IS NULL OR ({CORRUPT} IS NULL AND NOT is_known_schema)),"
            " if(mapping IS NULL, 'no mapping is for it', schema_found), null)",
        "missing_keys":
            f"if({readable} AND (nullif(pack_id, '') IS NULL OR measured_at IS NULL OR sequence IS NULL),"
            " concat_ws(', ', if(nullif(pack_id, '') IS NULL, 'pack_id', null),"
            " if(measured_at IS NULL, 'measured_at', null), if(sequence IS NULL, 'sequence', null)), null)",
        "clock_off_s":
            f"greatest(({measured_us} - {taken_us}) / 1e6D,"
            f" ({carried_us} - {measured_us}) / 1e6D,"
            f" if(measured_at < TIMESTAMP'{EARLIEST}', double('Infinity'), null))",
        "delay_s": f"({taken_us} - {measured_us}) / 1e6D",
        "unknown_pack_id": f"if({readable} AND cells_in_series IS NULL, pack_id, null)",
        "false_claim":
            f"if(cells_in_series IS NOT NULL AND measured_at IS NOT NULL AND NOT {is_carrier},"
            " concat(coalesce(device_id, 'no device'), ' for ', pack_id), null)",
        "cell_count_said": "concat(size(cell_voltages_v), ' of ', cells_in_series)",
        "cells_told": "greatest(coalesce(size(cell_voltages_v), 0), 0)",
        "cells_too_many": "if(size(cell_voltages_v) > 0, size(cell_voltages_v) - cells_in_series, null)",
        "cell_voltage_outside_v": _outside("cell_voltages_v", "cell_voltage"),
        "temperature_outside_c": _outside("temperatures_c", "temperature"),
        "cell_extremes_outside_v":
            "greatest(cell_voltage_floor_v - cell_voltage_min_v, cell_voltage_max_v - cell_voltage_ceiling_v,"
            " cell_voltage_min_v - cell_voltage_max_v)",
        "current_outside_a": "abs(current_a) - current_ceiling_a",
        "position_outside_deg": "greatest(abs(latitude) - 90D, abs(longitude) - 180D)",
        "string_gap_outside_v": f"{_string_gap()} - string_gap_ceiling_v",
        "non_finite_sum": " + ".join(f"coalesce({x} - {x}, 0D)" for x in _NUMBERS),
    }  # fmt: skip


# A number less itself is 0; what is not a number, or infinite, is not. NaN is the largest for Spark.
_NUMBERS: Final = (
    "array_max(cell_voltages_v)", "array_min(cell_voltages_v)", "array_max(temperatures_c)",
    "array_min(temperatures_c)", "current_a", "pack_voltage_v", "soc_pct", "odometer_km", "latitude",
    "longitude", "cell_voltage_min_v", "cell_voltage_max_v", "insulation_kohm",
)  # fmt: skip


def _outside(column: str, limit: str) -> str:
    unit = column.rsplit("_", 1)[-1]
    return (
        f"greatest({limit}_floor_{unit} - array_min({column}), array_max({column}) - {limit}_ceiling_{unit})"
    )


def _string_gap() -> str:
    """SQL of how far the mean cell voltage is from the pack's by its cells, at most.

    Where already the lowest and the highest cell tell that it is little, that is the answer: the sum costs
    as much as all other facts together. Where a voltage is out of range there is nothing to compare.
    """
    low, high = "array_min(cell_voltages_v)", "array_max(cell_voltages_v)"
    mean = "(pack_voltage_v / cells_in_series)"
    bound = f"greatest(abs({mean} - {low}), abs({mean} - {high}))"
    exact = f"abs(aggregate(cell_voltages_v, 0D, (total, x) -> total + x) / cells_in_series - {mean})"
    usable = (
        f"size(cell_voltages_v) = cells_in_series AND cells_in_series > 0 AND {low} >= cell_voltage_floor_v"
        f" AND {high} <= cell_voltage_ceiling_v AND pack_voltage_v > 0 AND {mean} <= cell_voltage_ceiling_v"
    )
    return f"CASE WHEN {usable} THEN if({bound} <= string_gap_ceiling_v, {bound}, {exact}) END"
