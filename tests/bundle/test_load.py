"""What a bundle is in a target: includes, variables, overrides, presets, references, and lines in errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from battery_lake.bundle.load import resolve
from battery_lake.bundle.references import Later, Reference
from battery_lake.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

MAIN = """\
bundle:
  name: small
include:
  - parts/*.yml
variables:
  catalog:
    default: main
  machine:
    description: node type
    default: small_one
  who:
    lookup:
      service_principal: lake jobs
targets:
  dev:
    mode: development
    default: true
  prod:
    mode: production
    workspace:
      root_path: /Workspace/lake/${bundle.target}
    run_as:
      service_principal_name: ${var.who}
    permissions:
      - level: CAN_RUN
        group_name: engineers
    variables:
      catalog: lake_prod
      cluster:
        node: large_one
    resources:
      jobs:
        first:
          tasks:
            - task_key: b
              max_retries: 3
            - task_key: c
"""
PARTS = """\
variables:
  cluster:
    type: complex
    default:
      node: ${var.machine}
resources:
  jobs:
    first:
      name: first in ${var.catalog}
      schedule:
        quartz_cron_expression: 0 0 3 * * ?
        timezone_id: UTC
      job_clusters:
        - job_cluster_key: k
          new_cluster: ${var.cluster}
      tasks:
        - task_key: a
          spark_python_task:
            python_file: ../jobs/a.py
        - task_key: b
          max_retries: 1
    second:
      name: second
      tasks:
        - task_key: start
          run_job_task:
            job_id: ${resources.jobs.first.id}
      description: after ${resources.jobs.first.name} (${resources.jobs.first.id})
  schemas:
    gold:
      catalog_name: ${var.catalog}
      name: gold
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    (tmp_path / "databricks.yml").write_text(MAIN)
    (tmp_path / "parts" / "jobs.yml").write_text(PARTS)
    return tmp_path


def test_development_has_names_of_its_own_and_pauses(folder: Path) -> None:
    bundle = resolve(folder, "", user="ann.lee@example.com")
    job = bundle.resources["jobs"]["first"]
    assert (bundle.target, bundle.mode) == ("dev", "development")
    assert job["name"] == "[dev ann_lee] first in main"
    assert job["schedule"]["pause_status"] == "PAUSED"
    assert job["tags"] == {"dev": "ann_lee"}
    assert job["max_concurrent_runs"] == 4
    assert bundle.resources["schemas"]["gold"]["name"] == "dev_ann_lee_gold"
    path = "/Workspace/Users/ann.lee@example.com/.bundle/small/dev/files/jobs/a.py"
    assert job["tasks"][0]["spark_python_task"]["python_file"] == path


def test_production_lays_its_overrides_over_what_all_targets_have(folder: Path) -> None:
    bundle = resolve(folder, "prod")
    job = bundle.resources["jobs"]["first"]
    assert job["name"] == "first in lake_prod"
    assert [(task["task_key"], task.get("max_retries")) for task in job["tasks"]] == [
        ("a", None),
        ("b", 3),
        ("c", None),
    ]
    assert job["job_clusters"][0]["new_cluster"] == {"node": "large_one"}
    assert job["permissions"] == [{"level": "CAN_MANAGE_RUN", "group_name": "engineers"}]
    assert job["tasks"][0]["spark_python_task"]["python_file"] == "/Workspace/lake/prod/files/jobs/a.py"
    assert "pause_status" not in job["schedule"]


def test_what_only_a_workspace_knows_waits_for_it(folder: Path) -> None:
    bundle = resolve(folder, "prod")
    started = bundle.resources["jobs"]["second"]["tasks"][0]["run_job_task"]["job_id"]
    assert isinstance(started, Reference)
    assert started.laters == (Later("resources", "jobs", "first", "id"),)
    assert started.filled(lambda _: 17) == 17
    text = bundle.resources["jobs"]["second"]["description"]
    assert text.filled(lambda _: 17) == "after first in lake_prod (17)"
    who = bundle.resources["jobs"]["first"]["run_as"]["service_principal_name"]
    assert who.laters == (Later("lookup", "service_principal", "lake jobs"),)


def test_a_value_that_the_caller_gives_wins(folder: Path) -> None:
    assert resolve(folder, "prod", {"catalog": "mine"}).variables["catalog"] == "mine"


def test_a_complex_value_follows_the_variables_in_it(folder: Path) -> None:
    bundle = resolve(folder, "dev", {"machine": "huge_one"})
    assert bundle.resources["jobs"]["first"]["job_clusters"][0]["new_cluster"] == {"node": "huge_one"}


def test_a_place_is_a_file_and_a_line(folder: Path) -> None:
    bundle = resolve(folder, "prod")
    assert str(bundle.where("resources", "jobs", "first", "tasks", 0, "task_key")) == "parts/jobs.yml:17"
    assert str(bundle.where("resources", "jobs", "first", "tasks", 1, "max_retries")) == "databricks.yml:36"
    assert str(bundle.where("resources", "jobs", "first", "nothing")) == "parts/jobs.yml:8"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("${var.catalog}", "${var.catalogue}", r"parts/jobs.yml:9: \$\{var.catalogue\} stands for nothing"),
        ("jobs.first.id}\n  ", "jobs.last.id}\n  ", r"parts/jobs.yml:27: .* stands for nothing"),
        ("  schemas:", "  schemas: [", "parts/jobs.yml:31: no YAML"),
        ("../jobs/a.py", "../../a.py", "parts/jobs.yml:19: ../../a.py is outside of the bundle"),
    ],
)
def test_what_cannot_be_resolved_is_named_with_its_line(
    folder: Path, old: str, new: str, message: str
) -> None:
    assert old in PARTS
    (folder / "parts" / "jobs.yml").write_text(PARTS.replace(old, new, 1))
    with pytest.raises(BundleError, match=message):
        resolve(folder, "prod")


def test_a_target_that_is_not_there_is_answered_with_those_that_are(folder: Path) -> None:
    with pytest.raises(BundleError, match="no target test") as caught:
        resolve(folder, "test")
    assert caught.value.remedy == "--target takes dev, prod"
