"""Times and ETags as the service writes them."""

from __future__ import annotations

import uuid

from battery_lake.clock import utc_now


def twin_stamp() -> str:
    """Return the present to 100 ns, as in a twin's metadata."""
    return f"{utc_now():%Y-%m-%dT%H:%M:%S.%f}0Z"


def model_stamp() -> str:
    """Return the present to 100 ns, as a model's upload time."""
    return f"{utc_now():%Y-%m-%dT%H:%M:%S.%f}0+00:00"


def etag() -> str:
    """Return a weak ETag that was never used before."""
    return f'W/"{uuid.uuid4()}"'
