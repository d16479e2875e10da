"""Great Expectations at work: a suite on a frame, and Data Docs of what was found; needs the extra."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Final

import great_expectations as gx
from great_expectations.data_context.types.base import ProgressBarsConfig

from battery_lake.errors import SuiteError
from battery_lake.quality.findings import Finding
from battery_lake.quality.pages import SITE, local_only, overview
from battery_lake.quality.suites import PARAMETER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pyspark.sql import DataFrame

    from battery_lake.quality.suites import Expectation, Suite

RUNS_KEPT: Final = 20
"""Runs of a suite that Data Docs show."""
_UNNAMED: Final = "__none__"
"""Folder that Great Expectations gives the runs of a suite; a folder in it a run, named for its time."""


class Validator:
    """Great Expectations with its files in a folder.

    Parameters
    ----------
    folder
        Holds what was found, and Data Docs.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._context = gx.get_context(mode="file", project_root_dir=folder)
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        # Nothing is cached: serverless compute refuses it.
        self._source = self._context.data_sources.add_or_update_spark("lake", persist=False)

    def check(self, suite: Suite, frame: DataFrame, parameters: Mapping[str, float]) -> list[Finding]:
        """Return what each expectation of a suite found in a frame, in the suite's order.

        Raises
        ------
        SuiteError
            An expectation cannot be worked out.
        """
        if suite.name in self._source.get_asset_names():
            self._source.delete_asset(suite.name)
        asset = self._source.add_dataframe_asset(suite.name)
        batch = asset.add_batch_definition_whole_dataframe("new")
        held = self._context.suites.add_or_update(gx.ExpectationSuite(**suite.tree))
        definition = self._context.validation_definitions.add_or_update(
            gx.ValidationDefinition(name=suite.name, data=batch, suite=held)
        )
        outcome = definition.run(
            batch_parameters={"dataframe": frame},
            expectation_parameters=_asked(suite, parameters),
            result_format="SUMMARY",
        )
        found = {
            result.expectation_config.meta["code"]: result
            for result in outcome.results
            if result.expectation_config is not None and result.expectation_config.meta is not None
        }
        return [_finding(expectation, found[expectation.meta["code"]]) for expectation in suite.expectations]

    def write_docs(self) -> Path:
        """Write Data Docs of the newest runs, and an overview; returns the page to open first."""
        files = self._folder / "gx" / "uncommitted"
        for runs in (files / "validations").rglob(_UNNAMED):
            for old in sorted(runs.iterdir(), reverse=True)[RUNS_KEPT:]:
                shutil.rmtree(old, ignore_errors=True)
        self._context.build_data_docs()
        local_only(files / SITE)
        return overview(files, self._folder / "index.html")


def _asked(suite: Suite, parameters: Mapping[str, float]) -> dict[str, float]:
    """The parameters that a suite names."""
    asked = [
        value[PARAMETER]
        for expectation in suite.expectations
        for value in expectation.kwargs.values()
        if isinstance(value, dict) and PARAMETER in value
    ]
    unknown = [name for name in asked if name not in parameters]
    if unknown:
        raise SuiteError(f"{suite.name} names {unknown[0]}", why=f"there are {', '.join(parameters)}")
    return {name: parameters[name] for name in asked}


def _finding(expectation: Expectation, result: Any) -> Finding:
    info = result.exception_info or {}
    problems = [info] if "raised_exception" in info else info.values()
    problem = next((p["exception_message"] for p in problems if p["raised_exception"]), None)
    if problem:
        raise SuiteError(f"{expectation.meta['code']} cannot be worked out", why=str(problem)[:500])
    facts = result.result
    is_of_rows = "unexpected_count" in facts
    return Finding(
        code=expectation.meta["code"],
        why=expectation.meta["why"],
        severity=expectation.severity,
        checked=int(facts["element_count"] or 0) if is_of_rows else 1,
        failed=int(facts["unexpected_count"] or 0) if is_of_rows else int(not result.success),
        passed=bool(result.success),
        observed=None if is_of_rows else str(facts.get("observed_value")),
    )
