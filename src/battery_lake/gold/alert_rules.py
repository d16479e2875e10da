"""A day of many packs through the alert rules: what is known after it, and what each rule says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.alerts import (
    CRITICAL,
    AlertParams,
    Finding,
    imbalance_growth,
    self_discharge,
    weak_cell,
)
from battery_lake.cells.odd_cells import (
    WIDTH,
    Evidence,
    Trend,
    evidence_step,
    initial_evidence,
    initial_trend,
    trend_step,
    z_score,
)
from battery_lake.cells.safety_alerts import frozen_sensor
from battery_lake.cells.sensor_alerts import Follow, lying_cell, lying_pack_voltage, lying_probe

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats, Ints
    from battery_lake.gold.alert_days import PackDay

MILLIVOLT = 1e-3
HOLD: Final = 0.5
"""A trend that raised an alert keeps it open while it is at least this share of what raises one. [1]"""


CODES: Final = (
    "weak_cell", "self_discharge", "imbalance_growth", "over_temperature", "plating_risk", "insulation",
    "frozen_sensor", "lying_sensor", "lying_probe", "lying_pack_voltage",
)  # fmt: skip
"""What these rules raise."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of many packs, their cells one after the other.

    Parameters
    ----------
    evidence, cells
        Sequential test and trend of every cell. Shape ``(packs x cells,)``
    width
        Trend of the width of every pack. Shape ``(packs,)``
    """

    evidence: Evidence
    cells: Trend
    width: Trend


@dataclass(frozen=True, slots=True)
class Told:
    """What a rule says of a day.

    Parameters
    ----------
    finding
        Severities and evidence. Shape ``(packs, places)``: a place is a cell, or there is one, the pack
    tells
        Where the day tells; elsewhere an alert stays as it is. Same shape
    raises
        Where it is enough to raise an alert; where something is found and this is false, one that is open
        goes on. Same shape
    since_us
        When it was known first on that day, microseconds since 1970. Same shape
    """

    finding: Finding
    tells: Bools
    raises: Bools
    since_us: Ints


def nothing_known(packs: int, cells: int) -> Known:
    """Packs of which nothing is known.

    Parameters
    ----------
    packs, cells
        How many packs, and cells of each.
    """
    every = packs * cells
    return Known(initial_evidence(every), initial_trend(every), initial_trend(packs, WIDTH))


def step(known: Known, day: PackDay) -> Known:
    """Take a day of every pack into what is known.

    Parameters
    ----------
    known
        What was known before.
    day
        The packs' days.
    """
    volts = {name: MILLIVOLT * values.reshape(-1) for name, values in day.cells.items()}
    width = volts["deviation_mv"].size // day.day.size
    spread = np.repeat(MILLIVOLT * day.numbers["spread_mv"], width)
    z = z_score(volts["deviation_mv"], volts["deviation_std_mv"], spread)
    width_v, width_std_v = (MILLIVOLT * day.numbers[name] for name in ("width_mv", "width_std_mv"))
    each_day = np.repeat(day.day, width)
    return Known(
        evidence_step(known.evidence, z),
        trend_step(known.cells, each_day, volts["band_deviation_mv"], volts["band_std_mv"]),
        trend_step(known.width, day.day, width_v, width_std_v, WIDTH),
    )


def rules(
    known: Known, day: PackDay, slope_v: Floats, rated_ah: Floats, params: AlertParams
) -> tuple[Told, ...]:
    """Return what every rule says.

    Parameters
    ----------
    known
        What is known after the day.
    day
        The packs' days.
    slope_v, rated_ah
        Slope of the voltage curve in the band of trends, and rated capacity. [V, Ah], shape ``(packs,)``
    params
        Limits.
    """
    return (
        _weak(known, day, params),
        _falling(known, day, slope_v, rated_ah, params),
        _wider(known, day, params),
        _hot(day),
        _plating(day),
        _insulated(day),
        _frozen(day),
        _lying_cells(day),
        _lying_probe(day),
        _lying_pack_voltage(day),
    )


def _weak(known: Known, day: PackDay, params: AlertParams) -> Told:
    """Cells that the sequential test names, and those that single messages show far off."""
    deviation, far = day.cells["deviation_mv"], day.far_off
    named = _shaped(weak_cell(known.evidence, known.cells, MILLIVOLT * deviation.reshape(-1), params), day)
    severity = np.where(far.found, CRITICAL, named.severity).astype(np.int8)
    evidence = {
        **named.evidence,
        "far_off_mv": far.deviation_mv,
        "far_off_voltage_v": far.voltage_v,
        "far_off_messages": far.messages,
    }
    # A cell that stays named on a day without a rest keeps the evidence of the last rest.
    rid = far.is_known[:, None] & (named.severity < 0)
    tells = np.isfinite(deviation) | far.found | rid
    since = np.where(far.found, far.first_us, day.start_us[:, None])
    return Told(Finding("weak_cell", severity, evidence), tells, severity >= 0, since)


def _falling(known: Known, day: PackDay, slope_v: Floats, rated_ah: Floats, params: AlertParams) -> Told:
    width = day.cells["deviation_mv"].shape[1]
    slopes, capacities = np.repeat(slope_v, width), np.repeat(rated_ah, width)
    strict, held = (
        _shaped(self_discharge(known.cells, slopes, capacities, params=limits), day)
        for limits in (params, _held(params))
    )
    tells = np.isfinite(day.cells["band_deviation_mv"])
    return _of_the_day(held, tells, strict.severity >= 0, day)


def _wider(known: Known, day: PackDay, params: AlertParams) -> Told:
    strict, held = (_shaped(imbalance_growth(known.width, limits), day) for limits in (params, _held(params)))
    tells = np.isfinite(day.numbers["width_mv"])[:, None]
    return _of_the_day(held, tells, strict.severity >= 0, day)


def _hot(day: PackDay) -> Told:
    names = {
        "temperature_c": "hot_temperature_c",
        "above_others_k": "hot_above_others_c",
        "messages": "hot_messages",
    }
    evidence = {said: day.numbers[name] for said, name in names.items()}
    evidence["probe"] = day.numbers["hot_probe"] + 1.0
    finding = _shaped(Finding("over_temperature", day.severities["hot_severity"], evidence), day)
    tells = np.isfinite(day.numbers["temperature_max_c"])[:, None]
    return Told(finding, tells, finding.severity >= 0, day.instants_us["hot_first_at"][:, None])


def _plating(day: PackDay) -> Told:
    names = {
        "excess_ah": "plating_excess_ah",
        "excess_pct": "plating_excess_pct",
        "coldest_c": "plating_coldest_c",
        "current_max_a": "plating_current_max_a",
    }
    evidence = {said: day.numbers[name] for said, name in names.items()}
    finding = _shaped(Finding("plating_risk", day.severities["plating_severity"], evidence), day)
    tells = np.isfinite(day.numbers["plating_excess_ah"])[:, None]
    return _of_the_day(finding, tells, finding.severity >= 0, day)


def _insulated(day: PackDay) -> Told:
    names = {
        "resistance_ohm_per_v": "insulation_low_ohm_per_v",
        "resistance_kohm": "insulation_low_kohm",
        "readings": "insulation_readings",
    }
    evidence = {said: day.numbers[name] for said, name in names.items()}
    finding = _shaped(Finding("insulation", day.severities["insulation_severity"], evidence), day)
    tells = np.isfinite(day.numbers["insulation_low_ohm_per_v"])[:, None]
    return Told(finding, tells, finding.severity >= 0, day.instants_us["insulation_first_at"][:, None])


def _lying_cells(day: PackDay) -> Told:
    lies = day.lying
    finding = lying_cell(Follow(lies.follow_frac, lies.step_follow_frac))
    tells = np.broadcast_to(lies.is_known[:, None], finding.severity.shape)
    return _of_the_day(finding, tells, finding.severity >= 0, day)


def _lying_probe(day: PackDay) -> Told:
    numbers = day.numbers
    found = lying_probe(numbers["probe_apart_c"])
    beside = {"probe": numbers["apart_probe"] + 1.0, "messages": numbers["apart_messages"]}
    finding = _shaped(replace(found, evidence={**found.evidence, **beside}), day)
    return _of_the_day(finding, np.isfinite(numbers["probe_apart_c"])[:, None], finding.severity >= 0, day)


def _lying_pack_voltage(day: PackDay) -> Told:
    gap_pct = day.numbers["string_gap_pct"]
    finding = _shaped(lying_pack_voltage(gap_pct), day)
    return _of_the_day(finding, np.isfinite(gap_pct)[:, None], finding.severity >= 0, day)


def _frozen(day: PackDay) -> Told:
    frozen, messages = (np.nan_to_num(day.numbers[name]) for name in ("frozen_messages", "messages"))
    finding = _shaped(frozen_sensor(frozen, messages), day)
    since = day.instants_us["frozen_first_at"][:, None]
    return Told(finding, day.has_day[:, None], finding.severity >= 0, since)


def _held(params: AlertParams) -> AlertParams:
    """Limits below which an alert that a trend raised is cleared: so it does not come and go."""
    return replace(
        params,
        trend_std=HOLD * params.trend_std,
        drop_v=HOLD * params.drop_v,
        width_growth_v=HOLD * params.width_growth_v,
    )


def _of_the_day(finding: Finding, tells: Bools, raises: Bools, day: PackDay) -> Told:
    since = np.broadcast_to(day.start_us[:, None], finding.severity.shape)
    return Told(finding, tells, raises, since)


def _shaped(finding: Finding, day: PackDay) -> Finding:
    """Return the finding with one row a pack."""
    packs = day.day.size
    evidence = {name: np.asarray(values).reshape(packs, -1) for name, values in finding.evidence.items()}
    return Finding(finding.code, finding.severity.reshape(packs, -1), evidence)
