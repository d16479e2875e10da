"""Lives of known length, looked at on the way: what models of remaining life learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.fade_curves import carried, lives
from battery_lake.cells.fade_history import MIN_POINTS, History, history_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from battery_lake.cells.arrays import Floats, Ints
    from battery_lake.cells.fade_curves import FadeCurves

FIRST_SHARE: Final = 0.04
STEP_SHARE: Final = 0.043
MOMENTS: Final = 22
DRAWN_POINTS: Final = 400
GOLDEN: Final = 0.6180339887498949


@dataclass(frozen=True, slots=True, eq=False)
class Snapshots:
    """Lives of known length, looked at before their end.

    Parameters
    ----------
    history
        What was known at each moment. Shape ``(moments,)``
    log_ratio
        Logarithm of the life that was left over the age. Shape ``(moments,)``
    curve
        Number of the life among those that come to their end. Shape ``(moments,)``
    """

    history: History
    log_ratio: Floats
    curve: Ints

    def every(self, stride: int) -> Snapshots:
        """Return every so many-th moment.

        Parameters
        ----------
        stride
            How many.
        """
        some = slice(None, None, stride)
        return Snapshots(self.history[some], self.log_ratio[some], self.curve[some])


def histories_until(age_efc: Floats, soh_frac: Floats, moments_efc: Floats) -> History:
    """Return what is known of one cell at several ages, each from the points up to then only.

    Parameters
    ----------
    age_efc, soh_frac
        The cell's life. [equivalent full cycles, 1], shape ``(points,)``
    moments_efc
        Ages at which to look. [equivalent full cycles], shape ``(moments,)``
    """
    past = age_efc <= moments_efc[:, None]
    return history_of(np.where(past, age_efc, np.nan), np.where(past, soh_frac, np.nan))


def take_snapshots(
    ages_efc: Sequence[Floats], sohs_frac: Sequence[Floats], curves: FadeCurves, eol_frac: float
) -> Snapshots:
    """Look at measured lives at shares that differ from cell to cell.

    Were all looked at in the same shares, a model could learn these shares by heart, and would look better
    than it is where it is judged at round ones.

    Parameters
    ----------
    ages_efc, sohs_frac
        Ages, rising, and states of health of each cell. [equivalent full cycles, 1]
    curves
        The same lives, reduced.
    eol_frac
        State of health at which life ends. [1]
    """
    life = lives(curves, eol_frac)
    parts: list[History] = []
    ratios: list[Floats] = [np.zeros(0)]
    numbers: list[Ints] = [np.zeros(0, dtype=np.int64)]
    for number, k in enumerate(np.flatnonzero(np.isfinite(life)).tolist()):
        share = FIRST_SHARE + STEP_SHARE * (np.arange(MOMENTS) + (number * GOLDEN) % 1.0)
        moment = share * life[k]
        age = ages_efc[k]
        moment = moment[(moment <= age[-1]) & (np.searchsorted(age, moment, side="right") >= MIN_POINTS)]
        history = histories_until(age, sohs_frac[k], moment)
        history = history[history.now_efc > 0.0]
        parts.append(history)
        ratios.append(np.log(np.maximum(life[k] / history.now_efc - 1.0, 0.01)))
        numbers.append(np.full(history.now_efc.size, number))
    return Snapshots(_joined(parts), np.concatenate(ratios), np.concatenate(numbers))


def drawn_lives(curves: FadeCurves, seed: int = 0) -> tuple[list[Floats], list[Floats]]:
    """Return ages and states of health as they may have been measured, from reduced curves and their noise.

    Parameters
    ----------
    curves
        The curves.
    seed
        Of the noise.
    """
    rng = np.random.default_rng(seed)
    ages = [np.linspace(0.0, span, DRAWN_POINTS) for span in curves.span_efc]
    noise = rng.normal(0.0, 1.0, (len(ages), DRAWN_POINTS)) * curves.noise_frac[:, None]
    return ages, [carried(curves, k, age) + noise[k] for k, age in enumerate(ages)]


def _joined(parts: Sequence[History]) -> History:
    """One history after the other."""
    none = histories_until(np.zeros(0), np.zeros(0), np.zeros(0))
    every = (none, *parts)
    return History(
        np.concatenate([one.now_efc for one in every]),
        np.concatenate([one.level_frac for one in every]),
        np.concatenate([one.noise_frac for one in every]),
        np.concatenate([one.level_std_frac for one in every]),
    )
