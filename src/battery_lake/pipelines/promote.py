"""Challenger to champion, if it is better on the history as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from battery_lake.clock import monotonic_s
from battery_lake.errors import ModelError
from battery_lake.log import logger
from battery_lake.models.promotion import listed, promote
from battery_lake.models.store import CHALLENGER
from battery_lake.pipelines.model import Counts, Pipeline, Progress, RunResult
from battery_lake.pipelines.train import READS, examples_of

if TYPE_CHECKING:
    from battery_lake.lake.access import Lake

_log = logger("promote")


def _run(lake: Lake, progress: Progress) -> RunResult:
    """Compare and promote; that there is no challenger, or a worse one, is an outcome, not a fault."""
    began = monotonic_s()
    if not any(CHALLENGER in one.aliases for one in listed(lake.settings)):
        _log.info("no_challenger")
        return RunResult("promote", seconds=monotonic_s() - began)
    examples, _ = examples_of(lake)
    rows = int(examples.pack.size)
    progress.batch("promote", 0, rows)
    try:
        verdict = promote(lake.settings, examples)
    except ModelError as fault:
        _log.warning("not_compared", why=str(fault))
    else:
        event = "promoted" if verdict.passes else "challenger_refused"
        _log.info(event, champion=verdict.champion, challenger=verdict.challenger, why=verdict.reasons)
    return RunResult("promote", 1, Counts(rows_in=rows, rows_kept=rows), monotonic_s() - began)


PROMOTE = Pipeline("promote", reads=READS, writes=(), step=_run)
