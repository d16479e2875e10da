"""Health and remaining life of single cells from a few points of their history, for whoever asks."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np

from battery_lake.cells.life_outlook import LifeHistory, OutlookParams, outlook_days
from battery_lake.cells.life_templates import templates_of
from battery_lake.cells.soh_filter import FilterParams, FilterState, initial_state, reported_std, step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from battery_lake.cells.arrays import Floats
    from battery_lake.cells.life_prior import LifePrior

NEW_SOH_PCT: Final = 100.0
MOST_SOH_PCT: Final = 130.0
Z90: Final = 1.645
ANSWERS: Final = (
    "soh_pct", "soh_p05_pct", "soh_p95_pct", "rul_days_p05", "rul_days_p50", "rul_days_p95", "censored",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class CellFeatures:
    """What is known of cells, one entry each.

    Parameters
    ----------
    chemistry
        ``LFP``, ``NMC``, ``NCA`` or another.
    eol_soh_pct
        SOH at which life ends. [%]
    age_days
        Since the pack was new. [d]
    efc_per_day
        Equivalent full cycles a day of lately; NaN: not known. [1/d]
    point_age_days, point_soh_pct, point_std_pct
        Points of its history: age, observed SOH, standard deviation. [d, %, %]
    """

    chemistry: Sequence[str]
    eol_soh_pct: Floats
    age_days: Floats
    efc_per_day: Floats
    point_age_days: Sequence[Floats]
    point_soh_pct: Sequence[Floats]
    point_std_pct: Sequence[Floats]

    def faults(self) -> list[str]:
        """Return why cells cannot be answered, in words; nothing where all can."""
        return [
            f"cell {k}: {fault}" for k in range(len(self.chemistry)) if (fault := self._fault(k)) is not None
        ]

    def _fault(self, k: int) -> str | None:
        age, soh, std = self.point_age_days[k], self.point_soh_pct[k], self.point_std_pct[k]
        rules = (
            (0.0 < self.eol_soh_pct[k] < NEW_SOH_PCT, "eol_soh_pct must lie between 0 and 100"),
            (np.isfinite(self.age_days[k]) and self.age_days[k] >= 0.0, "age_days must not be negative"),
            (not self.efc_per_day[k] < 0.0, "efc_per_day must not be negative"),
            (0 < age.size == soh.size == std.size, "the lists of points must be equally long, one at least"),
        )
        fault = next((text for holds, text in rules if not holds), None)
        if fault is not None:
            return fault
        of_points = (
            (bool((np.diff(age) >= 0.0).all()) and age[0] >= 0.0, "point_age_days must rise from 0 on"),
            (bool(age[-1] <= self.age_days[k]), "no point may be older than age_days"),
            (bool(((soh > 0.0) & (soh <= MOST_SOH_PCT)).all()), f"point_soh_pct: 0 to {MOST_SOH_PCT:g}"),
            (bool((std > 0.0).all() and np.isfinite(std).all()), "point_std_pct must be above 0"),
        )
        return next((text for holds, text in of_points if not holds), None)


def cell_outlooks(features: CellFeatures, prior: LifePrior) -> dict[str, np.ndarray]:
    """Answer for many cells at once, by the methods of the health step.

    Parameters
    ----------
    features
        Without faults.
    prior
        What lives are usually like.

    Returns
    -------
    dict[str, numpy.ndarray]
        By the names of :data:`ANSWERS`: SOH and its 90 % interval [%], remaining life and its 90 % interval
        [d], and whether no end is in sight. Shape ``(cells,)`` each
    """
    age, soh, std = (
        _padded(values)
        for values in (features.point_age_days, features.point_soh_pct, features.point_std_pct)
    )
    state = _filtered(age, soh, std)
    half = Z90 * reported_std(state, FilterParams())
    found = {
        "soh_pct": state.soh_pct,
        "soh_p05_pct": state.soh_pct - half,
        "soh_p95_pct": state.soh_pct + half,
        **{name: np.full(len(age), np.nan) for name in ANSWERS[3:6]},
        "censored": np.zeros(len(age), dtype=bool),
    }
    kinds = list(zip(features.chemistry, features.eol_soh_pct.tolist(), strict=True))
    for chemistry, eol in sorted(set(kinds)):
        own = np.array([kind == (chemistry, eol) for kind in kinds])
        history = LifeHistory(
            age[own], soh[own][:, :, None], std[own][:, :, None] ** 2, features.age_days[own]
        )
        usual = prior.usual(chemistry, eol, features.efc_per_day[own])
        told = outlook_days(
            templates_of(chemistry, eol), history, state.soh_pct[own][:, None], eol, OutlookParams(), usual
        )
        for name, values in zip(ANSWERS[3:], told, strict=True):
            found[name][own] = values[:, 0]
    return found


def _filtered(age: Floats, soh: Floats, std: Floats) -> FilterState:
    """State of the cells after all of their points."""
    params = FilterParams()
    first = [initial_state(1, params, float(own[0])) for own in age]
    state = FilterState(**{
        f.name: np.concatenate([getattr(one, f.name) for one in first]) for f in fields(FilterState)
    })
    for k in range(age.shape[1]):
        state = step(state, age[:, k], soh[:, k], std[:, k] ** 2, params)
    return state


def _padded(parts: Sequence[Floats]) -> Floats:
    """Rows as long as the longest, NaN behind the shorter ones."""
    found = np.full((len(parts), max(part.size for part in parts)), np.nan)
    for row, part in zip(found, parts, strict=True):
        row[: part.size] = part
    return found
