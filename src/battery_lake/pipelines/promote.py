"""Challenger to champion, if it is better on the history as it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from battery_lake.errors import ModelError
from battery_lake.log import logger
from battery_lake.models.promotion import listed, promote
from battery_lake.models.store import CHALLENGER
from battery_lake.pipelines.train import examples_of

if TYPE_CHECKING:
    from battery_lake.lake.access import Lake

_log = logger("promote")


def promote_challenger(lake: Lake) -> None:
    """Compare and promote; that there is no challenger, or a worse one, is an outcome, not a fault."""
    if not any(CHALLENGER in one.aliases for one in listed(lake.settings)):
        _log.info("no_challenger")
        return
    examples, _ = examples_of(lake)
    try:
        verdict = promote(lake.settings, examples)
    except ModelError as fault:
        _log.warning("not_compared", why=str(fault))
    else:
        event = "promoted" if verdict.passes else "challenger_refused"
        _log.info(event, champion=verdict.champion, challenger=verdict.challenger, why=verdict.reasons)
