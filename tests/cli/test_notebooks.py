from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
NAMES = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))


@pytest.fixture(scope="module")
def executed(demo_home: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All notebooks on the small demo, by the command that keeps them."""
    out = tmp_path_factory.mktemp("notebooks")
    command = [sys.executable, NOTEBOOKS / "render.py", "--home", demo_home.path, "--out", out]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {path.name: nbformat.read(path, as_version=4) for path in sorted(out.glob("*.ipynb"))}


def outputs(book: Any) -> Iterator[Any]:
    return (output for cell in book.cells for output in cell.get("outputs", []))


def code(book: Any) -> list[Any]:
    return [cell for cell in book.cells if cell.cell_type == "code"]


def test_every_notebook_runs_to_its_end_and_shows_something(executed: dict[str, Any]) -> None:
    assert list(executed) == NAMES
    for book in executed.values():
        assert [cell.execution_count for cell in code(book)] == list(range(1, len(code(book)) + 1))
        assert {output.output_type for output in outputs(book)} <= {"execute_result", "stream"}
        assert code(book)[-1].outputs


def test_charts_are_drawn_and_said_in_words(executed: dict[str, Any]) -> None:
    drawn = [o.data for book in executed.values() for o in outputs(book) if "image/png" in o.get("data", {})]
    assert len(drawn) >= 7
    assert all(len(shown["text/plain"]) > 40 for shown in drawn)


def test_what_is_shown_holds_neither_the_lakes_folder_nor_what_spark_says(
    executed: dict[str, Any], demo_home: Any
) -> None:
    for book in executed.values():
        assert str(demo_home.path) not in nbformat.writes(book)
        assert not [o for o in outputs(book) if o.get("name") == "stderr"]


def test_a_notebook_begins_with_an_empty_namespace_though_spark_goes_on(executed: dict[str, Any]) -> None:
    for book in executed.values():
        assert "open_lake()" in code(book)[0].source
