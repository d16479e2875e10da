"""A day of a fleet, shuffled, duplicated, contradicted, from two hubs and in restarts: the same silver."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from battery_lake.cli.fleet_files import write_fleet
from battery_lake.lake.access import Lake
from battery_lake.pipelines.reference import load_reference
from battery_lake.pipelines.registry import run_job
from battery_lake.settings import load
from battery_lake.simulate.fleet import FleetSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import SparkSession

pytestmark = pytest.mark.timeout(2 * 3600)

RESTARTS = int(os.environ.get("BATTERY_LAKE_PROOF_RESTARTS", "50"))
VEHICLES = int(os.environ.get("BATTERY_LAKE_PROOF_VEHICLES", "200"))
SEED = int(os.environ.get("BATTERY_LAKE_PROOF_SEED", str(random.SystemRandom().randrange(1_000_000))))
HUBS = ("east", "west")
TWICE, CONTRADICTED = 0.3, 0.02
WAY_IN = ("hub", "partition_id", "sequence_number")
"""Columns that say where a message came from: another file for the same message."""

WORK = """
import sys
from battery_lake.lake.access import Lake
from battery_lake.pipelines.registry import run_job
from battery_lake.session import spark_session
from battery_lake.settings import load
if __name__ == "__main__":
    for job, *pairs in (line.split("|") for line in sys.argv[1:]):
        settings, _ = load(pairs)
        run_job(job, Lake(spark_session(settings), settings))
"""


@dataclass
class Day:
    """A day of messages in files, and a lake that takes them in."""

    home: Path
    lake: Lake
    files: Counter[str] = field(default_factory=Counter)

    def jobs(self) -> list[list[str]]:
        """The jobs of a run: each hub into bronze, then silver."""
        into_bronze = [
            ["ingest", f"source.landing={self.home / hub}", f"source.hub={hub}",
             f"lake.checkpoints={self.home / 'places' / hub}"]
            for hub in HUBS
        ]  # fmt: skip
        return [[job, f"home={self.home}", *pairs] for job, *pairs in [*into_bronze, ["refine"]]]

    def put(self, lines: list[str], hub: str) -> None:
        """Let a file stand in a hub's folder, whole at once."""
        self.files[hub] += 1
        draft = self.home / "draft"
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
        draft.replace(self.home / hub / f"{self.files[hub]:03d}.json")

    def run(self) -> None:
        """Take in what is there, in this process."""
        for job, *pairs in self.jobs():
            settings, _ = load(pairs, environment={})
            run_job(job, Lake(self.lake.spark, settings))

    def run_until(self, kill_after_s: float) -> bool:
        """Take in what is there, in a process that is killed if it is not through by then; whether it was."""
        arguments = ["|".join(job) for job in self.jobs()]
        process = subprocess.Popen(
            [sys.executable, "-c", WORK, *arguments], stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            assert process.wait(kill_after_s) == 0
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            return True
        return False

    def rows(self, name: str, *without: str) -> list[str]:
        """What a table holds, apart from some columns."""
        frame = self.lake.read(name).drop(*without)
        return sorted(
            frame.selectExpr("to_json(struct(*), map('ignoreNullFields', 'false')) AS row").toPandas()["row"]
        )


@pytest.fixture
def new_day(spark: SparkSession, tmp_path: Path) -> Callable[[str], Day]:
    """Make an empty lake that knows the fleet."""

    def made(name: str) -> Day:
        home = tmp_path / name
        for hub in HUBS:
            (home / hub).mkdir(parents=True)
        settings, _ = load([f"home={home}"], environment={})
        lake = Lake(spark, settings)
        load_reference(lake, tmp_path / "fleet" / "reference" / "fleet")
        return Day(home, lake)

    return made


def fleet_lines(folder: Path, vehicles: int) -> list[str]:
    """The messages of a day, in the order in which the hub took them."""
    settings, _ = load([f"home={folder}"], environment={})
    write_fleet(settings, FleetSpec(vehicles=vehicles, days=1, seed=3), lambda _: None)
    found = [
        line for file in sorted(settings.landing.glob("*.json")) for line in file.read_text().splitlines()
    ]
    return sorted(found, key=lambda line: json.loads(line)["EnqueuedTimeUtc"])


def disturbed_lines(lines: list[str], draw: random.Random) -> tuple[list[str], int, int]:
    """All lines in any order, many twice, some contradicted; how many are said again, and contradicted."""
    again = [later(line, draw) for line in lines if draw.random() < TWICE]
    contradicting = [other(later(line, draw)) for line in lines if draw.random() < CONTRADICTED]
    shuffled = [*lines, *again, *contradicting]
    draw.shuffle(shuffled)
    return shuffled, len(again), len(contradicting)


def later(line: str, draw: random.Random) -> str:
    """The same message as the hub took it again, within six days."""
    told: dict[str, Any] = json.loads(line)
    delay = dt.timedelta(seconds=draw.uniform(1, 6 * 86_400))
    taken = dt.datetime.fromisoformat(told["EnqueuedTimeUtc"]) + delay
    told["EnqueuedTimeUtc"] = told["SystemProperties"]["enqueuedTime"] = taken.isoformat()
    return json.dumps(told)


def other(line: str) -> str:
    """Another message under the same key."""
    told: dict[str, Any] = json.loads(line)
    told["Body"]["current_a"] = (told["Body"]["current_a"] or 0.0) + 1.0
    return json.dumps(told)


def hold_against(quiet: Day, disturbed: Day, again: int, contradicted: int) -> None:
    """Silver must be the same, and every message accounted for."""
    assert disturbed.rows("silver.telemetry", *WAY_IN) == quiet.rows("silver.telemetry", *WAY_IN)
    assert quiet.lake.read("silver.quarantine").count() == 0
    refused = disturbed.lake.read("silver.quarantine").selectExpr("reasons.code AS codes").collect()
    assert Counter(code for row in refused for code in row.codes) == {"conflicting_duplicate": contradicted}
    received = disturbed.lake.read("bronze.telemetry").count()
    assert received == quiet.lake.read("silver.telemetry").count() + again + contradicted
    counted = disturbed.lake.read("ops.batch").where("pipeline = 'refine'").selectExpr(
        "sum(rows_in) AS rows_in", "sum(rows_kept + rows_refused + rows_duplicate) AS told"
    ).collect()[0]  # fmt: skip
    assert counted.rows_in == counted.told == received


def test_a_shuffled_day_in_parts_gives_the_silver_of_a_quiet_one(
    new_day: Callable[[str], Day], tmp_path: Path
) -> None:
    draw = random.Random(SEED)
    lines = fleet_lines(tmp_path / "fleet", 10)
    quiet, disturbed = new_day("quiet"), new_day("disturbed")
    quiet.put(lines, HUBS[0])
    quiet.run()
    shuffled, again, contradicted = disturbed_lines(lines, draw)
    parts = 4
    for part in range(parts):
        disturbed.put(shuffled[part::parts], draw.choice(HUBS))
        disturbed.run()
    hold_against(quiet, disturbed, again, contradicted)


@pytest.mark.proof
def test_a_shuffled_day_in_50_killed_runs_gives_the_silver_of_a_quiet_one(
    new_day: Callable[[str], Day], tmp_path: Path, tell: Callable[[str], None]
) -> None:
    draw = random.Random(SEED)
    lines = fleet_lines(tmp_path / "fleet", VEHICLES)
    quiet, disturbed = new_day("quiet"), new_day("disturbed")
    quiet.put(lines, HUBS[0])
    quiet.run()
    shuffled, again, contradicted = disturbed_lines(lines, draw)
    tell(f"\nseed {SEED}: {len(lines):,} messages, {again:,} of them twice, {contradicted:,} contradicted")
    killed = 0
    for part in range(RESTARTS):
        disturbed.put(shuffled[part::RESTARTS], draw.choice(HUBS))
        killed += disturbed.run_until(draw.uniform(5.0, 40.0))
    disturbed.run()
    tell(f"{RESTARTS} runs, {killed} of them killed")
    assert killed, "none was killed"
    hold_against(quiet, disturbed, again, contradicted)
