"""The kill proof in small: one kill, anywhere but in the first and last moments."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.timeout(1800)
def test_a_demo_that_was_killed_gives_what_an_undisturbed_one_gives(
    new_demo: Callable[..., Any], differences: Callable[[Path, Path], list[str]]
) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    draw = random.Random(seed)
    arguments = ("--vehicles", "1", "--days", "6")
    undisturbed, disturbed = new_demo(*arguments), new_demo(*arguments)
    total_s = undisturbed.run()
    ended = disturbed.run(kill_after_s=draw.uniform(0.1, 0.8) * total_s)
    assert ended is None, "it was through before it could be killed"
    killed_in = disturbed.last_line
    disturbed.run()
    assert not differences(undisturbed.home, disturbed.home), f"seed {seed}: killed in {killed_in}"
