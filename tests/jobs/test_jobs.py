from __future__ import annotations

import contextlib
import io
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from deltalake import DeltaTable

from battery_lake.local.kusto import KustoStandIn
from battery_lake.local.kusto.commands import manage
from battery_lake.local.kusto.query import run
from battery_lake.local.twins import DigitalTwinsStandIn
from battery_lake.pipelines.registry import JOBS
from battery_lake.serving.kql import commands, scripts

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

FOLDER = Path(__file__).parents[2] / "jobs"
FILES = sorted(FOLDER.glob("*.py"))
MOST_LINES = 20


@dataclass
class Story:
    """A small lake that the jobs filled one after the other, each as a process of its own."""

    home: Path
    messages: int
    ended: dict[str, subprocess.CompletedProcess[str]] = field(default_factory=dict)
    rows_after: dict[str, dict[str, int]] = field(default_factory=dict)
    """Rows of every table, after each job."""
    shown: list[Any] = field(default_factory=list)
    """Vehicles that Data Explorer shows at the end."""
    twins: list[str] = field(default_factory=list)
    """Ids of the twins at the end."""


def job(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, file, *arguments], capture_output=True, text=True, check=False)


def row_counts(home: Path) -> dict[str, int]:
    logs = (home / "lake").glob("*/*/_delta_log")
    return {f"{log.parents[1].name}.{log.parent.name}": _count(log.parent) for log in logs}


def _count(folder: Path) -> int:
    return int(DeltaTable(str(folder)).to_pyarrow_dataset().count_rows())


@pytest.fixture(scope="module")
def story(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Landing files outside of home, reference data, then every job; parameters in both spellings."""
    from battery_lake.cli.fleet_files import write_fleet
    from battery_lake.lake.access import Lake
    from battery_lake.pipelines.reference import load_reference
    from battery_lake.settings import load
    from battery_lake.simulate.fleet import FleetSpec

    root = tmp_path_factory.mktemp("jobs")
    home, landing = root / "home", root / "hub files"
    settings, _ = load([f"home={home}", f"source.landing={landing}"], environment={})
    with contextlib.redirect_stderr(io.StringIO()):
        told = Story(home, write_fleet(settings, FleetSpec(vehicles=1, days=8, seed=1), lambda _: None))
    load_reference(Lake(spark, settings), home / "reference" / "fleet")
    parameters = {
        "ingest": (f"--home={home}", "--source.landing", str(landing)),
        "refine": (f"--home={home}",),
        "health": ("--home", str(home), "--spark.shuffle_partitions=1"),
    }
    with contextlib.ExitStack() as during:
        standin = during.enter_context(_explorer(root / "explorer"))
        parameters["push_adx"] = (
            f"--home={home}", f"--adx.cluster={standin.address}", "--adx.tables=vehicle_status",
            "--adx.checked_only=false",
        )  # fmt: skip
        twins = during.enter_context(DigitalTwinsStandIn(root / "twins"))
        parameters["push_twins"] = (
            f"--home={home}", f"--twins.endpoint={twins.endpoint}", f"--twins.token={twins.token}",
            f"--twins.certificate={twins.certificate}", "--twins.checked_only=false",
        )  # fmt: skip
        for name in JOBS:
            told.ended[name] = job(FOLDER / f"{name}.py", *parameters.get(name, (f"--home={home}",)))
            told.rows_after[name] = row_counts(home)
        told.shown = list(run(standin.store, "vehicle_status | project vehicle_id").rows)
        told.twins = [twin["$dtId"] for _, twin in twins._instance.store.twins()]
    return told


def _explorer(folder: Path) -> KustoStandIn:
    """Data Explorer with our tables in it; streams need no Node."""
    standin = KustoStandIn(folder, queued=False)
    for text in scripts().values():
        for command in commands(text):
            manage(standin.store, command, standin.database, [])
    return standin


def test_push_adx_brings_the_vehicles_to_data_explorer(story: Story) -> None:
    assert len(story.shown) == story.rows_after["health"]["gold.vehicle_status"] > 0


def test_push_twins_brings_vehicles_and_packs_to_the_graph(story: Story) -> None:
    after = story.rows_after["health"]
    vehicles = [name for name in story.twins if name.startswith("vehicle-")]
    assert len(vehicles) == after["gold.vehicle_status"]
    assert len(story.twins) == after["gold.vehicle_status"] + after["reference.packs"]


def test_every_job_has_a_file_of_a_few_lines() -> None:
    assert {file.stem for file in FILES} == set(JOBS)
    for file in FILES:
        assert len(file.read_text(encoding="utf-8").splitlines()) <= MOST_LINES, file.name


@pytest.mark.parametrize("name", JOBS)
def test_a_job_ends_with_0_and_logs_its_batches_on_stderr(name: str, story: Story) -> None:
    ended = story.ended[name]
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ""
    assert "batch_committed" in ended.stderr


def test_ingest_takes_the_landing_folder_that_it_is_told(story: Story) -> None:
    assert story.rows_after["ingest"]["bronze.telemetry"] == story.messages
    assert not story.rows_after["ingest"].get("silver.telemetry")


def test_refine_fills_silver_and_nothing_after_it(story: Story) -> None:
    after = story.rows_after["refine"]
    assert after["silver.telemetry"] + after["silver.quarantine"] == story.messages
    assert not after.get("gold.session")


def test_health_fills_gold(story: Story) -> None:
    after = story.rows_after["health"]
    filled = (
        "session", "capacity_observation", "cell_state", "cell_health", "cell_life", "cell_current",
        "soh_change", "pack_health", "battery_passport", "vehicle_status", "fleet_daily",
    )  # fmt: skip
    assert not [name for name in filled if not after.get(f"gold.{name}")]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
@pytest.mark.parametrize("parameter", ["--source.landng=/data", "--hoem=/data"])
def test_a_misspelt_parameter_fails_and_names_the_nearest(file: Path, parameter: str) -> None:
    ended = job(file, parameter)
    assert ended.returncode != 0
    right = {"--source.landng=/data": "source.landing", "--hoem=/data": "home"}[parameter]
    assert f"did you mean {right}?" in ended.stderr
