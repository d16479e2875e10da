"""What the service takes: its published limits.

References
----------
Microsoft, "Azure Digital Twins service limits", functional limits and rate limits. Those of one second can
be raised on request, except that of a single twin.
"""

from __future__ import annotations

from typing import Final

READS_PER_SECOND: Final = 1_000
PATCHES_PER_SECOND: Final = 1_000
CREATES_PER_SECOND: Final = 500
"""Twins and relationships, made or deleted."""
MODELS_PER_SECOND: Final = 100
QUERIES_PER_SECOND: Final = 500
JOBS_PER_SECOND: Final = 1
MAX_TWINS: Final = 2_000_000
MAX_ID: Final = 128
"""Characters of an id; kept to, though it is IoT Hub's limit and none is published for twins."""
MAX_MODELS_AT_ONCE: Final = 250
