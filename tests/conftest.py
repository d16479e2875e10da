"""One Spark for the whole suite, frames from contracts, and an empty lake a test."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import settings as hypothesis_settings

# On a few rows compiling costs more than what is compiled gains: Java's last stage, and every plan of Spark.
# `make proof`, and the pipelines through Connect, compile as users do.
QUICK = os.environ.setdefault(
    "BATTERY_LAKE_SPARK__JAVA_OPTIONS",
    # Without its last stage Java keeps little room for code, and sweeps it all the time.
    "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m"
    " -Dspark.sql.codegen.wholeStage=false -Dspark.sql.codegen.factoryMode=NO_CODEGEN",
)

# No deadline: how long an example takes says more of the machine than of the code.
hypothesis_settings.register_profile("suite", deadline=None, derandomize=True)
hypothesis_settings.load_profile("suite")

LONG = ("proof", "benchmarks", "pipelines", "jobs", "cli")
"""Folders of tests that run whole pipelines."""

ONE_DEMO = (
    "cli/test_demo.py",
    "cli/test_explain.py",
    "cli/test_look.py",
    "cli/test_notebooks.py",
    "cli/test_passport.py",
    "cli/test_quality.py",
)
"""Files of tests that look at the same small demo: one worker makes it for all of them."""

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from pyspark.sql import DataFrame, SparkSession
    from xdist.scheduler import LoadFileScheduling

    from battery_lake.lake.access import Lake


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, so that no worker is left alone with them at the end."""
    items.sort(key=lambda item: item.path.parent.name not in LONG)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """A file goes to one worker, and so do the files that share the small demo."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return "demo" if file.endswith(ONE_DEMO) else file

    return ByFile(config, log)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> SparkSession:
    """The local session that the product itself builds, with one shuffle partition, with Kafka if it can."""
    from battery_lake.errors import SetupError
    from battery_lake.jars import kafka_jars
    from battery_lake.session import spark_session
    from battery_lake.settings import load

    try:
        kafka_jars()
    except SetupError:
        source = "files"
    else:
        source = "kafka"
    home = tmp_path_factory.mktemp("spark")
    settings, _ = load(
        [
            f"home={home}",
            "spark.master=local[2]",
            "spark.shuffle_partitions=1",
            "spark.driver_memory=2g",
            # Every test has tables of its own; what Delta knows of the last 10,000 would fill the memory.
            f"spark.java_options={QUICK} -Dspark.databricks.delta.delta.log.cacheSize=60",
            f"source.format={source}",
        ],
        environment={},
    )
    return spark_session(settings)


@pytest.fixture
def compiled(spark: SparkSession) -> Iterator[None]:
    """Let Spark compile its plans, as it does for users: for a test that reads much."""
    wanted = {"spark.sql.codegen.wholeStage": "true", "spark.sql.codegen.factoryMode": "FALLBACK"}
    before = {name: spark.conf.get(name) for name in wanted}
    for name, value in wanted.items():
        spark.conf.set(name, value)
    yield
    for name, value in before.items():
        spark.conf.set(name, value)


@pytest.fixture
def lake(spark: SparkSession, tmp_path: Path) -> Lake:
    """An empty lake under the test's own folder."""
    from battery_lake.lake.access import Lake
    from battery_lake.settings import load

    settings, _ = load([f"home={tmp_path / 'home'}"], environment={})
    return Lake(spark, settings)


@pytest.fixture(scope="session")
def frame(spark: SparkSession) -> Callable[[str, list[dict[str, Any]]], DataFrame]:
    """Build a frame in the form of a table: what a row leaves out is null."""
    from battery_lake.tables.registry import table

    def build(name: str, rows: list[dict[str, Any]]) -> DataFrame:
        contract = table(name)
        unknown = {key for row in rows for key in row} - set(contract.column_names)
        assert not unknown, f"{name} has no {unknown}"
        empty = dict.fromkeys(contract.column_names)
        return spark.createDataFrame([{**empty, **row} for row in rows], contract.fields)

    return build


@pytest.fixture(scope="session")
def without_files() -> Callable[..., AbstractContextManager[int]]:
    """Take away a table's files that lie wholly before a day, of packs up to one: reading them then fails.

    So what runs meanwhile has been proved not to read them. Gives how many there were.
    """

    @contextmanager
    def hidden(lake: Lake, name: str, day: str, before: dt.date, last_pack: str) -> Iterator[int]:
        files = DeltaTable(lake.path(name)).get_add_actions(flatten=True)
        rows = pa.table(files).to_pylist()
        old = [
            Path(lake.path(name)) / row["path"]
            for row in rows
            if f"{row[f'max.{day}']:%Y-%m-%d}" < f"{before:%Y-%m-%d}" and row["max.pack_id"] <= last_pack
        ]
        for file in old:
            file.rename(file.with_suffix(".hidden"))
        try:
            yield len(old)
        finally:
            for file in old:
                file.with_suffix(".hidden").rename(file)

    return hidden


@pytest.fixture(scope="session")
def judged() -> Callable[..., dict[str, int]]:
    """How many rows of a frame break each expectation of a suite, by Great Expectations' own account."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.core.expectation_suite import ExpectationSuite

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_spark("oracle", persist=False)
    definition = source.add_dataframe_asset("frame").add_batch_definition_whole_dataframe("all")

    def judge(
        frame: DataFrame, tree: dict[str, Any], parameters: dict[str, float] | None = None
    ) -> dict[str, int]:
        batch = definition.get_batch({"dataframe": frame})
        result = batch.validate(
            ExpectationSuite(**tree), result_format="SUMMARY", expectation_parameters=parameters
        )
        raised = [r.exception_info for r in result.results if r.exception_info.get("raised_exception")]
        assert not raised, raised
        # In an order of its own; nothing to look at counts as nothing found.
        return {r.expectation_config.meta["code"]: r.result["unexpected_count"] or 0 for r in result.results}

    return judge
