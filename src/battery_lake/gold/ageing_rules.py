"""The estimates of many days through the ageing rules: what each rule says on the last of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from battery_lake.cells.ageing_alerts import AgeingParams, knee, resistance_jump, sudden_fade
from battery_lake.cells.alerts import Finding
from battery_lake.gold.alert_rules import Told
from battery_lake.gold.arrow import days, floats, matrix
from battery_lake.gold.day_safety import DAY_US

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from battery_lake.cells.arrays import Bools, Floats, Ints
    from battery_lake.gold.alert_history import History

MILLIOHM: Final = 1e-3
LOOK_BACK_DAYS: Final = 365
"""So many days end with the day that is judged; for a cell with an open alert, with the day of its raising.

A day costs the same however long the history; what an open alert was raised from stays in sight. [d]"""

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

    def until(self, place: int, since: float) -> Estimates:
        """Return the days up to one, from the look-back of an earlier one on.

        Parameters
        ----------
        place
            Which day is the last, from 0.
        since
            Day, since 1970, whose look-back is the first to be seen. [d]
        """
        first = int(np.searchsorted(self.day, since - LOOK_BACK_DAYS, "right"))
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


class Rule(Protocol):
    """A rule of :mod:`battery_lake.cells.ageing_alerts`."""

    def __call__(  # noqa: D102 - as the rules say
        self,
        days: Floats,
        values: Floats,
        std: Floats,
        params: AgeingParams,
        temperature_c: Floats,
        raised_days: Floats,
        /,
    ) -> Finding: ...


RULES: Final[tuple[tuple[Rule, str, str, str], ...]] = (
    (sudden_fade, "soh_pct", "soh_std_pct", "capacity_c"),
    (knee, "soh_pct", "soh_std_pct", "capacity_c"),
    (resistance_jump, "ohm", "std_ohm", "resistance_c"),
)
"""Rules in the order of their codes, with their estimates, standard deviations and temperatures."""


def ageing_rules(known: Estimates, place: int, history: History, params: AgeingParams) -> Iterator[Told]:
    """Yield what every rule says of a day; a rule that it tells nothing says nothing.

    Parameters
    ----------
    known
        Estimates of one pack.
    place
        Which day, from 0.
    history
        What is open of the pack.
    params
        When a change is one.
    """
    for code, (rule, *names) in zip(CODES, RULES, strict=True):
        tells = np.isfinite(getattr(known, names[0])[place])
        if tells.any():
            raised = history.raised_days(code, tells.size)[0]
            found = _found(rule, names, (known, place), raised, params)
            yield _told(found, tells[None], known.day[place])


def _found(
    rule: Rule, names: list[str], at: tuple[Estimates, int], raised: Floats, params: AgeingParams
) -> Finding:
    """Judge each cell by what its own alert, if one is open, was raised from, and all since."""
    known, place = at
    since = np.where(np.isfinite(raised), raised, known.day[place])
    parts, cells = [], []
    for start in np.unique(since):
        seen = known.until(place, start)
        own = np.flatnonzero(since == start)
        values, std, celsius = (getattr(seen, name) for name in names)
        if own.size < since.size:
            values, std = values[:, own], std[:, own]
        parts.append(rule(seen.day, values, std, params, celsius, raised[own]))
        cells.append(own)
    order = np.argsort(np.concatenate(cells))
    severity = np.concatenate([part.severity for part in parts])[order]
    evidence = {
        name: np.concatenate([part.evidence[name] for part in parts])[order] for name in parts[0].evidence
    }
    return Finding(parts[0].code, severity, evidence)


def _told(finding: Finding, tells: Bools, day: float) -> Told:
    """Return the finding as one of a single pack."""
    severity = finding.severity[None]
    evidence = {name: np.asarray(values)[None] for name, values in finding.evidence.items()}
    since = np.full(severity.shape, int(day) * DAY_US)
    return Told(Finding(finding.code, severity, evidence), tells, severity >= 0, since)
