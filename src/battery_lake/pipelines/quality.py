"""Validation of what is new in every table: findings to gold.data_quality, and Data Docs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pyspark.sql import functions as F

from battery_lake.clock import monotonic_s, utc_now
from battery_lake.errors import QualityError, SetupError
from battery_lake.gold.data_quality import data_quality
from battery_lake.lake.create import ensure
from battery_lake.lake.scratch import kept
from battery_lake.lake.versions import identity, latest_version, rows_between
from battery_lake.lake.write import upsert
from battery_lake.log import logger
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.quality.findings import Finding
from battery_lake.quality.gate import held
from battery_lake.quality.parameters import parameters
from battery_lake.quality.suites import MESSAGE, SEVERITIES, read_suite, table_suites
from battery_lake.tables.gold import DATA_QUALITY
from battery_lake.tables.registry import table

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence

    from pyspark.sql import DataFrame

    from battery_lake.lake.access import Lake
    from battery_lake.quality.suites import Suite
    from battery_lake.quality.validate import Validator

CHECKED: Final = tuple(sorted({suite.meta["table"] for suite in table_suites()}))
"""The tables that have a suite."""
NOTHING_NEW: Final = Finding(
    "nothing_new", "There was nothing to look at: rows only went.", "info", 0, 0, passed=True, observed=None
)
"""Finding of versions that brought no row: they may leave like any that was checked."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a suite found.

    Parameters
    ----------
    suite, table
        Names.
    table_id, from_version, to_version
        Whose changes were looked at; None: the whole table as it was then.
    rows
        That were looked at.
    findings
        One an expectation.
    """

    suite: str
    table: str
    table_id: str | None
    from_version: int | None
    to_version: int | None
    rows: int
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Validated:
    """What a run found, and the page of Data Docs to open first."""

    checked: tuple[Checked, ...]
    docs: Path

    def failed(self, least: str) -> list[tuple[Checked, Finding]]:
        """Return what failed with at least a severity."""
        counting = SEVERITIES[: SEVERITIES.index(least) + 1]
        return [(c, f) for c in self.checked for f in c.findings if not f.passed and f.severity in counting]


def validate(lake: Lake, progress: Progress, names: Sequence[str] = (), *, whole: bool = False) -> Validated:
    """Check what is new in each table since it was last checked, and keep what was found.

    A run that is broken off has kept nothing: the next one checks the same again.

    Parameters
    ----------
    lake, progress
        The tables, and who is told of each.
    names
        Tables; none: all that have a suite.
    whole
        Check all rows, not only new ones.
    """
    ensure(lake, dict.fromkeys((*(names or CHECKED), DATA_QUALITY.name)))
    validator = _validator(lake)
    until = _checked_until(lake)
    found: list[Checked] = []
    for suite in table_suites():
        name = suite.meta["table"]
        if names and name not in names:
            continue
        table_id = identity(lake, name)
        # Verdicts from before identities were kept count for the table that is there.
        since = max(until.get((name, known), -1) for known in (table_id, None))
        outcome = _check(lake, validator, suite, (table_id, 0 if whole else since + 1), whole=whole)
        if outcome is not None:
            found.append(outcome)
            if outcome.rows:
                progress.batch(suite.name, outcome.to_version or 0, outcome.rows)
    if found:
        rows = _rows(lake, found, utc_now().replace(tzinfo=None))
        upsert(lake, DATA_QUALITY.name, _with_broken_rules(lake, rows, found))
    looked_at = tuple(c for c in found if c.findings != (NOTHING_NEW,))
    logger("quality").info("batch_committed", suites=len(looked_at), rows=sum(c.rows for c in found))
    return Validated(looked_at, validator.write_docs())


def _check(
    lake: Lake, validator: Validator, suite: Suite, since: tuple[str, int], *, whole: bool
) -> Checked | None:
    """What a suite finds in a table of an identity from a version on; None where there is no such version."""
    name, (table_id, first) = suite.meta["table"], since
    is_snapshot = suite.meta.get("rows") == "all"
    last = latest_version(lake, name)
    if last < first and not is_snapshot:
        return None
    rows = lake.read(name) if whole or is_snapshot else changed_rows(lake, name, first, last)
    asked = None if rows is None else kept(lake, f"quality.{suite.name}", asked_about(rows, suite))
    count = 0 if asked is None else asked.count()
    if asked is None or not (count or is_snapshot):
        return Checked(suite.name, name, table_id, first, last, 0, (NOTHING_NEW,))
    findings = validator.check(suite, asked, parameters(lake.settings))
    if is_snapshot:
        return Checked(suite.name, name, None, None, None, count, tuple(findings))
    return Checked(suite.name, name, table_id, first, last, count, tuple(findings))


def changed_rows(lake: Lake, name: str, first: int, last: int) -> DataFrame | None:
    """Return the rows of a table whose keys some versions brought, as they are now; None where there is none.

    A key that is there twice is there twice, however long ago it came first. Of the table only those files
    are read that may hold one of the keys.
    """
    key = list(table(name).key)
    keys = kept(lake, f"quality.keys.{name}", rows_between(lake, name, first, last).select(*key).distinct())
    ends = [end(column).alias(f"{column}_{end.__name__}") for column in key for end in (F.min, F.max)]
    bounds = keys.agg(*ends).collect()[0]
    if bounds[0] is None:
        return None
    rows = lake.read(name)
    for column in key:
        rows = rows.where(F.col(column).between(bounds[f"{column}_min"], bounds[f"{column}_max"]))
    return rows.join(keys, on=key, how="left_semi")


def asked_about(rows: DataFrame, suite: Suite) -> DataFrame:
    """Return only what the expectations ask about: the table's own columns, and those of the suite."""
    columns = suite.meta.get("columns", {})
    own = sorted((suite.asked or set(table(suite.meta["table"]).key)) - set(columns))
    return rows.select(*own, *(F.expr(sql).alias(name) for name, sql in columns.items()))


def _checked_until(lake: Lake) -> dict[tuple[str, str | None], int]:
    """The last version of each table, by name and identity, that has been checked."""
    checked = lake.read(DATA_QUALITY.name).where("to_version IS NOT NULL")
    found = checked.groupBy("table_name", "table_id").agg(F.max("to_version").alias("until"))
    return {(row.table_name, row.table_id): row.until for row in found.collect()}


def _rows(lake: Lake, checked: Sequence[Checked], at: dt.datetime) -> DataFrame:
    """What was found, as rows of gold.data_quality."""
    rows = [
        {
            "table_name": c.table, "rule_code": f.code, "from_version": c.from_version,
            "to_version": c.to_version, "table_id": c.table_id,
            "batch_id": "all" if c.to_version is None else f"{c.from_version} to {c.to_version}",
            "checked": f.checked, "failed": f.failed, "passed": f.passed, "observed": f.observed,
            "severity": f.severity, "checked_at": at,
        }
        for c in checked
        for f in c.findings
    ]  # fmt: skip
    return lake.spark.createDataFrame(rows, DATA_QUALITY.fields)


def _with_broken_rules(lake: Lake, rows: DataFrame, checked: Sequence[Checked]) -> DataFrame:
    """The rows, and the rules that messages of the checked batches broke."""
    severities = {e.meta["code"]: e.severity for e in read_suite(MESSAGE).expectations}
    for c in checked:
        if c.table == "ops.batch" and c.from_version is not None and c.to_version is not None:
            batches = rows_between(lake, c.table, c.from_version, c.to_version)
            rows = rows.unionByName(data_quality(batches, MESSAGE, severities))
    return rows


def held_back(lake: Lake) -> list[tuple[str, int, int]]:
    """Return the batches that may not leave: table, first and last version."""
    waiting = held(lake.read(DATA_QUALITY.name)).orderBy("table_name", "from_version").limit(1000).collect()
    # What failed in a table that was since made anew has gone with it.
    present = {name: identity(lake, name) for name in {row.table_name for row in waiting}}
    return [
        (row.table_name, row.from_version, row.to_version)
        for row in waiting
        if row.table_id in {None, present[row.table_name]}
    ]


def _validator(lake: Lake) -> Validator:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    try:
        from battery_lake.quality.validate import Validator  # noqa: PLC0415 - two seconds, an extra
    except ImportError as fault:
        remedy = "pip install 'battery-lake[quality]'"
        raise SetupError("Great Expectations is not installed", why=str(fault), remedy=remedy) from fault
    return Validator(Path(lake.settings.home).absolute() / "quality")


def _run(lake: Lake, progress: Progress) -> RunResult:
    began = monotonic_s()
    found = validate(lake, progress)
    rows = sum(checked.rows for checked in found.checked)
    failed = found.failed(lake.settings.quality.fail_on)
    if failed:
        raise QualityError(
            f"{len(failed)} expectations failed",
            why="; ".join(f"{c.table}: {f.code}, {f.failed} of {f.checked}" for c, f in failed[:5]),
            remedy=f"open {found.docs}; what failed is kept out of the sinks until it is mended",
        )
    counts = Counts(rows_in=rows, rows_kept=rows)
    return RunResult("quality", len(found.checked), counts, monotonic_s() - began)


QUALITY = Pipeline("quality", reads=CHECKED, writes=(DATA_QUALITY.name,), step=_run)
