"""Printing of results: what was compared, the table, the ratio; as JSON for machines."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import battery_lake
from battery_lake.clock import utc_now
from support.runs import speed_ratios

if TYPE_CHECKING:
    from battery_lake.simulate.fleet import FleetSpec
    from support.runs import Timed


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table of results.

    Parameters
    ----------
    side
        What ran.
    amount
        How much it did in a round.
    seconds, cpu_seconds
        Medians over the rounds, on the clock and of processor time. [s]
    ratio, cpu_ratio
        Its speed over the baseline's by either; 1 is the baseline itself. [1]
    """

    side: str
    amount: int
    seconds: float
    cpu_seconds: float
    ratio: float
    cpu_ratio: float

    @classmethod
    def of(cls, side: str, amount: int, timed: Timed, baseline: Timed, share: float = 1.0) -> Line:
        """Make a line from what was timed.

        Parameters
        ----------
        side, amount
            As above.
        timed, baseline
            The side's own rounds and the baseline's.
        share
            How many times the baseline's amount the side's is. [1]
        """
        clock, cpu = speed_ratios(timed, baseline)
        return cls(side, amount, timed.median_s, timed.median_cpu_s, share * clock, share * cpu)


@dataclass(frozen=True, slots=True)
class Result:
    """What a benchmark found.

    Parameters
    ----------
    name, compared
        Which benchmark, and what it compares in words.
    unit
        What ``amount`` counts: messages, cells.
    lines
        The table.
    aim
        Smallest ratio of the first line that is wanted. [1]
    checked
        What both sides were seen to agree in.
    notes
        Anything else worth a line.
    has_rate
        Whether ``amount`` was done in these seconds; else each of them waited so long.
    """

    name: str
    compared: str
    unit: str
    lines: tuple[Line, ...]
    aim: float
    checked: str
    notes: tuple[str, ...] = ()
    has_rate: bool = True


def arguments(description: str, **counts: tuple[int, str]) -> argparse.Namespace:
    """Read the command line.

    Parameters
    ----------
    description
        What the benchmark does.
    counts
        Whole numbers that can be chosen, each with its default and its meaning.
    """
    parser = argparse.ArgumentParser(description=description)
    for name, (default, meaning) in counts.items():
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=int, default=default, help=f"{meaning} [{default}]"
        )
    parser.add_argument("--cold", action="store_true", help="no warm-up: to see that it runs, not how fast")
    parser.add_argument("--json", type=Path, help="also write the result here")
    return parser.parse_args()


def size_note(spec: FleetSpec, rounds: int, stands: str) -> str:
    """Return what was measured on, and how.

    Parameters
    ----------
    spec
        The fleet.
    rounds
        Repetitions.
    stands
        What was there before the clock ran.
    """
    size = f"{spec.vehicles} vehicles, {spec.days} days, {spec.cells_in_series} cells"
    return f"{size}; {rounds} rounds, interleaved, medians; {stands}"


def publish(result: Result, file: Path | None) -> None:
    """Print a result; write it as JSON too where a file is named.

    Parameters
    ----------
    result
        What was found.
    file
        Where to, or None.
    """
    print(f"{result.name}: {result.compared}")
    rate_head = f"{result.unit + '/s':>12}" if result.has_rate else ""
    head = f"{'':36}{result.unit:>10}{'seconds':>9}{rate_head}{'ratio':>8}{'cpu s':>9}{'cpu ratio':>11}"
    print(head, "-" * len(head), sep="\n")
    for line in result.lines:
        rate = f"{line.amount / line.seconds:>12,.0f}" if result.has_rate else ""
        print(
            f"{line.side:36}{line.amount:>10,}{line.seconds:>9.2f}{rate}{line.ratio:>8.2f}"
            f"{line.cpu_seconds:>9.2f}{line.cpu_ratio:>11.2f}"
        )
    reached = "reached" if result.lines[0].ratio >= result.aim else "missed"
    print(f"ratio of the first line: {result.lines[0].ratio:.2f}, aim {result.aim:g}: {reached}")
    print(f"checked: {result.checked}")
    for note in (*result.notes, _machine()):
        print(note)
    if file is not None:
        file.write_text(json.dumps({**asdict(result), "machine": _machine()}, indent=2), encoding="utf-8")


def _machine() -> str:
    """Where and when, so that figures can be told apart."""
    load_1, load_5, _ = os.getloadavg()
    return (
        f"battery_lake {battery_lake.__version__}, {os.cpu_count()} cores, load {load_1:.1f} (1 min)"
        f" {load_5:.1f} (5 min), {utc_now():%Y-%m-%d}"
    )
