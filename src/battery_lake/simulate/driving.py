"""How the simulated vehicles are used: kilometres a day, trips, and when and how far they are charged.

The habits follow the aggregates of a field study of 300 electric vehicles: charges start near 38 % and end
near 96 % (Liu et al., Nat. Commun. 16 (2025) 1137).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from battery_lake.simulate.charging import Charge, VoltageLimit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Row = tuple[float, ...]

DRIVE, AC_CHARGE, DC_CHARGE = 0, 1, 2
DAY_S = 86400.0
RESERVE_FRAC = 0.08
SETTLE_S = 240.0
SHORTEST_KM = 0.5
WAITS_S = (300.0, 900.0, 3600.0, 4.0 * 3600.0)
DC_FULL_UNTIL_FRAC, DC_TAPER_FROM_FRAC = 0.5, 0.6


@dataclass(frozen=True, slots=True)
class Habits:
    """A vehicle's use.

    Parameters
    ----------
    km_per_day, speed_kmh
        Means. [km/d], [km/h]
    consumption_ah_per_km
        In mild weather. [Ah/km]
    trips_per_day
        Mean number of trips.
    start_soc_frac, start_spread_frac
        SOC below which the driver plugs in at the day's end: median and spread. [1]
    full_share
        Share of charges that run until full. [1]
    fast_share
        Share of evening charges at a DC charger. [1]
    ac_a, dc_a
        Currents of the two kinds of charger. [A]
    """

    km_per_day: float
    speed_kmh: float
    consumption_ah_per_km: float
    trips_per_day: float
    start_soc_frac: float
    start_spread_frac: float
    full_share: float
    fast_share: float
    ac_a: float
    dc_a: float


@dataclass(frozen=True, slots=True)
class Events:
    """Drives and charges in order of time, each of shape (events,).

    Parameters
    ----------
    start_s, end_s
        Since the simulation's midnight. [s]
    kind
        DRIVE, AC_CHARGE or DC_CHARGE.
    start_depth_ah, end_depth_ah
        Charge below full at both ends. [Ah]
    current_a, knee_frac, usable_ah
        Of charges, see `Charge`.
    distance_km
        Of drives. [km]
    """

    start_s: Floats
    end_s: Floats
    kind: NDArray[np.int64]
    start_depth_ah: Floats
    end_depth_ah: Floats
    current_a: Floats
    knee_frac: Floats
    usable_ah: Floats
    distance_km: Floats


def draw_habits(rng: np.random.Generator, rated_ah: float, nominal_v: float) -> Habits:
    """Draw a vehicle's habits.

    Parameters
    ----------
    rng
        The vehicle's own generator.
    rated_ah, nominal_v
        The pack's. [Ah], [V]

    Returns
    -------
    Habits
        20 to 140 km a day; who drives more uses fast chargers more.
    """
    km_per_day = float(rng.uniform(20.0, 140.0))
    return Habits(
        km_per_day=km_per_day,
        speed_kmh=float(rng.uniform(30.0, 50.0)),
        consumption_ah_per_km=float(rng.uniform(135.0, 175.0)) / nominal_v,
        trips_per_day=float(rng.uniform(1.6, 2.6)) + km_per_day / 140.0,
        start_soc_frac=float(rng.normal(0.48, 0.07)),
        start_spread_frac=0.18,
        full_share=float(rng.uniform(0.5, 0.9)),
        fast_share=0.02 + 0.2 * km_per_day / 140.0 * float(rng.random()),
        ac_a=1000.0 * float(rng.choice([7.2, 11.0])) / nominal_v,
        dc_a=min(1000.0 * float(rng.uniform(50.0, 120.0)) / nominal_v, 1.6 * rated_ah),
    )


def daily_km(rng: np.random.Generator, habits: Habits, days: int) -> Floats:
    """Draw the distance of each day, with idle days. [km]."""
    idle = rng.random(days) < 0.08 * (1.5 - habits.km_per_day / 140.0)
    driven_km = habits.km_per_day * rng.gamma(4.0, 0.25, days)
    # Everyone drives on the first day, so that even the shortest simulation has something to tell.
    idle[0] = False
    driven_km[0] = max(driven_km[0], 0.5 * habits.km_per_day)
    return np.where(idle, 0.0, driven_km)


@dataclass(slots=True)
class Planner:
    """Plans a vehicle's events one after the other; the clock and the depth of discharge are its state.

    Parameters
    ----------
    habits
        The vehicle's.
    rng
        The vehicle's generator.
    usable_ah
        Usable charge on each day, shape (days,). [Ah]
    limit
        What the cells' upper voltage limit lets a charger do.
    """

    habits: Habits
    rng: np.random.Generator
    usable_ah: Floats
    limit: VoltageLimit

    def plan(self, distance_km: Floats, consumption: Floats) -> Events:
        """Plan all days.

        Parameters
        ----------
        distance_km
            Distance of each day, shape (days,). [km]
        consumption
            Consumption over the mild weather's on each day, shape (days,). [1]

        Returns
        -------
        Events
            No two overlap; the SOC stays between 0 and 1.
        """
        rows: list[Row] = []
        depth_ah = float(self.usable_ah[0]) * float(self.rng.uniform(0.1, 0.5))
        clock_s = 0.0
        for day, km in enumerate(distance_km):
            ah_per_km = self.habits.consumption_ah_per_km * float(consumption[day])
            for trip_km, leave_s in self._trips(day, float(km)):
                rows += self._trip(
                    day, max(leave_s, clock_s + SETTLE_S), trip_km, trip_km * ah_per_km, depth_ah
                )
                clock_s, depth_ah = rows[-1][1], rows[-1][4]
            plugged_in = self._evening(day, clock_s, depth_ah)
            if plugged_in is not None:
                rows.append(plugged_in)
                clock_s, depth_ah = plugged_in[1], plugged_in[4]
        columns = np.array(rows).reshape(-1, 9).T
        return Events(columns[0], columns[1], columns[2].astype(np.int64), *columns[3:])

    def _trip(self, day: int, leave_s: float, km: float, need_ah: float, depth_ah: float) -> list[Row]:
        """One drive, with a fast charge before it where the pack would not last."""
        usable = float(self.usable_ah[day])
        need_ah = min(need_ah, usable * (1.0 - 2.0 * RESERVE_FRAC))
        rows: list[Row] = []
        if depth_ah + need_ah > usable * (1.0 - RESERVE_FRAC):
            target = max(0.8, RESERVE_FRAC + need_ah / usable)
            rows.append(self._charge(day, leave_s, depth_ah, target, DC_CHARGE))
            leave_s, depth_ah = rows[0][1] + SETTLE_S, rows[0][4]
        end_s = leave_s + 3600.0 * km / self.habits.speed_kmh
        rows.append((leave_s, end_s, DRIVE, depth_ah, depth_ah + need_ah, 0.0, 1.0, usable, km))
        return rows

    def _trips(self, day: int, km: float) -> list[tuple[float, float]]:
        """Draw the trips of a day: distance and planned departure."""
        if km < 2.0 * SHORTEST_KM:
            return []
        count = 1 + int(self.rng.poisson(self.habits.trips_per_day - 1.0))
        parts = self.rng.dirichlet(np.full(count, 3.0)) * km
        leave = np.sort(self.rng.uniform(6.5, 20.5, count)) * 3600.0 + day * DAY_S
        return [(float(part), float(at)) for part, at in zip(parts, leave, strict=True) if part > SHORTEST_KM]

    def _evening(self, day: int, clock_s: float, depth_ah: float) -> Row | None:
        """Decide whether the driver plugs in after the day's last trip."""
        habits, rng = self.habits, self.rng
        soc = 1.0 - depth_ah / float(self.usable_ah[day])
        # Nobody goes to bed with less than the next day needs.
        tomorrow = habits.km_per_day * habits.consumption_ah_per_km / float(self.usable_ah[day])
        plug_in = np.clip(rng.normal(habits.start_soc_frac, habits.start_spread_frac), tomorrow + 0.1, 0.85)
        if soc > plug_in:
            return None
        full = rng.random() < habits.full_share
        end = rng.uniform(0.97, 0.999) if full else rng.uniform(min(soc + 0.15, 0.9), 0.97)
        fast = rng.random() < habits.fast_share
        if fast:
            end = min(end, max(soc + 0.1, rng.uniform(0.7, 0.95)))
        # Some plug in at once, some let the car wait for the night's tariff.
        wait_s = (
            SETTLE_S
            if fast
            else float(rng.choice([300.0, 900.0, 3600.0, 4.0 * 3600.0])) * rng.uniform(0.9, 1.3)
        )
        start_s = max(clock_s, day * DAY_S + 17.0 * 3600.0) + float(wait_s)
        return self._charge(day, start_s, depth_ah, float(end), DC_CHARGE if fast else AC_CHARGE)

    def _charge(self, day: int, start_s: float, depth_ah: float, end_frac: float, kind: int) -> Row:
        """One charge to a target SOC as a row of events."""
        usable = float(self.usable_ah[day])
        current = self.habits.dc_a if kind == DC_CHARGE else self.habits.ac_a
        if kind == DC_CHARGE:
            # Chargers give way long before the voltage limit; a cold or tired pack takes less at once.
            current = min(current, self.limit.current_a(DC_FULL_UNTIL_FRAC, day))
        knee = self.limit.knee_frac(current, day)
        if kind == DC_CHARGE:
            knee = min(knee, DC_TAPER_FROM_FRAC)
        start_frac = 1.0 - depth_ah / usable
        end_frac = min(max(end_frac, start_frac + 0.02), 0.999)
        length_s = Charge(current, knee, usable).duration_s(start_frac, end_frac)
        end_depth = usable * (1.0 - end_frac)
        return (start_s, start_s + length_s, kind, depth_ah, end_depth, current, knee, usable, 0.0)
