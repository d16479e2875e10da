"""Suites of tables: what is as it should be passes, and every expectation can fail."""

from __future__ import annotations

import datetime as dt
import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from battery_lake.clock import utc_now
from battery_lake.pipelines.quality import asked_about
from battery_lake.quality.parameters import parameters
from battery_lake.quality.suites import folder, read_suite, table_suites
from battery_lake.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import DataFrame

_SPEC = importlib.util.spec_from_file_location("planted", Path(__file__).with_name("planted.py"))
planted = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(planted)
AS_IT_SHOULD_BE, BROKEN, OFTEN = planted.AS_IT_SHOULD_BE, planted.BROKEN, planted.OFTEN

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def failing(
    spark: Any, tmp_path_factory: pytest.TempPathFactory, frame: Callable[..., DataFrame]
) -> Callable[[str, list[dict[str, Any]]], set[str]]:
    """The codes of a suite that fail on rows of its table."""
    del spark
    from battery_lake.quality.validate import Validator

    validator = Validator(tmp_path_factory.mktemp("gx"))

    def found(name: str, rows: list[dict[str, Any]]) -> set[str]:
        suite = read_suite(name)
        asked = asked_about(frame(suite.meta["table"], rows), suite)
        return {f.code for f in validator.check(suite, asked, parameters(Settings())) if not f.passed}

    return found


def test_every_suite_is_as_great_expectations_writes_it() -> None:
    from great_expectations.core.expectation_suite import ExpectationSuite

    for suite in table_suites():
        tree = json.loads((folder() / f"{suite.name}.json").read_text("utf-8"))
        written = ExpectationSuite(**tree).to_json_dict()
        for mine, theirs in zip(tree["expectations"], written["expectations"], strict=True):
            assert {key: theirs[key] for key in mine} == mine


def test_every_expectation_has_a_row_that_breaks_it() -> None:
    asked = {
        suite.name: {e.meta["code"] for e in suite.expectations}
        for suite in table_suites()
        if suite.name not in {"ops.batch.fresh", "ops.data_gap"}  # below
    }
    assert asked == {name: set(broken) for name, broken in BROKEN.items()}


@pytest.mark.parametrize("name", BROKEN)
def test_a_row_as_it_should_be_passes_and_each_broken_one_is_found(name: str, failing: Any) -> None:
    good = AS_IT_SHOULD_BE[name]
    if name in planted.NOT_IN_DEMO:  # for the others a whole lake shows it
        assert failing(name, [good]) == set()
    bad = [good | change for code, change in BROKEN[name].items() for _ in range(30 if code in OFTEN else 1)]
    assert failing(name, [good, *bad]) == set(BROKEN[name])


def test_silence_is_found_whether_messages_came_long_ago_or_never(failing: Any) -> None:
    def ingested(age: dt.timedelta) -> dict[str, Any]:
        at = utc_now().replace(tzinfo=None) - age
        batch = {"pipeline": "ingest", "generation": "g", "batch_id": 1, "rows_in": 1}
        return {**batch, "finished_at": at}

    long_ago, just_now = ingested(dt.timedelta(days=2)), ingested(dt.timedelta(0))
    assert failing("ops.batch.fresh", [long_ago, just_now]) == set()
    assert failing("ops.batch.fresh", [long_ago]) == {"silence"}
    assert failing("ops.batch.fresh", []) == {"silence"}


def test_a_gap_is_a_warning(failing: Any) -> None:
    gap = {"hub": "h", "partition_id": "0", "from_sequence_number": 1, "to_sequence_number": 9}
    assert failing("ops.data_gap", []) == set()
    assert failing("ops.data_gap", [gap]) == {"messages_lost"}
