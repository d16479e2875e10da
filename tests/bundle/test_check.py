"""The check as a command, the lineage as the order of tasks, compute and settings said once."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from battery_lake.bundle.checks.programs import lineage
from battery_lake.bundle.checks.schedule import quartz_fault
from battery_lake.bundle.load import resolve
from battery_lake.cli.app import app

from .faults import FAULTS, ROOT, copy_bundle

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 3 * * ?",
        "0 5/15 * * * ?",
        "0 0 5 ? * SUN",
        "0 15 10 ? * 6L",
        "0 0 12 L-2 * ?",
        "0 0 0 ? * MON-FRI",
        "0 0 9-17 1,15 JAN,JUL ?",
        "0 0 12 15W * ?",
        "0 0 12 ? * 2#1 2027",
    ],
)
def test_quartz_expressions_of_its_tutorial_are_taken(expression: str) -> None:
    assert not quartz_fault(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "0 3 * * *",
        "0 0 3 * * *",
        "60 0 3 * * ?",
        "0 0 24 * * ?",
        "0 0 3 32 * ?",
        "0 0 3 ? * MOM",
        "0 0/0 3 * * ?",
        "? 0 3 * * ?",
        "0 0 3 ? * ?",
        "0 0 3 * 13 ?",
        "0 0 3 * * ? 1900",
    ],
)
def test_what_quartz_refuses_is_refused(expression: str) -> None:
    assert quartz_fault(expression)


def test_tasks_wait_for_what_their_pipelines_read() -> None:
    assert list(lineage(resolve(ROOT, "prod"))) == []


def test_settings_of_tasks_differ_only_in_what_a_task_adds() -> None:
    values = resolve(ROOT, "prod").variables
    shared = values["settings"]
    for name in ("ingest_settings", "backfill_settings"):
        assert values[name][: len(shared)] == shared


def test_serverless_compute_installs_the_extras_of_the_package() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    installed = resolve(ROOT, "prod").variables["serverless"][0]["spec"]["dependencies"]
    assert set(installed[1:]) == {*extras["azure"], *extras["quality"], *extras["ml"]}


def test_the_command_says_where_what_and_what_to_do(tmp_path: Path) -> None:
    folder = copy_bundle(tmp_path / "bundle")
    next(fault for fault in FAULTS if fault.name == "two runs at once").plant(folder)
    arguments = ["bundle", "check", "--root", str(folder), "--target", "prod"]
    told = CliRunner().invoke(app, arguments)
    assert told.exit_code == 3
    assert "bundles/health.yml:9: health may run more than once at a time" in told.stdout
    assert "do: set max_concurrent_runs: 1" in told.stdout
    found = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)["prod"]
    assert "bundles/health.yml:9" in {finding["place"] for finding in found}
