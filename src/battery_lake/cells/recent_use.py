"""How much a pack is used lately: sums that forget."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Floats, Ints

RECENT_DAYS: Final = 180.0
"""Use so long ago counts 1/e. [d]"""


def decayed_sums(day: Ints, amount: Floats, begun: float = 0.0, begun_day: float = 0.0) -> Floats:
    """Sums of the amounts up to each day, what is long ago forgotten.

    One step after the other, so that going on from a sum gives the bits of one run.

    Parameters
    ----------
    day
        Rising. [d], shape ``(days,)``
    amount
        Of each day. Shape ``(days,)``
    begun, begun_day
        The sum to go on from, and its day. [d]

    Examples
    --------
    >>> import numpy as np
    >>> decayed_sums(np.array([0, 180]), np.array([1.0, 1.0])).round(3)
    array([1.   , 1.368])
    """
    if not day.size:
        return np.zeros(0)
    kept = np.exp(-np.diff(day, prepend=begun_day if begun else day[0]) / RECENT_DAYS)
    steps = zip(kept.tolist(), amount.tolist(), strict=True)
    sums = accumulate(steps, lambda total, one: total * one[0] + one[1], initial=begun)
    return np.array(list(sums)[1:], dtype=np.float64)


def daily_rate(decayed_sum: Floats, used_days: Floats) -> Floats:
    """Use a day from a sum that forgets.

    Parameters
    ----------
    decayed_sum
        Of :func:`decayed_sums`.
    used_days
        Days since the first, both counted. [d], as many
    """
    return np.asarray(decayed_sum / (RECENT_DAYS * -np.expm1(-used_days / RECENT_DAYS)))
