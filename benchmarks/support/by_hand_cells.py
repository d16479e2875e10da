"""One pack by hand in NumPy: sessions, capacity observations, health and life of its cells."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from battery_lake.cells.anchors import Before, anchor_params, rest_anchor
from battery_lake.cells.capacity import full_discharge, plausible, rest_to_rest, window_params
from battery_lake.cells.coulomb import SECONDS_PER_HOUR, charge_std_ah, is_offset, rest_offset
from battery_lake.cells.life_outlook import LifeHistory, OutlookParams, outlook_days
from battery_lake.cells.life_points import LifePoints, add_day, joined, means, no_points
from battery_lake.cells.life_templates import templates_of
from battery_lake.cells.recent_use import daily_rate, decayed_sums
from battery_lake.cells.session_stats import Samples, SessionStats, summarise
from battery_lake.cells.sessions import REST, SessionParams, cut
from battery_lake.cells.soh_filter import (
    FilterParams,
    FilterState,
    combine_day,
    initial_state,
    reported_std,
    step,
)

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Codes, Floats, Ints
    from battery_lake.cells.ocv import OcvCurve

CUT = SessionParams(window_s=60.0, gap_s=1800.0, rest_c_rate=0.02)
LONGEST_S = 86_400.0
SHORTEST_REST_S = 1200.0
MIN_CHANGE = 0.15
CHARGE = 1
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Pack:
    """What is known of a pack; units as in reference.packs."""

    pack_id: str
    chemistry: str
    rated_ah: float
    low_v: float
    high_v: float
    eol_pct: float
    new_day: float
    curve: OcvCurve


@dataclass(frozen=True, slots=True)
class Sessions:
    """A pack's sessions in order of time, each array of shape ``(sessions,)``."""

    start_s: Floats
    end_s: Floats
    kind: Codes
    stats: SessionStats


@dataclass(frozen=True, slots=True)
class Observations:
    """Capacity of each cell by session; NaN: not told. Arrays of shape ``(observations, cells)``."""

    session: Ints
    is_test: Bools
    capacity_ah: Floats
    variance_ah2: Floats


@dataclass(frozen=True, slots=True)
class CellDays:
    """Health and life of all cells on the days with evidence, arrays of shape ``(days, cells)``.

    ``day`` counts from 1970, ``efc``, ``efc_per_day`` and ``km_per_day`` have shape ``(days,)``.
    """

    day: Ints
    told: Bools
    efc: Floats
    efc_per_day: Floats
    km_per_day: Floats
    soh_pct: Floats
    soh_std_pct: Floats
    observations: Ints
    rul_days: tuple[Floats, Floats, Floats]
    censored: Bools


def pack_sessions(samples: Samples, is_driving: Bools, pack: Pack) -> Sessions:
    """Cut a pack's samples into sessions.

    Parameters
    ----------
    samples, is_driving
        Of the one pack.
    pack
        What is known of it.
    """
    rest_a = CUT.rest_c_rate * pack.rated_ah
    starts, kind = cut(samples.seconds, samples.current_a, samples.pack_index, rest_a, is_driving, CUT)
    stats = summarise(samples, starts, kind, CUT)
    return Sessions(samples.seconds[stats.first], samples.seconds[stats.last], kind[stats.first], stats)


def pack_observations(sessions: Sessions, pack: Pack) -> Observations:
    """Look at every charge and drive between two rests, and at every full discharge.

    Parameters
    ----------
    sessions
        Of the one pack.
    pack
        What is known of it.
    """
    stats, kind = sessions.stats, sessions.kind
    slept_s, rested_s, is_short = _rests(sessions)
    chosen = is_short & (kind != REST) & (stats.throughput_ah > MIN_CHANGE / 2 * pack.rated_ah)
    stirred = [_last_stirred(sessions, slept_s, is_short, v) for v in (stats.charge_ah, stats.duration_s)]
    start = _anchored(
        pack, chosen, stirred,
        (np.where(np.isfinite(slept_s), _at(rested_s, -1), np.nan), _at(stats.end_cell_voltages_v, -1)),
        (slept_s, stats.start_cell_voltages_v, stats.start_current_a),
    )  # fmt: skip
    end = _anchored(
        pack, chosen, [stats.charge_ah, stats.duration_s],
        (np.where(np.isfinite(_at(slept_s, 1)), _at(rested_s, 1), np.nan), _at(stats.end_cell_voltages_v, 1)),
        (_at(slept_s, 1), _at(stats.start_cell_voltages_v, 1), _at(stats.start_current_a, 1)),
    )  # fmt: skip
    moved, std_ah = _moved(sessions, slept_s, pack, chosen)
    rated = np.array([[pack.rated_ah]])
    counts = window_params(pack.chemistry, MIN_CHANGE)
    between = plausible(*rest_to_rest(moved[:, None], std_ah[:, None], *start, *end, rated, counts), rated)
    full_soc = np.where(_was_full(sessions, slept_s, is_short, pack)[chosen], 1.0, np.nan_to_num(start[0]))
    limit = plausible(
        *full_discharge(
            stats.low_limit_charge_ah[chosen], stats.min_cell_voltages_v[chosen],
            np.full(moved.shape, pack.low_v), full_soc,
        ),
        rated,
    )  # fmt: skip
    is_test = np.asarray(np.isfinite(limit[0]).any(axis=1))
    capacity, variance = (np.where(is_test[:, None], a, b) for a, b in zip(limit, between, strict=True))
    tells = np.asarray(np.isfinite(capacity).any(axis=1))
    return Observations(np.flatnonzero(chosen)[tells], is_test[tells], capacity[tells], variance[tells])


def _rests(sessions: Sessions) -> tuple[Floats, Floats, Bools]:
    """How long each silence before a session was a rest, each rest's length, which are short enough."""
    stats = sessions.stats
    silence = sessions.start_s - _at(sessions.end_s, -1)
    soc_step = np.nan_to_num(np.abs(stats.soc_start_pct - _at(stats.soc_end_pct, -1)))
    slept_s = np.where((silence <= LONGEST_S) & (soc_step <= 1.0), silence, np.nan)
    is_short = stats.duration_s <= LONGEST_S
    slept_too = np.where(is_short, np.nan_to_num(slept_s), 0.0)
    return slept_s, np.where(sessions.kind == REST, stats.duration_s + slept_too, np.nan), is_short


def _at(values: Floats, places: int) -> Floats:
    """The value so many sessions later; NaN beyond the ends."""
    moved = np.roll(values, -places, axis=0)
    moved[slice(-places, None) if places > 0 else slice(None, -places)] = np.nan
    return moved


def _anchored(
    pack: Pack,
    chosen: Bools,
    stirred: list[Floats],
    rest: tuple[Floats, Floats],
    wake: tuple[Floats, Floats, Floats],
) -> tuple[Floats, Floats]:
    """SOC of each cell from the longer of a sampled rest and a silence that ended without current."""
    wake_s = np.where(np.abs(wake[2]) <= CUT.rest_c_rate * pack.rated_ah, wake[0], np.nan)
    use_wake = np.nan_to_num(wake_s, nan=-1.0) > np.nan_to_num(rest[0], nan=-1.0)
    rest_s = np.where(use_wake, wake_s, rest[0])
    voltage_v = np.where(use_wake[:, None], wake[1], rest[1])
    long_s = np.where(rest_s >= SHORTEST_REST_S, rest_s, np.nan)[:, None]
    moved_frac, hours = stirred[0] / pack.rated_ah, np.maximum(stirred[1], 1.0) / SECONDS_PER_HOUR
    before = Before((moved_frac / hours)[chosen, None], moved_frac[chosen, None])
    return rest_anchor(voltage_v[chosen], long_s[chosen], pack.curve, anchor_params(pack.chemistry), before)


def _last_stirred(sessions: Sessions, slept_s: Floats, is_short: Bools, values: Floats) -> Floats:
    """The value of the charge or drive right before, or before one short rest; NaN where there is none."""
    kind = sessions.kind.astype(np.float64)
    near = np.isfinite(slept_s)
    over_rest = near & (_at(kind, -1) == REST) & (_at((is_short & near).astype(np.float64), -1) == 1.0)
    stirring = np.where(kind == REST, np.nan, values)
    direct = np.where(near & (_at(kind, -1) != REST), _at(stirring, -1), np.nan)
    return np.where(over_rest, _at(stirring, -2), direct)


def _moved(sessions: Sessions, slept_s: Floats, pack: Pack, chosen: Bools) -> tuple[Floats, Floats]:
    """Charge of each chosen session without the sensor's offset, and its standard deviation. [Ah]."""
    stats, kind = sessions.stats, sessions.kind.astype(np.float64)
    rest_mean_a = np.where(kind == REST, stats.current_mean_a, np.nan)
    near_after = np.isfinite(_at(slept_s, 1))
    mean_a = np.stack(
        [np.where(np.isfinite(slept_s), _at(rest_mean_a, -1), np.nan),
         np.where(near_after, _at(rest_mean_a, 1), np.nan)],
        axis=1,
    )[chosen]  # fmt: skip
    samples = stats.samples.astype(np.float64)
    readings = np.stack([_at(samples, -1), _at(samples, 1)], axis=1)[chosen]
    rated = np.full(len(mean_a), pack.rated_ah)
    offset_a, offset_std_a = rest_offset(mean_a, readings, rated)
    after_ah = np.where(_at(kind, 1) == REST, np.nan_to_num(_at(stats.charge_ah, 1)), 0.0)[chosen]
    duration_s = stats.duration_s[chosen]
    moved = stats.charge_ah[chosen] - offset_a * duration_s / SECONDS_PER_HOUR
    moved += np.where(is_offset(mean_a[:, 1], rated), 0.0, after_ah)
    sampling = np.nan_to_num(stats.sampling_ah2[chosen])
    return moved, charge_std_ah(moved, duration_s, rated, sampling, offset_std_a=offset_std_a)


def _was_full(sessions: Sessions, slept_s: Floats, is_short: Bools, pack: Pack) -> Bools:
    """Whether the charge right before, or before one short rest, filled each cell."""
    stats = sessions.stats
    kind = sessions.kind.astype(np.float64)
    near = np.isfinite(slept_s)
    over_rest = near & (_at(kind, -1) == REST) & (_at((is_short & near).astype(np.float64), -1) == 1.0)
    full = stats.max_cell_voltages_v >= pack.high_v - 0.015
    full &= (np.abs(stats.end_current_a) <= 0.1 * pack.rated_ah)[:, None] & (kind == CHARGE)[:, None]
    known = full.astype(np.float64)
    return np.asarray(
        ((_at(known, -1) == 1.0) & near[:, None]) | ((_at(known, -2) == 1.0) & over_rest[:, None])
    )


def pack_cells(sessions: Sessions, observed: Observations, pack: Pack) -> CellDays | None:
    """Filter all cells of a pack through its days; None: no evidence at all.

    Parameters
    ----------
    sessions, observed
        Of the one pack.
    pack
        What is known of it.
    """
    if observed.session.size == 0:
        return None
    session_day = (sessions.start_s // DAY_S).astype(np.int64)
    day_of = session_day[observed.session]
    day = np.unique(day_of)
    params, width = FilterParams(), observed.capacity_ah.shape[1]
    state = initial_state(width, params, float(session_day[0]) - pack.new_day)
    points = no_points(1, width)
    history, lives, told = [], [], []
    for today in day:
        mine = day_of == today
        value, variance, count = _combined(observed, mine)
        soh, spread = 100.0 * value / pack.rated_ah, (100.0 / pack.rated_ah) ** 2 * variance
        state = step(state, np.full(soh.shape, float(today)), soh, spread, params, count)
        add_day(points, np.array([float(today)]), soh[None], spread[None], state.soh_pct[None])
        history.append(state)
        lives.append(points[np.array([0])])
        told.append(np.isfinite(value))
    known = FilterState(**{
        f.name: np.concatenate([getattr(s, f.name) for s in history]) for f in fields(FilterState)
    })
    shape = (day.size, -1)
    soh_pct = known.soh_pct.reshape(shape)
    rul = _outlook(joined(lives), day.astype(np.float64), soh_pct, pack)
    return CellDays(
        day=day,
        told=np.stack(told),
        **_use(sessions, session_day, day, pack),
        soh_pct=soh_pct,
        soh_std_pct=reported_std(known, params).reshape(shape),
        observations=known.observations.reshape(shape),
        rul_days=rul[:3],
        censored=rul[3],
    )


def _outlook(
    lives: LifePoints, day: Floats, soh_pct: Floats, pack: Pack
) -> tuple[Floats, Floats, Floats, Bools]:
    """Remaining life of all cells on all days."""
    point_day, soh, variance = means(lives)
    history = LifeHistory(point_day - pack.new_day, soh, variance, day - pack.new_day)
    eol = 80.0 if np.isnan(pack.eol_pct) else pack.eol_pct
    return outlook_days(templates_of(pack.chemistry, eol), history, soh_pct, eol, OutlookParams())


def _use(sessions: Sessions, session_day: Ints, day: Ints, pack: Pack) -> dict[str, Floats]:
    """Cycles so far, and use a day lately."""
    days, place = np.unique(session_day, return_inverse=True)
    at = np.searchsorted(days, day)
    used = day - days[0] + 1.0
    recent = {}
    for name in ("throughput_ah", "distance_km"):
        daily = np.asarray(
            np.bincount(place, weights=np.nan_to_num(getattr(sessions.stats, name))), dtype=np.float64
        )
        recent[name] = daily_rate(decayed_sums(days, daily)[at], used)
    last = np.searchsorted(session_day, day, "right") - 1
    return {
        "efc": np.nancumsum(sessions.stats.throughput_ah)[last] / (2.0 * pack.rated_ah),
        "efc_per_day": recent["throughput_ah"] / (2.0 * pack.rated_ah),
        "km_per_day": recent["distance_km"],
    }


def _combined(observed: Observations, mine: Bools) -> tuple[Floats, Floats, Ints]:
    """One day's observations as one; a full discharge overrules windows."""
    capacity, is_test = observed.capacity_ah[mine], observed.is_test[mine]
    tested = np.asarray(np.isfinite(capacity[is_test]).any(axis=0))
    overruled = ~is_test[:, None] & tested[None, :]
    return combine_day(np.where(overruled, np.nan, capacity), observed.variance_ah2[mine])
