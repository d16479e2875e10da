"""Alerts: rules from evidence to a severity, with the numbers that made it.

Every rule works on arrays, one entry a cell (or a message, or a pack), and gives a :class:`Finding`; many
packs may stand side by side. A rule keeps nothing: what it must remember is in the state it is given.
:data:`CODES` names them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.deviation import DeviationParams, far_off
from battery_lake.cells.metrics import Z90

if TYPE_CHECKING:
    from collections.abc import Mapping

    from battery_lake.cells.arrays import Bools, Codes, Floats, Ints
    from battery_lake.cells.odd_cells import Evidence, Trend

NONE: Final = -1
INFO: Final = 0
WARNING: Final = 1
CRITICAL: Final = 2
SEVERITIES: Final = ("info", "warning", "critical")

CODES: Final = MappingProxyType({
    "weak_cell": "A cell lies below its neighbours for good, or is far off at once.",
    "self_discharge": "A cell falls behind its neighbours from day to day.",
    "imbalance_growth": "The cells of a pack drift apart.",
    "over_temperature": "A probe is too hot, or far hotter than the others.",
    "frozen_sensor": "Voltages or state of charge stand still while the current moves.",
    "lying_sensor": "A cell's reading does not follow the string.",
    "lying_probe": "A probe contradicts the others after hours at rest.",
    "lying_pack_voltage": "The pack's voltage contradicts the sum of its cells.",
    "insulation": "The insulation resistance is below what the voltage asks for.",
    "plating_risk": "The pack was charged faster than its temperature allows.",
    "sudden_fade": "A cell lost capacity at once.",
    "knee": "A cell's fade has become much faster.",
    "resistance_jump": "A cell's resistance rose at once.",
})
"""Every code and what it says."""

HOURS_PER_DAY: Final = 24.0
ALIKE: Final = DeviationParams()
"""How cells are compared where nothing else is said."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found.

    Parameters
    ----------
    code
        One of :data:`CODES`.
    severity
        Place in :data:`SEVERITIES`; -1 where nothing is wrong. Any shape
    evidence
        Names, with units as suffixes, and numbers; arrays of the same shape.
    """

    code: str
    severity: Codes
    evidence: Mapping[str, Floats]


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Parameters
    ----------
    code
        One of :data:`CODES`.
    place
        Index into the rule's arrays: cell, or message and cell.
    severity
        One of :data:`SEVERITIES`.
    evidence
        Names and numbers; what is not known is left out.
    """

    code: str
    place: tuple[int, ...]
    severity: str
    evidence: dict[str, float]


@dataclass(frozen=True, slots=True)
class AlertParams:
    """Limits of the rules; the maker's own take precedence where they are known.

    Parameters
    ----------
    far_v
        A cell so far from its pack and its neighbours alarms in one message. [V]
    deep_v
        A named cell that lies or is about to lie so far below is critical. [V]
    ahead_days
        How far ahead a trend is followed. [d]
    trend_std
        A trend counts from so many standard deviations: many cells are looked at, day after day.
    trend_days
        Days of evidence that a trend needs.
    drop_v
        Least fall since the first day that is called self-discharge. [V]
    steady_v_per_day
        A cell whose rate is certainly less is steady. [V/d]
    width_growth_v
        Least growth of the width of a pack that is called so. [V]
    """

    far_v: float = 0.2
    deep_v: float = 0.1
    ahead_days: float = 30.0
    trend_std: float = 4.0
    trend_days: int = 5
    drop_v: float = 0.005
    steady_v_per_day: float = 0.0005
    width_growth_v: float = 0.01


def listed(finding: Finding) -> list[Alert]:
    """Return one alert for each place where something is wrong.

    Parameters
    ----------
    finding
        What a rule found.
    """
    return [
        Alert(
            finding.code,
            tuple(place.tolist()),
            SEVERITIES[finding.severity[tuple(place)]],
            {
                name: float(values[tuple(place)])
                for name, values in finding.evidence.items()
                if np.isfinite(values[tuple(place)])
            },
        )
        for place in np.argwhere(finding.severity >= 0)
    ]


def weak_cell(
    evidence: Evidence, trend: Trend, deviation_v: Floats, params: AlertParams = AlertParams()
) -> Finding:
    """Cells that the sequential test names. The trend makes the severity.

    Critical: it lies ``deep_v`` low, or will within ``ahead_days``. Info: its rate is known, and steady. All
    else is a warning.

    Parameters
    ----------
    evidence, trend
        The states after the day, of the same cells.
    deviation_v
        The day's deviation; NaN: the day did not tell. [V], shape ``(cells,)``
    params
        Limits.

    References
    ----------
    Nie et al., Energy 323 (2025) 135754: odd cells of road vehicles; Wald, Ann. Math. Statist. 16 (1945) 117.
    """
    rate, std = trend.rate_v_per_day, np.sqrt(trend.rate_variance)
    told = trend.days >= params.trend_days
    level = np.where(trend.days > 0, trend.level_v, deviation_v)
    falls = told & (rate <= -params.trend_std * std)
    ahead = level + params.ahead_days * np.where(falls, rate, 0.0)
    steady = told & (rate - Z90 * std >= -params.steady_v_per_day)
    severity = np.where(ahead <= -params.deep_v, CRITICAL, np.where(steady, INFO, WARNING))
    return Finding(
        "weak_cell",
        where_found(evidence.named, severity),
        {
            "deviation_mv": 1e3 * np.asarray(deviation_v),
            "level_mv": 1e3 * level,
            "rate_mv_per_day": np.where(told, 1e3 * rate, np.nan),
            "rate_std_mv_per_day": np.where(told, 1e3 * std, np.nan),
            "z": evidence.z,
            "log_likelihood_ratio": evidence.low,
            "days": evidence.days.astype(np.float64),
        },
    )


def cell_far_off(
    voltage_v: Floats,
    params: AlertParams = AlertParams(),
    deviation: DeviationParams = ALIKE,
) -> Finding:
    """Cells that one message shows to be far off: a short, an open sense wire, a reversed or empty cell.

    It alarms at once, by design: an internal short may take minutes only. Critical.

    Parameters
    ----------
    voltage_v
        Cell voltages; NaN where none is known. [V], shape ``(messages, cells)``
    params
        Limits.
    deviation
        How cells are compared.

    References
    ----------
    Feng et al., Energy Storage Mater. 10 (2018) 246: internal shorts as the common feature of failures;
    Xiong et al., iScience 23 (2020) 101010: how shorts show in voltage.
    """
    far, deviation_v = far_off(voltage_v, params.far_v, deviation)
    severity = np.where(far, CRITICAL, NONE).astype(np.int8)
    evidence = {"deviation_mv": 1e3 * deviation_v, "voltage_v": np.atleast_2d(voltage_v)}
    return Finding("weak_cell", severity, evidence)


def self_discharge(
    trend: Trend,
    slope_v: Floats | float,
    rated_capacity_ah: Floats | float,
    slope_std_frac: float = 0.2,
    params: AlertParams = AlertParams(),
) -> Finding:
    """Cells that fall behind their neighbours: an internal leak, or capacity that is being lost.

    The deviation is read in a band where voltage follows charge evenly, so that the day's state of charge
    does not look like a trend. Over the slope of the voltage curve it is a leakage current. Critical: the
    leak equals a shunt that empties 10 % in ``ahead_days``.

    Parameters
    ----------
    trend
        The state after the day.
    slope_v
        Slope of the open-circuit voltage over the state of charge in that band. [V], shape that broadcasts
    rated_capacity_ah
        Of the cells. [Ah], shape that broadcasts
    slope_std_frac
        Standard deviation of the slope, over the slope. [1]
    params
        Limits.

    References
    ----------
    Kong et al., J. Power Sources 395 (2018) 358: micro-shorts in packs, and that balancing hides them; Zhang
    et al. (2019), doi:10.5772/intechopen.88534: internal shorts against the mean of the pack.
    """
    rate, std = trend.rate_v_per_day, np.sqrt(trend.rate_variance)
    drop_v = trend.first_v - trend.level_v
    falls = (rate <= -params.trend_std * std) & (drop_v >= params.drop_v) & (trend.days >= params.trend_days)
    lost_per_day = -rate / slope_v
    leak_ma = 1e3 * lost_per_day * np.asarray(rated_capacity_ah) / HOURS_PER_DAY
    relative = np.hypot(std / np.where(rate == 0.0, np.nan, np.abs(rate)), slope_std_frac)
    severity = np.where(params.ahead_days * lost_per_day >= 0.1, CRITICAL, WARNING)  # noqa: PLR2004
    return Finding(
        "self_discharge",
        where_found(falls, severity),
        {
            "rate_mv_per_day": 1e3 * rate,
            "rate_std_mv_per_day": 1e3 * std,
            "drop_mv": 1e3 * drop_v,
            "leak_ma": leak_ma,
            "leak_std_ma": np.abs(leak_ma) * relative,
            "days": trend.days.astype(np.float64),
        },
    )


def imbalance_growth(width: Trend, params: AlertParams = AlertParams()) -> Finding:
    """Packs whose cells drift apart, whichever they are: a module, a half, or one cell.

    Critical: the width doubles within ``ahead_days`` and has grown by ``deep_v`` already.

    Parameters
    ----------
    width
        Trend of the width of each pack, with the parameters ``odd_cells.WIDTH``. Shape ``(packs,)``
    params
        Limits.

    References
    ----------
    Automotive Innovation (2020), doi:10.1007/s42154-020-00128-8: a pack whose cells are unlike ages faster
    than a cell, and how that is measured.
    """
    rate, std = width.rate_v_per_day, np.sqrt(width.rate_variance)
    growth_v = width.level_v - width.first_v
    grows = (rate >= params.trend_std * std) & (growth_v >= params.width_growth_v)
    grows &= width.days >= params.trend_days
    doubles = params.ahead_days * rate >= width.level_v
    return Finding(
        "imbalance_growth",
        where_found(grows, np.where(doubles & (growth_v >= params.deep_v), CRITICAL, WARNING)),
        {
            "width_mv": 1e3 * width.level_v,
            "growth_mv": 1e3 * growth_v,
            "rate_mv_per_day": 1e3 * rate,
            "rate_std_mv_per_day": 1e3 * std,
            "days": width.days.astype(np.float64),
        },
    )


def where_found(found: Bools, severity: Codes | Ints) -> Codes:
    """Return the severity where something was found, -1 elsewhere. Shape of ``found``.

    Parameters
    ----------
    found
        Where something is wrong.
    severity
        How bad it is there. Shape that broadcasts
    """
    return np.where(found, severity, NONE).astype(np.int8)
