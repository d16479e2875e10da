"""Resistance of a cell against impedance sweeps (NASA, 4 to 44 °C): the product against the raw step.

Nothing is learnt from a training folder: what the product knows of cells beforehand stands in its module.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from support.figures import Figure

from battery_lake.cells.metrics import Z90
from battery_lake.cells.resistance import (
    REFERENCE_C,
    ResistanceParams,
    StepParams,
    at_soc,
    at_temperature,
    find_steps,
    initial_state,
    inverse_temperature,
    step,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

    from battery_lake.cells.arrays import Bools, Floats, Ints
    from battery_lake.cells.resistance import ResistanceState

TITLE: Final = "SOH-R (nasa_temperature): resistance from discharge steps against impedance sweeps"
RATED_AH: Final = 2.0
STEPS: Final = StepParams(min_step_a=0.2 * RATED_AH)
REST_A: Final = 0.05
DAY_S: Final = 86400.0
ENDING_S: Final = 1800.0
AIM: Final = 0.8


@dataclass(frozen=True, slots=True)
class Sessions:
    """Charges and discharges of a cell in order of time; all of shape ``(sessions,)``."""

    begun_s: Floats
    ended_s: Floats
    is_charge: Bools
    first_c: Floats
    last_c: Floats
    capacity_ah: Floats
    ambient_c: Floats


@dataclass(frozen=True, slots=True)
class Discharges:
    """First step of each discharge from rest; all of shape ``(discharges,)``."""

    at_s: Floats
    ohm: Floats
    variance_ohm2: Floats
    celsius: Floats


@dataclass(frozen=True, slots=True)
class Sweeps:
    """Impedance sweeps of a cell, and the conditions they were made under; all of shape ``(sweeps,)``."""

    at_s: Floats
    ohm: Floats
    charged: Bools
    celsius: Floats
    soc: Floats


def figures(data: Path, train: Path) -> list[Figure]:  # noqa: ARG001
    """Judge the cells of a folder.

    ``spearman`` takes all sweeps, charged and empty, against the nearest step, carried to the temperature and
    SOC of the sweep; ``spearman_charged`` those of the charged cell only, where SOC is the same throughout;
    ``spearman_charged_25c`` these against the estimate at 25 °C, as the product reports it;
    ``conditions_spearman`` is what temperature and SOC give without any resistance, over all sweeps.
    ``next_step_coverage90`` is the share of steps within the 90 % interval predicted from those before.

    Parameters
    ----------
    data
        Folder with the cells that are judged.
    train
        Not used.
    """
    folder = data / "nasa_temperature"
    if not (folder / "impedance.parquet").is_file():
        return []
    sweeps = pq.read_table(folder / "impedance.parquet")
    found: list[Figure] = []
    members: dict[str, list[str]] = {}
    for file in sorted(folder.glob("B*.parquet")):
        own = sweeps.filter(pc.equal(sweeps["cell_id"], file.stem))
        if own.num_rows:
            sessions, discharges = _sessions(pq.read_table(file))
            found += _cell_figures(f"nasa_temperature {file.stem}", discharges, _sweeps(own, sessions))
            chambers = sorted({f"{celsius:.0f}" for celsius in sessions.ambient_c}, key=float)
            members.setdefault(" and ".join(chambers), []).append(f"nasa_temperature {file.stem}")
    means = [_mean(found, f"nasa_temperature {name} C, mean", cells) for name, cells in members.items()]
    everything = _mean(
        found, "nasa_temperature, mean", [cell for cells in members.values() for cell in cells]
    )
    return [*found, *(figure for mean in means for figure in mean), *everything]


def _cell_figures(name: str, discharges: Discharges, sweeps: Sweeps) -> list[Figure]:
    states, held = _follow(discharges)
    if not states:
        return []
    # Of each sweep the nearest step, as a user would look it up.
    nearest = np.abs(sweeps.at_s[:, None] - discharges.at_s[None, :]).argmin(axis=1)
    reference = np.array([float(at_temperature(states[k], np.array(REFERENCE_C))[0][0]) for k in nearest])
    at_sweep = np.array([
        float(at_temperature(states[k], celsius)[0][0])
        for k, celsius in zip(nearest, sweeps.celsius, strict=True)
    ])
    estimate = _from_full(at_sweep, sweeps)
    activation_ev = ResistanceParams().activation_ev
    same = np.exp(activation_ev * inverse_temperature(sweeps.celsius))
    conditions = _from_full(same, sweeps)
    raw, charged = discharges.ohm[nearest], sweeps.charged
    return [
        Figure(6, name, "spearman", _spearman(estimate, sweeps.ohm), _spearman(raw, sweeps.ohm)),
        Figure(
            6,
            name,
            "spearman_charged",
            _spearman(estimate[charged], sweeps.ohm[charged]),
            _spearman(raw[charged], sweeps.ohm[charged]),
        ),
        Figure(
            6,
            name,
            "spearman_charged_25c",
            _spearman(reference[charged], sweeps.ohm[charged]),
            _spearman(raw[charged], sweeps.ohm[charged]),
        ),
        Figure(6, name, "conditions_spearman", _spearman(conditions, sweeps.ohm)),
        Figure(6, name, "next_step_coverage90", held),
    ]


def _from_full(ohm: Floats, sweeps: Sweeps) -> Floats:
    """Resistances of the full cell at the SOC of the sweeps."""
    return at_soc(ohm, np.zeros(ohm.size), np.ones(ohm.size), sweeps.soc)[0]


def _follow(discharges: Discharges) -> tuple[list[ResistanceState], float]:
    """State after each step, and the share of steps that lay within their predicted 90 % interval."""
    params = ResistanceParams()
    state, states, within = initial_state(1, params), [], []
    for k in range(discharges.at_s.size):
        day, celsius = np.array([discharges.at_s[k] / DAY_S]), np.array([discharges.celsius[k]])
        ohm, variance_ohm2 = discharges.ohm[k : k + 1], discharges.variance_ohm2[k : k + 1]
        if k:
            expected, std = at_temperature(state, celsius)
            passed = day - state.updated_days
            wander = params.wander_var_per_step + params.wander_var_per_day * passed
            total = np.sqrt(std**2 + variance_ohm2 + wander * expected**2)
            within.append(float(np.abs(ohm - expected)[0] <= Z90 * total[0]))
        state = step(state, day, ohm, variance_ohm2, celsius, params)
        states.append(state)
    return states, float(np.mean(within)) if within else float("nan")


def _sessions(table: pa.Table) -> tuple[Sessions, Discharges]:
    """Sessions of a cell, and its discharges' first steps."""
    is_charge = np.asarray(pc.equal(table["step"], "charge"))
    number = table["cycle_number"].to_numpy().astype(np.int64)
    begun_s = _seconds(table, "started_at")
    elapsed_s, volts, amps, celsius, ambient_c, capacity_ah = (
        table[name].to_numpy().astype(np.float64)
        for name in (
            "elapsed_s", "voltage_v", "current_a", "temperature_c", "ambient_c", "measured_capacity_ah"
        )
    )  # fmt: skip
    good = np.flatnonzero(np.isfinite(elapsed_s + volts + amps + celsius))
    rows = good[np.lexsort([elapsed_s[good], number[good], is_charge[good], begun_s[good]])]
    part = 2 * number[rows] + is_charge[rows]
    starts = np.diff(part, prepend=-1) != 0
    first = np.flatnonzero(starts)
    last = np.append(first[1:], rows.size) - 1
    seconds = begun_s[rows] + elapsed_s[rows]
    sessions = Sessions(
        seconds[first],
        seconds[last],
        is_charge[rows][first],
        celsius[rows][first],
        _ending(seconds, celsius[rows], first, last),
        capacity_ah[rows][first],
        ambient_c[rows][first],
    )
    steps = find_steps(seconds, amps[rows], volts[rows][:, None], starts, STEPS)
    chosen = _first_from_rest(np.cumsum(starts)[steps.sample] - 1, steps.before_a, steps.after_a)
    at = steps.sample[chosen]
    ohm, variance_ohm2 = steps.resistance_ohm[chosen, 0], steps.variance_ohm2[chosen, 0]
    known = np.isfinite(ohm)
    return sessions, Discharges(
        seconds[at][known], ohm[known], variance_ohm2[known], celsius[rows][at][known]
    )


def _ending(seconds: Floats, celsius: Floats, first: Ints, last: Ints) -> Floats:
    """Mean temperature of the last half hour of each session: chambers switch on and off within minutes."""
    return np.array([
        celsius[begin : end + 1][seconds[begin : end + 1] >= seconds[end] - ENDING_S].mean()
        for begin, end in zip(first, last, strict=True)
    ])


def _first_from_rest(session: Ints, before_a: Floats, after_a: Floats) -> Ints:
    """Of each session the first step, where it leads from rest into discharge."""
    _, first = np.unique(session, return_index=True)
    return first[(np.abs(before_a[first]) < REST_A) & (after_a[first] < 0.0)]


def _sweeps(table: pa.Table, sessions: Sessions) -> Sweeps:
    """Sweeps in order of time with what the cell had been through.

    A sweep follows a session by some minutes. After a charge the cell has the temperature of its last half
    hour; after a discharge it cools, and the next session begins at about the temperature of the sweep. (The
    sweeps' own ``ambient_c`` is not it: it says 24 °C between sessions at 5 and at 45 °C.)
    """
    at_s = _seconds(table, "measured_at")
    order = np.argsort(at_s, kind="stable")
    at_s = at_s[order]
    ohm = (table["re_ohm"].to_numpy() + table["rct_ohm"].to_numpy()).astype(np.float64)[order]
    count = sessions.ended_s.size
    before = np.searchsorted(sessions.begun_s, at_s, side="right") - 1
    after = np.minimum(before + 1, count - 1)
    charged = (before >= 0) & sessions.is_charge[np.maximum(before, 0)]
    celsius = np.where(charged, sessions.last_c[np.maximum(before, 0)], sessions.first_c[after])
    taken_ah = np.where(before >= 0, sessions.capacity_ah[np.maximum(before, 0)], RATED_AH)
    soc = np.where(charged, 1.0, np.clip(1.0 - np.nan_to_num(taken_ah, nan=RATED_AH) / RATED_AH, 0.0, 1.0))
    return Sweeps(at_s, ohm, charged, celsius, soc)


def _seconds(table: pa.Table, name: str) -> Floats:
    times: Floats = table[name].to_numpy().astype("datetime64[ms]").astype(np.int64) / 1000.0
    return times


def _spearman(one: Floats, other: Floats) -> float:
    """Rank correlation, ties with their mean rank; NaN of fewer than four pairs."""
    good = np.isfinite(one) & np.isfinite(other)
    if good.sum() < 4:
        return float("nan")
    ranks = [_ranks(values[good]) for values in (one, other)]
    if any(np.ptp(rank) == 0.0 for rank in ranks):
        return float("nan")
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _ranks(values: Floats) -> Floats:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2.0)[places], dtype=np.float64)


def _mean(found: list[Figure], name: str, cells: list[str]) -> list[Figure]:
    """Means over cells of every metric, and of how many the rank correlation meets the aim."""
    means: list[Figure] = []
    for metric in dict.fromkeys(figure.metric for figure in found):
        own = [figure for figure in found if figure.set in cells and figure.metric == metric]
        values = [figure.value for figure in own]
        bases = [figure.baseline for figure in own if figure.baseline is not None]
        means.append(Figure(6, name, metric, _average(values), _average(bases) if bases else None))
        if metric in {"spearman", "spearman_charged"}:
            share, base_share = (_average([float(one >= AIM) for one in given]) for given in (values, bases))
            means.append(Figure(6, name, f"{metric}_at_aim", share, base_share))
    return means


def _average(values: list[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
