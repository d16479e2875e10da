"""How the simulated cells age: their differences when new, and capacity and resistance on every day.

A model family of its own, apart from the estimator's: calendar loss with the root of time, cycling loss with
throughput, a factor for each cell, weak cells, and in some packs a knee.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CAPACITY_SPREAD_FRAC = 0.008
CAPACITY_SURPLUS_FRAC = 0.01
RESISTANCE_SPREAD_FRAC = 0.05
IMBALANCE_SPREAD_FRAC = 0.005
FADE_SPREAD_FRAC = 0.08
PACK_FADE_SPREAD_FRAC = 0.2
WEAK_PACK_SHARE = 0.35
WEAK_FADE_FACTOR = (1.4, 1.9)
LEAK_FRAC_PER_DAY = 0.0004
LEAK_MOST_FRAC = 0.15

CALENDAR_FRAC_PER_ROOT_YEAR = 0.030
CYCLING_FRAC_PER_EFC = 0.00015
KNEE_FRAC_PER_YEAR = 0.16
CALENDAR_ENERGY_J_PER_MOL = 40_000.0
RESISTANCE_ENERGY_J_PER_MOL = 20_000.0
RESISTANCE_RISE_PER_FADE = 1.5
GAS_CONSTANT = 8.314462618
KELVIN = 273.15
REFERENCE_K = KELVIN + 25.0
YEAR_DAYS = 365.25


@dataclass(frozen=True, slots=True)
class CellTraits:
    """What tells the cells of a pack apart, each of shape (cells,).

    Parameters
    ----------
    capacity_frac, resistance_frac
        New capacity over rated, new resistance over nominal. [1]
    imbalance_frac
        What the cell lacks, of rated capacity, when the fullest cell is full. [1]
    fade_factor
        The cell's fade over the law's. [1]
    leak_frac_per_day
        Self-discharge beyond what balancing makes good, of rated capacity. [1/d]
    """

    capacity_frac: Floats
    resistance_frac: Floats
    imbalance_frac: Floats
    fade_factor: Floats
    leak_frac_per_day: Floats


@dataclass(frozen=True, slots=True)
class Ageing:
    """The cells of a pack on every day, each of shape (days, cells).

    Parameters
    ----------
    capacity_ah
        Capacity between the voltage limits at 25 °C. [Ah]
    resistance_factor
        Resistance over the nominal new cell's. [1]
    lithium_loss_frac
        The part of the capacity that loss of lithium alone has taken; it moves the OCV curve. [1]
    missing_ah
        Charge that the cell lacks when the pack is full. [Ah]
    """

    capacity_ah: Floats
    resistance_factor: Floats
    lithium_loss_frac: Floats
    missing_ah: Floats

    @property
    def usable_ah(self) -> Floats:
        """Charge between the first cell full and the first cell empty, shape (days,). [Ah]."""
        usable: Floats = (self.capacity_ah - self.missing_ah).min(axis=1)
        return usable


def draw_cells(rng: np.random.Generator, cells: int, *, leaky: bool) -> CellTraits:
    """Draw the cells of a pack.

    Parameters
    ----------
    rng
        The pack's own generator.
    cells
        Cells in series.
    leaky
        Whether one cell loses charge faster than balancing makes good.

    Returns
    -------
    CellTraits
        About a third of the packs have one to three cells that fade 1.4 to 1.9 times as fast.
    """
    fade = rng.lognormal(0.0, PACK_FADE_SPREAD_FRAC) * rng.lognormal(0.0, FADE_SPREAD_FRAC, cells)
    if rng.random() < WEAK_PACK_SHARE:
        weak = rng.choice(cells, size=min(cells, int(rng.integers(1, 4))), replace=False)
        fade[weak] *= rng.uniform(*WEAK_FADE_FACTOR, weak.size)
    missing = np.abs(rng.normal(0.0, IMBALANCE_SPREAD_FRAC, cells))
    leak = np.zeros(cells)
    if leaky:
        leak[rng.integers(cells)] = LEAK_FRAC_PER_DAY
    return CellTraits(
        capacity_frac=rng.normal(1.0 + CAPACITY_SURPLUS_FRAC, CAPACITY_SPREAD_FRAC, cells),
        resistance_frac=rng.normal(1.0, RESISTANCE_SPREAD_FRAC, cells),
        imbalance_frac=missing - missing.min(),
        fade_factor=fade,
        leak_frac_per_day=leak,
    )


def age(
    cells: CellTraits,
    *,
    rated_ah: float,
    temperature_c: Floats,
    efc: Floats,
    age_years: float,
    lithium_share: float,
    knee_day: float | None,
) -> Ageing:
    """Age the cells of a pack over the days of the simulation.

    Parameters
    ----------
    cells
        What tells the cells apart.
    rated_ah
        Rated capacity. [Ah]
    temperature_c
        The pack's mean temperature on each day, shape (days,). [°C]
    efc
        Equivalent full cycles since new on each day, shape (days,), never falling.
    age_years
        Age of the pack on the first day, spent in the same mean climate. [a]
    lithium_share
        Share of the fade (of its logarithm) that is loss of lithium; the rest shrinks the cell evenly. [1]
    knee_day
        Day after which every cell of the pack fades faster, if ever.

    Returns
    -------
    Ageing
        Capacity never rises.

    References
    ----------
    The form (a power of time with Arrhenius' law, plus throughput) is that of Schmalstieg et al., J. Power
    Sources 257 (2014) 325, doi:10.1016/j.jpowsour.2014.02.012, simplified. The constants are set so that a
    pack of 156,000 km and 3.2 years has about 88 % SOH, as in Liu et al., Nat. Commun. 16 (2025) 1137.
    """
    days = np.arange(len(temperature_c), dtype=np.float64)
    speed = arrhenius(temperature_c, CALENDAR_ENERGY_J_PER_MOL) ** 2
    calendar = CALENDAR_FRAC_PER_ROOT_YEAR * np.sqrt(age_years * speed.mean() + np.cumsum(speed) / YEAR_DAYS)
    law = calendar + CYCLING_FRAC_PER_EFC * efc
    if knee_day is not None:
        law = law + KNEE_FRAC_PER_YEAR * np.maximum(days - knee_day, 0.0) / YEAR_DAYS
    left = np.maximum(1.0 - law[:, None] * cells.fade_factor, 0.4)
    return Ageing(
        capacity_ah=rated_ah * cells.capacity_frac * left,
        resistance_factor=cells.resistance_frac * (1.0 + RESISTANCE_RISE_PER_FADE * (1.0 - left)),
        lithium_loss_frac=1.0 - left**lithium_share,
        missing_ah=rated_ah
        * (cells.imbalance_frac + np.minimum(days[:, None] * cells.leak_frac_per_day, LEAK_MOST_FRAC)),
    )


def arrhenius(temperature_c: Floats, energy_j_per_mol: float) -> Floats:
    """Return how much faster a process runs than at 25 °C. [1]."""
    kelvin = np.asarray(temperature_c) + KELVIN
    return np.asarray(np.exp(energy_j_per_mol / GAS_CONSTANT * (1.0 / REFERENCE_K - 1.0 / kelvin)))
