"""A simulated fleet as files: messages, reference data, truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

from battery_lake.simulate.fleet import FleetSpec, references, simulate
from battery_lake.simulate.messages import write_landing
from battery_lake.simulate.reference import write_reference
from battery_lake.simulate.truth import write_truth

if TYPE_CHECKING:
    from collections.abc import Callable

    from battery_lake.settings import Settings

TELL_EVERY = 5


def write_fleet(settings: Settings, spec: FleetSpec, say: Callable[[str], None]) -> int:
    """Write a fleet's landing files, its truth and its reference files; return the number of messages.

    Parameters
    ----------
    settings
        Say where.
    spec
        The fleet.
    say
        Told of the progress.
    """
    total = 0
    truth = settings.home / "truth" / "fleet"
    for number, (messages, known) in enumerate(simulate(spec), start=1):
        total += write_landing(settings.landing, [messages])
        write_truth(truth, known)
        if number % TELL_EVERY == 0 or number == spec.vehicles:
            say(f"  vehicle {number} of {spec.vehicles}: {total:,} messages")
    write_reference(settings.home / "reference" / "fleet", *references(spec))
    return total
