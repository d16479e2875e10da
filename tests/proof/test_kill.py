"""Kill -9 at many random moments: run again, the demo gives what an undisturbed run gives."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

KILLS = int(os.environ.get("BATTERY_LAKE_PROOF_KILLS", "10"))
VEHICLES = os.environ.get("BATTERY_LAKE_PROOF_VEHICLES", "4")
DAYS = os.environ.get("BATTERY_LAKE_PROOF_DAYS", "90")
SEED = int(os.environ.get("BATTERY_LAKE_PROOF_SEED", str(random.SystemRandom().randrange(1_000_000))))
DATA = Path(__file__).parents[3] / "shared" / "data"

pytestmark = [pytest.mark.proof, pytest.mark.timeout(2 * 3600)]


def moments(undisturbed: Any, total_s: float) -> list[float]:
    """Two moments while files are written, the rest spread over what follows: one in each equal part."""
    draw = random.Random(SEED)
    files_s = undisturbed.second_of("starting Spark")
    early = [draw.uniform(0.1, files_s) for _ in range(min(2, KILLS))]
    late = KILLS - len(early)
    part_s = (total_s - files_s) / max(late, 1)
    return early + [files_s + part_s * (place + draw.random()) for place in range(late)]


def test_a_demo_killed_anywhere_and_run_again_gives_what_an_undisturbed_one_gives(
    new_demo: Callable[..., Any],
    differences: Callable[[Path, Path], list[str]],
    tell: Callable[[str], None],
) -> None:
    arguments = ["--vehicles", VEHICLES, "--days", DAYS, *(["--data", str(DATA)] if DATA.is_dir() else [])]
    undisturbed = new_demo(*arguments)
    total_s = undisturbed.run()
    tell(f"\nseed {SEED}; demo {' '.join(arguments)}: undisturbed {total_s:.1f} s")
    problems = []
    for number, moment_s in enumerate(moments(undisturbed, total_s), start=1):
        disturbed = new_demo(*arguments)
        killed_in = kill_at(disturbed, moment_s)
        again_s = disturbed.run()
        found = differences(undisturbed.home, disturbed.home)
        verdict = "; ".join(found) or "equal"
        tell(f"{number}: killed {killed_in}, then {again_s:.1f} s: {verdict}")
        problems += [f"killed {killed_in}: {text}" for text in found]
        if not found:
            shutil.rmtree(disturbed.home)
    assert not problems, f"seed {SEED}\n" + "\n".join(problems)


def kill_at(demo: Any, moment_s: float) -> str:
    """Kill a fresh demo at a moment, an earlier one if it is through by then; when and where it was."""
    while demo.run(kill_after_s=moment_s) is not None:
        shutil.rmtree(demo.home)
        moment_s *= 0.8
    return f"at {moment_s:.1f} s in {demo.last_line.strip()}"
