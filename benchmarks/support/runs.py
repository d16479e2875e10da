"""Interleaved repetitions of the sides of a comparison, and what they say."""

from __future__ import annotations

import contextlib
import gc
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

from battery_lake.clock import monotonic_s

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class DisagreementError(AssertionError):
    """Both sides of a comparison ran, but did not do the same."""


@dataclass(frozen=True, slots=True)
class Timed:
    """How long a side took in each round, one entry a round.

    Parameters
    ----------
    seconds
        On the clock. [s]
    cpu_seconds
        Of processor time, of this process and all below it: Spark's Java and its Python workers. [s]
    """

    seconds: tuple[float, ...]
    cpu_seconds: tuple[float, ...]

    @property
    def median_s(self) -> float:
        """Median on the clock. [s]."""
        return statistics.median(self.seconds)

    @property
    def median_cpu_s(self) -> float:
        """Median of processor time. [s]."""
        return statistics.median(self.cpu_seconds)


def interleaved(sides: Mapping[str, Callable[[], Callable[[], None]]], rounds: int) -> dict[str, Timed]:
    """Run every side once a round, every other round in reverse order.

    A machine that others use slows both sides of a round alike, so ratios hold where seconds do not.

    Parameters
    ----------
    sides
        By name: what makes ready, untimed, and hands over what is then timed.
    rounds
        How often.
    """
    clock: dict[str, list[float]] = {name: [] for name in sides}
    cpu: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(rounds):
        order = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for name in order:
            run = sides[name]()
            gc.collect()
            began, used = monotonic_s(), cpu_s()
            run()
            clock[name].append(monotonic_s() - began)
            cpu[name].append(cpu_s() - used)
    return {name: Timed(tuple(clock[name]), tuple(cpu[name])) for name in sides}


def cpu_s() -> float:
    """Processor time of this process and all below it, the ended ones too. [s]."""
    me = psutil.Process()
    total = 0.0
    for process in (me, *me.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def speed_ratios(side: Timed, baseline: Timed) -> tuple[float, float]:
    """How many times as fast as the baseline a side is, on the clock and by processor time. [1].

    Each is the median over the rounds' own ratios.

    Parameters
    ----------
    side, baseline
        From the same call of :func:`interleaved`.
    """
    pairs = ((side.seconds, baseline.seconds), (side.cpu_seconds, baseline.cpu_seconds))
    clock, cpu = (statistics.median(b / s for s, b in zip(*pair, strict=True)) for pair in pairs)
    return clock, cpu


def require(truth: bool, what: str) -> None:
    """Fail loudly where the sides do not agree.

    Raises
    ------
    DisagreementError
        ``truth`` is false.
    """
    if not truth:
        raise DisagreementError(what)
