"""Which prior scoring goes by when the registry is there, is gone, or never was."""

import pytest

from battery_lake.cells.life_prior import KindPrior, LifePrior
from battery_lake.log import configure
from battery_lake.models.champion import champion, keep
from battery_lake.models.store import addresses
from battery_lake.models.trained import Trained, read_trained
from battery_lake.settings import load

TRAINED = Trained(
    LifePrior({"": KindPrior(0.004, 0.7, 0.4, 12)}),
    (LifePrior({"": KindPrior(0.005, 0.6, 0.5, 11)}),),
    {"P1": 0},
)


@pytest.fixture(autouse=True)
def _logged():
    configure(0)


def given(tmp_path, *more):
    return load([f"home={tmp_path}", *more], environment={})[0]


def test_where_nothing_was_ever_trained_nothing_is_said(tmp_path, capsys):
    assert champion(given(tmp_path)) is None
    assert not capsys.readouterr().err
    assert not (tmp_path / "mlflow").exists()


def test_a_lost_store_falls_back_to_the_last_champion_with_a_warning(tmp_path, capsys):
    settings = given(tmp_path)
    keep(addresses(settings), "battery_rul/3", TRAINED.as_json())
    found = champion(settings)
    assert found is not None
    assert found.version == "battery_rul/3"
    assert found.kinds == TRAINED.prior.kinds
    told = capsys.readouterr().err
    assert "registry_missing" in told
    assert "battery_rul/3" in told


def test_a_server_that_does_not_answer_is_reported_too(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    settings = given(tmp_path, "models.tracking=http://127.0.0.1:9")
    assert champion(settings) is None
    assert "the product's own prior" in capsys.readouterr().err
    keep(addresses(settings), "battery_rul/3", TRAINED.as_json())
    found = champion(settings)
    assert found is not None
    assert found.version == "battery_rul/3"


def test_a_pack_is_judged_by_the_prior_that_knows_nothing_of_it():
    read = read_trained(TRAINED.as_json(), "m/1")
    assert read.without("P1") == TRAINED.folds[0]
    assert read.without("P2").kinds == TRAINED.prior.kinds
