from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("spark")

PACKS = "pack_id,chemistry,cells_in_series,rated_capacity_ah,ocv_curve\n"
ASSIGNMENTS = "pack_id,vehicle_id,valid_from,valid_to\nP1,V1,2026-01-01T00:00:00Z,\n"
GOOD = PACKS + "P1,NMC,96,50,\n"


@pytest.fixture
def load(tmp_path: Path, run: Callable[..., Any]) -> Callable[..., Any]:
    """Load a folder of two files."""

    def written(packs: str, assignments: str = ASSIGNMENTS, *options: str) -> Any:
        folder = tmp_path / "reference"
        folder.mkdir(exist_ok=True)
        (folder / "packs.csv").write_text(packs, encoding="utf-8")
        (folder / "pack_assignment.csv").write_text(assignments, encoding="utf-8")
        return run("--set", f"home={tmp_path / 'home'}", "reference", "load", folder, *options)

    return written


REFUSED = {
    "a missing column": (
        "pack_id,chemistry,cells_in_series\nP1,NMC,96\n",
        ["missing: ['rated_capacity_ah']"],
    ),
    "an unknown column": (
        PACKS.replace("ocv_curve", "colour") + "P1,NMC,96,50,red\n",
        ["unknown: ['colour']"],
    ),
    "a wrong type": (PACKS + "P1,NMC,many,50,\n", ["P1: cells_in_series is no int"]),
    "an empty required value": (PACKS + "P1,NMC,,50,\n", ["P1: cells_in_series is empty"]),
    "an unknown chemistry": (PACKS + "P1,LTO,96,50,\n", ["P1: chemistry is none of", "NMC"]),
    "a value that cannot be": (PACKS + "P1,NMC,96,-5,\n", ["P1: rated_capacity_ah is not above 0"]),
    "a key that stands twice": (GOOD + "P1,NMC,96,51,\n", ["names a key twice", "P1"]),
    "an OCV curve that is not there": (PACKS + "P1,NMC,96,50,mine\n", ["OCV curve mine is not there"]),
}


@pytest.mark.parametrize(("packs", "said"), REFUSED.values(), ids=REFUSED)
def test_a_bad_packs_file_ends_with_3_and_says_what_to_mend(
    packs: str, said: list[str], load: Callable[..., Any], rows: Callable[..., Any], tmp_path: Path
) -> None:
    outcome = load(packs)
    assert (outcome.code, outcome.out) == (3, "")
    assert all(text in outcome.err for text in said), outcome.err
    assert outcome.err.startswith("error: ")
    assert "\ndo:  " in outcome.err
    assert "Traceback" not in outcome.err
    assert not rows(tmp_path / "home", "reference.packs")


def test_an_assignment_that_ends_before_it_begins_is_refused(load: Callable[..., Any]) -> None:
    outcome = load(GOOD, ASSIGNMENTS.rstrip() + "2025-01-01T00:00:00Z\n")
    assert outcome.code == 3
    assert "valid_to is not after valid_from" in outcome.err


def test_a_folder_that_is_none_or_empty_ends_with_3(run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "file.csv").touch()
    for place in (tmp_path, tmp_path / "absent", tmp_path / "file.csv"):
        outcome = run("--set", f"home={tmp_path / 'home'}", "reference", "load", place)
        assert (outcome.code, outcome.out) == (3, "")
        assert f"{place} holds no packs.csv" in outcome.err


def test_good_files_are_loaded_once(
    load: Callable[..., Any], rows: Callable[..., Any], tmp_path: Path
) -> None:
    assert load(GOOD, ASSIGNMENTS, "--json").json == {
        "reference.packs": 1,
        "reference.pack_assignment": 1,
    }
    assert set(load(GOOD, ASSIGNMENTS, "--json").json.values()) == {0}
    changed = load(GOOD.replace("50", "51") + "P2,LFP,100,60,\n", ASSIGNMENTS, "--json").json
    assert changed == {"reference.packs": 2, "reference.pack_assignment": 0}
    held = {row["pack_id"]: row for row in rows(tmp_path / "home", "reference.packs")}
    assert held["P1"]["rated_capacity_ah"] == 51
    assert held["P2"]["ocv_v"]
