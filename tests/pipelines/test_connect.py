"""The same messages through Spark Connect, as standard and serverless compute have it: the same gold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from deltalake import DeltaTable

from battery_lake.pipelines.registry import JOBS, TO_GOLD

pytestmark = pytest.mark.timeout(2700)  # Connect starts a Python process for every stream
LONGEST_S = 1800
SCRIPT = Path(__file__).with_name("through_connect.py")
TABLES = sorted({name for job in ("refine", "health") for pipeline in JOBS[job] for name in pipeline.writes})
WHEN = {"refused_at"}
"""Columns that say when a run was."""


@pytest.fixture(scope="module")
def both(made_lake, made_pack, landing_line, tmp_path_factory):
    """A lake that this process's session filled, and the home that a process through Connect filled."""
    folder = tmp_path_factory.mktemp("connect")
    pack = made_pack("A", "V1", (49.0, 47.5, 40.0), wakes=True).day().day()
    made = made_lake(folder, [pack])
    lines = [landing_line(message) for message in pack.messages]
    found = made.deliver([*lines, "nothing", lines[0]])
    asked = [sys.executable, SCRIPT, folder / "other", made.lake.settings.landing, folder / "reference"]
    ended = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=LONGEST_S)
    assert ended.returncode == 0, ended.stderr[-3000:]
    return made, folder / "other", found, ended.stdout


def rows(home, name):
    table = DeltaTable(str(Path(home) / "lake" / name.replace(".", "/"))).to_pyarrow_table()
    listed = table.select([column for column in table.column_names if column not in WHEN]).to_pylist()
    return sorted(listed, key=repr)


def test_every_table_holds_the_same_whatever_session_filled_it(both):
    made, other, _, _ = both
    assert "gold.cell_health" in TABLES
    for name in TABLES:
        assert rows(other, name) == rows(made.lake.settings.home, name), name
    assert rows(other, "gold.cell_current")


def test_a_run_tells_what_it_did_though_its_batches_ran_in_another_process(both):
    _, _, found, told = both
    counted = {
        line.split()[0]: [int(word) for word in line.split()[1:]] for line in told.splitlines() if line
    }
    assert set(counted) == {pipeline.name for job in TO_GOLD for pipeline in JOBS[job]}
    for name, result in found.items():
        assert counted[name] == [result.batches, result.counts.rows_in, result.counts.rows_kept], name
