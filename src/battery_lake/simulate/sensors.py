"""What the vehicle's sensors and its BMS make of the truth, and which messages arrive."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from battery_lake.simulate.columns import PackMessages
from battery_lake.simulate.driving import DAY_S, DRIVE, Events
from battery_lake.simulate.pack import scan
from battery_lake.simulate.timeline import STATES, Timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PROBES = 4
CURRENT_STEP_A = 0.1
PACK_STEP_V = 0.1
ODOMETER_STEP_KM = 0.1
VOLTAGE_NOISE_V = 0.0007
LOST_SHARE = 0.003
OUTAGE_EVERY_DAYS = 30.0
OUTAGE_MEDIAN_H = 2.0
HOME_DEG = (52.1, 5.1)
HOME_SPREAD_DEG = 0.4
KM_PER_DEG = 111.2


@dataclass(frozen=True, slots=True)
class Sensors:
    """The errors of a vehicle's sensors.

    Parameters
    ----------
    current_gain
        Reported over true current. [1]
    current_offset_a
        Reported current where none flows. [A]
    soc_bias_frac
        Lasting error of the BMS's SOC. [1]
    probe_offset_c
        Place of each probe in the pack's temperature field, shape (probes,). [°C]
    voltage_step_v
        What a cell's voltage sensor resolves. [V]
    """

    current_gain: float
    current_offset_a: float
    soc_bias_frac: float
    probe_offset_c: Floats
    voltage_step_v: float = 0.001


@dataclass(frozen=True, slots=True)
class Trace:
    """What truly happened in a pack.

    Parameters
    ----------
    line, events
        The samples and what the vehicle did.
    soc_frac, temperature_c
        Of the pack, shape (samples,). [1], [°C]
    cell_voltages_v
        Shape (samples, cells). [V]
    """

    line: Timeline
    events: Events
    soc_frac: Floats
    temperature_c: Floats
    cell_voltages_v: Floats


@dataclass(frozen=True, slots=True)
class Device:
    """Who reports.

    Parameters
    ----------
    vehicle_id, pack_id
        Names.
    midnight_s
        The first day's midnight. [s since 1970-01-01 UTC]
    odometer_km
        At that midnight. [km]
    """

    vehicle_id: str
    pack_id: str
    midnight_s: float
    odometer_km: float


def draw_sensors(rng: np.random.Generator, voltage_step_v: float = 0.001) -> Sensors:
    """Draw the errors of a vehicle's sensors.

    Parameters
    ----------
    rng
        The vehicle's own generator.
    voltage_step_v
        What the cells' voltage sensors resolve. [V]

    Returns
    -------
    Sensors
        One standard deviation is 0.5 % of gain and 0.1 A of offset; the BMS reads about 2.5 points low.
    """
    return Sensors(
        current_gain=float(rng.normal(1.0, 0.005)),
        current_offset_a=float(rng.normal(0.0, 0.1)),
        soc_bias_frac=float(rng.normal(-0.025, 0.015)),
        probe_offset_c=rng.normal(0.0, 0.8, PROBES),
        voltage_step_v=voltage_step_v,
    )


def report(trace: Trace, device: Device, sensors: Sensors, rng: np.random.Generator) -> PackMessages:
    """Return the messages that arrive.

    Parameters
    ----------
    trace
        The truth; its cell voltages are changed in place to what the sensors read, to save memory.
    device
        Who reports.
    sensors
        The vehicle's sensors.
    rng
        Draws noise and losses.

    Returns
    -------
    PackMessages
        The sequence counts what was sent: what got lost leaves a gap in it.
    """
    line, volts = trace.line, trace.cell_voltages_v
    count = len(line.at_s)
    current = line.current_a * sensors.current_gain + sensors.current_offset_a + rng.normal(0.0, 0.05, count)
    pack_v = volts.sum(axis=1) + rng.normal(0.0, 0.1, count)
    volts += rng.normal(0.0, VOLTAGE_NOISE_V, volts.shape)
    probes = trace.temperature_c[:, None] + sensors.probe_offset_c + rng.normal(0.0, 0.2, (count, PROBES))
    driven_km, place = _journey(line, trace.events, rng)
    sent = PackMessages(
        vehicle_id=device.vehicle_id,
        pack_id=device.pack_id,
        measured_at_s=device.midnight_s + np.rint(line.at_s),
        sequence=np.arange(1, count + 1, dtype=np.int64),
        current_a=_rounded(current, CURRENT_STEP_A),
        pack_voltage_v=_rounded(pack_v, PACK_STEP_V),
        state=STATES[line.state],
        soc_pct=_bms_soc_pct(trace, sensors, rng),
        cell_voltages_v=_stepped(volts, sensors.voltage_step_v),
        temperatures_c=np.rint(probes),
        odometer_km=_rounded(device.odometer_km + driven_km, ODOMETER_STEP_KM),
        latitude=place[:, 0],
        longitude=place[:, 1],
    )
    return _take(sent, _arrives(line.at_s, rng))


def _bms_soc_pct(trace: Trace, sensors: Sensors, rng: np.random.Generator) -> Floats:
    """State of charge with the BMS's lasting and wandering error, in steps of half a point."""
    day = (trace.line.at_s // DAY_S).astype(np.int64)
    days = int(day[-1]) + 1
    wander = scan(np.full(days, 0.9), rng.normal(0.0, 0.005, days))
    return _rounded(100.0 * np.clip(trace.soc_frac + sensors.soc_bias_frac + wander[day], 0.0, 1.0), 0.5)


def _journey(line: Timeline, events: Events, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Kilometres since the first midnight, and where the vehicle is (degrees)."""
    drives = events.kind == DRIVE
    home = np.array(HOME_DEG) + rng.uniform(-HOME_SPREAD_DEG, HOME_SPREAD_DEG, 2)
    reach = 0.5 * events.distance_km[:, None] / KM_PER_DEG
    goal = home + reach * rng.uniform(-1.0, 1.0, (len(drives), 2))
    day = events.start_s // DAY_S
    next_day = np.append(day[1:] > day[:-1], True)
    goal[next_day | np.append(~drives[1:], True)] = home
    last_drive = np.maximum.accumulate(np.where(drives, np.arange(len(drives)), -1))
    place = np.where(last_drive[:, None] >= 0, goal[last_drive], home)
    came_from = np.vstack([home, place[:-1]])
    length = (events.end_s - events.start_s)[line.event]
    share = np.clip((line.at_s - events.start_s[line.event]) / length, 0.0, 1.0)
    where = came_from[line.event] + share[:, None] * (place - came_from)[line.event]
    driven_km = np.cumsum(events.distance_km)[line.event] - events.distance_km[line.event] * (1.0 - share)
    return driven_km, np.round(where, 5)


def _arrives(at_s: Floats, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Which messages arrive: single ones get lost, and now and then the link is down for hours."""
    arrives: NDArray[np.bool_] = rng.random(len(at_s)) >= LOST_SHARE
    outages = rng.poisson(at_s[-1] / DAY_S / OUTAGE_EVERY_DAYS)
    start = np.sort(rng.uniform(0.0, at_s[-1], outages))
    end = np.maximum.accumulate(start + 3600.0 * OUTAGE_MEDIAN_H * rng.lognormal(0.0, 1.0, outages))
    at = np.searchsorted(start, at_s, side="right") - 1
    down = (at >= 0) & (at_s < np.append(end, 0.0)[at])
    return arrives & ~down


def _rounded(values: Floats, step: float) -> Floats:
    """Values on the sensor's grid, without the binary tail that a product would leave."""
    return np.asarray(np.round(np.rint(values / step) * step, 3))


def _stepped(volts: Floats, step_v: float) -> Floats:
    """Round to the sensor's steps in place, without the binary tail: a whole pack's history is large."""
    volts /= step_v
    np.rint(volts, out=volts)
    volts *= step_v
    return np.round(volts, 6, out=volts)


def _take(sent: PackMessages, keep: NDArray[np.bool_]) -> PackMessages:
    """The messages where keep is true."""
    if keep.all():
        return sent
    columns = {name: getattr(sent, name) for name in PackMessages.__slots__[2:]}
    return replace(sent, **{name: column[keep] for name, column in columns.items() if column is not None})
