"""From history in gold to a champion, through the command line, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

import battery_lake.cli.app  # noqa: F401 - brings the commands
from battery_lake.cells.life_prior import KindPrior, LifePrior
from battery_lake.cli.base import Options, app
from battery_lake.gold.life_state import MODEL
from battery_lake.models import training
from battery_lake.models.champion import champion
from battery_lake.models.store import addresses, opened
from battery_lake.models.trained import Trained
from battery_lake.pipelines.health import HEALTH

if TYPE_CHECKING:
    from battery_lake.lake.access import Lake

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module", autouse=True)
def _one_spark(aged: Lake):
    """Commands open the lake of the suite's own session."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Options, "lake", lambda _: aged)
        yield


def asked(aged: Lake, *arguments: str, code: int = 0) -> Any:
    done = CliRunner().invoke(
        app, ["--set", f"home={aged.settings.home}", "model", *arguments, "--json"], catch_exceptions=False
    )
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def versions(aged: Lake) -> set[str]:
    rows = aged.read("gold.cell_current").select("model_version").distinct().toArrow()
    return set(rows.column(0).to_pylist())


def register_worse(aged: Lake) -> str:
    """A challenger that takes all lives to be short, and is sure of it."""
    where = addresses(aged.settings)
    worse = Trained(LifePrior({"": KindPrior(0.05, 0.0, 0.1)}))
    import tempfile
    from pathlib import Path

    import mlflow

    with (
        opened(where) as client,
        tempfile.TemporaryDirectory() as name,
        mlflow.start_run(experiment_id=training._experiment(client, where, aged.settings.models.experiment)),
    ):
        number = training._log_model(Path(name), worse, where.name)
        client.set_registered_model_alias(where.name, "challenger", number)
    return number


def test_a_model_goes_from_history_to_scoring_and_back(aged: Lake, caplog: pytest.LogCaptureFixture) -> None:
    HEALTH.run(aged)
    assert versions(aged) == {MODEL}

    made = asked(aged, "train")
    assert made["version"] == "1"
    assert made["metrics"]["loss_days"] < made["metrics"]["shipped_loss_days"]
    assert champion(aged.settings) is None

    told = asked(aged, "promote")
    assert told["passes"], told["reasons"]
    asked(aged, "score")
    assert versions(aged) == {f"{MODEL} battery_rul/1"}

    assert register_worse(aged) == "2"
    refused = asked(aged, "promote", code=5)
    assert refused["champion"] == "1"
    assert any("not more accurate" in reason for reason in refused["reasons"])
    assert champion(aged.settings).version == "battery_rul/1"

    assert asked(aged, "rollback") == {"before": "1", "champion": "shipped"}
    asked(aged, "score")
    assert versions(aged) == {MODEL}
    assert asked(aged, "rollback", "--to", "1")["champion"] == "1"
    aliases = {one["version"]: one["aliases"] for one in asked(aged, "list")}
    assert aliases == {"1": ["champion"], "2": ["challenger"]}
