"""Alerts from the series of a cell's capacity and resistance: sudden fade, a knee, a jump of resistance.

All are given the estimates of single days, not a filtered state: a filter spreads a step over weeks. Capacity
and resistance follow temperature, each kind of cell in its own way: what temperature may have done is part of
the doubt, so that a cold spell is neither a fade nor a jump.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.alerts import CRITICAL, WARNING, Finding, where_found
from battery_lake.cells.changes import BendParams, bend, step_change
from battery_lake.cells.resistance import ResistanceParams, inverse_temperature

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats

LEAST_OHM: Final = 1e-7
"""No cell has less. [Ω]"""


@dataclass(frozen=True, slots=True)
class AgeingParams:
    """When a change of capacity or resistance is one.

    Parameters
    ----------
    certain_std
        Steps count from so many standard deviations: many cells are looked at, day after day.
    fade_pct, fade_critical_pct
        Loss of state of health at once. [%]
    rise_frac, rise_critical_frac
        Rise of resistance at once, over the resistance before. [1]
    knee_gain
        Log likelihood ratio of a bent to a straight line.
    knee_ratio
        The fade after the knee is at least so many times that before. [1]
    knee_loss_pct
        State of health that the knee has cost beyond the line before it, at least. [%]
    at_once_frac
        Share of a step by which the estimates right before it must differ too: a bend does not. [1]
    hold_frac
        An alert that is open stays so while it is at least this share of what raises one. [1]
    capacity_std_pct_per_k
        Standard deviation of what a degree does to an estimate of capacity. [%/K]
    activation_std_ev
        Standard deviation of the activation energy that resistances were carried to 25 °C with. [eV]

    Notes
    -----
    ``capacity_std_pct_per_k`` is chosen, not fitted: ``certain_std`` of it is 0.7 %/K, so that 25 K less may
    take 17 % of a capacity and raise nothing. Of all changes with temperature only those of the day's mean
    are known.
    """

    certain_std: float = 4.5
    fade_pct: float = 3.0
    fade_critical_pct: float = 8.0
    rise_frac: float = 0.25
    rise_critical_frac: float = 1.0
    knee_gain: float = 8.0
    knee_ratio: float = 2.0
    knee_loss_pct: float = 1.0
    at_once_frac: float = 0.5
    hold_frac: float = 0.5
    capacity_std_pct_per_k: float = 0.15
    activation_std_ev: float = ResistanceParams().activation_std_ev


def sudden_fade(
    days: Floats,
    soh_pct: Floats,
    std_pct: Floats,
    params: AgeingParams = AgeingParams(),
    temperature_c: Floats | None = None,
    raised_days: Floats | None = None,
) -> Finding:
    """Cells that lost capacity at once: the last estimates lie below the line through those before.

    An alert that is open stays so until the last estimates have come back half of the way to where the line
    stood.

    Parameters
    ----------
    days
        Days of the estimates, rising. [d], shape ``(days,)``
    soh_pct, std_pct
        State of health and its standard deviation; NaN: none. [%], shape ``(days, cells)``
    params
        When a change is one.
    temperature_c
        At which the days' capacities were measured; NaN: not known. [°C], shape ``(days,)``
    raised_days
        Day on which an alert was raised that is open; NaN: none is. [d], shape ``(cells,)``

    References
    ----------
    Attia et al., J. Electrochem. Soc. 169 (2022) 060517: snap-through failures among the kinds of knees.
    """
    cold = None if temperature_c is None else params.capacity_std_pct_per_k * temperature_c
    change = step_change(days, soh_pct, std_pct, disturbance=cold, since_days=raised_days)
    loss, is_open = -change.step, _is_open(raised_days, change.step)
    found = (loss >= params.fade_pct) & (loss >= params.certain_std * change.std)
    found &= -change.near >= params.at_once_frac * loss
    held = is_open & (loss >= params.hold_frac * params.fade_pct)
    severity = np.where(loss >= params.fade_critical_pct, CRITICAL, WARNING)
    evidence = {"loss_pct": loss, "loss_std_pct": change.std, "estimates": change.before.astype(np.float64)}
    return Finding("sudden_fade", where_found(np.where(is_open, held, found), severity), evidence)


def resistance_jump(
    days: Floats,
    resistance_ohm: Floats,
    std_ohm: Floats,
    params: AgeingParams = AgeingParams(),
    temperature_c: Floats | None = None,
    raised_days: Floats | None = None,
) -> Finding:
    """Cells whose resistance rose at once: a loosening weld or bar, a drying cell.

    An alert that is open stays so until the last estimates have come back half of the way.

    Parameters
    ----------
    days
        Days of the estimates, rising. [d], shape ``(days,)``
    resistance_ohm, std_ohm
        Resistance at one temperature and state of charge, and its standard deviation; NaN: none.
        [Ω], shape ``(days, cells)``
    params
        When a change is one.
    temperature_c
        At which the days' resistances were measured; NaN: not known. [°C], shape ``(days,)``
    raised_days
        Day on which an alert was raised that is open; NaN: none is. [d], shape ``(cells,)``

    References
    ----------
    Zheng et al., J. Power Sources 223 (2013) 136: power fade of a car traced to contact resistance.
    """
    ohm = np.asarray(resistance_ohm, dtype=np.float64)
    ohm = np.where(ohm > LEAST_OHM, ohm, np.nan)
    cold = None if temperature_c is None else params.activation_std_ev * inverse_temperature(temperature_c)
    change = step_change(
        days, np.log(ohm), np.asarray(std_ohm, dtype=np.float64) / ohm, disturbance=cold,
        since_days=raised_days,
    )  # fmt: skip
    rise, is_open = np.expm1(change.step), _is_open(raised_days, change.step)
    found = (rise >= params.rise_frac) & (change.step >= params.certain_std * change.std)
    found &= change.near >= params.at_once_frac * change.step
    held = is_open & (rise >= params.hold_frac * params.rise_frac)
    severity = np.where(rise >= params.rise_critical_frac, CRITICAL, WARNING)
    evidence = {
        "rise_pct": 100.0 * rise,
        "rise_std_pct": 100.0 * (1.0 + rise) * change.std,
        "estimates": change.before.astype(np.float64),
    }
    return Finding("resistance_jump", where_found(np.where(is_open, held, found), severity), evidence)


def knee(
    days: Floats,
    soh_pct: Floats,
    std_pct: Floats,
    params: AgeingParams = AgeingParams(),
    temperature_c: Floats | None = None,
    raised_days: Floats | None = None,
) -> Finding:
    """Cells whose fade has become much faster for good: a line with one bend explains them far better.

    What temperature explains as well is none. Critical: at the new pace the cell loses ten points within a
    year.

    Parameters
    ----------
    days
        Days of the estimates, rising. [d], shape ``(days,)``
    soh_pct, std_pct
        State of health and its standard deviation; NaN: none. [%], shape ``(days, cells)``
    params
        When a bend is a knee.
    temperature_c
        At which the days' capacities were measured; NaN: not known. [°C], shape ``(days,)``
    raised_days
        Day on which an alert was raised that is open; NaN: none is. [d], shape ``(cells,)``

    References
    ----------
    Fermín-Cueto et al., Energy and AI 1 (2020) 100006: the Bacon-Watts model;
    Diao et al., Energies 12 (2019) 2910: the knee where two slopes meet.
    """
    days = np.asarray(days, dtype=np.float64)
    cold = None if temperature_c is None else params.capacity_std_pct_per_k * temperature_c
    looked_for = BendParams(gain_min=params.hold_frac * params.knee_gain)
    found = bend(days, soh_pct, std_pct, looked_for, cold)
    before, after = -found.before, -found.after
    told = np.isfinite(np.asarray(soh_pct, dtype=np.float64))
    last = np.where(told, days[:, None], -np.inf).max(axis=0, initial=-np.inf)
    loss = (after - before) * (last - found.day_p50)
    share = np.where(_is_open(raised_days, found.gain), params.hold_frac, 1.0)
    is_knee = (found.gain >= share * params.knee_gain) & (loss >= share * params.knee_loss_pct)
    ratio = 1.0 + share * (params.knee_ratio - 1.0)
    is_knee &= (after >= ratio * np.maximum(before, 0.0)) & (after > 0.0)
    evidence = {
        "fade_before_pct_per_day": before,
        "fade_after_pct_per_day": after,
        "fade_change_std_pct_per_day": found.change_std,
        "loss_pct": loss,
        "log_likelihood_ratio": found.gain,
        "knee_days_p05": found.day_p05,
        "knee_days_p50": found.day_p50,
        "knee_days_p95": found.day_p95,
    }
    severity = np.where(365.0 * after >= 10.0, CRITICAL, WARNING)  # noqa: PLR2004
    return Finding("knee", where_found(is_knee, severity), evidence)


def _is_open(raised_days: Floats | None, like: Floats) -> Bools:
    return np.zeros(like.shape, dtype=np.bool_) if raised_days is None else np.isfinite(raised_days)
