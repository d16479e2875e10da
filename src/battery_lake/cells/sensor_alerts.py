"""Lying sensors: readings that each might be true, but contradict the rest of the pack.

The cells of a string carry one current, so their voltages move together; after hours at rest all probes have
the same heat around them; and the cells' voltages add up to the pack's. What breaks one of these is the
sensor or its wire sooner than the cell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from battery_lake.cells.alerts import CRITICAL, WARNING, Finding, where_found

if TYPE_CHECKING:
    from battery_lake.cells.arrays import Bools, Floats


@dataclass(frozen=True, slots=True)
class SensorParams:
    """What contradicts the rest.

    The defaults leave room beyond what three road cars took through 116 days: healthy cells followed 0.9 of
    the string's movement and more, the weakest ailing one 0.65; probes lay 3 K apart, sums 1.3 % off.

    Parameters
    ----------
    moved_v
        Standard deviation of the string's median that a day must show before cells are judged. [V]
    messages, steps
        Fewer messages, or changes of the current, tell nothing.
    step_s, most_step_s
        Apart in time that two messages of a step are: shorter is not sampled at once. [s]
    step_c_rate
        Least change of the current. [1/h]
    step_v
        Least change of the string's median. [V]
    follow_frac, blind_frac
        A cell's movement over the string's, of a lying reading and of one that shows nothing at all. [1]
    probe_rest_s
        So long without current evens the heat out. [s]
    probe_messages, probes
        Messages after such a rest, and probes, that are needed.
    probe_c, probe_critical_c
        A probe so far from the median of all. A fault of 10 K hides all that lies between the warning and the
        critical temperature. [K]
    gap_pct, open_pct
        Pack voltage against the sum of its cells; what is further off was read behind open contactors. [%]
    """

    moved_v: float = 0.03
    messages: int = 20
    steps: int = 8
    step_s: float = 60.0
    most_step_s: float = 900.0
    step_c_rate: float = 0.2
    step_v: float = 0.005
    follow_frac: float = 0.5
    blind_frac: float = 0.1
    probe_rest_s: float = 14_400.0
    probe_messages: int = 3
    probes: int = 3
    probe_c: float = 6.0
    probe_critical_c: float = 10.0
    gap_pct: float = 2.0
    open_pct: float = 20.0


class Follow(NamedTuple):
    """How each cell's reading follows the string's, 1 if it does; NaN: not told. [1], shape ``(cells,)``.

    ``level_frac`` over all messages, ``step_frac`` over changes of the current; only cells whose level lies
    have their steps looked at.
    """

    level_frac: Floats
    step_frac: Floats


class Probe(NamedTuple):
    """The probe that lies furthest from the others after hours at rest; ``place`` -1: not told. [K]."""

    apart_c: float
    place: int
    messages: int


def follow(
    seconds: Floats,
    current_a: Floats,
    voltage_v: Floats,
    rated_capacity_ah: float,
    params: SensorParams = SensorParams(),
) -> Follow:
    """How the cells' readings of a day follow the median of the string.

    Parameters
    ----------
    seconds
        Times of the messages, rising. [s], shape ``(messages,)``
    current_a
        Current. [A], shape ``(messages,)``
    voltage_v
        Cell voltages. [V], shape ``(messages, cells)``
    rated_capacity_ah
        Of the pack. [Ah]
    params
        What is needed.

    References
    ----------
    Jin et al., Energy Advances (2025), doi:10.1039/D5YA00093A: how sampling circuits of road cars fail, and
    that it shows against the other cells.
    """
    cells = voltage_v.shape[1]
    untold = np.full(cells, np.nan)
    rows = np.flatnonzero(np.isfinite(voltage_v).any(axis=1)) if cells > 2 else np.empty(0, np.int64)  # noqa: PLR2004
    if rows.size < params.messages:
        return Follow(untold, untold)
    voltage = voltage_v[rows]
    median = _median(voltage, axis=1)
    if median.std() < params.moved_v:
        return Follow(untold, untold)
    level = _slope(median, voltage)
    step = untold.copy()
    suspects = np.flatnonzero(level <= params.follow_frac)
    if suspects.size:
        known = voltage[:, suspects]
        step[suspects] = _step_share(seconds[rows], current_a[rows], median, known, rated_capacity_ah, params)
    return Follow(level, step)


def _slope(median: Floats, voltage: Floats) -> Floats:
    """Slope of every cell over the median; NaN where the cell says nothing."""
    seen = np.isfinite(voltage)
    count = np.maximum(seen.sum(axis=0), 1)
    x = np.where(seen, median[:, None], 0.0)
    x = np.where(seen, x - x.sum(axis=0) / count, 0.0)
    square = (x * x).sum(axis=0)
    slope = (x * np.where(seen, voltage, 0.0)).sum(axis=0) / np.where(square > 0.0, square, np.nan)
    return np.asarray(slope, dtype=np.float64)


def _step_share(
    seconds: Floats,
    current_a: Floats,
    median: Floats,
    voltage: Floats,
    rated_capacity_ah: float,
    params: SensorParams,
) -> Floats:
    """Typical change of each cell over the string's, where the current changed; NaN: too few steps."""
    before = np.searchsorted(seconds, seconds - params.step_s, side="right") - 1
    now = np.flatnonzero(before >= 0)
    before = before[now]
    moved = median[now] - median[before]
    with np.errstate(invalid="ignore"):
        used = (
            (seconds[now] - seconds[before] <= params.most_step_s)
            & (np.abs(current_a[now] - current_a[before]) >= params.step_c_rate * rated_capacity_ah)
            & (np.abs(moved) >= params.step_v)
        )
    change = (voltage[now] - voltage[before])[used] * np.sign(moved[used])[:, None]
    enough = np.isfinite(change).sum(axis=0) >= params.steps
    share = np.full(voltage.shape[1], np.nan)
    # Medians: one large step, the end of a charge, would speak for the whole day.
    if enough.any():
        share[enough] = _median(change[:, enough], axis=0) / np.median(np.abs(moved[used]))
    return share


def _median(values: Floats, axis: int) -> Floats:
    """Median of what is known; where all is, by the way that is ten times as fast."""
    known = np.isfinite(values).all()
    return np.asarray(np.median(values, axis=axis) if known else np.nanmedian(values, axis=axis))


def lying_cell(found: Follow, params: SensorParams = SensorParams()) -> Finding:
    """Cells whose reading does not follow the string, neither over the day nor when the current changes.

    One alone proves nothing: at an end of LFP's plateau a cell that is charged otherwise follows little over
    the day, but it answers the current as the others do. Critical: it shows nothing of what the cell does.

    Parameters
    ----------
    found
        What :func:`follow` found. Shape ``(cells,)`` or ``(packs, cells)``
    params
        Limits.

    References
    ----------
    Granig et al., SAE 2017-01-0015: correlation of sensors as a diagnostic (ISO 26262-5, annex D.2.10.2).
    """
    with np.errstate(invalid="ignore"):
        most = np.maximum(found.level_frac, found.step_frac)
        lies: Bools = most <= params.follow_frac
        severity = np.where(most <= params.blind_frac, CRITICAL, WARNING)
    evidence = {"follow_frac": found.level_frac, "step_follow_frac": found.step_frac}
    return Finding("lying_sensor", where_found(lies, severity), evidence)


def probe_apart(
    seconds: Floats,
    current_a: Floats,
    temperature_c: Floats,
    quiet_a: float,
    params: SensorParams = SensorParams(),
) -> Probe:
    """The probe that lies furthest from the median of all, in the messages after hours at rest.

    Parameters
    ----------
    seconds
        Times since the day began, rising; before it nothing is known, so rest begins there at the earliest.
        [s], shape ``(messages,)``
    current_a
        Current; NaN counts as flowing. [A], shape ``(messages,)``
    temperature_c
        Readings; NaN: none. [°C], shape ``(messages, probes)``
    quiet_a
        Current below which the pack rests. [A]
    params
        What is needed.
    """
    at_rest = np.abs(np.nan_to_num(current_a, nan=np.inf)) <= quiet_a
    flowed_s = np.maximum.accumulate(np.where(at_rest, 0.0, seconds), axis=0)
    rested = at_rest & (seconds - flowed_s >= params.probe_rest_s)
    reading = temperature_c[rested]
    reading = reading[np.isfinite(reading).sum(axis=1) >= params.probes]
    if reading.shape[0] < params.probe_messages:
        return Probe(float("nan"), -1, int(reading.shape[0]))
    apart = reading - _median(reading, axis=1)[:, None]
    usable = np.isfinite(apart).sum(axis=0) >= params.probe_messages
    typical = np.zeros(usable.size)
    typical[usable] = _median(apart[:, usable], axis=0)
    place = int(np.argmax(np.abs(typical)))
    return Probe(float(typical[place]), place, int(reading.shape[0]))


def string_gap(
    current_a: Floats,
    voltage_v: Floats,
    pack_voltage_v: Floats,
    quiet_a: float,
    rows_min: int = 10,
    params: SensorParams = SensorParams(),
) -> float:
    """Pack voltage less the sum of its cells over the pack voltage, the median at rest; NaN: not told. [%].

    Parameters
    ----------
    current_a
        Current. [A], shape ``(messages,)``
    voltage_v
        Cell voltages, one for each cell of the string. [V], shape ``(messages, cells)``
    pack_voltage_v
        Voltage of the string. [V], shape ``(messages,)``
    quiet_a
        Current below which the pack rests: under load cells and pack are not measured at once. [A]
    rows_min
        Fewer messages tell nothing.
    params
        What is passed over.
    """
    total = voltage_v.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        gap = 100.0 * (pack_voltage_v - total) / pack_voltage_v
        used = (np.abs(current_a) <= quiet_a) & (np.abs(gap) <= params.open_pct)
    return float(np.median(gap[used])) if used.sum() >= rows_min else float("nan")


def lying_probe(probe_apart_c: Floats, params: SensorParams = SensorParams()) -> Finding:
    """Packs of which a probe contradicts the others after hours at rest.

    Parameters
    ----------
    probe_apart_c
        How far the oddest probe is off; NaN: not told. [K], shape ``(packs,)``
    params
        Limits.
    """
    apart = np.abs(np.asarray(probe_apart_c, dtype=np.float64))
    severity = np.where(apart >= params.probe_critical_c, CRITICAL, WARNING)
    evidence = {"probe_apart_c": np.asarray(probe_apart_c)}
    return Finding("lying_probe", where_found(apart >= params.probe_c, severity), evidence)


def lying_pack_voltage(gap_pct: Floats, params: SensorParams = SensorParams()) -> Finding:
    """Packs whose voltage contradicts the sum of their cells at rest.

    Parameters
    ----------
    gap_pct
        What :func:`string_gap` found; NaN: not told. [%], shape ``(packs,)``
    params
        Limits.
    """
    lies: Bools = np.abs(np.asarray(gap_pct, dtype=np.float64)) >= params.gap_pct
    evidence = {"string_gap_pct": np.asarray(gap_pct)}
    return Finding("lying_pack_voltage", where_found(lies, np.full(lies.shape, WARNING)), evidence)
