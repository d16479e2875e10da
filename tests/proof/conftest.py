"""Commands that can be killed in the middle, and two homes held against each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb
import psutil
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from battery_lake.cli.app import INTERRUPTED
from battery_lake.tables.registry import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COMPARED = tuple(name for name in TABLES if not name.startswith("ops."))
WHEN_IT_RAN = {"bronze.telemetry": {"ingested_at"}, "silver.quarantine": {"refused_at"}}
"""Columns that tell when the run took place: two runs cannot agree on them."""

COUNTED = ("ingest", "refine")
"""Pipelines whose batches must count the same, however often they were begun."""

LISTED = 3

ENVIRONMENT = {
    name: value for name, value in os.environ.items() if not name.startswith("BATTERY_LAKE_PROOF_")
}
"""Of the commands: the size of a proof is no setting of theirs."""


@dataclass
class Command:
    """A command on a home of its own, as a process in a session of its own."""

    home: Path
    arguments: tuple[str, ...]
    lines: list[tuple[float, str]] = field(default_factory=list)
    """What the last run said on stderr, each line with the seconds since the start."""
    since_s: float = 0.0
    """When, in the last run, `since` of :meth:`run` became true. [s]."""

    def run(
        self,
        kill_after_s: float = float("inf"),
        limit_s: float = 3600.0,
        since: Callable[[], bool] = lambda: True,
        *,
        ctrl_c: bool = False,
    ) -> float | None:
        """Run to the end and return the seconds it took, or kill everything before and return None.

        Seconds to the kill, or to Ctrl-C in its place, count from when `since` is true.
        """
        self.lines = []
        began = time.monotonic()
        command = [sys.executable, "-m", "battery_lake", "--set", f"home={self.home}"]
        with subprocess.Popen(
            [*command, *self.arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env=ENVIRONMENT,
        ) as process:
            reader = threading.Thread(target=self._read, args=(process, began))
            reader.start()
            try:
                self.since_s = _waited_for(process, began, limit_s, since)
                process.wait(min(kill_after_s, max(began + limit_s - time.monotonic(), 0.0)))
            except subprocess.TimeoutExpired:
                if ctrl_c:
                    os.killpg(process.pid, signal.SIGINT)
                else:
                    _kill_session(process.pid)
            reader.join()
        if process.returncode == (INTERRUPTED if ctrl_c else -signal.SIGKILL) and kill_after_s < limit_s:
            return None
        said = "\n".join(text for _, text in self.lines[-30:])
        assert process.returncode == 0, (
            f"{' '.join(self.arguments)} on {self.home} ended with {process.returncode}:\n{said}"
        )
        return time.monotonic() - began

    def _read(self, process: subprocess.Popen[str], began: float) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self.lines.append((time.monotonic() - began, line.rstrip()))

    @property
    def last_line(self) -> str:
        """Where the last run was when it ended."""
        return self.lines[-1][1] if self.lines else "nothing said yet"

    def second_of(self, text: str) -> float:
        """When the last run said a text. [s]."""
        return next(second for second, line in self.lines if text in line)


def _waited_for(
    process: subprocess.Popen[str], began: float, limit_s: float, since: Callable[[], bool]
) -> float:
    """Wait until something is true, or the process has ended; return when, after its beginning. [s]."""
    while not since() and process.poll() is None and time.monotonic() - began < limit_s:
        time.sleep(0.02)
    return time.monotonic() - began


def _kill_session(leader: int) -> None:
    """Kill -9 the group at once, then the rest of the session: Spark's Python workers leave the group."""
    os.killpg(leader, signal.SIGKILL)
    while members := [pid for pid in psutil.pids() if _is_of_session(pid, leader)]:
        for pid in members:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.05)


def _is_of_session(pid: int, leader: int) -> bool:
    try:
        return os.getsid(pid) == leader and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except (ProcessLookupError, psutil.NoSuchProcess):
        return False


@pytest.fixture(scope="session")
def new_command(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Command]:
    """Make a command on a new home."""

    def make(*arguments: str) -> Command:
        return Command(tmp_path_factory.mktemp("proof") / "home", arguments)

    return make


@pytest.fixture(scope="session")
def new_demo(new_command: Callable[..., Command]) -> Callable[..., Command]:
    """Make a demo on a new home."""
    return lambda *arguments: new_command("demo", "--no-sinks", "--json", *arguments)


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Say at once how far a proof is: it takes long."""

    def say(text: str) -> None:
        with capsys.disabled():
            sys.stderr.write(text + "\n")

    return say


@pytest.fixture(scope="session")
def differences() -> Callable[[Path, Path], list[str]]:
    """Say in words where two homes differ: landing files, every table's content, the batches' counts."""
    return _differences


def _differences(left: Path, right: Path) -> list[str]:
    found = []
    names = [{file.name for file in (home / "landing").glob("*.json")} for home in (left, right)]
    if names[0] != names[1]:
        found.append(f"landing files: {len(names[0])} and {len(names[1])}, not the same ones")
    for name in COMPARED:
        found += _table_differences(name, left, right)
    counts = [_batch_counts(home) for home in (left, right)]
    if counts[0] != counts[1]:
        found.append(f"ops.batch of {', '.join(COUNTED)}: {counts[0]} and {counts[1]}")
    if not (left / "reports" / "report.html").is_file() or not (right / "reports" / "report.html").is_file():
        found.append("a report is missing")
    return found


def _relation(connection: duckdb.DuckDBPyConnection, home: Path, name: str, view: str) -> bool:
    """Make a view of a table as it stands; False where it has no rows."""
    layer, short = name.split(".")
    try:
        files = DeltaTable(str(home / "lake" / layer / short)).file_uris()
    except TableNotFoundError:
        return False
    if files:
        listed = ", ".join(f"'{file}'" for file in files)
        connection.execute(f"CREATE VIEW {view} AS SELECT * FROM read_parquet([{listed}])")
    return bool(files)


def _table_differences(name: str, left: Path, right: Path) -> list[str]:
    contract = TABLES[name]
    with duckdb.connect() as connection:
        has = (_relation(connection, left, name, "l"), _relation(connection, right, name, "r"))
        if has != (True, True):
            return [] if has == (False, False) else [f"{name}: rows only {'left' if has[0] else 'right'}"]
        on = " AND ".join(f'l."{key}" = r."{key}"' for key in contract.key)
        values = [
            column
            for column in contract.column_names
            if column not in contract.key and column not in WHEN_IT_RAN.get(name, set())
        ]
        first = contract.key[0]
        differing = {
            "only left": f'r."{first}" IS NULL',
            "only right": f'l."{first}" IS NULL',
        } | {
            column: f'l."{first}" IS NOT NULL AND r."{first}" IS NOT NULL'
            f' AND l."{column}" IS DISTINCT FROM r."{column}"'
            for column in values
        }
        counted = ", ".join(f"count_if({condition})" for condition in differing.values())
        row = connection.execute(f"SELECT {counted} FROM l FULL JOIN r ON {on}").fetchone()
        assert row is not None
        found = [
            f"{name}: {count} rows: {what}, e.g. {_example(connection, name, on, what, condition)}"
            for (what, condition), count in zip(differing.items(), row, strict=True)
            if count
        ]
        return found + _repeated(connection, name)


def _example(connection: duckdb.DuckDBPyConnection, name: str, on: str, what: str, condition: str) -> str:
    keys = ", ".join(f'coalesce(l."{key}", r."{key}")::text' for key in TABLES[name].key)
    shown = f', l."{what}"::text, r."{what}"::text' if what in TABLES[name].column_names else ""
    query = f"SELECT {keys}{shown} FROM l FULL JOIN r ON {on} WHERE {condition} ORDER BY ALL LIMIT {LISTED}"
    return str(connection.execute(query).fetchall())


def _repeated(connection: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    """A key that stands twice would be missed by a join that pairs each with each."""
    keys = ", ".join(f'"{key}"' for key in TABLES[name].key)
    query = "SELECT count(*) FROM (SELECT 1 FROM {} GROUP BY {} HAVING count(*) > 1)"
    counts = {
        side: connection.execute(query.format(view, keys)).fetchone()
        for side, view in (("left", "l"), ("right", "r"))
    }
    return [f"{name}: {row[0]} keys stand twice {side}" for side, row in counts.items() if row and row[0]]


def _batch_counts(home: Path) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        if not _relation(connection, home, "ops.batch", "b"):
            return []
        listed = ", ".join(f"'{name}'" for name in COUNTED)
        return connection.execute(
            "SELECT pipeline, sum(rows_in), sum(rows_kept), sum(rows_refused), sum(rows_duplicate)"
            f" FROM b WHERE pipeline IN ({listed}) GROUP BY pipeline ORDER BY pipeline"
        ).fetchall()
