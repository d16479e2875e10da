"""The command line in this process, on the suite's Spark, and one small demo that all tests look at."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable

from battery_lake.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import SparkSession

SMALL = ("demo", "--vehicles", "2", "--days", "10", "--no-sinks")


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class DemoHome:
    """A home that the small demo has filled."""

    path: Path
    first: Outcome


def _run(*arguments: object) -> Outcome:
    out, err = io.StringIO(), io.StringIO()
    before, sys.argv = sys.argv, ["battery-lake", *map(str, arguments)]
    code: Any = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as end:
        code = end.code or 0
    finally:
        sys.argv = before
    return Outcome(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def run() -> Callable[..., Outcome]:
    """Run a command to its end."""
    return _run


@pytest.fixture(scope="session")
def demo_home(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> DemoHome:
    """The small demo, run once; no test changes what it holds."""
    del spark  # it only has to be there: the command takes the session that is active
    path = tmp_path_factory.mktemp("demo") / "home"
    first = _run("--set", f"home={path}", *SMALL, "--json")
    assert first.code == 0, first.err
    return DemoHome(path, first)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without a settings file, and an environment that sets nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "CONFIG", "SPARK__MASTER"):
        monkeypatch.delenv(f"BATTERY_LAKE_{name}", raising=False)
    return tmp_path


@pytest.fixture(scope="session")
def rows() -> Callable[[Path, str], list[dict[str, Any]]]:
    """Read a table of a home, without Spark; no rows where there is no table yet."""

    def read(home: Path, name: str) -> list[dict[str, Any]]:
        folder = home / "lake" / name.replace(".", "/")
        if not folder.is_dir():
            return []
        found: list[dict[str, Any]] = DeltaTable(str(folder)).to_pyarrow_table().to_pylist()
        return found

    return read
