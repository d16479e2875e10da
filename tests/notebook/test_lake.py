from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from battery_lake.errors import SetupError
from battery_lake.notebook.lake import open_lake

if TYPE_CHECKING:
    from pathlib import Path

    from pyspark.sql import SparkSession


@pytest.fixture(autouse=True)
def settings_of_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BATTERY_LAKE_HOME", raising=False)
    monkeypatch.delenv("BATTERY_LAKE_CONFIG", raising=False)


def test_the_nearest_lake_above_the_notebook_is_opened(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".battery_lake" / "lake").mkdir(parents=True)
    (tmp_path / "notebooks" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "notebooks" / "mine")
    lake = open_lake()
    assert lake.spark is spark
    assert lake.settings.home == tmp_path / ".battery_lake"


def test_a_home_that_is_named_is_taken(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del spark
    (tmp_path / "other" / "lake").mkdir(parents=True)
    monkeypatch.setenv("BATTERY_LAKE_HOME", str(tmp_path / "other"))
    assert open_lake().settings.home == tmp_path / "other"


def test_without_a_lake_nothing_is_made_and_the_way_to_one_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SetupError) as fault:
        open_lake("home=nowhere")
    assert "make demo" in (fault.value.remedy or "")
    assert not list(tmp_path.iterdir())
