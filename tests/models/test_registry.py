"""From history in gold to a champion, through the command line, back, and out as a server."""

from __future__ import annotations

import functools
import json
import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mlflow
import pytest
from typer.testing import CliRunner

import battery_lake.cli.app  # noqa: F401 - brings the commands
from battery_lake.cells.life_prior import KindPrior, LifePrior
from battery_lake.cli.base import Options, app
from battery_lake.gold.life_state import MODEL
from battery_lake.models import training
from battery_lake.models.champion import champion
from battery_lake.models.export import MODEL_FOLDER, serve_command, serve_environment
from battery_lake.models.signature import EXAMPLE
from battery_lake.models.store import addresses, opened
from battery_lake.models.trained import Trained
from battery_lake.pipelines import train
from battery_lake.pipelines.health import HEALTH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from battery_lake.lake.access import Lake

pytestmark = pytest.mark.filterwarnings("ignore")  # MLflow's own


@dataclass
class Story:
    """A lake whose first model was trained and promoted; what was said, and the versions in gold."""

    lake: Lake
    made: dict[str, Any]
    told: dict[str, Any]
    before: set[str]

    def ask(self, *arguments: str, code: int = 0) -> Any:
        command = ["--set", f"home={self.lake.settings.home}", "model", *arguments]
        done = CliRunner().invoke(app, [*command, "--json"], catch_exceptions=False)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout)

    def versions(self) -> set[str]:
        rows = self.lake.read("gold.cell_current").select("model_version").distinct().toArrow()
        return set(rows.column(0).to_pylist())


@pytest.fixture(scope="module")
def story(aged: Lake) -> Iterator[Story]:
    """Commands open the lake of the suite's own session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Options, "lake", lambda _: aged)
        # Nothing new comes between the commands: the history is read once for all of them.
        read = functools.cache(functools.partial(train.examples_of, aged))
        patch.setattr(train, "examples_of", lambda _: read())
        story = Story(aged, {}, {}, set())
        HEALTH.run(aged)
        story.before = story.versions()
        story.made = story.ask("train")
        story.told = story.ask("promote")
        yield story


def register_worse(lake: Lake, folder: Path) -> str:
    """A challenger that takes all lives to be short, and is sure of it."""
    where = addresses(lake.settings)
    worse = Trained(LifePrior({"": KindPrior(0.05, 0.0, 0.1, packs=1)}))
    with (
        opened(where) as client,
        mlflow.start_run(experiment_id=training._experiment(client, where, lake.settings.models.experiment)),
    ):
        number = training._log_model(folder, worse, where.name)
        client.set_registered_model_alias(where.name, "challenger", number)
    return str(number)


def test_a_better_model_is_promoted_a_worse_one_refused_and_the_first_comes_back(
    story: Story, tmp_path: Path
) -> None:
    assert story.before == {MODEL}
    metrics = story.made["metrics"]
    assert metrics["loss_days"] < metrics["shipped_loss_days"]
    assert story.told["passes"], story.told["reasons"]
    assert story.told["champion"] == "shipped"
    assert story.ask("score")["rows_kept"] == 40 * 4
    assert story.versions() == {f"{MODEL} battery_rul/1"}

    assert register_worse(story.lake, tmp_path) == "2"
    refused = story.ask("promote", code=5)
    assert refused["champion"] == "1"
    assert any("not more accurate" in reason for reason in refused["reasons"])
    prior = champion(story.lake.settings)
    assert prior is not None
    assert prior.version == "battery_rul/1"

    assert story.ask("rollback") == {"before": "1", "champion": "shipped"}
    assert champion(story.lake.settings) is None
    assert story.ask("rollback", "--to", "1")["champion"] == "1"
    aliases = {one["version"]: one["aliases"] for one in story.ask("list")}
    assert aliases == {"1": ["champion"], "2": ["challenger"]}


def test_a_run_holds_the_versions_of_the_tables_that_it_read_and_its_plots(story: Story) -> None:
    with opened(addresses(story.lake.settings)) as client:
        run = client.get_run(story.made["run_id"])
        plots = {one.path for one in client.list_artifacts(run.info.run_id, "plots")}
    assert set(json.loads(run.data.tags["delta_versions"])) == {
        "gold.session", "gold.capacity_observation", "reference.packs",
    }  # fmt: skip
    assert plots == {"plots/calibration.png", "plots/usual_life.png"}


def posted(port: int, rows: list[dict[str, Any]]) -> tuple[int, str]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations",
        json.dumps({"dataframe_records": rows}).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as fault:
        return fault.code, fault.read().decode()


@pytest.fixture(scope="module")
def port(story: Story, tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """MLflow's own server on the exported folder, which knows nothing of the registry."""
    folder = tmp_path_factory.mktemp("export") / "rul"
    assert story.ask("export", str(folder), "--version", "1")["model"] == "battery_rul/1"
    assert (folder / "Dockerfile").is_file()
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        number: int = found.getsockname()[1]
    quiet = serve_environment() | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    log = folder.with_suffix(".log").open("wb")
    server = subprocess.Popen(
        serve_command(str(folder / MODEL_FOLDER), "127.0.0.1", number),
        env=quiet, stdout=log, stderr=log, cwd=folder, start_new_session=True,
    )  # fmt: skip
    try:
        _wait(number, server, folder.with_suffix(".log"))
        yield number
    finally:
        if server.poll() is None:
            os.killpg(server.pid, 15)
        server.wait(30)
        log.close()


def _wait(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(180):
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    pytest.fail(log.read_text())


def test_the_exported_model_answers_with_health_and_life(port: int) -> None:
    status, text = posted(port, [EXAMPLE])
    assert status == 200, text
    (answer,) = json.loads(text)["predictions"]
    assert answer["soh_p05_pct"] < answer["soh_pct"] < answer["soh_p95_pct"]
    assert 0.0 < answer["rul_days_p05"] < answer["rul_days_p50"] < answer["rul_days_p95"]
    assert answer["model_version"] == f"{MODEL} battery_rul/1"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"eol_soh_pct": "eighty"}, "eol_soh_pct"),
        ({"age_days": 900.0}, "no point may be older than age_days"),
        ({"point_std_pct": [0.6]}, "equally long"),
    ],
)
def test_a_malformed_request_is_refused_with_a_reason(port: int, change: dict[str, Any], reason: str) -> None:
    status, text = posted(port, [EXAMPLE | change])
    assert status == 400
    assert reason in text
    assert posted(port, [{key: EXAMPLE[key] for key in EXAMPLE if key != "chemistry"}])[0] == 400


def test_a_file_is_scored_and_one_with_text_for_numbers_is_refused(story: Story, tmp_path: Path) -> None:
    file = tmp_path / "cells.jsonl"
    file.write_text(json.dumps(EXAMPLE) + "\n", encoding="utf-8")
    (row,) = story.ask("score", str(file), "--version", "1")
    assert row["rul_days_p05"] < row["rul_days_p95"]
    file.write_text(json.dumps(EXAMPLE | {"age_days": "1200"}) + "\n", encoding="utf-8")
    with pytest.raises(Exception, match="age_days is string, not double"):
        story.ask("score", str(file), "--version", "1")
