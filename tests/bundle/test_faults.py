"""Every seeded fault is found, in its file and on its line; the real bundle has none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from battery_lake.bundle.check import check, targets

from .faults import FAULTS, ROOT, Seeded, copy_bundle

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("target", targets(ROOT))
def test_the_real_bundle_has_no_fault(target: str) -> None:
    assert check(ROOT, target) == []


@pytest.mark.parametrize("seeded", FAULTS, ids=lambda fault: fault.name)
def test_a_seeded_fault_is_found_where_it_is(seeded: Seeded, tmp_path: Path) -> None:
    folder = copy_bundle(tmp_path / "bundle")
    seeded.plant(folder)
    found = [finding for finding in check(folder, "prod") if finding.place.startswith(f"{seeded.shown_in}:")]
    assert found
    assert all(finding.remedy for finding in found)
