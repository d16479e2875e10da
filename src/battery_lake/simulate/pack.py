"""The electrical and thermal answer of a pack: cell voltages and temperature at the samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from battery_lake.simulate.ageing import RESISTANCE_ENERGY_J_PER_MOL, Ageing, arrhenius
from battery_lake.simulate.driving import AC_CHARGE, DAY_S, DC_CHARGE, DRIVE
from battery_lake.simulate.electrodes import aged_ocv
from battery_lake.simulate.timeline import PARKED, Timeline

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from battery_lake.simulate.electrodes import CellDesign

    Floats = NDArray[np.float64]

OHMIC_OHM_AH = 0.070
POLARISATION = ((0.030, 15.0), (0.045, 1200.0))
HEAT_TIME_S = 5400.0
WARMING_C = {DRIVE: 4.0, AC_CHARGE: 2.0, DC_CHARGE: 14.0, PARKED: 0.0}
HYSTERESIS_SPAN_FRAC = 0.05
BLOCK = 4096


@dataclass(frozen=True, slots=True)
class Climate:
    """Outdoor temperature: a season, weather from day to day, and the course of the day.

    Parameters
    ----------
    day_mean_c
        Mean of each day, shape (days,). [°C]
    swing_c
        Half the difference of afternoon and night. [°C]
    """

    day_mean_c: Floats
    swing_c: float = 4.0

    def ambient_c(self, at_s: Floats) -> Floats:
        """Return the outdoor temperature at instants since the simulation's midnight. [°C]."""
        days = at_s / DAY_S
        smooth = np.interp(days, np.arange(len(self.day_mean_c)) + 0.5, self.day_mean_c)
        return np.asarray(smooth - self.swing_c * np.cos(2.0 * np.pi * (days - 3.0 / 24.0)))


def draw_climate(rng: np.random.Generator, days: int, day_of_year: int) -> Climate:
    """Draw a temperate climate: coldest in late January.

    Parameters
    ----------
    rng
        The vehicle's own generator.
    days
        Number of days.
    day_of_year
        Of the first day, from 1.

    Returns
    -------
    Climate
        Yearly mean 8 to 16 °C, seasonal swing 8 to 11 °C.
    """
    season = np.cos(2.0 * np.pi * (np.arange(days) + day_of_year - 25.0) / 365.25)
    weather = scan(np.full(days, 0.7), rng.normal(0.0, 1.8, days))
    return Climate(rng.uniform(8.0, 16.0) - rng.uniform(8.0, 11.0) * season + weather)


def pack_day_c(climate: Climate) -> Floats:
    """Return the pack's mean temperature of each day, softer than the weather's. [°C]."""
    return _softened(climate.day_mean_c) + 1.5


def scan(decay: Floats, gain: Floats) -> Floats:
    """Solve x[k] = decay[k] x[k-1] + gain[k] from x[-1] = 0 without a loop over k.

    Parameters
    ----------
    decay, gain
        Shape (n,).

    Returns
    -------
    Floats
        Shape (n,).

    References
    ----------
    Hillis and Steele, Commun. ACM 29 (1986) 1170, doi:10.1145/7902.7903 (prefix sums by doubling).
    """
    decay, value = decay.copy(), gain.copy()
    shift = 1
    while shift < len(value):
        value[shift:] += decay[shift:] * value[:-shift]
        decay[shift:] = decay[shift:] * decay[:-shift]
        shift *= 2
    return value


def pack_temperature_c(line: Timeline, climate: Climate) -> Floats:
    """Return the pack's temperature at the samples: the weather, softened, and its own warming. [°C]."""
    warming = np.array([WARMING_C[state] for state in (DRIVE, AC_CHARGE, DC_CHARGE, PARKED)])[line.state]
    decay = np.exp(-np.diff(line.at_s, prepend=line.at_s[:1]) / HEAT_TIME_S)
    return _softened(climate.ambient_c(line.at_s)) + scan(decay, (1.0 - decay) * warming)


def filtered_current_a(line: Timeline, time_s: float) -> Floats:
    """Return the current through the resistor of an RC pair, exact for current linear between samples.

    Parameters
    ----------
    line
        The samples.
    time_s
        Time constant of the pair. [s]

    Returns
    -------
    Floats
        Shape (samples,). [A]
    """
    step = np.diff(line.at_s, prepend=line.at_s[0] - 1.0)
    decay = np.exp(-step / time_s)
    before = np.concatenate(([0.0], line.current_a[:-1]))
    ramp = 1.0 - time_s / step * (1.0 - decay)
    return scan(decay, line.current_a * ramp + before * (1.0 - decay - ramp))


def resistance_factor(temperature_c: Floats) -> Floats:
    """Return resistance over that at 25 °C. [1]."""
    return 1.0 / arrhenius(temperature_c, RESISTANCE_ENERGY_J_PER_MOL)


def ten_second_ohm(rated_ah: float) -> float:
    """Return the 10 s resistance of the nominal new cell at 25 °C and 50 % SOC. [Ω]."""
    pairs = sum(resistance * (1.0 - np.exp(-10.0 / time_s)) for resistance, time_s in POLARISATION)
    return float((OHMIC_OHM_AH + pairs) / rated_ah)


def steady_ohm(rated_ah: float) -> float:
    """Return the resistance of the nominal new cell at 25 °C under lasting current. [Ω]."""
    return (OHMIC_OHM_AH + sum(resistance for resistance, _ in POLARISATION)) / rated_ah


def hysteresis_share(line: Timeline, rated_ah: float) -> Floats:
    """Return how much of the hysteresis has built up, from -1 after a discharge to 1 after a charge. [1].

    Parameters
    ----------
    line
        The samples.
    rated_ah
        Rated capacity. [Ah]

    References
    ----------
    Plett, J. Power Sources 134 (2004) 262, doi:10.1016/j.jpowsour.2004.02.032: one state, which follows the
    charge that was moved, not time.
    """
    moved = -np.diff(line.depth_ah, prepend=line.depth_ah[:1]) / rated_ah
    decay = np.exp(-np.abs(moved) / HYSTERESIS_SPAN_FRAC)
    return scan(decay, np.sign(moved) * (1.0 - decay))


def cell_voltages_v(
    line: Timeline, ageing: Ageing, design: CellDesign, temperature_c: Floats, rated_ah: float
) -> Floats:
    """Return every cell's true voltage at every sample.

    Parameters
    ----------
    line
        The samples.
    ageing
        The cells on every day.
    design
        The kind of cell.
    temperature_c
        Shape (samples,). [°C]
    rated_ah
        Rated capacity, which scales the resistances. [Ah]

    Returns
    -------
    Floats
        Shape (samples, cells). [V]
    """
    drop_v = OHMIC_OHM_AH * line.current_a
    for resistance, time_s in POLARISATION:
        drop_v = drop_v + resistance * filtered_current_a(line, time_s)
    drop_v *= resistance_factor(temperature_c) / rated_ah
    lag_v = design.hysteresis_v * hysteresis_share(line, rated_ah)
    ocv = aged_ocv(design)
    day = np.minimum((line.at_s // DAY_S).astype(np.int64), len(ageing.capacity_ah) - 1)
    volts = np.empty((len(line.at_s), ageing.capacity_ah.shape[1]))
    # In blocks, so that the temporaries stay small whatever the length of the simulation.
    for first in range(0, len(volts), BLOCK):
        part = slice(first, first + BLOCK)
        on = day[part]
        soc = 1.0 - (line.depth_ah[part, None] + ageing.missing_ah[on]) / ageing.capacity_ah[on]
        volts[part] = ocv(soc, ageing.lithium_loss_frac[on])
        volts[part] += lag_v[part, None]
        volts[part] += drop_v[part, None] * ageing.resistance_factor[on] * _soc_factor(soc)
    return volts


def _softened(outdoor_c: Floats) -> Floats:
    """Temperature of a parked pack: conditioning keeps it nearer to 20 °C than the weather."""
    return 20.0 + 0.6 * (outdoor_c - 20.0)


def _soc_factor(soc_frac: Floats) -> Floats:
    """Resistance over that at 50 % SOC: it rises towards empty."""
    return np.asarray(1.0 + 0.8 * np.exp(-np.maximum(soc_frac, 0.0) / 0.08))
