"""Open-circuit voltage of new and aged cells, from the potentials and the balance of their two electrodes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SOC_POINTS = 2001
LOSS_STEP_FRAC = 0.04
LOSS_LEVELS = 11


@dataclass(frozen=True, slots=True)
class CellDesign:
    """A kind of cell: chemistry, limits, electrode potentials and their balance.

    Parameters
    ----------
    chemistry
        NMC or LFP.
    ocv_curve
        Name of the shipped curve of the new cell, which this design reproduces.
    low_v, high_v
        Equilibrium voltages at 0 and 100 % SOC. [V]
    negative_ah, positive_ah, lithium_ah
        Capacities of the electrodes and the cyclable lithium, as published; only ratios matter. [Ah]
    positive_v
        Potential of the positive electrode against lithium, of its filling (0..1). [V]
    hysteresis_v
        How far the voltage at rest stays above the equilibrium's after a long charge, and below it after a
        long discharge. [V]

    References
    ----------
    Chen et al., J. Electrochem. Soc. 167 (2020) 080534, doi:10.1149/1945-7111/ab9050.
    Prada et al., J. Electrochem. Soc. 160 (2013) A616, doi:10.1149/2.053304jes.
    Afshar et al., arXiv:1709.03970 (2017).
    Dreyer et al., Nature Materials 9 (2010) 448, doi:10.1038/nmat2730 (hysteresis of LFP).
    """

    chemistry: str
    ocv_curve: str
    low_v: float
    high_v: float
    negative_ah: float
    positive_ah: float
    lithium_ah: float
    positive_v: Callable[[Floats], Floats]
    hysteresis_v: float

    def window(self, lithium_ah: float) -> tuple[float, float]:
        """Return the negative electrode's filling at the low and the high voltage limit. [1]."""
        least = max(1e-4, (lithium_ah - 0.9999 * self.positive_ah) / self.negative_ah)
        most = min(0.9999, (lithium_ah - 0.001 * self.positive_ah) / self.negative_ah)
        filling = np.linspace(least, most, 8001)
        voltage = self.voltage(filling, lithium_ah)
        return float(np.interp(self.low_v, voltage, filling)), float(np.interp(self.high_v, voltage, filling))

    def voltage(self, filling: Floats, lithium_ah: float) -> Floats:
        """Return the cell's equilibrium voltage at a filling of the negative electrode. [V]."""
        positive = (lithium_ah - filling * self.negative_ah) / self.positive_ah
        return self.positive_v(positive) - _graphite_v(filling)


@dataclass(frozen=True, slots=True)
class AgedOcv:
    """OCV by SOC and by loss of lithium, as a table with even steps.

    Parameters
    ----------
    ocv_v
        Shape (LOSS_LEVELS, SOC_POINTS). [V]
    """

    ocv_v: Floats

    def __call__(self, soc_frac: Floats, lithium_loss_frac: Floats) -> Floats:
        """Return the equilibrium voltage, bilinear between the table's nodes.

        Parameters
        ----------
        soc_frac
            State of charge of the aged cell, between its own limits; any shape. [1]
        lithium_loss_frac
            Capacity that the loss of lithium has taken, same shape. [1]

        Returns
        -------
        Floats
            Same shape. [V]
        """
        at = np.clip(soc_frac, 0.0, 1.0) * (SOC_POINTS - 1)
        column = np.minimum(at.astype(np.int64), SOC_POINTS - 2)
        at -= column
        level_at = np.clip(lithium_loss_frac / LOSS_STEP_FRAC, 0.0, LOSS_LEVELS - 1.0)
        level = np.minimum(level_at.astype(np.int64), LOSS_LEVELS - 2)
        level_at -= level
        table = self.ocv_v.ravel()
        column += level * SOC_POINTS
        new = table[column]
        new += at * (table[column + 1] - new)
        column += SOC_POINTS
        old = table[column]
        old += at * (table[column + 1] - old)
        new += level_at * (old - new)
        return new


@cache
def aged_ocv(design: CellDesign) -> AgedOcv:
    """Return the OCV table of a design.

    Loss of lithium lets the electrodes slip against each other: the curve between the limits changes shape.

    Parameters
    ----------
    design
        The kind of cell.

    Returns
    -------
    AgedOcv
        Rows from no loss to (LOSS_LEVELS - 1) * LOSS_STEP_FRAC of the capacity.

    References
    ----------
    Dubarry et al., J. Power Sources 219 (2012) 204, doi:10.1016/j.jpowsour.2012.07.016.
    """
    lithium = design.lithium_ah * np.linspace(0.4, 1.0, 61)
    windows = np.array([design.window(float(amount)) for amount in lithium])
    capacity = windows[:, 1] - windows[:, 0]
    wanted = capacity[-1] * (1.0 - LOSS_STEP_FRAC * np.arange(LOSS_LEVELS))
    soc = np.linspace(0.0, 1.0, SOC_POINTS)
    rows = []
    for amount in np.interp(wanted, capacity, lithium):
        empty, full = design.window(float(amount))
        rows.append(design.voltage(empty + soc * (full - empty), float(amount)))
    return AgedOcv(np.array(rows))


def _graphite_v(filling: Floats) -> Floats:
    """Potential of graphite (LG M50), Chen et al. 2020."""
    return np.asarray(
        0.2482
        + 1.9793 * np.exp(-39.3631 * filling)
        - 0.0909 * np.tanh(29.8538 * (filling - 0.1234))
        - 0.04478 * np.tanh(14.9159 * (filling - 0.2769))
        - 0.0205 * np.tanh(30.4444 * (filling - 0.6103))
    )


def _nmc_v(filling: Floats) -> Floats:
    """Potential of NMC811 (LG M50), Chen et al. 2020."""
    return np.asarray(
        4.4875
        - 0.8090 * filling
        - 0.0428 * np.tanh(18.5138 * (filling - 0.5542))
        - 17.7326 * np.tanh(15.7890 * (filling - 0.3117))
        + 17.5842 * np.tanh(15.9308 * (filling - 0.3120))
    )


def _lfp_v(filling: Floats) -> Floats:
    """Potential of LFP, Afshar et al. 2017."""
    return np.asarray(
        3.4077 - 0.020269 * filling + 0.5 * np.exp(-150.0 * filling) - 0.9 * np.exp(-30.0 * (1.0 - filling))
    )


NMC = CellDesign("NMC", "nmc_lgm50", 3.0, 4.2, 5.827615, 8.732319, 7.610712, _nmc_v, 0.001)
LFP = CellDesign("LFP", "lfp_a123", 2.5, 3.6, 2.906836, 3.291865, 2.367046, _lfp_v, 0.008)
