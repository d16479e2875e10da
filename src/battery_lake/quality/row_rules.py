"""The rules of silver as the settings have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from battery_lake.mapping.compile import compiled
from battery_lake.quality.compile import rules_of
from battery_lake.quality.parameters import parameters
from battery_lake.quality.suites import MESSAGE, read_suite
from battery_lake.silver.decode import Reading
from battery_lake.silver.facts import Limits
from battery_lake.silver.rules import RuleParams

if TYPE_CHECKING:
    from battery_lake.settings import Settings


def rule_params(settings: Settings) -> RuleParams:
    """Return how bodies are read and what is asked of messages.

    Raises
    ------
    MappingError
        A mapping in use is missing or faulty.
    SuiteError
        The suite of the rules is missing or faulty.
    """
    return RuleParams(
        reading=Reading(
            compiled(settings.refine.mapping_names),
            settings.refine.max_body_bytes,
            settings.refine.max_unzipped_bytes,
        ),
        rules=rules_of(read_suite(MESSAGE), parameters(settings)),
        clock_skew_s=settings.refine.clock_skew_s,
        limits=Limits(**settings.limits.model_dump()),
    )
