"""A simulated fleet: what its packs send over a time, and the truth about every cell."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from battery_lake.errors import SettingsError
from battery_lake.simulate import ageing, charging, driving, electrodes, insulation, pack, sensors
from battery_lake.simulate.reference import Assignment, PackReference
from battery_lake.simulate.timeline import Reporting, timeline
from battery_lake.simulate.truth import TruthRows, cell_ids

if TYPE_CHECKING:
    from collections.abc import Iterator

    from battery_lake.simulate.columns import PackMessages

KNEE_VEHICLE, LEAKY_VEHICLE, DAMP_VEHICLE, ODD_EVERY = 3, 7, 11, 20
KNEE_AT_FRAC, DAMP_AT_FRAC = 0.35, 0.5
WHOLE_PACK_CELLS = 96
WARRANTY_YEARS, WARRANTY_KM, WARRANTY_SOH_PCT = 8.0, 160_000.0, 70.0
DESIGNS = {"NMC": (electrodes.NMC, 150.0, "Avon 53"), "LFP": (electrodes.LFP, 170.0, "Tarn 53")}


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """What fleet to simulate.

    Parameters
    ----------
    vehicles, days
        How many, and for how long.
    seed
        The same seed gives the same fleet; a vehicle does not depend on how many there are.
    start
        First day, UTC.
    cells_in_series, cells_per_module
        Form of every pack.
    lfp_share
        Share of vehicles with LFP packs; the others have NMC.
    lithium_share
        Share of the fade that is loss of lithium and so moves the OCV curve. [1]
    voltage_step_v
        What the sensors of the cells resolve. [V]
    full_charges
        Whether some charges run until full; if not, none goes beyond 97 %.
    reporting
        How often the vehicles report.

    Raises
    ------
    SettingsError
        If a number is out of range.
    """

    vehicles: int = 20
    days: int = 365
    seed: int = 1
    start: dt.date = dt.date(2025, 1, 1)
    cells_in_series: int = 96
    cells_per_module: int = 12
    lfp_share: float = 0.25
    lithium_share: float = 0.25
    voltage_step_v: float = 0.001
    full_charges: bool = True
    reporting: Reporting = field(default_factory=Reporting)

    def __post_init__(self) -> None:
        for name in ("vehicles", "days", "cells_in_series", "cells_per_module"):
            if getattr(self, name) < 1:
                raise SettingsError(
                    "The fleet cannot be simulated.",
                    why=f"{name} is {getattr(self, name)}",
                    remedy=f"give {name} a value of 1 or more",
                )
        for name in ("lfp_share", "lithium_share"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise SettingsError(
                    "The fleet cannot be simulated.",
                    why=f"{name} is {getattr(self, name)}",
                    remedy=f"give {name} a value from 0 to 1",
                )


@dataclass(frozen=True, slots=True)
class Vehicle:
    """A vehicle of the fleet as it stands on the first day.

    Parameters
    ----------
    vehicle_id, pack_id, model
        Names.
    design
        The kind of cell.
    rated_ah, nominal_v
        Of the pack. [Ah], [V]
    age_years, odometer_km
        Of vehicle and pack. [a], [km]
    habits
        Its use.
    """

    vehicle_id: str
    pack_id: str
    model: str
    design: electrodes.CellDesign
    rated_ah: float
    nominal_v: float
    age_years: float
    odometer_km: float
    habits: driving.Habits


def simulate(spec: FleetSpec) -> Iterator[tuple[PackMessages, TruthRows]]:
    """Simulate a fleet, one vehicle after the other.

    Parameters
    ----------
    spec
        The fleet.

    Yields
    ------
    tuple[PackMessages, TruthRows]
        All messages of a vehicle, and the truth about its pack's cells.
    """
    for number in range(1, spec.vehicles + 1):
        yield simulate_vehicle(spec, number)


def simulate_vehicle(spec: FleetSpec, number: int) -> tuple[PackMessages, TruthRows]:
    """Simulate one vehicle of a fleet.

    Parameters
    ----------
    spec
        The fleet.
    number
        The vehicle, from 1.

    Returns
    -------
    tuple[PackMessages, TruthRows]
        All messages of the vehicle, and the truth about its pack's cells.
    """
    vehicle = draw_vehicle(spec, number)
    rng = np.random.default_rng([spec.seed, number, 1])
    trace, aged = _course(spec, number, vehicle, rng)
    midnight_s = _midnight(spec.start).timestamp()
    device = sensors.Device(vehicle.vehicle_id, vehicle.pack_id, midnight_s, vehicle.odometer_km)
    messages = sensors.report(trace, device, sensors.draw_sensors(rng, spec.voltage_step_v), rng)
    told = _insulation_kohm(spec, number, vehicle, messages)
    messages = replace(messages, insulation_kohm=told)
    truth = TruthRows(
        pack_id=vehicle.pack_id,
        cell_ids=cell_ids(vehicle.pack_id, spec.cells_in_series, spec.cells_per_module),
        first_date=spec.start,
        rated_capacity_ah=vehicle.rated_ah,
        capacity_ah=aged.capacity_ah,
        resistance_mohm=1000.0 * pack.ten_second_ohm(vehicle.rated_ah) * aged.resistance_factor,
    )
    return messages, truth


def draw_vehicle(spec: FleetSpec, number: int) -> Vehicle:
    """Draw a vehicle of a fleet as it stands on the first day.

    Parameters
    ----------
    spec
        The fleet.
    number
        The vehicle, from 1.

    Returns
    -------
    Vehicle
        0.3 to 5 years old, with the kilometres that its habits make of them.
    """
    rng = np.random.default_rng([spec.seed, number, 0])
    design, rated_ah, model = DESIGNS["LFP" if rng.random() < spec.lfp_share else "NMC"]
    cell_v = float(electrodes.aged_ocv(design).ocv_v[0].mean())
    # A pack of fewer cells is a slice of a whole one: its cells carry the same currents.
    habits = driving.draw_habits(rng, rated_ah, WHOLE_PACK_CELLS * cell_v)
    if not spec.full_charges:
        habits = replace(habits, full_share=0.0)
    age_years = float(rng.uniform(0.3, 5.0))
    return Vehicle(
        vehicle_id=f"V{number:05d}",
        pack_id=f"P{number:05d}",
        model=model,
        design=design,
        rated_ah=rated_ah,
        nominal_v=spec.cells_in_series * cell_v,
        age_years=age_years,
        odometer_km=age_years * ageing.YEAR_DAYS * habits.km_per_day,
        habits=habits,
    )


def references(spec: FleetSpec) -> tuple[list[PackReference], list[Assignment]]:
    """Return the reference data of a fleet.

    Parameters
    ----------
    spec
        The fleet.

    Returns
    -------
    tuple[list[PackReference], list[Assignment]]
        One of each a vehicle; the assignments have begun when the vehicles were new.
    """
    packs, assignments = [], []
    for number in range(1, spec.vehicles + 1):
        vehicle = draw_vehicle(spec, number)
        new = spec.start - dt.timedelta(days=round(vehicle.age_years * ageing.YEAR_DAYS))
        packs.append(
            PackReference(
                pack_id=vehicle.pack_id,
                model=vehicle.model,
                chemistry=vehicle.design.chemistry,
                cells_in_series=spec.cells_in_series,
                cells_per_module=spec.cells_per_module,
                rated_capacity_ah=vehicle.rated_ah,
                rated_energy_wh=round(vehicle.rated_ah * vehicle.nominal_v),
                ocv_curve=vehicle.design.ocv_curve,
                cell_low_v=vehicle.design.low_v,
                cell_high_v=vehicle.design.high_v,
                warranty_from=new,
                warranty_years=WARRANTY_YEARS,
                warranty_km=WARRANTY_KM,
                warranty_soh_pct=WARRANTY_SOH_PCT,
                new_resistance_mohm=1000.0 * pack.ten_second_ohm(vehicle.rated_ah),
            ),
        )
        assignments.append(Assignment(vehicle.pack_id, vehicle.vehicle_id, _midnight(new)))
    return packs, assignments


def _course(
    spec: FleetSpec, number: int, vehicle: Vehicle, rng: np.random.Generator
) -> tuple[sensors.Trace, ageing.Ageing]:
    """What truly happens in a vehicle's pack, and how its cells age."""
    climate = pack.draw_climate(rng, spec.days, spec.start.timetuple().tm_yday)
    distance_km = driving.daily_km(rng, vehicle.habits, spec.days)
    aged = _aged(spec, number, vehicle, climate, distance_km, rng)
    limit = _voltage_limit(vehicle, aged, pack.pack_day_c(climate))
    planner = driving.Planner(vehicle.habits, rng, aged.usable_ah, limit)
    # Heating and cooling take their part: most when it freezes.
    events = planner.plan(distance_km, 1.0 + 0.012 * np.abs(climate.day_mean_c - 20.0))
    line = timeline(events, spec.reporting, spec.days * driving.DAY_S, rng)
    temperature_c = pack.pack_temperature_c(line, climate)
    day = (line.at_s // driving.DAY_S).astype(np.int64)
    trace = sensors.Trace(
        line=line,
        events=events,
        soc_frac=1.0 - line.depth_ah / aged.usable_ah[day],
        temperature_c=temperature_c,
        cell_voltages_v=pack.cell_voltages_v(line, aged, vehicle.design, temperature_c, vehicle.rated_ah),
    )
    return trace, aged


def _aged(
    spec: FleetSpec,
    number: int,
    vehicle: Vehicle,
    climate: pack.Climate,
    distance_km: ageing.Floats,
    rng: np.random.Generator,
) -> ageing.Ageing:
    """The vehicle's cells on every day; every 20th pack has a knee, every 20th a leaky cell."""
    cells = ageing.draw_cells(rng, spec.cells_in_series, leaky=number % ODD_EVERY == LEAKY_VEHICLE)
    efc_per_km = vehicle.habits.consumption_ah_per_km / vehicle.rated_ah
    return ageing.age(
        cells,
        rated_ah=vehicle.rated_ah,
        temperature_c=pack.pack_day_c(climate),
        efc=efc_per_km * (vehicle.odometer_km + np.cumsum(distance_km)),
        age_years=vehicle.age_years,
        lithium_share=spec.lithium_share,
        knee_day=KNEE_AT_FRAC * spec.days if number % ODD_EVERY == KNEE_VEHICLE else None,
    )


def _insulation_kohm(spec: FleetSpec, number: int, vehicle: Vehicle, messages: PackMessages) -> ageing.Floats:
    """What the insulation monitor reads; into every 20th pack coolant leaks. [kΩ]."""
    rng = np.random.default_rng([spec.seed, number, 2])
    damp = insulation.draw_damp(rng, spec.days)
    leak = insulation.draw_leak(rng, DAMP_AT_FRAC * spec.days) if number % ODD_EVERY == DAMP_VEHICLE else None
    working_v = spec.cells_in_series * vehicle.design.high_v
    at_s = messages.measured_at_s - _midnight(spec.start).timestamp()
    assert messages.state is not None
    return insulation.monitored_kohm(rng, insulation.true_kohm(at_s, damp, working_v, leak), messages.state)


def _voltage_limit(vehicle: Vehicle, aged: ageing.Ageing, day_c: ageing.Floats) -> charging.VoltageLimit:
    """What the pack's cells let a charger do on each day; the nights are colder than the day's mean."""
    warmth = pack.resistance_factor(day_c - 4.0)
    return charging.VoltageLimit(
        soc_frac=np.linspace(0.0, 1.0, electrodes.SOC_POINTS),
        ocv_v=electrodes.aged_ocv(vehicle.design).ocv_v[0],
        high_v=vehicle.design.high_v,
        ohm=pack.steady_ohm(vehicle.rated_ah) * aged.resistance_factor.max(axis=1) * warmth,
        stretch=aged.capacity_ah.max(axis=1) / aged.usable_ah,
    )


def _midnight(date: dt.date) -> dt.datetime:
    """The first instant of a day, UTC."""
    return dt.datetime.combine(date, dt.time(), tzinfo=dt.UTC)
