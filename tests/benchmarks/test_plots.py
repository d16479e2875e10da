"""The pictures of the documents are drawn by one command, and each stands where its reader needs it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import altair as alt
import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
SCRIPT = ROOT / "benchmarks" / "plots.py"
DRAWN = ROOT / "docs" / "plots"
METHODS = ROOT / "docs" / "methods.md"
MOST_BYTES = 100_000
QUICK = ("charge_window", "partial_charge")
"""Pictures that take seconds."""

PATH = "{http://www.w3.org/2000/svg}path"
IMAGE = re.compile(r"!\[([^\]]*)\]\((plots/[^)]+)\)")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every picture that the script draws."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from plots import PICTURES

    return list(PICTURES)


def words(file: Path) -> str:
    """All that is written on a picture; a file that is no SVG has none."""
    root = ET.parse(file).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    return " ".join(
        text for element in root.iter("{http://www.w3.org/2000/svg}text") for text in element.itertext()
    )


@pytest.mark.skipif(not DATA.is_dir(), reason="the measured cells are not beside the project")
def test_the_script_draws_the_cells_of_a_folder_and_no_others(tmp_path: Path) -> None:
    judged = tmp_path / "judged" / "nasa_pcoe"
    judged.mkdir(parents=True)
    shutil.copy(DATA / "nasa_pcoe" / "B0006.parquet", judged)
    only = [word for name in QUICK for word in ("--only", name)]
    ran = run("--data", judged.parent, "--train", DATA, "--out", tmp_path / "drawn", *only)
    assert ran.returncode == 0, ran.stderr
    assert {file.stem for file in (tmp_path / "drawn").iterdir()} == set(QUICK)
    assert "B0006, learnt from B0005" in words(tmp_path / "drawn" / "partial_charge.svg")
    assert "CS2" not in words(tmp_path / "drawn" / "partial_charge.svg")
    assert "dQ/dV" in words(tmp_path / "drawn" / "charge_window.svg")


@pytest.mark.skipif(not DATA.is_dir(), reason="the measured cells are not beside the project")
def test_a_picture_is_the_same_when_it_is_drawn_again(tmp_path: Path) -> None:
    ran = run("--data", DATA, "--out", tmp_path, "--only", "charge_window")
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "charge_window.svg").read_text() == (DRAWN / "charge_window.svg").read_text()


def test_dots_become_one_path_and_none_is_lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from drawings.look import rows, save

    at = [1.0, 2.0, float("nan"), 4.0]
    dots = alt.Chart(rows(x=at, y=at)).mark_point(filled=True, opacity=1, strokeWidth=0, color="#123456")
    save(dots.encode(x="x:Q", y="y:Q"), tmp_path / "dots.svg")
    (path,) = [one for one in ET.parse(tmp_path / "dots.svg").iter(PATH) if one.get("stroke") == "#123456"]
    assert path.get("d", "").count("h.01") == 3
    assert path.get("stroke-linecap") == "round"


@pytest.mark.parametrize(("count", "most"), [(0, 10), (1, 10), (10, 10), (11, 10), (1999, 180)])
def test_a_thinned_series_keeps_its_ends(count: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from drawings.look import thinned

    some = thinned(count, most).tolist()
    assert len(some) == len(set(some)) == min(count, most)
    assert not count or (some[0], some[-1]) == (0, count - 1)


def test_a_folder_without_cells_draws_nothing_and_says_so(names: list[str], tmp_path: Path) -> None:
    ran = run("--data", tmp_path, "--out", tmp_path / "drawn")
    assert ran.returncode == 0, ran.stderr
    assert [line.split(":")[0] for line in ran.stdout.splitlines()] == names
    assert not list((tmp_path / "drawn").iterdir())


def test_a_folder_that_is_not_there_is_an_error_in_words(tmp_path: Path) -> None:
    ran = run("--data", tmp_path / "nowhere", "--out", tmp_path)
    assert ran.returncode == 2
    assert "there is no folder" in ran.stderr


def test_every_picture_stands_in_the_methods_with_its_words_and_its_command(names: list[str]) -> None:
    text = METHODS.read_text(encoding="utf-8")
    found = {Path(place).stem: told for told, place in IMAGE.findall(text)}
    assert set(found) == set(names)
    for name, told in found.items():
        assert len(told) > 60, name
        assert f"benchmarks/plots.py --data ../shared/data --out docs/plots --only {name}`" in text


def test_every_picture_is_there_small_and_has_words(names: list[str]) -> None:
    assert {file.name for file in DRAWN.iterdir()} == {f"{name}.svg" for name in names}
    for file in DRAWN.iterdir():
        assert file.stat().st_size < MOST_BYTES, file.name
        assert len(words(file)) > 40


def test_pictures_read_on_a_dark_page_too() -> None:
    # A ground of its own: ink on whatever the page has would vanish on a dark one.
    assert all('<rect width="' in file.read_text(encoding="utf-8")[:400] for file in DRAWN.iterdir())
