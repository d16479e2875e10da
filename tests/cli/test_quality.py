"""``battery-lake quality`` on a whole lake: all is well, then it is not."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import SparkSession
    from tests.cli.conftest import DemoHome

pytestmark = pytest.mark.filterwarnings("ignore")


def test_a_lake_that_is_well_passes_until_something_bad_is_in_it(
    run: Callable[..., Any], demo_home: DemoHome, spark: SparkSession, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    shutil.copytree(demo_home.path, home)

    def quality(*arguments: str) -> Any:
        return run("--set", f"home={home}", *arguments)

    first = quality("quality", "--json")
    assert first.code == 0, first.err
    critical = [
        (checked["suite"], finding["code"])
        for checked in first.json["checked"]
        for finding in checked["findings"]
        if not finding["passed"] and finding["severity"] == "critical"
    ]
    assert critical == []
    suites = {checked["suite"] for checked in first.json["checked"]}
    assert {"bronze.telemetry", "silver.telemetry", "ops.batch", "gold.session", "gold.cell_health"} <= suites
    table = home / "lake" / "gold" / "cell_life"
    spark.sql(f"UPDATE delta.`{table}` SET rul_days_p05 = -1 WHERE series_index = 0")
    second = quality("quality", "--table", "gold.cell_life")
    assert second.code == 5
    assert "critical: gold.cell_life rul_negative: " in second.out
    assert "held back from the sinks: gold.cell_life, versions " in second.out
    pages = home / "quality"
    assert f"open {pages / 'index.html'}" in second.out
    overview = (pages / "index.html").read_text("utf-8")
    assert re.search(r"critical rul_negative: \d+ of \d+ rows", overview)
    links = re.findall(r'href="([^"]+)"', overview)
    assert len(links) >= len(suites)
    linked = [(pages / link).read_text("utf-8") for link in links]
    assert "A cell has two outlooks on a day" not in overview  # met
    assert not [text for text in linked if "great-expectations-web-assets" in text]


def test_a_table_without_a_suite_is_named(run: Callable[..., Any], tmp_path: Path) -> None:
    outcome = run("--set", f"home={tmp_path}", "quality", "--table", "gold.cellhealth")
    assert outcome.code == 2
    assert "gold.cellhealth has no suite" in outcome.err
    assert "gold.cell_health" in outcome.err
