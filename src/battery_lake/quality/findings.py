"""What an expectation found in a frame."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What an expectation found.

    Parameters
    ----------
    code, why, severity
        Of the expectation.
    checked, failed
        Rows that were looked at, and those that do not meet it; 1 where rows are looked at together.
    passed
        Whether no more failed than may.
    observed
        What was found, where rows are looked at together.
    """

    code: str
    why: str
    severity: str
    checked: int
    failed: int
    passed: bool
    observed: str | None
