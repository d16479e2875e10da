"""Alerts of the pack as a whole: heat, standing signals, insulation, charging in the cold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from battery_lake.cells.alerts import CRITICAL, WARNING, Finding, where_found
from battery_lake.cells.coulomb import SECONDS_PER_HOUR

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class PlatingParams:
    """How fast a pack may be charged at which temperature, and what charge beyond that is a risk.

    The limits are on the careful side for graphite anodes without a map of the maker; where there is one it
    takes their place.

    Parameters
    ----------
    temperature_c, limit_c_rate
        Points of the limit, straight between them; colder than the first is as the first. [°C, 1/h]
    above_c
        At and above this temperature the rule says nothing: fast charging is made for it. [°C]
    warning_frac, critical_frac
        Charge beyond the limit, over rated capacity. [1]
    gap_s
        Longer intervals count nothing. [s]
    """

    temperature_c: tuple[float, ...] = (0.0, 5.0, 10.0, 15.0)
    limit_c_rate: tuple[float, ...] = (0.1, 0.2, 0.4, 0.7)
    above_c: float = 15.0
    warning_frac: float = 0.01
    critical_frac: float = 0.05
    gap_s: float = 120.0


def over_temperature(
    temperature_c: Floats, warning_c: float = 55.0, critical_c: float = 65.0, apart_k: float = 20.0
) -> Finding:
    """Probes that are too hot, or far hotter than the others, in each message: it alarms at once.

    Parameters
    ----------
    temperature_c
        Readings; NaN where there is none. [°C], shape ``(messages, probes)``
    warning_c, critical_c
        Limits. [°C]
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
        warned = (reading >= warning_c) | (above_k >= apart_k)
        severity = np.where(reading >= critical_c, CRITICAL, WARNING)
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
    ISO 26262-5:2018, annex D: a stuck signal is a fault that diagnostics of sensors must find.
    """
    frozen = np.atleast_1d(np.asarray(frozen_messages, dtype=np.float64))
    share = frozen / np.maximum(np.atleast_1d(np.asarray(messages, dtype=np.float64)), 1.0)
    severity = np.where(share >= 0.5, CRITICAL, WARNING)  # noqa: PLR2004
    evidence = {"frozen_messages": frozen, "frozen_pct": 100.0 * share}
    return Finding("frozen_sensor", where_found(frozen >= least, severity), evidence)


def insulation(
    resistance_ohm: Floats,
    pack_voltage_v: Floats,
    critical_ohm_per_v: float = 100.0,
    warning_ohm_per_v: float = 500.0,
    in_a_row: int = 3,
) -> Finding:
    """A pack whose insulation resistance is too low for its voltage, in several messages in a row.

    One low reading is often the measurement itself, which is disturbed by contactors and by charging; so the
    best of ``in_a_row`` readings counts. The lowest such value of all messages is the evidence.

    Parameters
    ----------
    resistance_ohm
        Insulation resistance of a pack's messages in order; NaN: not told. [Ω], shape ``(messages,)``
    pack_voltage_v
        Voltage of the pack. [V], shape ``(messages,)``
    critical_ohm_per_v, warning_ohm_per_v
        Least resistance over voltage: of a DC bus, and of one that is joined to AC. [Ω/V]
    in_a_row
        Readings that must agree.

    References
    ----------
    UN Regulation No. 100, 5.1.3, and ISO 6469-3: 100 Ω/V for DC, 500 Ω/V for AC and for joined buses.
    """
    resistance = np.asarray(resistance_ohm, dtype=np.float64)
    voltage = np.asarray(pack_voltage_v, dtype=np.float64)
    told = np.isfinite(resistance) & np.isfinite(voltage) & (voltage > 0.0) & (resistance >= 0.0)
    ratio = resistance[told] / voltage[told]
    lowest = float("nan")
    if ratio.size >= in_a_row:
        lowest = float(np.lib.stride_tricks.sliding_window_view(ratio, in_a_row).max(axis=1).min())
    found = np.array([lowest < warning_ohm_per_v])
    severity = np.where(np.array([lowest < critical_ohm_per_v]), CRITICAL, WARNING)
    evidence = {"resistance_ohm_per_v": np.array([lowest]), "readings": np.array([float(ratio.size)])}
    return Finding("insulation", where_found(found, severity), evidence)


def plating_risk(
    seconds: Floats,
    current_a: Floats,
    coldest_c: Floats,
    rated_capacity_ah: float,
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
    params
        The limit.

    References
    ----------
    Petzl and Danzer, J. Power Sources 254 (2014) 80: plating at low temperature by charge rate; Alipour et
    al., Batteries 6 (2020) 35: review of how temperature limits charging.
    """
    current, coldest = (np.asarray(array, dtype=np.float64) for array in (current_a, coldest_c))
    limit_a = rated_capacity_ah * np.interp(coldest, params.temperature_c, params.limit_c_rate)
    excess_a = np.where(coldest < params.above_c, np.maximum(current - limit_a, 0.0), 0.0)
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
