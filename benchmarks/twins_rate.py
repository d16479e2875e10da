"""Patches a second to Digital Twins against the service's published limit, and how well the limiter keeps it.

The service takes 1,000 patches a second of all twins, and 10 of one (Microsoft, "Azure Digital Twins
service limits", rate limits, DigitalTwins API). The stand-in enforces both with 429, in a process of its own.
Through the SDK a single process may be slower than the limit; so the limiter is also held against the
stand-in's own counting alone, without HTTP between: it must come to 95 % of the limit and never over it.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from support.output import Line, Result, arguments, publish
from support.runs import Timed, interleaved, require

from battery_lake.local.twins import DigitalTwinsStandIn
from battery_lake.local.twins.errors import ServiceError
from battery_lake.local.twins.rates import Rates
from battery_lake.sinks.limiter import HEADROOM_FRAC, Limiter, burst_for
from battery_lake.sinks.twins import ontology
from battery_lake.sinks.twins.client import Address, Graph
from battery_lake.sinks.twins.deliver import Delivered, Delivery, Item, Manner
from battery_lake.sinks.twins.limits import PATCHES_PER_SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

AIM = 0.98 * HEADROOM_FRAC
"""The first calls and the last ones cut a little off the 95 %."""
THREADS = 16
MODEL = ontology.entity("BatteryCell").model


def items(twins: int, number: int) -> list[tuple[int, Item]]:
    """Twins of cells; every round finds all of them changed."""
    values = {"soh_pct": 80.0 + number / 10, "health_version": number}
    return [
        (0, Item("cell", f"P1/{n // 100:02}/{n % 100:02}", MODEL, values, ("health_version",)))
        for n in range(twins)
    ]


def serve(folder: str, pipe: Connection) -> None:
    """Run the stand-in until told to stop; then say how often it refused."""
    with DigitalTwinsStandIn(folder, limits=True) as standin:
        pipe.send(Address(standin.endpoint, token=standin.token, certificate=str(standin.certificate)))
        pipe.recv()
        pipe.send(standin.rates.refused)


@contextlib.contextmanager
def served(folder: Path, refusals: list[int]) -> Iterator[Address]:
    """Serve an instance that enforces its limits."""
    mine, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(str(folder), theirs))
    process.start()
    try:
        yield mine.recv()
        mine.send("stop")
        refusals.append(mine.recv())
    finally:
        process.join(30)
        process.kill()


def limiter_alone(calls: int) -> int:
    """Take turns from as many threads as a push has, each at once counted as the stand-in counts."""
    rates = Rates(is_enforced=True)
    limiter = Limiter(PATCHES_PER_SECOND, burst=burst_for(PATCHES_PER_SECOND, THREADS))

    def one(_: int) -> int:
        limiter.take()
        try:
            rates.check("patch")
        except ServiceError:
            return 1
        return 0

    with ThreadPoolExecutor(THREADS) as pool:
        return sum(pool.map(one, range(calls)))


def measured(folder: Path, twins: int, rounds: int) -> Result:
    """Run all rounds."""
    refusals: list[int] = []
    over: list[int] = []
    done: list[Delivered] = []
    with served(folder, refusals) as address:
        graph = Graph(address, THREADS)
        graph.add_models(ontology.interfaces())
        delivery = Delivery(graph, Manner(), THREADS)
        list(delivery.all(items(twins, 1)))
        numbers = iter(range(2, 2 + rounds))

        def patch() -> Callable[[], None]:
            wanted = items(twins, next(numbers))
            time.sleep(1.0)  # the second that the limits count ends
            return lambda: done.extend(delivery.all(wanted))

        sides: dict[str, Callable[[], Callable[[], None]]] = {
            "alone": lambda: lambda: over.append(limiter_alone(4 * PATCHES_PER_SECOND)),
            "sdk": patch,
        }
        timed = interleaved(sides, rounds)
    require([each.outcome for each in done] == ["patched"] * twins * rounds, "not every twin was patched")
    require(sum(refusals) == 0 and sum(over) == 0, f"429: {refusals} over HTTP, {over} without")
    return Result(
        "twins_rate",
        f"patches a second against the published limit of {PATCHES_PER_SECOND:,}/s: ratio 1 is the limit",
        "patches",
        (
            line("limiter, counted by the stand-in", 4 * PATCHES_PER_SECOND, timed["alone"]),
            line("SDK: a read and a patch each", twins, timed["sdk"]),
        ),
        AIM,
        f"{twins * rounds:,} twins patched, no 429 from a stand-in that enforces the limits",
        (f"{rounds} rounds, interleaved, medians; {THREADS} threads, {HEADROOM_FRAC:.0%} allowed",),
    )


def line(side: str, amount: int, timed: Timed) -> Line:
    """A line whose baseline is the limit."""
    ratio = amount / timed.median_s / PATCHES_PER_SECOND
    cpu_ratio = amount / max(timed.median_cpu_s, 1e-3) / PATCHES_PER_SECOND
    return Line(side, amount, timed.median_s, timed.median_cpu_s, ratio, cpu_ratio)


def main() -> None:
    """Measure and print."""
    given = arguments(__doc__ or "", twins=(3_000, "twins"), rounds=(3, "repetitions"))
    with tempfile.TemporaryDirectory() as folder:
        publish(measured(Path(folder), given.twins, given.rounds), given.json)


if __name__ == "__main__":
    main()
