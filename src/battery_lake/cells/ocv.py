"""Open-circuit voltage curves: check them, load the shipped ones, turn a rested voltage into an SOC."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.errors import ReferenceDataError

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Floats, Ints

END_MARGIN_V: Final = 0.020
"""A voltage this far outside the curve still counts as empty or full: noise, relaxation, curve error. [V]"""

PLAUSIBLE_V: Final = (0.5, 5.5)
"""Between these lies the voltage of any lithium cell: catches curves in millivolts or of whole packs. [V]"""

LIMITS_V: Final = MappingProxyType({
    "NMC": (3.0, 4.2),
    "NCA": (3.0, 4.2),
    "LCO": (3.0, 4.2),
    "LMO": (3.0, 4.2),
    "LFP": (2.5, 3.6),
})
"""Chemistry to the voltages between which capacity is defined: low, high. [V]"""

DEFAULT_CURVES: Final = MappingProxyType({
    "NMC": "nmc_lgm50",
    "NCA": "nmc_lgm50",  # nearest shipped: layered nickel-rich oxide against graphite
    "LMO": "nmc_lgm50",  # spinel in cars is mostly blended with layered oxide
    "LCO": "lco_marquis",
    "LFP": "lfp_a123",
})
"""Chemistry to the shipped curve that is used where the pack names none."""

REMEDY: Final = (
    "give soc_frac (rising, 0 to 1) and ocv_v (volts, never falling) of one cell, at least two points"
)


@dataclass(frozen=True, slots=True, eq=False)
class OcvCurve:
    """Open-circuit voltage of the new cell against its state of charge.

    Parameters
    ----------
    soc_frac
        States of charge, strictly rising. [1], shape ``(points,)``
    ocv_v
        Voltages at equilibrium, never falling. [V], shape ``(points,)``

    Raises
    ------
    ReferenceDataError
        The arrays are no such curve.

    Examples
    --------
    >>> curve = OcvCurve([0.0, 0.5, 1.0], [3.0, 3.6, 4.2])
    >>> curve.soc([3.3, 4.21, 4.3]).round(6).tolist()
    [0.25, 1.0, nan]
    """

    soc_frac: Floats
    ocv_v: Floats

    def __post_init__(self) -> None:
        for name in ("soc_frac", "ocv_v"):
            try:
                array = np.array(getattr(self, name), dtype=np.float64)
            except (TypeError, ValueError) as error:
                raise _refused(f"{name} is not a list of numbers") from error
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        fault = _fault(self.soc_frac, self.ocv_v)
        if fault:
            raise _refused(fault)

    def soc(self, voltage_v: Floats) -> Floats:
        """State of charge at a rested voltage.

        Within 20 mV outside the curve the cell is at the curve's end; further out is NaN. On a level stretch
        of the curve the answer is its middle; :meth:`soc_std` says how little that means.

        Parameters
        ----------
        voltage_v
            Rested cell voltages. [V], any shape
        """
        voltage = np.asarray(voltage_v, dtype=np.float64)
        inside = (voltage >= self.ocv_v[0] - END_MARGIN_V) & (voltage <= self.ocv_v[-1] + END_MARGIN_V)
        return np.where(inside, 0.5 * (self._lowest(voltage) + self._highest(voltage)), np.nan)

    def soc_std(self, voltage_v: Floats, voltage_std_v: Floats) -> Floats:
        """Return the standard deviation of the state of charge that a voltage's standard deviation causes.

        The curve is inverted one standard deviation up and down and the wider side counts: on a plateau,
        where the slope at the very point says little, this takes in the plateau's width.

        Parameters
        ----------
        voltage_v, voltage_std_v
            Rested cell voltages and their standard deviations. [V], shapes that broadcast
        """
        middle = self.soc(voltage_v)
        up = self._highest(voltage_v + voltage_std_v) - middle
        down = middle - self._lowest(voltage_v - voltage_std_v)
        # At an end of the curve one side is cut off: the other one stands for both.
        return np.maximum(up, down)

    def slope(self, soc_frac: Floats) -> Floats:
        """Return the slope of the curve, dV/dSOC. [V], shape of ``soc_frac``.

        Parameters
        ----------
        soc_frac
            States of charge; outside the curve the slope of its end. [1], any shape
        """
        at_points = np.gradient(self.ocv_v, self.soc_frac)
        return np.asarray(np.interp(soc_frac, self.soc_frac, at_points), dtype=np.float64)

    def _lowest(self, voltage_v: Floats) -> Floats:
        """Lowest state of charge at a voltage; the curve's end beyond it."""
        voltage = np.clip(voltage_v, self.ocv_v[0], self.ocv_v[-1])
        above = np.clip(np.searchsorted(self.ocv_v, voltage, "left"), 1, self.ocv_v.size - 1)
        return np.where(voltage == self.ocv_v[0], self.soc_frac[0], self._between(voltage, above))

    def _highest(self, voltage_v: Floats) -> Floats:
        """Highest state of charge at a voltage; the curve's end beyond it."""
        voltage = np.clip(voltage_v, self.ocv_v[0], self.ocv_v[-1])
        above = np.clip(np.searchsorted(self.ocv_v, voltage, "right"), 1, self.ocv_v.size - 1)
        return np.where(voltage == self.ocv_v[-1], self.soc_frac[-1], self._between(voltage, above))

    def _between(self, voltage_v: Floats, above: Ints) -> Floats:
        """State of charge on the straight line from the point below to the point above."""
        step_v = self.ocv_v[above] - self.ocv_v[above - 1]
        share = (voltage_v - self.ocv_v[above - 1]) / np.where(step_v > 0.0, step_v, np.inf)
        return np.asarray(
            self.soc_frac[above - 1] + share * (self.soc_frac[above] - self.soc_frac[above - 1]),
            dtype=np.float64,
        )


def shipped_names() -> tuple[str, ...]:
    """Names of the OCV curves that come with the package, in order of the alphabet."""
    folder = files("battery_lake.cells") / "ocv_curves"
    if not folder.is_dir():
        return ()
    return tuple(sorted(f.name.removesuffix(".json") for f in folder.iterdir() if f.name.endswith(".json")))


@cache
def shipped_curve(name: str) -> OcvCurve:
    """Load an OCV curve that comes with the package.

    Parameters
    ----------
    name
        One of :func:`shipped_names`.

    Raises
    ------
    ReferenceDataError
        There is no such curve.
    """
    names = shipped_names()
    if name not in names:
        raise ReferenceDataError(
            f"There is no shipped OCV curve {name!r}.",
            why=f"shipped are: {', '.join(names) or 'none'}",
            remedy="name one of these, or a JSON file beside the reference files",
        )
    text = (files("battery_lake.cells") / "ocv_curves" / f"{name}.json").read_text(encoding="utf-8")
    content = json.loads(text)
    return OcvCurve(soc_frac=content["soc_frac"], ocv_v=content["ocv_v"])


def chemistry_limits(chemistry: str) -> tuple[float, float]:
    """Voltages between which a cell's capacity is defined, at equilibrium: low, high. [V].

    Parameters
    ----------
    chemistry
        NMC, NCA, LCO, LMO or LFP, in any case.

    Raises
    ------
    ReferenceDataError
        The chemistry is unknown.

    Examples
    --------
    >>> chemistry_limits("lfp")
    (2.5, 3.6)
    """
    return LIMITS_V[_known(chemistry)]


def is_lfp(chemistry: str) -> bool:
    """Whether cells are of lithium iron phosphate, in any case: their level curve is read in its own way."""
    return chemistry.strip().upper() == "LFP"


def default_curve(chemistry: str) -> str:
    """Name of the shipped OCV curve for a chemistry.

    Parameters
    ----------
    chemistry
        NMC, NCA, LCO, LMO or LFP, in any case.

    Raises
    ------
    ReferenceDataError
        The chemistry is unknown.

    Examples
    --------
    >>> default_curve("NMC")
    'nmc_lgm50'
    """
    return DEFAULT_CURVES[_known(chemistry)]


def _known(chemistry: str) -> str:
    """Return the chemistry's key in the dictionaries.

    Raises
    ------
    ReferenceDataError
        It has none.
    """
    name = chemistry.strip().upper()
    if name not in LIMITS_V:
        raise ReferenceDataError(
            f"The chemistry {chemistry!r} is unknown.",
            why=f"known are: {', '.join(LIMITS_V)}",
            remedy="correct the column chemistry of reference.packs",
        )
    return name


def _refused(why: str) -> ReferenceDataError:
    """Return the error for arrays that are no OCV curve."""
    return ReferenceDataError("The OCV curve was refused.", why=why, remedy=REMEDY)


def _fault(soc_frac: Floats, ocv_v: Floats) -> str:
    """Return what is wrong with the arrays as a curve, or nothing."""
    low_v, high_v = PLAUSIBLE_V
    if soc_frac.ndim != 1 or ocv_v.ndim != 1:
        return "soc_frac and ocv_v must be flat lists"
    if soc_frac.size != ocv_v.size:
        return f"soc_frac has {soc_frac.size} points and ocv_v has {ocv_v.size}"
    if soc_frac.size < 2:  # noqa: PLR2004
        return f"a curve has at least 2 points, this one has {soc_frac.size}"
    checks = (
        (np.isfinite(soc_frac) & np.isfinite(ocv_v), "a value is missing or not finite"),
        ((soc_frac >= 0.0) & (soc_frac <= 1.0), "soc_frac leaves 0 to 1"),
        ((ocv_v >= low_v) & (ocv_v <= high_v), f"ocv_v leaves {low_v} to {high_v} V"),
        (np.diff(soc_frac, prepend=-1.0) > 0.0, "soc_frac does not rise"),
        (np.diff(ocv_v, prepend=0.0) >= 0.0, "ocv_v falls"),
    )
    for good, fault in checks:
        if not good.all():
            return f"{fault} at point {int(np.argmin(good))}"
    return "" if ocv_v[-1] > ocv_v[0] else "ocv_v is the same everywhere"
