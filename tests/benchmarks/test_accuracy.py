"""The accuracy of the estimates is measured by one command, on whatever cells a folder holds."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
SCRIPT = ROOT / "benchmarks" / "accuracy.py"
QUICK = {1: "nasa_pcoe", 4: "lfp_essl1", 6: "nasa_temperature"}
"""Tasks that take seconds, and the folder of their cells."""


def run(tmp_path: Path, *arguments: str | Path) -> tuple[subprocess.CompletedProcess[str], list[dict]]:
    """Run the script; what it printed, and the figures that it wrote."""
    file = tmp_path / "figures.json"
    ran = subprocess.run(
        [sys.executable, SCRIPT, *arguments, "--json", file],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return ran, json.loads(file.read_text(encoding="utf-8")) if file.exists() else []


def test_every_task_has_a_module_that_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    from accuracy import TASKS, modules_of

    assert set(TASKS) == set(range(1, 9))
    for number in TASKS:
        for part in modules_of(number):
            assert part.TITLE
            assert callable(part.figures)


@pytest.mark.parametrize("number", QUICK)
@pytest.mark.skipif(not DATA.is_dir(), reason="the measured cells are not beside the project")
def test_a_task_prints_its_table_and_writes_the_same_figures(number: int, tmp_path: Path) -> None:
    ran, figures = run(tmp_path, "--data", DATA, "--task", str(number))
    assert ran.returncode == 0, ran.stderr
    assert {figure["task"] for figure in figures} == {number}
    assert all(set(figure) == {"task", "set", "metric", "value", "baseline"} for figure in figures)
    assert any(figure["baseline"] is not None for figure in figures)
    assert all(figure["set"] in ran.stdout and figure["metric"] in ran.stdout for figure in figures)


@pytest.mark.parametrize("number", QUICK)
@pytest.mark.skipif(not DATA.is_dir(), reason="the measured cells are not beside the project")
def test_cells_of_another_folder_are_judged_by_what_was_learnt_elsewhere(number: int, tmp_path: Path) -> None:
    folder = tmp_path / "judged" / QUICK[number]
    shutil.copytree(DATA / QUICK[number], folder)
    cells = sorted(path for path in folder.glob("*[0-9].parquet"))
    for other in cells[1:]:
        other.chmod(0o644)
        other.unlink()
    ran, figures = run(tmp_path, "--data", tmp_path / "judged", "--train", DATA, "--task", str(number))
    assert ran.returncode == 0, ran.stderr
    assert any(cells[0].stem in figure["set"] for figure in figures)
    assert not any(other.stem in figure["set"] for other in cells[1:] for figure in figures)


@pytest.mark.skipif(not DATA.is_dir(), reason="the measured cells are not beside the project")
def test_the_short_table_holds_the_metrics_of_the_aims_beside_their_baseline(tmp_path: Path) -> None:
    ran, figures = run(tmp_path, "--data", DATA, "--task", "4", "--markdown", tmp_path / "short.md")
    assert ran.returncode == 0, ran.stderr
    rows = [
        line.split(" | ") for line in (tmp_path / "short.md").read_text(encoding="utf-8").splitlines()[2:]
    ]
    assert {row[2] for row in rows} == {"`rmse_pp`", "`coverage90`"}
    assert {row[1] for row in rows} == {figure["set"] for figure in figures}


@pytest.mark.parametrize("number", range(1, 8))
def test_a_folder_without_a_tasks_cells_is_said_to_have_none(number: int, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ran, figures = run(tmp_path, "--data", tmp_path / "empty", "--task", str(number))
    assert ran.returncode == 0, ran.stderr
    assert "its data is not in" in ran.stdout
    assert figures == []


def test_a_folder_that_is_not_there_is_an_error_in_words(tmp_path: Path) -> None:
    ran, _ = run(tmp_path, "--data", tmp_path / "nowhere")
    assert ran.returncode == 2
    assert "there is no folder" in ran.stderr
