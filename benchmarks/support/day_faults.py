"""Faults that single days show, planted into simulated telemetry by models of their causes.

None is a threshold on what the rules look at: charge that leaks shifts a cell along its open-circuit curve, a
bad contact heats its surroundings, coolant creeps over insulation, a wire that is open floats, and whether
lithium plates follows from the potential of the negative electrode.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.simulate import insulation
from battery_lake.simulate.driving import DAY_S
from battery_lake.simulate.electrodes import aged_ocv
from battery_lake.simulate.pack import scan

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from battery_lake.simulate.columns import PackMessages
    from battery_lake.simulate.fleet import Vehicle

    Floats = NDArray[np.float64]

HEAT_TIME_S: Final = 900.0
SHORT_OHM: Final = (60.0, 400.0)
KELVIN, GAS = 273.15, 8.314


@dataclass(slots=True)
class Patient:
    """A vehicle that gets a fault.

    Parameters
    ----------
    vehicle, messages
        What it is, and what it sends; the fault changes that.
    rng
        The fault's own generator.
    begins
        Day, from 0, on which it begins. [d]
    midnight_s
        Start of the simulation. [s since 1970]
    cell
        The cell that has it, from 0; None: it concerns the pack.
    """

    vehicle: Vehicle
    messages: PackMessages
    rng: np.random.Generator
    begins: float
    midnight_s: float
    cell: int | None = None

    @property
    def day(self) -> Floats:
        """Days since the simulation's midnight."""
        return np.asarray((self.messages.measured_at_s - self.midnight_s) / DAY_S)

    @property
    def after(self) -> Floats:
        """Days since the fault began; 0 before."""
        return np.maximum(self.day - self.begins, 0.0)

    @property
    def state(self) -> NDArray[np.object_]:
        """What the vehicle does."""
        assert self.messages.state is not None
        return self.messages.state

    @property
    def volts(self) -> Floats:
        """A copy of the cells' voltages. [V]."""
        assert self.messages.cell_voltages_v is not None
        return self.messages.cell_voltages_v.copy()

    @property
    def probes(self) -> Floats:
        """A copy of the probes' readings. [°C]."""
        assert self.messages.temperatures_c is not None
        return self.messages.temperatures_c.copy()

    def lacking(self, lack_frac: Floats) -> Floats:
        """Voltages of cells that lack charge, by the open-circuit curve. [V].

        Parameters
        ----------
        lack_frac
            What each cell lacks, of its capacity. [1], shape ``(messages, cells)``
        """
        assert self.messages.soc_pct is not None
        ocv, soc = aged_ocv(self.vehicle.design), self.messages.soc_pct[:, None] / 100.0
        new = np.zeros(lack_frac.shape)
        shift = ocv(np.broadcast_to(soc, new.shape) - lack_frac, new) - ocv(
            np.broadcast_to(soc, new.shape), new
        )
        return np.round(self.volts + shift, 3)


def weak_cell(patient: Patient) -> None:
    """A module was changed: one cell has less capacity than the others, and was put in less full."""
    lost, lacks = patient.rng.uniform(0.04, 0.12), patient.rng.uniform(0.02, 0.06)
    volts = patient.volts
    lack = np.zeros(volts.shape)
    patient.cell = int(patient.rng.integers(volts.shape[1]))
    assert patient.messages.soc_pct is not None
    used = 1.0 - patient.messages.soc_pct / 100.0
    lack[:, patient.cell] = np.where(patient.after > 0.0, lacks + lost * used, 0.0)
    patient.messages = replace(patient.messages, cell_voltages_v=patient.lacking(lack))


def self_discharge(patient: Patient) -> None:
    """An internal short: a resistor across one cell, which balancing does not make good."""
    ohm = np.exp(patient.rng.uniform(*np.log(SHORT_OHM)))
    lack = np.zeros_like(patient.volts)
    patient.cell = int(patient.rng.integers(lack.shape[1]))
    lack[:, patient.cell] = 3.6 / ohm * 24.0 * patient.after / patient.vehicle.rated_ah
    patient.messages = replace(patient.messages, cell_voltages_v=patient.lacking(lack))


def imbalance_growth(patient: Patient) -> None:
    """Balancing has failed: every cell drifts at its own rate, as its control unit draws."""
    cells = patient.volts.shape[1]
    rate = np.abs(patient.rng.normal(0.0, patient.rng.uniform(0.0008, 0.003), cells))
    patient.messages = replace(
        patient.messages, cell_voltages_v=patient.lacking(rate * patient.after[:, None])
    )


def over_temperature(patient: Patient) -> None:
    """A bad contact beside a probe: heat as the square of the current, and the lag of what it warms."""
    peak_k = patient.rng.uniform(25.0, 50.0)
    probes, after = patient.probes, patient.after > 0.0
    seconds = patient.messages.measured_at_s
    decay = np.exp(-np.diff(seconds, prepend=seconds[:1]) / HEAT_TIME_S)
    heat = scan(decay, (1.0 - decay) * np.where(after, patient.messages.current_a**2, 0.0))
    probe = int(patient.rng.integers(probes.shape[1]))
    probes[:, probe] += np.rint(peak_k * heat / heat.max())
    patient.messages = replace(patient.messages, temperatures_c=probes)


def leaking_coolant(patient: Patient) -> None:
    """Coolant creeps over the insulation; it begins where the true resistance falls below 500 Ω/V."""
    cells = patient.volts.shape[1]
    working_v = cells * patient.vehicle.design.high_v
    seconds = patient.messages.measured_at_s - patient.midnight_s
    leak = insulation.draw_leak(patient.rng, patient.begins)
    damp = insulation.draw_damp(patient.rng, int(patient.day[-1]) + 1)
    true = insulation.true_kohm(seconds, damp, working_v, leak)
    low = np.flatnonzero(1000.0 * true / working_v < 500.0)
    patient.begins = float(np.floor(patient.day[low[0]])) if low.size else np.inf
    told = insulation.monitored_kohm(patient.rng, true, patient.state)
    patient.messages = replace(patient.messages, insulation_kohm=told)


def frozen_sensor(patient: Patient) -> None:
    """A gateway that now and then hands on old voltages for a quarter of an hour to two hours."""
    volts, day = patient.volts, patient.day
    assert patient.messages.pack_voltage_v is not None
    pack_v = patient.messages.pack_voltage_v.copy()
    at = patient.begins
    while at < day[-1]:
        span = np.flatnonzero((day >= at) & (day < at + patient.rng.uniform(0.25, 2.0) / 24.0))
        volts[span], pack_v[span] = volts[span[:1]], pack_v[span[:1]]
        at += patient.rng.exponential(0.2)
    patient.messages = replace(patient.messages, cell_voltages_v=volts, pack_voltage_v=pack_v)


def open_wire(patient: Patient) -> None:
    """An open sense wire: the input floats, and creeps towards the middle of its converter's own leakage."""
    volts, after = patient.volts, patient.after > 0.0
    patient.cell = int(patient.rng.integers(volts.shape[1]))
    first = int(np.argmax(after))
    floats_to = volts[first, patient.cell] + patient.rng.normal(0.0, 0.03)
    seconds = patient.messages.measured_at_s
    decay = np.exp(-np.diff(seconds, prepend=seconds[:1]) / patient.rng.uniform(3_600.0, 86_400.0))
    couples = patient.rng.uniform(0.0, 0.3)
    own = volts[:, patient.cell]
    floating = scan(decay, (1.0 - decay) * floats_to + np.where(np.arange(own.size) == 0, own[0], 0.0))
    floating += couples * (own - own[after].mean()) + patient.rng.normal(0.0, 0.001, own.size)
    volts[:, patient.cell] = np.where(after, np.round(floating, 3), own)
    patient.messages = replace(patient.messages, cell_voltages_v=volts)


def loose_wire(patient: Patient) -> None:
    """A loose sense wire between two cells: what one shows too much, the other shows too little."""
    volts, after = patient.volts, patient.after > 0.0
    patient.cell = int(patient.rng.integers(volts.shape[1] - 1))
    shaken = patient.state == "driving"
    error = patient.rng.normal(0.0, patient.rng.uniform(0.02, 0.1), after.size) * (after & shaken)
    volts[:, patient.cell] += np.round(error, 3)
    volts[:, patient.cell + 1] -= np.round(error, 3)
    patient.messages = replace(patient.messages, cell_voltages_v=volts)


def drifting_probe(patient: Patient) -> None:
    """Moisture beside a thermistor: its reading drifts off over days."""
    probes = patient.probes
    goal = patient.rng.choice((-1.0, 1.0)) * patient.rng.uniform(7.0, 15.0)
    drift = goal * (1.0 - np.exp(-patient.after / patient.rng.uniform(1.0, 6.0)))
    probes[:, int(patient.rng.integers(probes.shape[1]))] += np.rint(drift)
    patient.messages = replace(patient.messages, temperatures_c=probes)


def wrong_pack_voltage(patient: Patient) -> None:
    """The divider before the pack's voltage has aged: a wrong gain."""
    assert patient.messages.pack_voltage_v is not None
    gain = 1.0 + patient.rng.choice((-1.0, 1.0)) * patient.rng.uniform(0.025, 0.06)
    told = np.where(patient.after > 0.0, gain, 1.0) * patient.messages.pack_voltage_v
    patient.messages = replace(patient.messages, pack_voltage_v=np.round(told, 1))


def cold_charging(patient: Patient) -> None:
    """Heater and preconditioning have failed: the pack is as cold as the weather."""
    colder = np.where(patient.after > 0.0, patient.rng.uniform(8.0, 20.0), 0.0)
    patient.messages = replace(patient.messages, temperatures_c=patient.probes - np.rint(colder)[:, None])


def plated_day(patient: Patient) -> float:
    """Day on which lithium plates first; inf: never, by the potential of the negative electrode.

    At rest it lies as far above lithium as graphite does, less as it fills; the current takes it down by a
    resistance that follows Arrhenius' law and is drawn for each vehicle: by the rate that an empty cell bears
    at 25 °C. A day counts on which 1 % of the capacity went in below 0 V. [d].
    """
    messages, rng = patient.messages, patient.rng
    assert messages.soc_pct is not None
    takes_c_rate, energy = rng.uniform(1.8, 3.5), rng.uniform(35e3, 60e3)
    kelvin = patient.probes.min(axis=1) + KELVIN
    slower = np.exp(energy / GAS * (1.0 / kelvin - 1.0 / 298.15))
    filling = np.clip(messages.soc_pct / 100.0, 0.0, 1.0)
    rest_v = 0.075 + 0.06 * np.exp(-filling / 0.3)
    ohm = rest_v[filling.argmin()] / (takes_c_rate * patient.vehicle.rated_ah) * slower
    below = (rest_v - ohm * messages.current_a) < 0.0
    step_s = np.diff(messages.measured_at_s, prepend=messages.measured_at_s[:1])
    held = below & np.append(False, below[:-1]) & (step_s <= 900.0)
    plated_ah = np.where(held, np.maximum(messages.current_a, 0.0) * step_s / 3600.0, 0.0)
    of_day = np.bincount(patient.day.astype(np.int64), weights=plated_ah)
    days = np.flatnonzero(of_day >= 0.01 * patient.vehicle.rated_ah)
    return float(days[0]) if days.size else np.inf


CAUSES: Final[dict[str, tuple[Callable[[Patient], None], str]]] = {
    "weak cell": (weak_cell, "weak_cell"),
    "internal short": (self_discharge, "self_discharge"),
    "failed balancing": (imbalance_growth, "imbalance_growth"),
    "bad contact": (over_temperature, "over_temperature"),
    "leaking coolant": (leaking_coolant, "insulation"),
    "old voltages": (frozen_sensor, "frozen_sensor"),
    "open wire": (open_wire, "lying_sensor"),
    "loose wire": (loose_wire, "lying_sensor"),
    "drifting probe": (drifting_probe, "lying_probe"),
    "wrong pack voltage": (wrong_pack_voltage, "lying_pack_voltage"),
    "failed heater": (cold_charging, "plating_risk"),
}
"""Cause to what plants it, and the code that should tell of it."""
