"""The bundle's jobs from the built wheel: deployed to a stand-in workspace, run there, task by task.

Tasks run in an environment that sees the wheel and installed packages, not the sources, with the parameters
that the bundle gives them; what follows these are the addresses of this machine.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from databricks.sdk import WorkspaceClient
from databricks.sdk.service.jobs import JobSettings
from deltalake import DeltaTable

from battery_lake.bundle.deploy import Deployment
from battery_lake.bundle.load import resolve
from battery_lake.bundle.wheel import build_wheel
from battery_lake.cli.bundle_run import local_arguments
from battery_lake.local.kusto import KustoStandIn
from battery_lake.local.kusto.commands import manage
from battery_lake.local.kusto.query import run
from battery_lake.local.twins import DigitalTwinsStandIn
from battery_lake.local.workspace import WorkspaceStandIn
from battery_lake.pipelines.registry import ERRANDS, JOBS
from battery_lake.serving.kql import commands, scripts
from battery_lake.settings import load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from databricks.sdk.service.jobs import Run
    from pyspark.sql import SparkSession

pytestmark = pytest.mark.timeout(2400)  # some twenty Spark sessions, one a task

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "jobs").glob("*.py"))
MOST_LINES = 20
LONGEST = dt.timedelta(minutes=18)
DAILY = (
    "sessions", "capacity", "ageing_alerts", "health", "soh_changes", "fleet", "kpis", "quality", "push",
)  # fmt: skip
"""Tasks of the daily workflow; the last two are jobs of their own."""


@dataclass
class Story:
    """A small lake that the jobs filled one after the other."""

    home: Path
    messages: int
    logs: Path
    client: WorkspaceClient
    deployed: dict[str, str]
    """Ids of what was deployed, by its key."""
    ended: dict[str, Run] = field(default_factory=dict)
    rows_after: dict[str, dict[str, int]] = field(default_factory=dict)
    """Rows of every table, after each job."""
    shown: list[Any] = field(default_factory=list)
    """Vehicles that Data Explorer shows at the end."""
    twins: list[str] = field(default_factory=list)
    """Ids of the twins at the end."""

    def run(self, name: str, *only: str, **given: str) -> None:
        """Run a job, or some of its tasks, to its end."""
        number = int(self.deployed[f"jobs.{name}"])
        if only:
            asked = self.client.jobs.get(number).settings.as_dict()
            asked["tasks"] = [one for one in asked["tasks"] if one["task_key"] in only]
            assert len(asked["tasks"]) == len(only)
            for one in asked["tasks"]:
                one["depends_on"] = [on for on in one.get("depends_on", ()) if on["task_key"] in only]
            number = self.client.jobs.create(**JobSettings.from_dict(asked).as_shallow_dict()).job_id
        self.ended[name] = self.client.jobs.run_now(number, job_parameters=given).result(timeout=LONGEST)
        self.rows_after[name] = row_counts(self.home)

    def said(self, name: str) -> str:
        """What the tasks of a job said."""
        return "".join(
            log.read_text() for log in sorted((self.logs / str(self.ended[name].run_id)).glob("*.log"))
        )


def row_counts(home: Path) -> dict[str, int]:
    logs = (home / "lake").glob("*/*/_delta_log")
    return {f"{log.parents[1].name}.{log.parent.name}": _count(log.parent) for log in logs}


def _count(folder: Path) -> int:
    return int(DeltaTable(str(folder)).to_pyarrow_dataset().count_rows())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel") / "dist")


@pytest.fixture(scope="module")
def story(spark: SparkSession, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Landing files outside of home, reference data, then ingest to the end of the daily workflow."""
    from battery_lake.cli.fleet_files import write_fleet
    from battery_lake.lake.access import Lake
    from battery_lake.pipelines.reference import load_reference
    from battery_lake.simulate.fleet import FleetSpec

    root = tmp_path_factory.mktemp("jobs")
    with contextlib.ExitStack() as during:
        explorer = during.enter_context(_explorer(root / "explorer"))
        graph = during.enter_context(DigitalTwinsStandIn(root / "twins"))
        settings, _ = load(
            [
                f"home={root / 'home'}", f"source.landing={root / 'hub files'}",
                f"adx.cluster={explorer.address}", f"twins.endpoint={graph.endpoint}",
                f"twins.token={graph.token}", f"twins.certificate={graph.certificate}",
                "spark.shuffle_partitions=1",
                f"spark.java_options={os.environ['BATTERY_LAKE_SPARK__JAVA_OPTIONS']}",
            ],
            environment={},
        )  # fmt: skip
        with contextlib.redirect_stderr(io.StringIO()):
            messages = write_fleet(settings, FleetSpec(vehicles=1, days=8, seed=1), lambda _: None)
        load_reference(Lake(spark, settings), settings.home / "reference" / "fleet")
        arguments = [*local_arguments(settings), "--adx.tables=vehicle_status"]
        standin = during.enter_context(WorkspaceStandIn(root / "workspace", arguments=arguments))
        standin.prepare()
        client = WorkspaceClient(host=standin.host, token="any")
        deployed = Deployment(client, resolve(ROOT, "dev", user=client.current_user.me().user_name), wheel)
        deployed.deploy()
        told = Story(settings.home, messages, standin.logs, client, deployed.known)
        told.run("ingest_files")
        told.run("refine", "refine")
        told.run("health")
        told.shown = list(run(explorer.store, "vehicle_status | project vehicle_id").rows)
        told.twins = [twin["$dtId"] for _, twin in graph._instance.store.twins()]
        yield told


@pytest.fixture(scope="module")
def whole_story(story: Story) -> Story:
    """What the jobs do that are no part of an ordinary day, after it."""
    story.run("maintain")
    story.run("refine", "signal_faults", "positions", "alerts")
    story.run("backfill", **{"from": "2000-01-01", "to": "2100-01-01"})
    return story


def _explorer(folder: Path) -> KustoStandIn:
    """Data Explorer with our tables in it; streams need no Node."""
    standin = KustoStandIn(folder, queued=False)
    for text in scripts().values():
        for command in commands(text):
            manage(standin.store, command, standin.database, [])
    return standin


@pytest.mark.parametrize("name", ["ingest_files", "refine", "health"])
def test_every_task_of_a_job_ends_well_at_its_first_try(name: str, story: Story) -> None:
    ended_well(story, name)


def ended_well(story: Story, name: str) -> None:
    tasks = story.ended[name].tasks or []
    assert tasks
    assert {one.task_key: one.state.result_state.value for one in tasks} == dict.fromkeys(
        [one.task_key for one in tasks], "SUCCESS"
    ), story.said(name)
    assert [one.attempt_number for one in tasks] == [0] * len(tasks)


def test_the_daily_workflow_runs_all_its_tasks_each_after_those_it_depends_on(story: Story) -> None:
    tasks = {one.task_key: one for one in story.ended["health"].tasks or []}
    assert set(tasks) == set(DAILY)
    for one in tasks.values():
        for before in one.depends_on or ():
            assert tasks[before.task_key].end_time <= one.start_time
    assert "batch_committed" in story.said("health")


def test_ingest_takes_the_landing_folder_that_it_is_told(story: Story) -> None:
    assert story.rows_after["ingest_files"]["bronze.telemetry"] == story.messages
    assert not story.rows_after["ingest_files"].get("silver.telemetry")


def test_refine_fills_silver_and_no_sessions(story: Story) -> None:
    after = story.rows_after["refine"]
    assert after["silver.telemetry"] + after["silver.quarantine"] == story.messages
    assert not after.get("gold.session")


def test_health_fills_gold(story: Story) -> None:
    after = story.rows_after["health"]
    filled = (
        "session", "capacity_observation", "cell_state", "cell_health", "cell_life", "cell_current",
        "soh_change", "pack_health", "battery_passport", "vehicle_status", "fleet_daily", "data_quality",
    )  # fmt: skip
    assert not [name for name in filled if not after.get(f"gold.{name}")]


@pytest.mark.proof
def test_maintenance_loses_no_row_and_a_backfill_with_nothing_new_keeps_all(whole_story: Story) -> None:
    for name in ("maintain", "refine", "backfill"):
        ended_well(whole_story, name)
    assert whole_story.rows_after["maintain"] == whole_story.rows_after["health"]
    assert "table_maintained" in whole_story.said("maintain")
    assert whole_story.rows_after["backfill"] == whole_story.rows_after["refine"]
    assert whole_story.said("backfill").count("told_anew") == 7


def test_vehicles_and_packs_reach_data_explorer_and_the_graph(story: Story) -> None:
    after = story.rows_after["health"]
    assert len(story.shown) == after["gold.vehicle_status"] > 0
    vehicles = [name for name in story.twins if name.startswith("vehicle-")]
    assert len(vehicles) == after["gold.vehicle_status"]
    assert len(story.twins) == after["gold.vehicle_status"] + after["reference.packs"]


def test_every_job_has_a_file_of_a_few_lines() -> None:
    assert {file.stem for file in FILES} == {*JOBS, *ERRANDS}
    for file in FILES:
        assert len(file.read_text(encoding="utf-8").splitlines()) <= MOST_LINES, file.name


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_misspelt_parameter_fails_and_names_the_nearest(file: Path) -> None:
    asked = [sys.executable, file, "--source.landng=/data"]
    ended = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert ended.returncode != 0
    assert "did you mean source.landing?" in ended.stderr
