"""Alerts from raising to clearing, over the days of many packs."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import pyarrow as pa

from battery_lake.cells.alerts import SEVERITIES
from battery_lake.gold.day_safety import DAY_US

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats, Ints
    from battery_lake.gold.alert_rules import Told

WHOLE_PACK: Final = -1
OF_CELLS: Final = ("weak_cell", "self_discharge", "sudden_fade", "knee", "resistance_jump", "lying_sensor")
"""Codes that name a cell; the others concern the whole pack."""

_AT: Final = pa.timestamp("us", tz="UTC")
OPEN_FIELDS: Final = (
    ("series_index", pa.int32()),
    ("code", pa.string()),
    ("raised_at", _AT),
    ("severity", pa.string()),
    ("evidence", pa.string()),
)


@dataclass(frozen=True, slots=True, order=True)
class PackAlert:
    """An alert of a pack; ``series_index`` is -1 where it concerns all of it, ``cleared_at`` None while open.

    Instants are microseconds since 1970.
    """

    series_index: int
    code: str
    raised_at: int
    severity: str
    evidence: str
    cleared_at: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as a row."""
        return {
            "series_index": None if self.series_index == WHOLE_PACK else self.series_index,
            "code": self.code,
            "raised_at": self.raised_at,
            "severity": self.severity,
            "evidence": self.evidence,
            "cleared_at": self.cleared_at,
        }


class Dated(Protocol):
    """A day of every pack: days since 1970, and its first instant in microseconds since then."""

    @property
    def day(self) -> Floats:
        """Days since 1970. [d], shape ``(packs,)``."""

    @property
    def start_us(self) -> Ints:
        """First instant, microseconds since 1970. Shape ``(packs,)``."""


class History:
    """What was raised and cleared, day by day.

    Parameters
    ----------
    open_alerts
        Of every pack, what is open at the start; null: nothing.
    """

    def __init__(self, open_alerts: pa.Array) -> None:
        self._packs = len(open_alerts)
        self._open: dict[tuple[int, int, str], PackAlert] = {}
        self._closed: list[tuple[int, PackAlert]] = []
        self._before: list[tuple[int, PackAlert]] = []
        for pack, rows in enumerate(open_alerts.cast(pa.list_(pa.struct(_as_numbers()))).to_pylist()):
            for row in rows or ():
                index = WHOLE_PACK if row["series_index"] is None else row["series_index"]
                alert = PackAlert(**{**row, "series_index": index})
                self._open[pack, index, alert.code] = alert

    def keep(self, packs: Bools) -> None:
        """Remember what is open of these packs as the state before their last day.

        Parameters
        ----------
        packs
            Which packs come to their last day. Shape ``(packs,)``
        """
        self._before += [(pack, alert) for (pack, _, _), alert in self._open.items() if packs[pack]]

    def raised_days(self, code: str, cells: int) -> Floats:
        """Return the days on which open alerts of cells were raised; NaN: none is. [d].

        Parameters
        ----------
        code
            Of the alerts.
        cells
            Cells of every pack.

        Returns
        -------
        Floats
            Days since 1970. Shape ``(packs, cells)``.
        """
        days = np.full((self._packs, cells), np.nan)
        for (pack, index, kind), alert in self._open.items():
            if kind == code and 0 <= index < cells:
                days[pack, index] = alert.raised_at // DAY_US
        return days

    def take(self, told: Told, day: Dated) -> None:
        """Raise, go on with, or clear what a rule says of a day.

        Parameters
        ----------
        told
            What it says.
        day
            The day of every pack.
        """
        severity, code = told.finding.severity, told.finding.code
        is_pack = code not in OF_CELLS
        for key in [key for key in self._open if key[2] == code]:
            pack, index, _ = key
            place = pack, 0 if is_pack else index
            if place[1] < severity.shape[1] and told.tells[place] and severity[place] < 0:
                gone = self._open.pop(key)
                self._closed.append((pack, replace(gone, cleared_at=int(day.start_us[pack]))))
        for pack, place_of in np.argwhere(told.tells & (severity >= 0)).tolist():
            index = WHOLE_PACK if is_pack else place_of
            known = self._open.get((pack, index, code))
            if known is None and not told.raises[pack, place_of]:
                continue
            self._open[pack, index, code] = PackAlert(
                series_index=index,
                code=code,
                raised_at=known.raised_at if known else int(told.since_us[pack, place_of]),
                severity=SEVERITIES[severity[pack, place_of]],
                evidence=_evidence(told, (pack, place_of), float(day.day[pack])),
            )

    def alerts(self) -> pa.Array:
        """Return every pack's alerts, open and cleared, as lists of structs."""
        still = [(pack, alert) for (pack, _, _), alert in self._open.items()]
        return _as_lists([*self._closed, *still], self._packs, (*OPEN_FIELDS, ("cleared_at", _AT)))

    def open_before(self) -> pa.Array:
        """Return what was open of every pack before its last day, as lists of structs."""
        return _as_lists(self._before, self._packs, OPEN_FIELDS)


def _as_numbers() -> list[tuple[str, pa.DataType]]:
    return [(name, pa.int64() if kind == _AT else kind) for name, kind in OPEN_FIELDS]


def _evidence(told: Told, place: tuple[int, int], day: float) -> str:
    """Return the numbers as JSON, to six digits; what is not known is left out."""
    values: dict[str, Floats] = dict(told.finding.evidence)
    numbers = {
        name: float(f"{array[place]:.6g}") for name, array in values.items() if np.isfinite(array[place])
    }
    return json.dumps({"as_of_date": str(np.datetime64(int(day), "D")), **numbers})


def _as_lists(
    alerts: list[tuple[int, PackAlert]], packs: int, fields: tuple[tuple[str, pa.DataType], ...]
) -> pa.Array:
    rows: list[list[PackAlert]] = [[] for _ in range(packs)]
    for pack, alert in alerts:
        rows[pack].append(alert)
    names = [name for name, _ in fields]
    listed = [
        [{name: row[name] for name in names} for row in map(PackAlert.as_dict, sorted(own, key=_place))]
        for own in rows
    ]
    return pa.array(listed, pa.list_(pa.struct(list(fields))))


def _place(alert: PackAlert) -> tuple[str, int, int]:
    return alert.code, alert.series_index, alert.raised_at
