"""What a pack did: charge and distance so far and lately, going on from its state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from battery_lake.cells.recent_use import daily_rate, decayed_sums
from battery_lake.gold.arrow import bounds, numbers

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Floats, Ints

USE_FIELDS: Final = (
    "first_days", "throughput_ah", "distance_km", "recent_days", "recent_throughput_ah", "recent_distance_km",
)  # fmt: skip
"""Fields of gold.cell_state that hold it."""


@dataclass(frozen=True, slots=True, eq=False)
class PackUse:
    """Use of one pack up to each of its days with sessions or evidence.

    Parameters
    ----------
    day
        Since 1970. [d], shape ``(days,)``, as all others
    first_day
        The first one ever. [d]
    throughput_ah, distance_km
        So far. [Ah, km]
    recent_throughput_ah, recent_distance_km
        Sums that forget. [Ah, km]
    begun
        As the state held it before the first of these days.
    """

    day: Ints
    first_day: float
    throughput_ah: Floats
    distance_km: Floats
    recent_throughput_ah: Floats
    recent_distance_km: Floats
    begun: dict[str, float]

    def columns(self, places: Ints, rated_ah: float) -> dict[str, pa.Array]:
        """Return what stands in the rows of some of the days; rates are those of lately."""
        efc = self.throughput_ah[places] / (2.0 * rated_ah)
        used_days = self._used_days(places)
        km_per_day = daily_rate(self.recent_distance_km[places], used_days)
        return {
            "efc": numbers(efc),
            "throughput_ah": numbers(self.throughput_ah[places]),
            "efc_per_day": numbers(self.efc_per_day(places, rated_ah)),
            "km_per_day": numbers(np.where(self.distance_km[places] > 0.0, km_per_day, np.nan)),
        }

    def efc_per_day(self, places: Ints, rated_ah: float) -> Floats:
        """Return the equivalent full cycles a day of lately, on some of the days."""
        ah_per_day = daily_rate(self.recent_throughput_ah[places], self._used_days(places))
        return np.asarray(ah_per_day / (2.0 * rated_ah))

    def _used_days(self, places: Ints) -> Floats:
        return np.asarray(np.maximum(self.day[places] - self.first_day + 1.0, 1.0), dtype=np.float64)

    def before(self, place: int) -> dict[str, float]:
        """Return the fields of the state before one of the days."""
        if place == 0:
            return self.begun
        last = place - 1
        return {
            "first_days": self.first_day,
            "throughput_ah": float(self.throughput_ah[last]),
            "distance_km": float(self.distance_km[last]),
            "recent_days": float(self.day[last]),
            "recent_throughput_ah": float(self.recent_throughput_ah[last]),
            "recent_distance_km": float(self.recent_distance_km[last]),
        }


def pack_use(day: Ints, throughput_ah: Floats, distance_km: Floats, start: dict[str, Any] | None) -> PackUse:
    """Add up the use of one pack.

    Parameters
    ----------
    day
        Rising, one at least. [d], shape ``(days,)``
    throughput_ah, distance_km
        Of each day. [Ah, km], shape ``(days,)``
    start
        Its row of gold.cell_state; None: it starts anew.
    """
    first = float(day[0])
    if start is None:
        begun = dict.fromkeys(USE_FIELDS, 0.0) | {"first_days": first, "recent_days": first}
    else:
        begun = {name: float(start[name] or 0.0) for name in USE_FIELDS}
    since = begun["recent_days"]
    return PackUse(
        day,
        begun["first_days"],
        _running(begun["throughput_ah"], throughput_ah),
        _running(begun["distance_km"], distance_km),
        decayed_sums(day, throughput_ah, begun["recent_throughput_ah"], since),
        decayed_sums(day, distance_km, begun["recent_distance_km"], since),
        begun,
    )


def daily_sums(use: pa.Array, name: str) -> Floats:
    """Return the sum of a field over each row's list, added in order; what is missing counts as nothing."""
    values = pc.fill_null(pc.struct_field(pc.list_flatten(use), name), 0.0).to_numpy(zero_copy_only=False)
    row_of = np.repeat(np.arange(len(use)), np.diff(bounds(use)))
    return np.asarray(np.bincount(row_of, weights=values, minlength=len(use)), dtype=np.float64)


def _running(begun: float, parts: Floats) -> Floats:
    """Sums so far, one addition after the other: going on from a sum gives the bits of one run."""
    return np.cumsum(np.concatenate([[begun], parts]))[1:]
