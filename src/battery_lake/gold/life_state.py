"""Observations to the outlook of every cell, day by day, and the history of a pack as its state holds it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from battery_lake.cells.life_outlook import LifeHistory, OutlookParams, outlook_days
from battery_lake.cells.life_points import (
    FIRST_WIDTH_DAYS,
    LifePoints,
    add_day,
    joined,
    means,
    no_points,
)
from battery_lake.cells.life_templates import templates_of
from battery_lake.gold.arrow import bounds, floats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from battery_lake.cells.arrays import Bools, Floats, Ints
    from battery_lake.cells.life_outlook import Usual
    from battery_lake.cells.life_prior import LifePrior

MODEL: Final = "library-1"
LINE: Final = "line-1"
"""Where nobody knows a pack's age: the filtered line carried on."""

POINT_COLUMNS: Final = {
    "points_width_days": "int",
    "points_days": "array<int>",
    "points_day_sum_days": "array<bigint>",
    "points_weight": "array<int>",
    "points_loss": "array<bigint>",
}
"""Columns of gold.cell_state that hold the history: one entry a point, or points times cells."""

POINTS_DDL: Final = ", ".join(f"{name} {type_}" for name, type_ in POINT_COLUMNS.items())


@dataclass(frozen=True, slots=True)
class LifeKind:
    """What tells whose lives a pack's may resemble.

    Parameters
    ----------
    chemistry
        Of its cells.
    eol_soh_pct
        SOH at which life ends. [%]
    new_day
        Day on which it was new, since 1970; NaN: not known. [d]
    """

    chemistry: str
    eol_soh_pct: float
    new_day: float

    @property
    def is_known(self) -> bool:
        """Whether the age is known, without which no curve says anything."""
        return not np.isnan(self.new_day)


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """Remaining life of cells.

    Parameters
    ----------
    p05_days, p50_days, p95_days
        Quantiles; NaN: not told. [d]
    is_censored
        True where no end of life is in sight.
    """

    p05_days: Floats
    p50_days: Floats
    p95_days: Floats
    is_censored: Bools


class Lives:
    """Histories of packs with equally many cells, and the outlook on each of their days.

    Parameters
    ----------
    kinds
        Of the packs.
    points
        Their histories so far, one pack each.
    days
        Their days with evidence from there on, since 1970, one at least each. [d]
    prior
        What lives of their kind are like; None: what the parameters say.
    efc_per_day
        Use of each pack on these days; only the prior asks for it. [1/d]
    """

    def __init__(
        self,
        kinds: Sequence[LifeKind],
        points: Sequence[LifePoints],
        days: Sequence[Ints],
        prior: LifePrior | None = None,
        efc_per_day: Sequence[Floats] = (),
    ) -> None:
        self._prior, self._efc_per_day = prior, efc_per_day
        self._kinds = kinds
        self._new_day = np.array([kind.new_day for kind in kinds])
        self._points, self._before_last = joined(points), joined(points)
        self._last = np.array([own[-1] for own in days])
        self._counts = [own.size for own in days]
        self._outlooks: list[Outlook] = []

    def take(
        self, day: Floats, soh_pct: Floats, variance_pct2: Floats, filtered_pct: Floats, params: OutlookParams
    ) -> None:
        """Take the next day of every pack.

        Parameters
        ----------
        day
            Since 1970; NaN: the pack has no further one. [d], shape ``(packs,)``
        soh_pct, variance_pct2
            Observed; NaN: none. [%, %²], shape ``(packs x width,)``
        filtered_pct
            By the filter, this day included. [%], shape ``(packs x width,)``
        params
            How alike histories and templates must be.
        """
        observed, variance, known = (
            values.reshape(len(self._kinds), -1) for values in (soh_pct, variance_pct2, filtered_pct)
        )
        ends = np.flatnonzero(day == self._last)
        self._before_last.put(ends, self._points[ends])
        add_day(self._points, day, observed, variance, known)
        self._outlooks.append(self._today(day, known, params))

    def outlook(self, place: int) -> Outlook:
        """Return a pack's outlook on its days, shape ``(days, width)``.

        Parameters
        ----------
        place
            Which pack.
        """
        own = self._outlooks[: self._counts[place]]
        return Outlook(*(np.stack([getattr(one, f.name)[place] for one in own]) for f in fields(Outlook)))

    def stored(self, place: int) -> dict[str, pa.Array]:
        """Return a pack's history before its last day as columns of its days, told on the last one only.

        Parameters
        ----------
        place
            Which pack.
        """
        return _stored(self._before_last[np.array([place])], self._counts[place])

    def _today(self, day: Floats, known_pct: Floats, params: OutlookParams) -> Outlook:
        """What is left of every cell's life at the end of a day, for packs of known age."""
        none = np.full(known_pct.shape, np.nan)
        found = Outlook(none, none.copy(), none.copy(), np.zeros(none.shape, dtype=bool))
        groups: dict[tuple[str, float], list[int]] = {}
        for place in np.flatnonzero(day >= self._new_day).tolist():
            kind = self._kinds[place]
            groups.setdefault((kind.chemistry, kind.eol_soh_pct), []).append(place)
        for (chemistry, eol), places in groups.items():
            own = np.array(places)
            point_day, soh, variance = means(self._points[own])
            new = self._new_day[own]
            history = LifeHistory(point_day - new[:, None], soh, variance, day[own] - new)
            usual = self._usual(chemistry, eol, places)
            rul = outlook_days(templates_of(chemistry, eol), history, known_pct[own], eol, params, usual)
            for f, values in zip(fields(Outlook), rul, strict=True):
                getattr(found, f.name)[own] = values
        return found

    def _usual(self, chemistry: str, eol_soh_pct: float, places: list[int]) -> Usual | None:
        """The usual lives of some packs by their use on the day that is taken."""
        if self._prior is None:
            return None
        today = len(self._outlooks)
        use = np.array([self._efc_per_day[place][today] for place in places])
        return self._prior.usual(chemistry, eol_soh_pct, use)


def read_points(table: pa.Table, width: int) -> LifePoints:
    """Return the histories that packs go on from; empty where there is none.

    Parameters
    ----------
    table
        One row a pack, with the :data:`POINT_COLUMNS`.
    width
        Cells of a pack.
    """
    found = no_points(table.num_rows, width)
    widths = floats(table, "points_width_days")
    found.width_days[:] = np.where(np.isnan(widths), FIRST_WIDTH_DAYS, widths).astype(np.int64)
    for name in ("days", "day_sum_days", "weight", "loss"):
        column = table.column(f"points_{name}").combine_chunks()
        values = pc.list_flatten(column).to_numpy(zero_copy_only=False).astype(np.int64)
        target = getattr(found, name).reshape(table.num_rows, -1)
        count = np.diff(bounds(column))
        target[np.arange(target.shape[1]) < count[:, None]] = values
    return found


def _stored(points: LifePoints, days: int) -> dict[str, pa.Array]:
    """Return one pack's history as columns of so many days."""
    count = int((points.days[0] > 0).sum())
    width = points.weight.shape[2]
    kinds = {"days": pa.int32(), "day_sum_days": pa.int64(), "weight": pa.int32(), "loss": pa.int64()}
    size = {"days": count, "day_sum_days": count, "weight": count * width, "loss": count * width}
    is_before = np.arange(days) < days - 1
    found = {"points_width_days": pa.array(np.full(days, points.width_days[0]), pa.int32(), mask=is_before)}
    for name, kind in kinds.items():
        values = pa.array(getattr(points, name).reshape(-1)[: size[name]], kind)
        ends = np.zeros(days + 1, dtype=np.int32)
        ends[-1] = len(values)
        found[f"points_{name}"] = pa.ListArray.from_arrays(pa.array(ends), values, mask=pa.array(is_before))
    return found
