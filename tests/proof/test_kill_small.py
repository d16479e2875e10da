"""The kill proof in small: two kills on one home."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.timeout(1800)
def test_a_demo_killed_twice_gives_what_an_undisturbed_one_gives(
    new_demo: Callable[..., Any], differences: Callable[[Path, Path], list[str]]
) -> None:
    seed = random.SystemRandom().randrange(1_000_000)
    draw = random.Random(seed)
    arguments = ("--vehicles", "2", "--days", "10")
    undisturbed, disturbed = new_demo(*arguments), new_demo(*arguments)
    total_s = undisturbed.run()
    shares = (draw.uniform(0.1, 0.6), draw.uniform(0.3, 0.5))
    killed_in = [
        disturbed.last_line for share in shares if disturbed.run(kill_after_s=share * total_s) is None
    ]
    disturbed.run()
    assert killed_in, "it was through before it could be killed"
    assert not differences(undisturbed.home, disturbed.home), f"seed {seed}: killed in {killed_in}"
