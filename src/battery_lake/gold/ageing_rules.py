"""The estimates of many days through the ageing rules: what each rule says on the last of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.ageing_alerts import AgeingParams, knee, resistance_jump, sudden_fade
from battery_lake.cells.alerts import Finding
from battery_lake.gold.alert_days import DAY_US
from battery_lake.gold.alert_rules import Told
from battery_lake.gold.arrow import days, floats, matrix

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from battery_lake.cells.arrays import Bools, Floats, Ints
    from battery_lake.gold.alert_history import History

MILLIOHM: Final = 1e-3
LOOK_BACK_DAYS: Final = 365
"""Estimates before that are not looked at: a day costs the same however long the history. [d]"""

CODES: Final = ("sudden_fade", "knee", "resistance_jump")
"""What these rules raise."""


@dataclass(frozen=True, slots=True)
class Today:
    """A day of one pack.

    Parameters
    ----------
    day
        Days since 1970. [d], shape ``(1,)``
    start_us
        Its first instant, microseconds since 1970. Shape ``(1,)``
    """

    day: Floats
    start_us: Ints


@dataclass(frozen=True, slots=True)
class Estimates:
    """Single days' estimates of one pack, by day.

    Parameters
    ----------
    day
        Days since 1970, rising. [d], shape ``(days,)``
    soh_pct, soh_std_pct
        State of health and its standard deviation; NaN: none. [%], shape ``(days, cells)``
    ohm, std_ohm
        Resistance at 25 °C and its standard deviation; NaN: none. [Ω], shape ``(days, cells)``
    capacity_c, resistance_c
        Temperatures that they were measured at. [°C], shape ``(days,)``
    """

    day: Floats
    soh_pct: Floats
    soh_std_pct: Floats
    ohm: Floats
    std_ohm: Floats
    capacity_c: Floats
    resistance_c: Floats

    def until(self, place: int) -> Estimates:
        """Return the days of the look-back that ends with a day.

        Parameters
        ----------
        place
            Which day, from 0.
        """
        first = int(np.searchsorted(self.day, self.day[place] - LOOK_BACK_DAYS, "right"))
        own = slice(first, place + 1)
        return Estimates(*(getattr(self, name)[own] for name in Estimates.__slots__))

    def today(self, place: int) -> Today:
        """Return a day by its place, from 0."""
        day = self.day[place : place + 1]
        return Today(day, day.astype(np.int64) * DAY_US)


def read_estimates(table: pa.Table, width: int) -> Estimates:
    """Read the rows of one pack of gold.day_estimate, sorted by day.

    Parameters
    ----------
    table
        The rows.
    width
        Cells of the pack.
    """
    return Estimates(
        day=days(table, "as_of_date").astype(np.float64),
        soh_pct=matrix(table, "day_soh_pct", width),
        soh_std_pct=matrix(table, "day_soh_std_pct", width),
        ohm=MILLIOHM * matrix(table, "day_resistance_mohm", width),
        std_ohm=MILLIOHM * matrix(table, "day_resistance_std_mohm", width),
        capacity_c=floats(table, "day_capacity_temperature_c"),
        resistance_c=floats(table, "day_resistance_temperature_c"),
    )


def ageing_rules(known: Estimates, history: History, params: AgeingParams) -> Iterator[Told]:
    """Yield what every rule says of the last day that is known; a rule that it tells nothing says nothing.

    Parameters
    ----------
    known
        Estimates of one pack until that day.
    history
        What is open of the pack.
    params
        When a change is one.
    """
    width = known.soh_pct.shape[1]
    for rule, values, std, celsius in (
        (sudden_fade, known.soh_pct, known.soh_std_pct, known.capacity_c),
        (knee, known.soh_pct, known.soh_std_pct, known.capacity_c),
        (resistance_jump, known.ohm, known.std_ohm, known.resistance_c),
    ):
        tells = np.isfinite(values[-1])
        if tells.any():
            raised = history.raised_days(rule.__name__, width)[0]
            yield _told(rule(known.day, values, std, params, celsius, raised), tells[None], known.day[-1])


def _told(finding: Finding, tells: Bools, day: float) -> Told:
    """Return the finding as one of a single pack."""
    severity = finding.severity[None]
    evidence = {name: np.asarray(values)[None] for name, values in finding.evidence.items()}
    since = np.full(severity.shape, int(day) * DAY_US)
    return Told(Finding(finding.code, severity, evidence), tells, severity >= 0, since)
