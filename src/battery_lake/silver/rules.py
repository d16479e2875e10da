"""Which messages are refused, and which signals are blanked: every rule with its code.

A rule either refuses the message, or blanks one signal and flags it. Thresholds are wide on purpose:
they tell what no battery can show from what an ill battery does show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.mapping.compile import CANONICAL, Compiled, compiled
from battery_lake.silver.decode import CORRUPT
from battery_lake.tables.bronze import PLAUSIBLE_TIMES

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

CELL_VOLTAGE_V: Final = (0.5, 5.0)
TEMPERATURE_C: Final = (-39.5, 150.0)
CURRENT_A: Final = 5_000.0
EARLIEST: Final = "2000-01-01"
PACK_VOLTAGE_V: Final = 5_000.0
ODOMETER_KM: Final = 10_000_000.0

SHOWN: Final = "left(make_valid_utf8(text), 80)"
"""So much of a body stands in a reason."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A reason to refuse a message.

    Parameters
    ----------
    code
        Machine-readable, for ever.
    meaning
        One sentence for the reader.
    broken
        SQL that is true where the rule is broken; never null.
    detail
        SQL of the text that says what was found.
    """

    code: str
    meaning: str
    broken: str
    detail: str


@dataclass(frozen=True, slots=True)
class RuleParams:
    """What the rules, and the reading before them, need to know."""

    clock_skew_s: float = 300.0
    mappings: tuple[Compiled, ...] = field(default_factory=lambda: compiled((CANONICAL,)))


def refusals(params: RuleParams) -> tuple[Rule, ...]:
    """Return the rules that refuse a message; the first that is broken names it, all are listed."""
    readable = f"is_object AND mapping IS NOT NULL AND {CORRUPT} IS NULL"
    early = f"measured_at < TIMESTAMP'{EARLIEST}'"
    # In whole microseconds: adding an interval to an extreme time would overflow.
    late = f"unix_micros(measured_at) > unix_micros(enqueued_at) + {round(params.clock_skew_s * 1e6)}"
    in_time = "enqueued_at BETWEEN TIMESTAMP'{}' AND TIMESTAMP'{}'".format(*PLAUSIBLE_TIMES)
    # The usual spelling first: lower() is slow.
    encoding = "coalesce(content_encoding, 'utf-8')"
    return (
        Rule("unreadable_file", "A file is half-written or corrupt: what could be read of it is in.",
             "sequence_number < 0", SHOWN),
        Rule("bad_envelope", "The line is no message of a hub: no device, no body, no time.",
             f"device_id IS NULL OR NOT coalesce({in_time}, false)", "'no device or no enqueued time'"),
        Rule("unsupported_encoding", "The body's encoding is not utf-8.",
             f"{encoding} != 'utf-8' AND lower({encoding}) NOT IN ('utf-8', 'utf8')", "content_encoding"),
        Rule("undecodable", "The body is no JSON object.", "NOT is_object", SHOWN),
        Rule("wrong_type", "The JSON is broken, or a field has the wrong type.",
             f"is_object AND ({CORRUPT} IS NOT NULL OR coalesce(size(unreadable) > 0, false))",
             f"coalesce(array_join(nullif(unreadable, cast(array() AS array<string>)), ', '), {SHOWN})"),
        Rule("unknown_schema", "No mapping in use is for the message, or its schema version is not known.",
             f"is_object AND (mapping IS NULL OR ({CORRUPT} IS NULL AND NOT is_known_schema))",
             "if(mapping IS NULL, 'no mapping is for it', schema_found)"),
        Rule("missing_key", "pack_id, measured_at or sequence is missing.",
             f"{readable} AND (nullif(pack_id, '') IS NULL OR measured_at IS NULL OR sequence IS NULL)",
             "concat_ws(', ', if(nullif(pack_id, '') IS NULL, 'pack_id', null),"
             " if(measured_at IS NULL, 'measured_at', null), if(sequence IS NULL, 'sequence', null))"),
        Rule("clock", "The device's clock is wrong: before 2000, or ahead of the hub's.",
             f"coalesce({early} OR {late}, false)", "measured_at"),
        Rule("unknown_pack", "The pack is not in reference.packs.",
             f"{readable} AND pack_id IS NOT NULL AND cells_in_series IS NULL", "pack_id"),
        Rule("not_assigned", "The device does not carry this pack at the time of measurement.",
             "cells_in_series IS NOT NULL AND measured_at IS NOT NULL AND NOT is_assigned",
             "concat(device_id, ' for ', pack_id)"),
        Rule("cell_count", "The number of cell voltages is not the pack's number of cells in series.",
             "coalesce(size(cell_voltages_v) > 0 AND size(cell_voltages_v) != cells_in_series, false)",
             "concat(size(cell_voltages_v), ' of ', cells_in_series)"),
    )  # fmt: skip


def with_reference(decoded: DataFrame, packs: DataFrame, assignments: DataFrame) -> DataFrame:
    """Every decoded row with ``cells_in_series`` of its pack and whether its device carries the pack.

    The pack says how many cell voltages there are: empty ones beyond them are no cells.
    """
    carriers = assignments.groupBy("pack_id").agg(
        F.collect_list(F.struct("vehicle_id", "valid_from", "valid_to")).alias("carriers")
    )
    known = packs.select("pack_id", "cells_in_series").join(carriers, on="pack_id", how="left")
    is_carrier = (
        "exists(carriers, c -> c.vehicle_id = device_id AND c.valid_from <= measured_at"
        " AND (c.valid_to IS NULL OR measured_at < c.valid_to))"
    )
    beyond = "slice(cell_voltages_v, cells_in_series + 1, size(cell_voltages_v))"
    cells = (
        f"if(size(cell_voltages_v) > cells_in_series AND size(array_compact({beyond})) = 0,"
        " slice(cell_voltages_v, 1, cells_in_series), cell_voltages_v)"
    )
    return (
        decoded
        .join(F.broadcast(known), on="pack_id", how="left")
        .withColumn("is_assigned", F.coalesce(F.expr(is_carrier), F.lit(False)))
        .withColumn("cell_voltages_v", F.expr(cells))
        .drop("carriers")
    )


def reasons(params: RuleParams) -> Column:
    """Return the array of code and detail of every rule that a row breaks."""
    return F.array_compact(
        F.array(
            *(
                F.when(
                    F.expr(rule.broken),
                    F.struct(
                        F.lit(rule.code).alias("code"), F.expr(rule.detail).cast("string").alias("detail")
                    ),
                )
                for rule in refusals(params)
            )
        )
    )


def is_refused(params: RuleParams) -> Column:
    """Return whether a row breaks any rule; cheaper than listing them."""
    return F.expr(" OR ".join(f"({rule.broken})" for rule in refusals(params)))


def blanked() -> dict[str, Column]:
    """Return the signals with impossible values taken out, and ``flags`` that say so.

    A cell voltage or a probe outside what the sensor can mean is set to null in its array. The arrays are
    only rebuilt where their extremes are out of range: NaN sorts above every number, so it is caught too.
    """
    cells_out = _out_of("cell_voltages_v", CELL_VOLTAGE_V)
    low, high = CELL_VOLTAGE_V
    extremes_out = (
        f"coalesce(NOT (cell_voltage_min_v >= {low} AND cell_voltage_max_v <= {high}"
        " AND cell_voltage_min_v <= cell_voltage_max_v), false)"
    )
    probes_out = _out_of("temperatures_c", TEMPERATURE_C)
    current_out = f"coalesce(isnan(current_a) OR abs(current_a) > {CURRENT_A}, false)"
    soc_out = "coalesce(isnan(soc_pct) OR soc_pct < 0 OR soc_pct > 100, false)"
    odometer_out = f"coalesce(NOT (odometer_km > 0 AND odometer_km <= {ODOMETER_KM}), false)"
    voltage_out = f"coalesce(NOT (pack_voltage_v > 0 AND pack_voltage_v <= {PACK_VOLTAGE_V}), false)"
    position_out = "coalesce(NOT (abs(latitude) <= 90 AND abs(longitude) <= 180), false)"
    found = {
        "cell_voltage_range": cells_out,
        "cell_extremes": extremes_out,
        "temperature_range": probes_out,
        "current_range": current_out,
        "soc_range": soc_out,
        "odometer_range": odometer_out,
        "pack_voltage_range": voltage_out,
        "position_range": position_out,
        "no_cell_voltages": "coalesce(size(cell_voltages_v), 0) <= 0",
        "no_soc": "soc_pct IS NULL",
    }
    listed = ", ".join(f"if({broken}, '{code}', null)" for code, broken in found.items())
    any_found = " OR ".join(f"({broken})" for broken in found.values())
    return {
        "cell_voltages_v": F.expr(_kept("cell_voltages_v", CELL_VOLTAGE_V, cells_out)),
        "cell_voltage_min_v": F.expr(f"if({extremes_out}, null, cell_voltage_min_v)"),
        "cell_voltage_max_v": F.expr(f"if({extremes_out}, null, cell_voltage_max_v)"),
        "temperatures_c": F.expr(_kept("temperatures_c", TEMPERATURE_C, probes_out)),
        "current_a": F.expr(f"if({current_out}, null, current_a)"),
        "soc_pct": F.expr(f"if({soc_out}, null, soc_pct)"),
        "odometer_km": F.expr(f"if({odometer_out}, null, odometer_km)"),
        "pack_voltage_v": F.expr(f"if({voltage_out}, null, pack_voltage_v)"),
        "latitude": F.expr(f"if({position_out}, null, latitude)"),
        "longitude": F.expr(f"if({position_out}, null, longitude)"),
        "flags": F.expr(f"if({any_found}, array_compact(array({listed})), cast(array() as array<string>))"),
    }


def _out_of(column: str, limits: tuple[float, float]) -> str:
    low, high = limits
    return f"coalesce(array_min({column}) < {low} OR array_max({column}) > {high}, false)"


def _kept(column: str, limits: tuple[float, float], out: str) -> str:
    low, high = limits
    return f"if({out}, transform({column}, x -> if(x >= {low} AND x <= {high}, x, null)), {column})"
