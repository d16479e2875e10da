"""What happened in each session: charge, energy, temperatures, distance, cell voltages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt

from battery_lake.cells.coulomb import SECONDS_PER_HOUR, Increments, increments
from battery_lake.cells.first_step import first_steps
from battery_lake.cells.sessions import DRIVE, SessionParams
from battery_lake.cells.string_comparison import StringSums, string_sums

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Codes, Floats, Ints

Item = TypeVar("Item", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of packs with equally many cells, sorted by pack, then time; NaN where a value is missing.

    Parameters
    ----------
    pack_index
        A number for each pack. Shape ``(samples,)``
    seconds
        Times. [s], shape ``(samples,)``
    current_a
        Current, charge positive. [A], shape ``(samples,)``
    pack_voltage_v
        Voltage of the string; where NaN, the sum of its cells is used. [V], shape ``(samples,)``
    soc_pct
        State of charge as the BMS reports it. [%], shape ``(samples,)``
    temperature_mean_c, temperature_max_c
        Mean and highest of the probes. [°C], shape ``(samples,)``
    odometer_km
        Odometer; 0 counts as missing. [km], shape ``(samples,)``
    cell_voltages_v
        One voltage a cell in series. [V], shape ``(samples, cells)``; ``cells`` may be 0
    low_v
        Voltage at which a full discharge of the pack ends. [V], shape ``(samples,)``
    rated_ah
        Rated capacity of the pack. [Ah], shape ``(samples,)``
    """

    pack_index: Ints
    seconds: Floats
    current_a: Floats
    pack_voltage_v: Floats
    soc_pct: Floats
    temperature_mean_c: Floats
    temperature_max_c: Floats
    odometer_km: Floats
    cell_voltages_v: Floats
    low_v: Floats
    rated_ah: Floats


@dataclass(frozen=True, slots=True)
class SessionStats:
    """One entry a session, in the order of its samples; NaN where nothing was measured.

    Parameters
    ----------
    first, last
        Places of its first and last sample. Shape ``(sessions,)``, as everything but the cell voltages
    samples
        Number of its samples.
    duration_s
        From first to last sample. [s]
    charge_ah, throughput_ah, energy_wh
        Net charge, charge in either direction, net energy; with the interval that leads to its first
        sample. [Ah, Wh]
    sampling_ah2
        Variance of the charge because current is not known between samples. [Ah²]
    soc_start_pct, soc_end_pct
        First and last SOC that the BMS reported. [%]
    temperature_mean_c, temperature_max_c
        Mean over samples of the mean, and highest reading. [°C]
    distance_km
        Last less first odometer. [km]
    gaps, gap_s
        Number and length of badly sampled intervals after its first sample. [s]
    start_current_a, end_current_a, current_mean_a, current_max_a
        Current of the first and last sample; mean of the readings; greatest in either direction. [A]
    start_cell_voltages_v, end_cell_voltages_v, min_cell_voltages_v, max_cell_voltages_v
        Cell voltages of the first and last sample, lowest and highest of each cell. [V],
        shape ``(sessions, cells)``
    low_limit_charge_ah
        For drives: charge taken out up to the first sample in which a cell is at its low limit. [Ah]
    step_a, step_s
        Step of the current from rest that the session begins with, time between its two samples. [A, s]
    step_temperature_c, step_soc_pct
        Mean temperature and SOC at the step. [°C, %]
    step_resistance_mohm, step_variance_mohm2
        Resistance that each cell shows in it, as measured, and its variance. [mΩ, mΩ²],
        shape ``(sessions, cells)``
    string
        The cells beside each other while the pack rests or is charged.
    """

    first: Ints
    last: Ints
    samples: Ints
    duration_s: Floats
    charge_ah: Floats
    throughput_ah: Floats
    energy_wh: Floats
    sampling_ah2: Floats
    soc_start_pct: Floats
    soc_end_pct: Floats
    temperature_mean_c: Floats
    temperature_max_c: Floats
    distance_km: Floats
    gaps: Ints
    gap_s: Floats
    start_current_a: Floats
    end_current_a: Floats
    current_mean_a: Floats
    current_max_a: Floats
    start_cell_voltages_v: Floats
    end_cell_voltages_v: Floats
    min_cell_voltages_v: Floats
    max_cell_voltages_v: Floats
    low_limit_charge_ah: Floats
    step_a: Floats
    step_s: Floats
    step_temperature_c: Floats
    step_soc_pct: Floats
    step_resistance_mohm: Floats
    step_variance_mohm2: Floats
    string: StringSums


def summarise(samples: Samples, session_start: Bools, kind: Codes, params: SessionParams) -> SessionStats:
    """Statistics of every session of a block of samples.

    The interval between two sessions of a pack belongs to the later one, so that no charge is lost between
    them; intervals longer than ``gap_s`` belong to none.

    Parameters
    ----------
    samples
        Samples of packs with equally many cells.
    session_start, kind
        As :func:`battery_lake.cells.sessions.cut` gave them. Shape ``(samples,)``
    params
        Where one session ends and the next begins.
    """
    first = np.flatnonzero(session_start)
    last = np.append(first[1:], session_start.size)[: first.size] - 1
    cells, current = samples.cell_voltages_v, samples.current_a
    moved = _moved(samples, current, params)
    soc_start_pct, soc_end_pct = _first_last(samples.soc_pct, first)
    sparse = ~session_start & ((moved.dt_s > params.sparse_s) | moved.is_gap)
    counted = _any(np.isfinite(current), first)
    return SessionStats(
        first=first,
        last=last,
        samples=last - first + 1,
        duration_s=samples.seconds[last] - samples.seconds[first],
        charge_ah=np.where(counted, _sum(moved.charge_ah, first), np.nan),
        throughput_ah=np.where(counted, _sum(moved.throughput_ah, first), np.nan),
        energy_wh=_energy(samples, params, first),
        sampling_ah2=np.where(counted, _sampling(moved, session_start, first), np.nan),
        soc_start_pct=soc_start_pct,
        soc_end_pct=soc_end_pct,
        temperature_mean_c=_mean(samples.temperature_mean_c, first),
        temperature_max_c=_reduce(np.fmax, samples.temperature_max_c, first),
        distance_km=_distance(samples.odometer_km, first),
        gaps=_reduce(np.add, sparse.astype(np.int64), first),
        gap_s=_sum(np.where(sparse, moved.dt_s, 0.0), first),
        start_current_a=current[first],
        end_current_a=current[last],
        current_mean_a=_mean(current, first),
        current_max_a=_reduce(np.fmax, np.abs(current), first),
        start_cell_voltages_v=cells[first],
        end_cell_voltages_v=cells[last],
        min_cell_voltages_v=_reduce(np.fmin, cells, first),
        max_cell_voltages_v=_reduce(np.fmax, cells, first),
        low_limit_charge_ah=_low_limit_charge(samples, moved, kind, first),
        **_step(samples, session_start, params),
        string=_string(samples, session_start, kind),
    )


def _string(samples: Samples, session_start: Bools, kind: Codes) -> StringSums:
    """What cells show beside each other; not on drives, where one reading comes later than another."""
    still = kind != DRIVE
    session = np.cumsum(session_start) - 1
    return string_sums(
        0.01 * samples.soc_pct[still],
        (samples.current_a / samples.rated_ah)[still],
        samples.cell_voltages_v[still],
        session[still],
        int(session_start.sum()),
    )


def _step(samples: Samples, session_start: Bools, params: SessionParams) -> dict[str, Floats]:
    """What the step from rest that a session begins with tells."""
    found = first_steps(
        samples.seconds, samples.current_a, samples.cell_voltages_v, samples.rated_ah, session_start,
        params.rest_c_rate,
    )  # fmt: skip
    is_step = np.isfinite(found.step_a)

    def at_step(values: Floats) -> Floats:
        after = values[found.after]
        return np.where(is_step, np.where(np.isfinite(after), after, values[found.before]), np.nan)

    return {
        "step_a": found.step_a,
        "step_s": found.step_s,
        "step_temperature_c": at_step(samples.temperature_mean_c),
        "step_soc_pct": at_step(samples.soc_pct),
        "step_resistance_mohm": 1e3 * found.resistance_ohm,
        "step_variance_mohm2": 1e6 * found.variance_ohm2,
    }


def _moved(samples: Samples, rate: Floats, params: SessionParams) -> Increments:
    """Integrate a rate over the intervals of each pack."""
    new_pack = np.diff(samples.pack_index, prepend=samples.pack_index[:1]) != 0
    new_pack[:1] = True
    return increments(samples.seconds, rate, new_pack, params.gap_s)


def _energy(samples: Samples, params: SessionParams, first: Ints) -> Floats:
    """Net energy of each session; NaN where power was never known. [Wh]."""
    voltage_v = samples.pack_voltage_v.copy()
    missing = np.isnan(voltage_v)
    if samples.cell_voltages_v.shape[1]:
        voltage_v[missing] = samples.cell_voltages_v[missing].sum(axis=1)
    power_w = samples.current_a * voltage_v
    # The integral of current, taken over power: its charge is energy.
    return np.where(
        _any(np.isfinite(power_w), first), _sum(_moved(samples, power_w, params).charge_ah, first), np.nan
    )


def _sampling(moved: Increments, session_start: Bools, first: Ints) -> Floats:
    """Variance of each session's charge from what happened between samples. [Ah²]."""
    blind_h = _sum(np.where(moved.is_gap & ~session_start, moved.dt_s, 0.0), first) / SECONDS_PER_HOUR
    seen_h = _sum(np.where(moved.is_gap, 0.0, moved.dt_s), first) / SECONDS_PER_HOUR
    # Over intervals without any current it may have flowed as on the session's average.
    mean_a = _sum(moved.throughput_ah, first) / np.where(seen_h > 0.0, seen_h, np.inf)
    return _sum(moved.sampling_ah2, first) + (mean_a * blind_h) ** 2


def _distance(odometer_km: Floats, first: Ints) -> Floats:
    """Last less first odometer of each session; NaN where it is unknown or runs backwards. [km]."""
    start_km, end_km = _first_last(np.where(odometer_km > 0.0, odometer_km, np.nan), first)
    return np.where(end_km >= start_km, end_km - start_km, np.nan)


def _low_limit_charge(samples: Samples, moved: Increments, kind: Codes, first: Ints) -> Floats:
    """Charge taken out of each drive up to the first sample with a cell at its low limit. [Ah]."""
    place = np.arange(kind.size)
    volts, low_v = samples.cell_voltages_v, samples.low_v[:, None]
    # A reading below half the limit is a broken sense wire, not an empty cell.
    at_limit = ((volts <= low_v) & (volts > 0.5 * low_v)).any(axis=1) & (kind == DRIVE)
    hit = _reduce(np.minimum, np.where(at_limit, place, kind.size), first)
    session = np.searchsorted(first, place, "right") - 1
    taken_ah = -_sum(np.where(place <= hit[session], moved.charge_ah, 0.0), first)
    return np.where(hit < kind.size, taken_ah, np.nan)


def _first_last(values: Floats, first: Ints) -> tuple[Floats, Floats]:
    """First and last known value of each session."""
    place, known = np.arange(values.size), np.isfinite(values)
    start = _reduce(np.minimum, np.where(known, place, values.size), first)
    end = _reduce(np.maximum, np.where(known, place, -1), first)
    padded = np.append(values, np.nan)  # unknown throughout: both places are the NaN behind the end
    return padded[start], padded[end]


def _mean(values: Floats, first: Ints) -> Floats:
    """Mean of the known values of each session."""
    known = np.isfinite(values)
    count = _sum(known.astype(np.float64), first)
    return _sum(np.where(known, values, 0.0), first) / np.where(count > 0.0, count, np.nan)


def _any(true: Bools, first: Ints) -> Bools:
    """Whether anything is true in each session."""
    return _reduce(np.logical_or, true, first)


def _sum(values: Floats, first: Ints) -> Floats:
    """Sum of each session."""
    return _reduce(np.add, values, first)


def _reduce(ufunc: np.ufunc, values: npt.NDArray[Item], first: Ints) -> npt.NDArray[Item]:
    """Reduce each session's rows to one."""
    if first.size == 0 or values[:1].size == 0:
        return values[first]
    return np.asarray(ufunc.reduceat(values, first, axis=0), dtype=values.dtype)
