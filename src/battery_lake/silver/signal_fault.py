"""What a message shows to be wrong beside those before it: impossible jumps, signals that stand still.

The message stays as it is. Each rule looks back over a limited time, so that what it says of a message does
not depend on the order in which messages came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import Window
from pyspark.sql import functions as F

from battery_lake.silver.facts import Limits, limit_of

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame


@dataclass(frozen=True, slots=True)
class HistoryParams:
    """How far back is looked, and what cannot be.

    Parameters
    ----------
    reach_s
        Furthest look back. [s]
    step_s
        Two messages further apart are not compared in voltage. [s]
    highest_c_rate
        No pack is charged or discharged faster than this many times its capacity in an hour. [1/h]
    odometer_back_km
        So much less is no rounding. [km]
    frozen_s, frozen_messages
        Voltages that have not moved for so long, in so many messages. [s]
    moved_c_rate
        Change of the current that must move a voltage. [1/h]
    moved_soc_frac
        Share of the capacity whose charge must move the state of charge. [1]
    """

    reach_s: int = 1800
    step_s: float = 60.0
    highest_c_rate: float = 6.0
    odometer_back_km: float = 1.0
    frozen_s: int = 600
    frozen_messages: int = 10
    moved_c_rate: float = 0.2
    moved_soc_frac: float = 0.05


def signal_fault(telemetry: DataFrame, packs: DataFrame, limits: Limits, params: HistoryParams) -> DataFrame:
    """One row per message and code.

    Parameters
    ----------
    telemetry
        silver.telemetry, with what lies within ``reach_s`` before.
    packs
        reference.packs.
    limits
        How far voltages and state of charge may jump, by chemistry.
    params
        The rest.
    """
    known = packs.select(
        "pack_id",
        "rated_capacity_ah",
        limit_of(limits.cell_voltage_jump_v).alias("cell_voltage_jump_v"),
        limit_of(limits.soc_jump_pct).alias("soc_jump_pct"),
    )
    at_s = F.expr("unix_micros(measured_at) / 1e6D")
    seen = telemetry.join(F.broadcast(known), on="pack_id", how="inner").withColumn("at_s", at_s)
    seen = _with_the_last(seen, "cell_voltages_v", "soc_pct", "odometer_km", "current_a")
    seen = _with_moved(_with_standing(seen, params), params)
    faults = F.array_compact(F.array(*(_fault(code, sql) for code, sql in _rules(params).items())))
    return seen.select("pack_id", "measured_at", "sequence", F.explode(faults).alias("fault")).select(
        "pack_id", "measured_at", "sequence", "fault.*"
    )


def _fault(code: str, detail: str) -> Column:
    told = F.expr(detail)
    return F.when(told.isNotNull(), F.struct(F.lit(code).alias("code"), told.alias("detail")))


def _with_the_last(seen: DataFrame, *signals: str) -> DataFrame:
    """Every message with the last known value before it and when that was: ``last_<signal>``."""
    in_order = Window.partitionBy("pack_id").orderBy("measured_at", "sequence")
    before = in_order.rowsBetween(Window.unboundedPreceding, -1)
    return seen.withColumns({
        f"last_{name}": F.last(
            F.when(F.col(name).isNotNull(), F.struct("at_s", F.col(name).alias("value"))), ignorenulls=True
        ).over(before)
        for name in signals
    })


def _with_standing(seen: DataFrame, params: HistoryParams) -> DataFrame:
    """Every message with whether all voltages stood still, and by how much the current moved meanwhile."""
    window = Window.partitionBy("pack_id").orderBy("at_s").rangeBetween(-params.frozen_s, 0)
    voltages = F.xxhash64("cell_voltages_v", "pack_voltage_v")
    return (
        seen
        .withColumn("voltages", F.when(F.expr("size(cell_voltages_v) > 0"), voltages))
        .withColumns({
            "messages": F.count("voltages").over(window),
            "covered_s": F.col("at_s") - F.min("at_s").over(window),
            "stands": F.min("voltages").over(window) == F.max("voltages").over(window),
            "current_moved_a": F.max("current_a").over(window) - F.min("current_a").over(window),
        })
    )  # fmt: skip


def _with_moved(seen: DataFrame, params: HistoryParams) -> DataFrame:
    """Every message with how the state of charge and the charge moved within the reach."""
    window = Window.partitionBy("pack_id").orderBy("at_s").rangeBetween(-params.reach_s, 0)
    step_h = f"least(at_s - last_current_a.at_s, {params.step_s}D) / 3600D"
    return (
        seen
        .withColumn("step_ah", F.expr(f"coalesce(last_current_a.value * {step_h}, 0D)"))
        .withColumns({
            "charge_moved_ah": F.sum("step_ah").over(window),
            "soc_moved_pct": F.max("soc_pct").over(window) - F.min("soc_pct").over(window),
        })
    )  # fmt: skip


def _rules(params: HistoryParams) -> dict[str, str]:
    """SQL of what was found, by code; null where all is well."""
    near = "at_s - last_{0}.at_s BETWEEN 0 AND {1}D"
    steps = "zip_with(cell_voltages_v, last_cell_voltages_v.value, (now, then) -> abs(now - then))"
    comparable = "size(cell_voltages_v) = size(last_cell_voltages_v.value)"
    by_time = f"soc_jump_pct + {100 * params.highest_c_rate / 3600}D * (at_s - last_soc_pct.at_s)"
    after = "' in ', round(at_s - last_{0}.at_s, 1), ' s'"
    return {
        "cell_voltage_jump":
            f"if({near.format('cell_voltages_v', params.step_s)} AND {comparable}"
            f" AND array_max({steps}) > cell_voltage_jump_v,"
            f" concat('cell ', array_position({steps}, array_max({steps})), ' by ',"
            f" round(array_max({steps}), 3), ' V', {after.format('cell_voltages_v')}), null)",
        "soc_jump":
            f"if({near.format('soc_pct', params.reach_s)} AND abs(soc_pct - last_soc_pct.value) > {by_time},"
            f" concat(last_soc_pct.value, ' to ', soc_pct, ' %', {after.format('soc_pct')}), null)",
        "odometer_backwards":
            f"if({near.format('odometer_km', params.reach_s)}"
            f" AND last_odometer_km.value - odometer_km > {params.odometer_back_km}D,"
            f" concat(last_odometer_km.value, ' to ', odometer_km, ' km'), null)",
        "voltages_frozen":
            f"if(stands AND messages >= {params.frozen_messages} AND covered_s >= {0.8 * params.frozen_s}D"
            f" AND current_moved_a >= {params.moved_c_rate}D * rated_capacity_ah,"
            " concat('no voltage moved in ', round(covered_s), ' s, the current by ',"
            " round(current_moved_a, 1), ' A'), null)",
        "soc_frozen":
            f"if(soc_moved_pct = 0D AND soc_pct BETWEEN 1D AND 99D"
            f" AND abs(charge_moved_ah) >= {params.moved_soc_frac}D * rated_capacity_ah,"
            " concat(soc_pct, ' % while ', round(charge_moved_ah, 2), ' Ah moved'), null)",
    }  # fmt: skip
