"""Resistance of every cell from steps of the current, at one temperature and SOC, followed over its life.

A step of the current between two samples moves the voltage by ohmic resistance and fast polarisation. Both
fall with temperature (Arrhenius) and rise towards empty; what is left when these are taken out is ageing. How
strongly a cell feels temperature is learnt cell by cell, from large differences of temperature only.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats, Ints

BOLTZMANN_EV_PER_K: Final = 8.617333e-5
ZERO_C_K: Final = 273.15
REFERENCE_C: Final = 25.0
"""Temperature that resistances are compared at. [°C]"""

SOC_FRAC: Final = (0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95)
"""States of charge of ``SOC_EFFECT``. [1]"""

SOC_EFFECT: Final = (0.244, 0.148, 0.109, 0.080, 0.060, 0.046, 0.035, 0.028, 0.022, 0.0)
"""Natural logarithm of the resistance over that at 95 % SOC, in steps of 10 s: medians of B0025 to B0027 of
the NASA battery data set (Saha and Goebel, NASA Ames, 2007), 18650, 0 and 4 A in turn, 24 °C."""

SOC_EFFECT_STD_FRAC: Final = 0.3
"""Standard deviation between cells of that effect, over the effect. [1]"""

SETTLING_STEPS: Final = 5
"""Growth counts from the mean level over so many first observations."""


@dataclass(frozen=True, slots=True)
class StepParams:
    """Which changes of current count as a step, and how well they are measured.

    Parameters
    ----------
    min_step_a
        Smallest change of current. [A]
    max_interval_s
        Longest time between the two samples: over more, slow polarisation and SOC get in. [s]
    voltage_std_v
        Noise of one voltage. [V]
    gain_std_frac
        Standard deviation over the resistance: error of the current, and the step lies anywhere between the
        two samples, with polarisation growing from then on. [1]
    """

    min_step_a: float
    max_interval_s: float = 20.0
    voltage_std_v: float = 0.001
    gain_std_frac: float = 0.0035


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Steps of the current, and what each cell made of them.

    Parameters
    ----------
    sample
        Sample right after each step. Shape ``(steps,)``
    before_a, after_a
        Currents, charge positive. [A], shape ``(steps,)``
    resistance_ohm
        Change of voltage over change of current; NaN where a voltage is missing or moved against the
        current. [Ω], shape ``(steps, cells)``
    variance_ohm2
        Its variance. [Ω²], shape ``(steps, cells)``
    """

    sample: Ints
    before_a: Floats
    after_a: Floats
    resistance_ohm: Floats
    variance_ohm2: Floats


@dataclass(frozen=True, slots=True)
class ResistanceParams:
    """What is known of cells before any is measured, and how they change. Logarithms are natural.

    Parameters
    ----------
    activation_ev, activation_std_ev
        Activation energy of a whole cell, contacts included, and standard deviation between cells. [eV]
    first_std
        Standard deviation of the first observation beyond its own: new cells settle. [1]
    wander_var_per_step, wander_var_per_day
        Variance that the logarithm gains between observations, and with time: ageing, rests. [1, 1/d]
    thermometer_std_k
        Difference of the thermometer from the cell's inside. [K]
    teaching_per_ev
        Only temperatures so far from the usual one, in 1/kT, teach the activation energy: 0.35 is 2.5 K at
        5 °C, 3 K at 25 °C. Less is as much the thermometer's and the season's as the cell's. [1/eV]
    usual_gain
        Weight of the newest temperature in the usual one. [1]
    outlier_std
        Innovations beyond so many standard deviations are weighted down. [1]

    Notes
    -----
    Activation energy and wandering: highest likelihood of eleven NASA cells at 4, 24 and 43 °C.
    """

    activation_ev: float = 0.15
    activation_std_ev: float = 0.04
    first_std: float = 0.03
    wander_var_per_step: float = 6.4e-5
    wander_var_per_day: float = 1.0e-4
    thermometer_std_k: float = 0.2
    teaching_per_ev: float = 0.35
    usual_gain: float = 0.3
    outlier_std: float = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class ResistanceState:
    """What is known of each cell after its last observation. All of shape ``(cells,)``.

    Parameters
    ----------
    log_ohm
        Logarithm of the resistance at the cell's first temperature; NaN before the first. [1]
    activation_ev
        Activation energy. [eV]
    log_variance, covariance_ev, activation_variance_ev2
        Their covariance. [1, eV, eV²]
    first_per_ev, usual_per_ev
        First and usual temperature, as :func:`inverse_temperature` gives them. [1/eV]
    settled_log_ohm
        Mean level over the first observations: growth counts from here. [1]
    observations
        Observations taken.
    updated_days
        Day of the last one. [d]
    """

    log_ohm: Floats
    activation_ev: Floats
    log_variance: Floats
    covariance_ev: Floats
    activation_variance_ev2: Floats
    first_per_ev: Floats
    usual_per_ev: Floats
    settled_log_ohm: Floats
    observations: Ints
    updated_days: Floats


def find_steps(
    seconds: Floats, current_a: Floats, voltages_v: Floats, starts: Bools, params: StepParams
) -> Steps:
    """Find the steps of a string's current and the resistance that every cell shows in them.

    Parameters
    ----------
    seconds
        Times of the samples of one or many series, one after the other, rising within each. [s],
        shape ``(samples,)``
    current_a
        Current of the string, charge positive; NaN where missing. [A], shape ``(samples,)``
    voltages_v
        Voltages of its cells, sampled with the current. [V], shape ``(samples, cells)``
    starts
        True at the first sample of each series: no step leads to it. Shape ``(samples,)``
    params
        What counts as a step.

    References
    ----------
    IEC 62660-1: power test, resistance from the change of voltage over a step of current.
    """
    seconds, current = np.asarray(seconds, dtype=np.float64), np.asarray(current_a, dtype=np.float64)
    volts = np.asarray(voltages_v, dtype=np.float64)
    change_a, interval_s = np.diff(current), np.diff(seconds)
    close = (interval_s > 0.0) & (interval_s <= params.max_interval_s) & ~starts[1:]
    before = np.flatnonzero(close & (np.abs(change_a) >= params.min_step_a))
    change = change_a[before][:, None]
    ohm = (volts[before + 1] - volts[before]) / change
    ohm = np.where(ohm > 0.0, ohm, np.nan)
    noise_v2 = 2.0 * params.voltage_std_v * params.voltage_std_v
    gain_ohm = params.gain_std_frac * ohm
    return Steps(
        sample=before + 1,
        before_a=current[before],
        after_a=current[before + 1],
        resistance_ohm=ohm,
        variance_ohm2=noise_v2 / (change * change) + gain_ohm * gain_ohm,
    )


def inverse_temperature(temperature_c: Floats) -> Floats:
    """Return 1/kT less that at 25 °C: the logarithm of a resistance is straight over it. [1/eV].

    Parameters
    ----------
    temperature_c
        Temperatures. [°C]
    """
    kelvin = np.asarray(temperature_c, dtype=np.float64) + ZERO_C_K
    return np.asarray(1.0 / kelvin - 1.0 / (REFERENCE_C + ZERO_C_K)) / BOLTZMANN_EV_PER_K


def at_soc(
    resistance_ohm: Floats, variance_ohm2: Floats, from_soc: Floats, to_soc: Floats
) -> tuple[Floats, Floats]:
    """Carry resistances from one state of charge to another at the same temperature.

    Parameters
    ----------
    resistance_ohm, variance_ohm2
        Resistances and their variances. [Ω, Ω²], shapes of all arrays broadcast
    from_soc, to_soc
        States of charge; NaN gives NaN. [1]

    Returns
    -------
    Floats
        Resistances at the other SOC. [Ω]
    Floats
        Their variances, the wider the more there was to correct. [Ω²]
    """
    effect = np.interp(to_soc, SOC_FRAC, SOC_EFFECT) - np.interp(from_soc, SOC_FRAC, SOC_EFFECT)
    factor = np.exp(effect)
    ohm = np.asarray(resistance_ohm * factor, dtype=np.float64)
    doubt = SOC_EFFECT_STD_FRAC * effect * ohm
    return ohm, np.asarray(variance_ohm2 * factor * factor + doubt * doubt, dtype=np.float64)


def initial_state(cells: int, params: ResistanceParams = ResistanceParams()) -> ResistanceState:
    """Cells of which nothing is known but their kind.

    Parameters
    ----------
    cells
        How many.
    params
        What is known of their kind.
    """
    unknown, zero = np.full(cells, np.nan), np.zeros(cells)
    return ResistanceState(
        log_ohm=unknown,
        activation_ev=zero + params.activation_ev,
        log_variance=unknown,
        covariance_ev=zero,
        activation_variance_ev2=zero + params.activation_std_ev**2,
        first_per_ev=unknown,
        usual_per_ev=unknown,
        settled_log_ohm=unknown,
        observations=zero.astype(np.int64),
        updated_days=unknown,
    )


def step(
    state: ResistanceState,
    day: Floats,
    resistance_ohm: Floats,
    variance_ohm2: Floats,
    temperature_c: Floats,
    params: ResistanceParams = ResistanceParams(),
) -> ResistanceState:
    """Take one resistance of each cell into the state: a Kalman filter of level and activation energy.

    Where an observation is further from the prediction than ``outlier_std`` expected deviations, its weight
    falls in inverse proportion to the distance. Small differences of temperature move the level along the
    activation energy believed so far, but do not change it. A cell whose observation is NaN keeps its state.

    Parameters
    ----------
    state
        What was known.
    day
        Day of the observation, not before the last one. [d], shape ``(cells,)`` or a number
    resistance_ohm, variance_ohm2
        Observed resistance at one SOC and its variance; NaN: none. [Ω, Ω²], shape ``(cells,)``
    temperature_c
        Temperature of the cell at the step. [°C], shape ``(cells,)`` or a number
    params
        How cells change.

    References
    ----------
    Schmidt, Advances in Control Systems 3 (1966) 293 (a parameter that is considered, not estimated);
    Huber, Ann. Math. Statist. 35 (1964) 73 (the weight).
    """
    ohm = np.asarray(resistance_ohm, dtype=np.float64)
    celsius = np.broadcast_to(np.asarray(temperature_c, dtype=np.float64), ohm.shape)
    days = np.broadcast_to(np.asarray(day, dtype=np.float64), ohm.shape)
    seen = np.isfinite(ohm + variance_ohm2 + celsius + days) & (ohm > 0.0)
    safe_ohm, kelvin = np.where(seen, ohm, 1.0), np.where(seen, celsius, 0.0) + ZERO_C_K
    thermal = params.thermometer_std_k * state.activation_ev / (BOLTZMANN_EV_PER_K * kelvin * kelvin)
    noise = np.where(seen, variance_ohm2, 0.0) / (safe_ohm * safe_ohm) + thermal * thermal
    seen_at = np.log(safe_ohm), noise, inverse_temperature(kelvin - ZERO_C_K)
    begun = _begin(state, *seen_at, params)
    moved = _correct(state, *seen_at, days, params)
    known = np.isfinite(state.log_ohm)
    chosen = {}
    for name in ResistanceState.__slots__:
        new = np.where(known, getattr(moved, name), getattr(begun, name))
        chosen[name] = np.where(seen, new, getattr(state, name))
    chosen["updated_days"] = np.where(seen, days, state.updated_days)
    return ResistanceState(**chosen)


def at_temperature(state: ResistanceState, temperature_c: Floats) -> tuple[Floats, Floats]:
    """Resistance of each cell at a temperature, whatever those it was measured at.

    Parameters
    ----------
    state
        What is known.
    temperature_c
        The temperature; 25 °C to compare cells. [°C], shape ``(cells,)`` or a number

    Returns
    -------
    Floats
        Resistance; NaN where none is known. [Ω], shape ``(cells,)``
    Floats
        Its standard deviation: the wider the further from the temperatures it was measured at. [Ω]
    """
    away = inverse_temperature(temperature_c) - state.first_per_ev
    ohm = np.exp(state.log_ohm + state.activation_ev * away)
    slopes = 2.0 * away * state.covariance_ev + away * away * state.activation_variance_ev2
    return ohm, ohm * np.sqrt(np.maximum(state.log_variance + slopes, 0.0))


def growth(state: ResistanceState) -> tuple[Floats, Floats]:
    """Growth of resistance since the cell had settled, at its own first temperature, and its deviation. [1].

    Parameters
    ----------
    state
        What is known.
    """
    ratio = np.exp(state.log_ohm - state.settled_log_ohm)
    return ratio - 1.0, ratio * np.sqrt(state.log_variance)


def _begin(
    state: ResistanceState, log_ohm: Floats, noise: Floats, inverse: Floats, params: ResistanceParams
) -> ResistanceState:
    """State after a first observation."""
    return replace(
        state,
        log_ohm=log_ohm,
        log_variance=noise + params.first_std**2,
        first_per_ev=inverse,
        usual_per_ev=inverse,
        settled_log_ohm=log_ohm,
        observations=state.observations + 1,
    )


def _correct(
    state: ResistanceState,
    log_ohm: Floats,
    noise: Floats,
    inverse: Floats,
    days: Floats,
    params: ResistanceParams,
) -> ResistanceState:
    """State after a further observation."""
    passed = np.maximum(days - state.updated_days, 0.0)
    wander = params.wander_var_per_step + params.wander_var_per_day * passed
    level, cross, slope = state.log_variance + wander, state.covariance_ev, state.activation_variance_ev2
    away = inverse - state.first_per_ev
    innovation = log_ohm - state.log_ohm - state.activation_ev * away
    along, across = level + away * cross, cross + away * slope
    own = along + away * across
    distance = np.abs(innovation) / np.sqrt(own + noise)
    expected = own + noise * np.maximum(distance / params.outlier_std, 1.0)
    teaches = np.abs(inverse - state.usual_per_ev) >= params.teaching_per_ev
    gain, slope_gain = along / expected, np.where(teaches, across / expected, 0.0)
    moved = state.log_ohm + gain * innovation
    count = state.observations + 1
    settling = np.where(count <= SETTLING_STEPS, 1.0 / np.maximum(count, 1), 0.0)
    return replace(
        state,
        log_ohm=moved,
        activation_ev=state.activation_ev + slope_gain * innovation,
        # The form that holds for any gain, also for one that is not the best.
        log_variance=level - 2.0 * gain * along + gain * gain * expected,
        covariance_ev=cross - gain * across - slope_gain * along + gain * slope_gain * expected,
        activation_variance_ev2=slope - 2.0 * slope_gain * across + slope_gain * slope_gain * expected,
        usual_per_ev=state.usual_per_ev + params.usual_gain * (inverse - state.usual_per_ev),
        settled_log_ohm=state.settled_log_ohm + settling * (moved - state.settled_log_ohm),
        observations=count,
    )
