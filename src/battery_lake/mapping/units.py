"""Units as text to a factor and an offset, once, when a mapping is compiled."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import cache
from typing import Final, NamedTuple

import pint

_UNIT: Final = re.compile(r"^[\w%°/*^.() +-]+$")


class Affine(NamedTuple):
    """A straight line: ``factor * x + offset``, exact."""

    factor: Fraction
    offset: Fraction

    def after(self, first: Affine) -> Affine:
        """Return the line that applies ``first``, then this one."""
        return Affine(self.factor * first.factor, self.factor * first.offset + self.offset)


@cache
def _registry() -> pint.UnitRegistry[Fraction]:
    return pint.UnitRegistry(non_int_type=Fraction, cache_folder=None)


def conversion(given: str, wanted: str) -> Affine:
    """Return how a value in one unit becomes one in another.

    Parameters
    ----------
    given
        The unit as sent, as pint reads it; a number before it is a step: ``0.1 V``, ``mV``, ``degF``, ``%``.
    wanted
        The canonical unit.

    Raises
    ------
    ValueError
        The unit is unknown, or measures something else.
    """
    if not _UNIT.match(given):
        raise ValueError(f"{given} is no unit")
    units = _registry()
    try:
        step, unit = _split(given)
        zero, one = (
            units.Quantity(Fraction(value), unit or "dimensionless").to(wanted).magnitude for value in (0, 1)
        )
    except pint.DimensionalityError as fault:
        raise ValueError(f"{given} is no unit of {wanted}") from fault
    except Exception as fault:  # pint raises what its parser raises: names, tokens, attributes
        raise ValueError(f"{given} is no unit that pint knows") from fault
    return Affine(Fraction(one - zero) * step, Fraction(zero))


def _split(given: str) -> tuple[Fraction, str]:
    """The number before a unit, and the unit."""
    head, _, rest = given.strip().partition(" ")
    try:
        return Fraction(head), rest.strip()
    except ValueError:
        return Fraction(1), given.strip()
