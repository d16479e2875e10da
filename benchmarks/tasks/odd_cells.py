"""Odd cells and alerts on real cars, against a plain daily robust z-score.

A car's days are taken one after the other, as a daily job would; nothing is learnt from any car. Readings
outside the product's own ranges are blanked first, as silver does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from support.figures import Figure

from battery_lake.cells.alerts import cell_far_off, self_discharge, weak_cell
from battery_lake.cells.deviation import DeviationParams, day_deviation
from battery_lake.cells.metrics import MAD_TO_STD, Z90
from battery_lake.cells.odd_cells import (
    day_variance,
    evidence_step,
    initial_evidence,
    initial_trend,
    predicted,
    trend_step,
    z_score,
)
from battery_lake.cells.safety_alerts import over_temperature
from battery_lake.cells.sensor_alerts import (
    follow,
    lying_cell,
    lying_pack_voltage,
    lying_probe,
    probe_apart,
    string_gap,
)
from battery_lake.gold.arrow import ragged
from battery_lake.pipelines.alerts import safety_limits
from battery_lake.settings import Settings
from battery_lake.silver.facts import DEFAULT, Limits

if TYPE_CHECKING:
    from pathlib import Path

    from battery_lake.cells.arrays import Bools, Floats, Ints

TITLE: Final = "Odd cells of real cars: found exactly, days until named, false cells, first-message alarms"
TASK: Final = 7
KNOWN_ODD: Final[dict[str, tuple[int, ...]]] = {"EV1": (), "EV2": (82,), "EV3": (2, 81)}
"""Cells, from 1, that are known to be odd. Of other cars nothing is known: what was named is listed."""

SLOPE_V: Final = 0.95
"""Slope of an NMC cell over its state of charge where trends are read. [V]"""

SECONDS_PER_DAY: Final = 86_400.0
RATED_AH: Final = 150.0
"""Capacity of such a pack, for the leak in the evidence only. [Ah]"""

LIMITS: Final = safety_limits(Settings().alerts)[DEFAULT]
PLANTS: Final = 200
PLANT_V: Final = 0.3
PLANT_C: Final = 80.0
BASELINE_Z: Final = 8.0
BASELINE_DAYS: Final = 3
SETTLED_DAYS: Final = 3


@dataclass(frozen=True, slots=True)
class Car:
    """Messages of a car in order of time."""

    name: str
    day: Ints
    seconds: Floats
    current_a: Floats
    pack_voltage_v: Floats
    voltage_v: Floats
    temperature_c: Floats


@dataclass(slots=True)
class Found:
    """What was named, cell from 1 to the day of data; who fell; how well days were foretold.

    ``lying``: cells whose sensor lies; 0 for a probe, or the pack's voltage.
    """

    named: dict[int, int]
    falling: set[int]
    lying: set[int]
    inside: list[bool]


def figures(data: Path, train: Path) -> list[Figure]:
    """Take every car through its days.

    Parameters
    ----------
    data
        Folder with the cars that are judged.
    train
        Not used: the rules hold no fit to a car.
    """
    del train
    folder = data / "ev_cell_faults"
    found: list[Figure] = []
    for file in sorted(folder.glob("EV*.parquet")) if folder.is_dir() else []:
        found += _of_car(_read(file))
    return found


def _of_car(car: Car) -> list[Figure]:
    own, plain = _by_days(car), _baseline(car)
    at_once = _false_at_once(car)
    found: list[tuple[str, float, float | None]] = []
    odd = KNOWN_ODD.get(car.name)
    name = f"ev_cell_faults {car.name}"
    if odd is None:
        every = sorted({*own.named, *own.falling, *own.lying, *at_once})
        cells = ", ".join(str(cell) for cell in every) or "none"
        name = f"{name} (named: {cells})"
        found.append(("named_cells", float(len(every)), float(len(plain))))
        found.append(("days_to_name", _last(own.named, tuple(own.named)), _last(plain, tuple(plain))))
    else:
        false = ({*own.named, *own.falling, *at_once} - set(odd)) | own.lying
        found.append(("found", float(set(own.named) == set(odd)), float(set(plain) == set(odd))))
        found.append(("days_to_name", _last(own.named, odd), _last(plain, odd)))
        found.append(("false_cells", float(len(false)), float(len(set(plain) - set(odd)))))
    found += [
        ("growing_cells", float(len(own.falling)), None),
        # The plain score needs ten messages and three days: it never alarms on the first.
        ("first_message_alarm_cell", _planted_cell(car), 0.0),
        ("first_message_alarm_probe", _planted_probe(car), 0.0),
        ("next_day_coverage90", float(np.mean(own.inside)) if own.inside else float("nan"), None),
    ]
    return [Figure(TASK, name, metric, value, baseline) for metric, value, baseline in found]


def _by_days(car: Car) -> Found:
    """Take the car's days through the product's own rules."""
    cells = car.voltage_v.shape[1]
    evidence, trend, found, count = (
        initial_evidence(cells),
        initial_trend(cells),
        Found({}, set(), set(), []),
        0,
    )
    for day in np.unique(car.day):
        rows = car.day == day
        lay = day_deviation(car.voltage_v[rows], car.current_a[rows])
        now = np.full(cells, float(day))
        level, variance = predicted(trend, now)
        error = (lay.band_deviation_v - level) / np.sqrt(variance + day_variance(level, lay.band_std_v))
        # Cells whose two differences disagree are held at zero: they would be foretold too easily.
        told = (trend.days >= SETTLED_DAYS) & np.isfinite(error) & (lay.band_deviation_v != 0.0)
        found.inside += (np.abs(error[told]) <= Z90).tolist()
        evidence = evidence_step(evidence, z_score(lay.deviation_v, lay.std_v, lay.spread_v))
        trend = trend_step(trend, now, lay.band_deviation_v, lay.band_std_v)
        count += int(np.isfinite(lay.deviation_v).any())
        for cell in np.flatnonzero(weak_cell(evidence, trend, lay.deviation_v).severity >= 0):
            found.named.setdefault(int(cell) + 1, count)
        falls = self_discharge(trend, SLOPE_V, RATED_AH).severity >= 0
        found.falling |= {int(cell) + 1 for cell in np.flatnonzero(falls)}
        found.lying |= _lying(car, rows)
    return found


def _lying(car: Car, rows: Bools) -> set[int]:
    """Cells, from 1, whose reading lies on a day; 0: a probe, or the pack's voltage. No car is known to."""
    quiet_a = DeviationParams().quiet_a
    own = car.seconds[rows], car.current_a[rows]
    cells = lying_cell(follow(*own, car.voltage_v[rows], RATED_AH)).severity
    of_day_s = own[0] % SECONDS_PER_DAY
    probe = probe_apart(of_day_s, own[1], car.temperature_c[rows], quiet_a)
    gap_pct = string_gap(own[1], car.voltage_v[rows], car.pack_voltage_v[rows], quiet_a)
    pack = lying_probe(np.array([probe.apart_c])).severity, lying_pack_voltage(np.array([gap_pct])).severity
    return {*(np.flatnonzero(cells >= 0) + 1).tolist(), *([0] if max(pack) >= 0 else [])}


def _baseline(car: Car) -> dict[int, int]:
    """Plain daily robust z-score of the rested deviation from the pack, beyond 8 on three days."""
    times = np.zeros(car.voltage_v.shape[1], dtype=np.int64)
    named: dict[int, int] = {}
    count = 0
    for day in np.unique(car.day):
        quiet = (car.day == day) & (np.abs(car.current_a) < 5.0)
        voltage = car.voltage_v[quiet]
        voltage = voltage[np.isfinite(voltage).all(axis=1)]
        if voltage.shape[0] < 10:
            continue
        count += 1
        off = np.median(voltage - np.median(voltage, axis=1, keepdims=True), axis=0)
        off -= np.median(off)
        times += off / max(MAD_TO_STD * float(np.median(np.abs(off))), 0.001) < -BASELINE_Z
        for cell in np.flatnonzero(times >= BASELINE_DAYS):
            named.setdefault(int(cell) + 1, count)
    return named


def _false_at_once(car: Car) -> set[int]:
    """Cells, from 1, that any single message of the car named; 0 stands for a probe."""
    cells = np.flatnonzero((cell_far_off(car.voltage_v).severity >= 0).any(axis=0)) + 1
    hot = (over_temperature(car.temperature_c, LIMITS).severity >= 0).any()
    return {*cells.tolist(), *([0] if hot else [])}


def _planted_cell(car: Car) -> float:
    """Share of messages in which a cell moved by 300 mV, up or down, alarms at once."""
    if not car.voltage_v.size:
        return float("nan")
    chance = np.random.default_rng(7)
    rows = np.sort(chance.choice(car.day.size, min(PLANTS, car.day.size), replace=False))
    voltage, place = car.voltage_v[rows].copy(), np.arange(rows.size)
    cells = chance.integers(voltage.shape[1], size=rows.size)
    known = np.isfinite(voltage[place, cells])
    voltage[place, cells] += PLANT_V * chance.choice((-1.0, 1.0), rows.size)
    alarms = cell_far_off(voltage).severity >= 0
    return float(alarms[place, cells][known].mean())


def _planted_probe(car: Car) -> float:
    """Share of messages in which a probe at 80 °C alarms at once."""
    if not car.temperature_c.size:
        return float("nan")
    chance = np.random.default_rng(7)
    rows = np.sort(chance.choice(car.day.size, min(PLANTS, car.day.size), replace=False))
    temperature, place = car.temperature_c[rows].copy(), np.arange(rows.size)
    probes = chance.integers(temperature.shape[1], size=rows.size)
    temperature[place, probes] = PLANT_C
    return float((over_temperature(temperature, LIMITS).severity >= 0)[place, probes].mean())


def _last(named: dict[int, int], cells: tuple[int, ...]) -> float:
    """Day of data on which the last of these cells was named; NaN where there are none or one never was."""
    if not cells or not set(cells) <= set(named):
        return float("nan")
    return float(max(named[cell] for cell in cells))


def _read(file: Path) -> Car:
    names = ["measured_at", "current_a", "pack_voltage_v", "cell_voltages_v", "temperatures_c"]
    table = pq.read_table(file, columns=names).sort_by("measured_at")
    at = table.column("measured_at").cast(pa.timestamp("ms")).to_numpy()
    day, at_ms = at.astype("datetime64[D]"), at.astype("datetime64[ms]").astype(np.int64)
    limits = Limits()
    voltage = _within(
        ragged(table, "cell_voltages_v"),
        limits.cell_voltage_min_v[DEFAULT],
        limits.cell_voltage_max_v[DEFAULT],
    )
    temperature = _within(
        ragged(table, "temperatures_c"), limits.temperature_min_c[DEFAULT], limits.temperature_max_c[DEFAULT]
    )
    current, pack_voltage = (
        pc.cast(table.column(column), pa.float64()).to_numpy() for column in ("current_a", "pack_voltage_v")
    )
    name = re.sub(r"\W.*", "", file.stem)
    return Car(name, day.astype(np.int64), 1e-3 * at_ms, current, pack_voltage, voltage, temperature)


def _within(values: Floats, low: float, high: float) -> Floats:
    with np.errstate(invalid="ignore"):
        return np.where((values >= low) & (values <= high), values, np.nan)
