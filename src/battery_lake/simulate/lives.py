"""Whole lives of simulated packs, seen at rests only: years of evidence without the telemetry of years."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.simulate import ageing, driving, pack
from battery_lake.simulate.fleet import (
    KNEE_AT_FRAC,
    KNEE_VEHICLE,
    ODD_EVERY,
    FleetSpec,
    draw_vehicle,
    references,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from battery_lake.simulate.ageing import Floats
    from battery_lake.simulate.reference import PackReference

OBSERVATION_STD_FRAC: Final = 0.022
BIAS_STD_FRAC: Final = 0.005
"""Errors of a capacity between two rests, and what all of a pack and all of a cell share. [1]"""


@dataclass(frozen=True, slots=True)
class LivesSpec:
    """What lives to simulate.

    Parameters
    ----------
    fleet
        The vehicles; ``days`` is how long they are seen. The first day of telemetry is its ``start``.
    evidence_share
        Share of the days with an observation. [1]
    """

    fleet: FleetSpec
    evidence_share: float = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class SeenLife:
    """A pack as it was seen.

    Parameters
    ----------
    reference
        Its reference data.
    at
        When it was seen, rising. Shape ``(days,)``
    throughput_ah, distance_km
        Charge moved and distance since it was seen before. [Ah, km], shape ``(days,)``
    capacity_ah, variance_ah2
        Observed. [Ah, Ah²], shape ``(days, cells)``
    """

    reference: PackReference
    at: tuple[dt.datetime, ...]
    throughput_ah: Floats
    distance_km: Floats
    capacity_ah: Floats
    variance_ah2: Floats


def seen_lives(spec: LivesSpec) -> Iterator[SeenLife]:
    """Simulate the lives of a fleet, one pack after the other.

    Parameters
    ----------
    spec
        Which fleet, how long, how often seen.

    Yields
    ------
    SeenLife
        A pack.
    """
    packs, _ = references(spec.fleet)
    for number, reference in enumerate(packs, start=1):
        yield _seen(spec, number, reference)


def _seen(spec: LivesSpec, number: int, reference: PackReference) -> SeenLife:
    fleet = spec.fleet
    vehicle = draw_vehicle(fleet, number)
    rng = np.random.default_rng([fleet.seed, number, 2])
    climate = pack.draw_climate(rng, fleet.days, fleet.start.timetuple().tm_yday)
    distance_km = driving.daily_km(rng, vehicle.habits, fleet.days)
    aged = ageing.age(
        ageing.draw_cells(rng, fleet.cells_in_series, leaky=False),
        rated_ah=vehicle.rated_ah,
        temperature_c=pack.pack_day_c(climate),
        efc=vehicle.habits.consumption_ah_per_km
        / vehicle.rated_ah
        * (vehicle.odometer_km + np.cumsum(distance_km)),
        age_years=vehicle.age_years,
        lithium_share=fleet.lithium_share,
        knee_day=KNEE_AT_FRAC * fleet.days if number % ODD_EVERY == KNEE_VEHICLE else None,
    )
    day = np.flatnonzero(rng.random(fleet.days) < spec.evidence_share)
    true = aged.capacity_ah[day]
    std = vehicle.rated_ah * OBSERVATION_STD_FRAC * rng.lognormal(0.0, 0.3, day.size)[:, None]
    bias = rng.normal(0.0, BIAS_STD_FRAC) + rng.normal(0.0, BIAS_STD_FRAC, fleet.cells_in_series)
    noise = vehicle.rated_ah * bias + std * rng.standard_normal(true.shape)
    driven_km = np.cumsum(distance_km)
    # What came before the first look is not seen.
    since_last_km = np.diff(driven_km[day], prepend=driven_km[day[0]] - distance_km[day[0]])
    # Charge goes through a pack twice: out and in.
    throughput_ah = 2.0 * vehicle.habits.consumption_ah_per_km * since_last_km
    begun = dt.datetime.combine(fleet.start, dt.time(3), tzinfo=dt.UTC)
    return SeenLife(
        reference=reference,
        at=tuple(begun + dt.timedelta(days=int(one)) for one in day),
        throughput_ah=throughput_ah,
        distance_km=since_last_km,
        capacity_ah=true + noise,
        variance_ah2=np.broadcast_to(std**2, true.shape),
    )
