"""What the messages of a pack's day say of its safety and its sensors, by column of gold.cell_deviation."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from battery_lake.cells.alerts import SEVERITIES
from battery_lake.cells.ocv import chemistry_limits
from battery_lake.cells.safety_alerts import insulation, over_temperature, plating_risk
from battery_lake.cells.sensor_alerts import follow, lying_cell, probe_apart, string_gap

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Floats, Ints
    from battery_lake.cells.safety_alerts import SafetyLimits

DAY_US: Final = 86_400_000_000
_MICROSECONDS: Final = 1e-6


@dataclass(frozen=True, slots=True)
class Signals:
    """Messages of a pack in order of time; NaN where a signal is absent.

    Parameters
    ----------
    at_us
        Microseconds since 1970. Shape ``(messages,)``
    current_a, pack_voltage_v, insulation_kohm
        Shape ``(messages,)``. [A, V, kΩ]
    voltage_v, temperature_c
        Shape ``(messages, cells)`` and ``(messages, probes)``. [V, °C]
    """

    at_us: Ints
    current_a: Floats
    voltage_v: Floats
    pack_voltage_v: Floats
    temperature_c: Floats
    insulation_kohm: Floats

    @property
    def seconds(self) -> Floats:
        """Times since 1970. [s], shape ``(messages,)``."""
        return np.asarray(self.at_us, dtype=np.float64) * _MICROSECONDS

    def rows(self, rows: slice) -> Signals:
        """Return some of the messages.

        Parameters
        ----------
        rows
            Which.
        """
        return Signals(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


@dataclass(frozen=True, slots=True)
class PackSpec:
    """What is known of a pack.

    Parameters
    ----------
    chemistry, cells
        Its cells, and how many are in series.
    rated_ah, cell_high_v, quiet_a
        Capacity, voltage of a full cell (NaN: the chemistry's), current below which it rests. [Ah, V, A]
    limits
        What it may do.
    """

    chemistry: str
    cells: int
    rated_ah: float
    cell_high_v: float
    quiet_a: float
    limits: SafetyLimits

    @property
    def working_voltage_v(self) -> float:
        """Highest voltage of the pack in use. [V]."""
        high_v = self.cell_high_v if np.isfinite(self.cell_high_v) else chemistry_limits(self.chemistry)[1]
        return self.cells * high_v


def day_safety(signals: Signals, spec: PackSpec) -> dict[str, Any]:
    """Heat, charging in the cold, insulation and sensors of a day; what it does not say is left out.

    Parameters
    ----------
    signals
        The day's messages.
    spec
        The pack.
    """
    return {
        **_hot(signals, spec),
        **_plating(signals, spec),
        **_insulation(signals, spec),
        **_lying_cells(signals, spec),
        **_lying_pack(signals, spec),
    }


def _hot(signals: Signals, spec: PackSpec) -> dict[str, Any]:
    """The worst probe of the day: by severity, then by its reading."""
    temperature_c = signals.temperature_c
    if not np.isfinite(temperature_c).any():
        return {}
    highest = {"temperature_max_c": float(np.nanmax(temperature_c))}
    finding = over_temperature(temperature_c, spec.limits)
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
        "hot_first_at": int(signals.at_us[shown[0]]),
    }


def _plating(signals: Signals, spec: PackSpec) -> dict[str, Any]:
    temperature_c = signals.temperature_c
    known = np.isfinite(temperature_c)
    coldest: Floats = np.where(known, temperature_c, np.inf).min(axis=1, initial=np.inf)
    coldest[~known.any(axis=1)] = np.nan
    if not (np.isfinite(coldest) & np.isfinite(signals.current_a)).any():
        return {}
    finding = plating_risk(signals.seconds, signals.current_a, coldest, spec.rated_ah, spec.limits)
    return {
        "plating_severity": _severity(finding.severity[0]),
        "plating_excess_ah": float(finding.evidence["excess_ah"][0]),
        "plating_excess_pct": float(finding.evidence["excess_pct"][0]),
        "plating_coldest_c": float(finding.evidence["coldest_c"][0]),
        "plating_current_max_a": float(finding.evidence["current_max_a"][0]),
    }


def _insulation(signals: Signals, spec: PackSpec) -> dict[str, Any]:
    if not np.isfinite(signals.insulation_kohm).any():
        return {}
    finding, first = insulation(signals.seconds, signals.insulation_kohm, spec.working_voltage_v, spec.limits)
    return {
        "insulation_severity": _severity(finding.severity[0]),
        "insulation_low_kohm": float(finding.evidence["resistance_kohm"][0]),
        "insulation_low_ohm_per_v": float(finding.evidence["resistance_ohm_per_v"][0]),
        "insulation_readings": int(finding.evidence["readings"][0]),
        "insulation_first_at": int(signals.at_us[first]) if first >= 0 else None,
    }


def _lying_cells(signals: Signals, spec: PackSpec) -> dict[str, Any]:
    """Cells whose reading does not follow the string; none named where the day does not tell of all."""
    found = follow(signals.seconds, signals.current_a, signals.voltage_v, spec.rated_ah)
    if not np.isfinite(found.level_frac).any():
        return {}
    lies = lying_cell(found).severity >= 0
    return {
        "lying_cells": [
            {
                "series_index": int(cell),
                "follow_frac": float(found.level_frac[cell]),
                "step_follow_frac": float(found.step_frac[cell]),
            }
            for cell in np.flatnonzero(lies)
        ]
    }


def _lying_pack(signals: Signals, spec: PackSpec) -> dict[str, Any]:
    of_day_s = np.asarray((signals.at_us % DAY_US) * _MICROSECONDS, dtype=np.float64)
    probe = probe_apart(of_day_s, signals.current_a, signals.temperature_c, spec.quiet_a)
    gap_pct = string_gap(signals.current_a, signals.voltage_v, signals.pack_voltage_v, spec.quiet_a)
    told = {"apart_probe": probe.place, "probe_apart_c": probe.apart_c} if probe.place >= 0 else {}
    return {**told, "apart_messages": probe.messages, "string_gap_pct": gap_pct}


def _severity(place: int) -> str | None:
    return SEVERITIES[place] if place >= 0 else None
