"""Steps of the current to the filtered resistance of every cell, many packs at a time."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F

from battery_lake.cells.first_step import as_pulse
from battery_lake.cells.resistance import (
    REFERENCE_C,
    ResistanceParams,
    ResistanceState,
    at_soc,
    at_temperature,
    initial_state,
    step,
)
from battery_lake.gold.arrow import bounds, floats, matrix, side_by_side

if TYPE_CHECKING:
    from pyspark.sql import Column

    from battery_lake.cells.arrays import Floats, Ints

REFERENCE_SOC_FRAC: Final = 0.5
"""State of charge that resistances are compared at. [1]"""

NEW_DAYS: Final = 60.0
"""A pack first seen at most so old was new then: its first steps are what new means. [d]"""

STEP_COLUMNS: Final = (
    "step_s", "step_temperature_c", "step_soc_pct", "step_resistance_mohm", "step_variance_mohm2",
)  # fmt: skip
STATE_COLUMNS: Final = {f"resistance_{f.name}": f.name for f in fields(ResistanceState)}
"""Columns of gold.cell_state, and what they hold."""

STATE_DDL: Final = ",".join(
    f"{name}:array<{'int' if name.endswith('observations') else 'double'}>" for name in STATE_COLUMNS
)
STATE_FIELDS: Final = [
    (name, pa.list_(pa.int32() if name.endswith("observations") else pa.float64())) for name in STATE_COLUMNS
]


@dataclass(frozen=True, slots=True, eq=False)
class StepSeries:
    """Steps of one or many packs in order of time; days count from 1970.

    Parameters
    ----------
    day
        Shape ``(steps,)``. [d]
    ohm, variance_ohm2
        Of each cell over 10 s at the reference SOC; NaN: none. [Ω, Ω²], shape ``(steps, cells)``
    temperature_c
        Shape ``(steps,)``. [°C]
    """

    day: Ints
    ohm: Floats
    variance_ohm2: Floats
    temperature_c: Floats

    def part(self, own: slice) -> StepSeries:
        """Return some of the steps."""
        return StepSeries(self.day[own], self.ohm[own], self.variance_ohm2[own], self.temperature_c[own])


@dataclass(frozen=True, slots=True, eq=False)
class Resistances:
    """What a pack's cells are on its days with evidence.

    Parameters
    ----------
    mohm
        At the reference temperature and SOC; NaN where none is known. [mΩ], shape ``(days, cells)``
    settled_mohm
        The same of the first steps. [mΩ], shape ``(days, cells)``
    before_last
        The state before the last of these days.
    """

    mohm: Floats
    settled_mohm: Floats
    before_last: ResistanceState


def collected_steps() -> Column:
    """Return the steps of a group of sessions, in order of time."""
    told = F.when(F.col("step_resistance_mohm").isNotNull(), F.struct("started_at", *STEP_COLUMNS))
    return F.sort_array(F.collect_list(told))


def read_steps(steps: pa.Array, day: Ints, width: int) -> tuple[StepSeries, Ints]:
    """Take lists of steps apart, one list a day.

    Returns
    -------
    StepSeries
        All steps, carried to a pulse of 10 s at the reference SOC.
    Ints
        Where each day's steps begin, and where the last ones end.
    """
    places = bounds(steps)
    items = pc.list_flatten(steps)
    told = pa.table({name: pc.struct_field(items, name) for name in STEP_COLUMNS})
    measured = 1e-3 * matrix(told, "step_resistance_mohm", width)
    variance = 1e-6 * matrix(told, "step_variance_mohm2", width)
    pulse = as_pulse(measured, variance, floats(told, "step_s")[:, None])
    soc_frac = 0.01 * floats(told, "step_soc_pct")[:, None]
    at_reference = np.full(soc_frac.shape, REFERENCE_SOC_FRAC)
    ohm, variance_ohm2 = at_soc(*pulse, soc_frac, at_reference)
    temperature_c = floats(told, "step_temperature_c")
    return StepSeries(np.repeat(day, np.diff(places)), ohm, variance_ohm2, temperature_c), places


def follow(
    packs: list[StepSeries],
    days: list[Ints],
    starts: list[dict[str, Any] | None],
    width: int,
    params: ResistanceParams,
) -> list[Resistances]:
    """Step all packs through their k-th step together.

    Parameters
    ----------
    packs
        The steps of each pack from its starting point on.
    days
        The days with evidence of each pack, one at least; steps after the last one wait.
    starts
        Each pack's row of gold.cell_state; None: it starts anew.
    width
        Cells of a pack.
    params
        How cells change.
    """
    state = _joined([_begin(start, width, params) for start in starts])
    known = [_levels(state)]
    last = [int(own[-1]) for own in days]
    early = [
        pack.part(slice(0, np.searchsorted(pack.day, day))) for pack, day in zip(packs, last, strict=True)
    ]
    late = [
        pack.part(slice(*np.searchsorted(pack.day, [day, day + 1])))
        for pack, day in zip(packs, last, strict=True)
    ]
    for day, ohm, variance_ohm2, celsius in _together(early, width):
        state = step(state, day, ohm, variance_ohm2, celsius, params)
        known.append(_levels(state))
    before_last = state
    for day, ohm, variance_ohm2, celsius in _together(late, width):
        state = step(state, day, ohm, variance_ohm2, celsius, params)
    known.append(_levels(state))
    levels = np.stack(known).reshape(len(known), 2, len(packs), width)
    result = []
    for place, (steps, own) in enumerate(zip(early, days, strict=True)):
        row = np.searchsorted(steps.day, own, "right")
        row[-1] = -1
        mohm, settled_mohm = levels[row, 0, place], levels[row, 1, place]
        result.append(Resistances(mohm, settled_mohm, _part(before_last, place, width)))
    return result


def relative_pct(found: Resistances, new_mohm: float, first_age_days: float) -> Floats:
    """Return resistance when new over resistance now; NaN where nobody knows what new was. [%].

    Parameters
    ----------
    found
        Of one pack.
    new_mohm
        Resistance of the new cell; NaN: unknown. [mΩ]
    first_age_days
        Age of the pack when it was first seen; NaN: unknown. [d]
    """
    if np.isfinite(new_mohm):
        return np.asarray(100.0 * new_mohm / found.mohm)
    seen_new = first_age_days <= NEW_DAYS
    return (
        np.asarray(100.0 * found.settled_mohm / found.mohm) if seen_new else np.full_like(found.mohm, np.nan)
    )


def stored(state: ResistanceState) -> dict[str, Floats]:
    """Return the state of a pack as columns of gold.cell_state."""
    return {column: getattr(state, name) for column, name in STATE_COLUMNS.items()}


def _begin(start: dict[str, Any] | None, width: int, params: ResistanceParams) -> ResistanceState:
    if start is None or start.get("resistance_log_ohm") is None:
        return initial_state(width, params)
    known: dict[str, Any] = {name: start[column] for column, name in STATE_COLUMNS.items()}
    known["observations"] = known["observations"].astype(np.int64)
    return ResistanceState(**known)


def _joined(states: list[ResistanceState]) -> ResistanceState:
    names = STATE_COLUMNS.values()
    return ResistanceState(**{n: np.concatenate([getattr(state, n) for state in states]) for n in names})


def _part(state: ResistanceState, place: int, width: int) -> ResistanceState:
    own = slice(place * width, (place + 1) * width)
    return ResistanceState(**{name: getattr(state, name)[own] for name in STATE_COLUMNS.values()})


def _together(packs: list[StepSeries], width: int) -> zip[tuple[Floats, ...]]:
    """Day, resistance, variance and temperature of the k-th steps of all packs."""
    daily = ("day", "ohm", "variance_ohm2", "temperature_c")
    return zip(*(side_by_side([getattr(p, name) for p in packs], width) for name in daily), strict=True)


def _levels(state: ResistanceState) -> Floats:
    """Resistance now and of the first steps, at the reference temperature. [mΩ], shape ``(2, cells)``."""
    ohm, _ = at_temperature(state, np.full(state.log_ohm.shape, REFERENCE_C))
    return 1e3 * np.stack([ohm, ohm * np.exp(state.settled_log_ohm - state.log_ohm)])
