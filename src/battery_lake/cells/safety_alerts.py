"""Alerts of the pack as a whole: heat, standing signals, insulation, charging in the cold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from battery_lake.cells.alerts import CRITICAL, NONE, WARNING, Finding, where_found
from battery_lake.cells.coulomb import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Floats, Ints

OHM_PER_KOHM = 1e3


@dataclass(frozen=True, slots=True)
class SafetyLimits:
    """What packs of one chemistry may do; the settings ``alerts.*`` hold the values and their sources.

    Parameters
    ----------
    charge_c_rate
        Points of the fastest charge that plates no lithium, straight between them; colder than the first is
        as the first, from the last on the rule says nothing. [°C, 1/h]
    hot_warning_c, hot_critical_c
        Highest reading of a probe. [°C]
    insulation_warning_ohm_per_v, insulation_critical_ohm_per_v
        Least insulation resistance over the highest voltage of the pack. [Ω/V]
    """

    charge_c_rate: tuple[tuple[float, float], ...]
    hot_warning_c: float
    hot_critical_c: float
    insulation_warning_ohm_per_v: float
    insulation_critical_ohm_per_v: float


@dataclass(frozen=True, slots=True)
class PlatingParams:
    """How much charge beyond the limit is a risk.

    Parameters
    ----------
    warning_frac, critical_frac
        Charge beyond the limit, over rated capacity. [1]
    gap_s
        Longer intervals count nothing. [s]
    """

    warning_frac: float = 0.01
    critical_frac: float = 0.05
    gap_s: float = 120.0


def over_temperature(temperature_c: Floats, limits: SafetyLimits, apart_k: float = 20.0) -> Finding:
    """Probes that are too hot, or far hotter than the others, in each message: it alarms at once.

    Parameters
    ----------
    temperature_c
        Readings; NaN where there is none. [°C], shape ``(messages, probes)``
    limits
        Of the pack's chemistry.
    apart_k
        A probe so far above the median of the others' is a warning below any limit. [K]

    References
    ----------
    Feng et al., Energy Storage Mater. 10 (2018) 246: the solid electrolyte interphase breaks down from
    about 80 °C on, self-heating may start below; makers end operation at 55 to 60 °C.
    """
    reading = np.atleast_2d(np.asarray(temperature_c, dtype=np.float64))
    known = np.isfinite(reading)
    filled = np.where(known, reading, np.inf)
    # Low median: of two probes the cooler one is the reference.
    place = np.maximum((known.sum(axis=1) - 1) // 2, 0)
    others = (
        np.sort(filled, axis=1)[np.arange(reading.shape[0]), place] if reading.size else filled[:, :0].sum(1)
    )
    above_k = np.where(known, reading, np.nan) - np.where(np.isfinite(others), others, np.nan)[:, None]
    with np.errstate(invalid="ignore"):
        warned = (reading >= limits.hot_warning_c) | (above_k >= apart_k)
        severity = np.where(reading >= limits.hot_critical_c, CRITICAL, WARNING)
    evidence = {"temperature_c": reading, "above_others_k": above_k}
    return Finding("over_temperature", where_found(warned, severity), evidence)


def frozen_sensor(frozen_messages: Ints | Floats, messages: Ints | Floats, least: int = 3) -> Finding:
    """Packs whose signals stand still while the current moves, by the count of messages that showed it.

    Critical: half of the messages or more, so that nothing else about the pack can be trusted.

    Parameters
    ----------
    frozen_messages, messages
        Messages of the day that showed it, and all. Shape ``(packs,)``
    least
        Fewer may be chance.

    References
    ----------
    ISO 26262-5, annex D, lists what sensors are diagnosed by; that a reading stands still while another of
    the same process moves is seen by comparing the two: Granig et al., SAE 2017-01-0015.
    """
    frozen = np.atleast_1d(np.asarray(frozen_messages, dtype=np.float64))
    share = frozen / np.maximum(np.atleast_1d(np.asarray(messages, dtype=np.float64)), 1.0)
    severity = np.where(share >= 0.5, CRITICAL, WARNING)  # noqa: PLR2004
    evidence = {"frozen_messages": frozen, "frozen_pct": 100.0 * share}
    return Finding("frozen_sensor", where_found(frozen >= least, severity), evidence)


def lasting_low(seconds: Floats, value: Floats, readings: int = 3, held_s: float = 60.0) -> Floats:
    """At every reading the highest value from it on, until readings are enough and have lasted.

    The lowest of these is the lowest level that lasted: a single low reading is often the measurement
    itself, which contactors and chargers disturb.

    Parameters
    ----------
    seconds
        Times of the readings, rising. [s], shape ``(readings,)``
    value
        Readings, all known. Same shape
    readings
        How many must agree.
    held_s
        For how long. [s]

    Returns
    -------
    Floats
        NaN where too few readings follow. Same shape
    """
    count = seconds.size
    last = np.maximum(np.searchsorted(seconds, seconds + held_s), np.arange(count) + readings - 1)
    whole = np.flatnonzero(last < count)
    level = np.full(count, np.nan)
    if whole.size:
        # Pairs of first and one beyond the last; what lies between two pairs is thrown away.
        bounds = np.column_stack([whole, last[whole] + 1]).reshape(-1)
        level[whole] = np.maximum.reduceat(np.append(value, -np.inf), bounds)[::2]
    return level


def insulation(
    seconds: Floats, resistance_kohm: Floats, working_voltage_v: float, limits: SafetyLimits
) -> tuple[Finding, int]:
    """A pack whose insulation resistance is too low for its voltage, and has been so for a minute.

    Critical: below what a DC bus must have. Warning: below what a bus must have that is joined to AC, as that
    of a motor is, unless the AC side has protection of its own.

    Parameters
    ----------
    seconds
        Times of a pack's messages, rising. [s], shape ``(messages,)``
    resistance_kohm
        Insulation resistance; NaN: not told. [kΩ], shape ``(messages,)``
    working_voltage_v
        Highest voltage of the pack in use. [V]
    limits
        Of the pack.

    Returns
    -------
    tuple[Finding, int]
        The finding, of one place, with the lowest level that lasted; the message with which the first stretch
        below the warning limit begins, -1 where there is none.

    References
    ----------
    UN Regulation No. 100, paragraphs 5.1.3.1 and 5.1.3.2: 100 Ω/V of the working voltage for DC, 500 Ω/V for
    AC and for buses that are joined, or 100 Ω/V where the AC side is protected; ISO 6469-4:2015, 5.2.3, asks
    the same after a crash.
    """
    resistance = np.asarray(resistance_kohm, dtype=np.float64)
    told = np.flatnonzero(np.isfinite(resistance) & (resistance >= 0.0))
    level_kohm = lasting_low(np.asarray(seconds, dtype=np.float64)[told], resistance[told])
    known = np.isfinite(level_kohm)
    lowest_kohm = float(level_kohm[known].min()) if known.any() else float("nan")
    per_v = OHM_PER_KOHM / working_voltage_v if working_voltage_v > 0.0 else float("nan")
    with np.errstate(invalid="ignore"):
        low = level_kohm * per_v < limits.insulation_warning_ohm_per_v
    is_critical = lowest_kohm * per_v < limits.insulation_critical_ohm_per_v
    severity = np.where(low.any(), CRITICAL if is_critical else WARNING, NONE).astype(np.int8).reshape(1)
    evidence = {
        "resistance_ohm_per_v": np.array([lowest_kohm * per_v]),
        "resistance_kohm": np.array([lowest_kohm]),
        "readings": np.array([float(told.size)]),
    }
    return Finding("insulation", severity, evidence), int(told[np.argmax(low)]) if low.any() else -1


def plating_risk(
    seconds: Floats,
    current_a: Floats,
    coldest_c: Floats,
    rated_capacity_ah: float,
    limits: SafetyLimits,
    params: PlatingParams = PlatingParams(),
) -> Finding:
    """A pack that was charged faster than its coldest probe allows: lithium may have plated.

    Only current beyond the limit counts, integrated over the intervals whose both ends were above it; so a
    short pulse of braking between two messages counts nothing.

    Parameters
    ----------
    seconds
        Times of a pack's messages, rising. [s], shape ``(messages,)``
    current_a
        Current, charge positive; NaN: not told. [A], shape ``(messages,)``
    coldest_c
        Lowest reading of any probe; NaN: not told. [°C], shape ``(messages,)``
    rated_capacity_ah
        Of the pack. [Ah]
    limits
        Of the pack's chemistry.
    params
        How much is too much.

    References
    ----------
    Petzl and Danzer, J. Power Sources 254 (2014) 80: plating in LFP cells at low temperature and high rate;
    Zinth et al., J. Power Sources 271 (2014) 152: the same in NMC cells; Alipour et al., Batteries 6 (2020)
    35: review of what temperature does.
    """
    current, coldest = (np.asarray(array, dtype=np.float64) for array in (current_a, coldest_c))
    limit_c, limit_c_rate = np.array(limits.charge_c_rate, dtype=np.float64).T
    limit_a = rated_capacity_ah * np.interp(coldest, limit_c, limit_c_rate)
    excess_a = np.where(coldest < limit_c[-1], np.maximum(current - limit_a, 0.0), 0.0)
    excess_a = np.nan_to_num(excess_a)
    step_s = np.diff(np.asarray(seconds, dtype=np.float64))
    held_s = np.where((step_s > 0.0) & (step_s <= params.gap_s), step_s, 0.0)
    excess_ah = float((np.minimum(excess_a[1:], excess_a[:-1]) * held_s).sum()) / SECONDS_PER_HOUR
    share = excess_ah / rated_capacity_ah
    above = excess_a > 0.0
    found = np.array([share >= params.warning_frac])
    severity = np.where(np.array([share >= params.critical_frac]), CRITICAL, WARNING)
    evidence = {
        "excess_ah": np.array([excess_ah]),
        "excess_pct": np.array([100.0 * share]),
        "coldest_c": np.array([float(coldest[above].min()) if above.any() else np.nan]),
        "current_max_a": np.array([float(current[above].max()) if above.any() else np.nan]),
    }
    return Finding("plating_risk", where_found(found, severity), evidence)
