"""An alert in words: what its code means, what raises it, and the numbers that were seen."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING, Any, Final

from battery_lake.cells.ageing_alerts import AgeingParams
from battery_lake.cells.alerts import CODES, AlertParams
from battery_lake.cells.safety_alerts import PlatingParams
from battery_lake.cells.sensor_alerts import SensorParams
from battery_lake.report import text
from battery_lake.silver.facts import DEFAULT

if TYPE_CHECKING:
    from battery_lake.sections import AlertSettings

UNITS: Final = {
    "_pct_per_day": "%/d", "_mv_per_day": "mV/d", "_ohm_per_v": "Ω/V", "_kohm": "kΩ", "_frac": "",
    "_mv": "mV", "_ma": "mA", "_ah": "Ah", "_pct": "%", "_v": "V", "_a": "A", "_c": "°C", "_k": "K",
}  # fmt: skip
"""Units by the ending of a name, the longer endings first."""

DAY: Final = "knee_days"
"""Numbers so named are days since 1970."""

DIGITS: Final = 4
"""Numbers are shown to so many digits. [1]"""

EPOCH: Final = dt.date(1970, 1, 1)
MV: Final = 1e3
PCT: Final = 100.0

_CELLS, _AGEING, _SENSORS, _PLATING = AlertParams(), AgeingParams(), SensorParams(), PlatingParams()


def meaning(code: str) -> str:
    """Return what a code says, or the code itself where it is not known."""
    return CODES.get(code, code)


def limit(code: str, chemistry: Any, settings: AlertSettings) -> str:
    """Return what raises an alert of a code, with the limits in force; empty where it is not known.

    Parameters
    ----------
    code
        One of :data:`battery_lake.cells.alerts.CODES`.
    chemistry
        Of the pack; None where it is not known.
    settings
        Limits by chemistry.
    """
    if code == "over_temperature":
        hot = settings.hot_warning_c.get(chemistry, settings.hot_warning_c[DEFAULT])
        return f"a probe at {text.number(hot)} °C, or 20 K above the others"
    if code == "insulation":
        return f"below {text.number(settings.insulation_warning_ohm_per_v)} Ω/V for a minute"
    return LIMITS.get(code, "")


_TREND = f"{text.number(_CELLS.trend_std)} standard deviations"
_STEP = f"{text.number(_AGEING.certain_std, 1)} standard deviations"

LIMITS: Final = {
    "weak_cell": f"low day after day, or {text.number(MV * _CELLS.far_v)} mV off at once",
    "self_discharge": f"falls by {text.number(MV * _CELLS.drop_v)} mV, and by {_TREND}",
    "imbalance_growth": f"wider by {text.number(MV * _CELLS.width_growth_v)} mV, and by {_TREND}",
    "frozen_sensor": "3 messages of a day or more",
    "lying_sensor": f"follows the string by less than {text.number(PCT * _SENSORS.follow_frac)} %",
    "lying_probe": f"{text.number(_SENSORS.probe_c)} K from the others after hours of rest",
    "lying_pack_voltage": f"{text.number(_SENSORS.gap_pct)} % from the sum of the cells",
    "plating_risk": f"{text.number(PCT * _PLATING.warning_frac)} % of capacity charged too fast for the cold",
    "sudden_fade": f"{text.number(_AGEING.fade_pct)} points of SOH lost at once, and {_STEP}",
    "knee": f"{text.number(_AGEING.knee_ratio)} times the fade before, {text.number(_AGEING.knee_loss_pct)}"
    " point lost to it",
    "resistance_jump": f"{text.number(PCT * _AGEING.rise_frac)} % more at once, and {_STEP}",
}
"""What raises an alert where no setting says it; docs/methods.md, section 12, tells all."""


def seen(evidence: Any) -> str:
    """Return an alert's evidence in words: its day, then every number with its unit.

    Examples
    --------
    >>> seen('{"as_of_date": "2026-01-02", "drop_mv": 6.25}')
    '2026-01-02: drop 6.25 mV'
    """
    if text.is_absent(evidence):
        return text.ABSENT
    told: dict[str, Any] = json.loads(evidence)
    day = told.pop("as_of_date", None)
    numbers = "; ".join(_number(name, value) for name, value in told.items())
    return f"{day}: {numbers}" if day else numbers


def _number(name: str, value: Any) -> str:
    if name.startswith(DAY):
        return f"{name.replace('_days', '').replace('_', ' ')} {EPOCH + dt.timedelta(days=round(value))}"
    for ending, unit in UNITS.items():
        if name.endswith(ending):
            return f"{_words(name.removesuffix(ending))} {_digits(value)} {unit}".rstrip()
    return f"{_words(name)} {_digits(value)}"


def _words(name: str) -> str:
    return name.replace("_std", " deviation").replace("_", " ")


def _digits(value: Any) -> str:
    return f"{float(value):.{DIGITS}g}".replace("-", text.MINUS)
