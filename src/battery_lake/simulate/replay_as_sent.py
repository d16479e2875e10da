"""Logs of electric cars as their platform exported them, every name and quirk untouched."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Final

import orjson

from battery_lake.mapping.samples import read_bodies
from battery_lake.simulate.messages import system_properties

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TIME: Final = "tboxTime"
_MOST: Final = 10_000_000


def log_of(recording: Path) -> Path:
    """Return the log as it was sent that lies beside a vehicle's recording."""
    return recording.with_name(f"{recording.stem}_as_sent.csv.gz")


def as_sent_lines(path: Path, vehicle_id: str, enqueue_delay_s: float = 2.0) -> Iterator[bytes]:
    """Make a landing line of every row of a log: the body is the row, as a JSON object.

    Parameters
    ----------
    path
        ``EV1_as_sent.csv.gz`` or its like.
    vehicle_id
        The device.
    enqueue_delay_s
        From the measurement to the hub's taking of the message. [s]

    Yields
    ------
    bytes
        One line, newline included, in the order of the rows.
    """
    envelope = system_properties(vehicle_id)
    for body in read_bodies(path, _MOST):
        row = orjson.loads(body)
        taken = dt.datetime.fromisoformat(row[_TIME]) + dt.timedelta(seconds=enqueue_delay_s)
        at = f"{taken:%Y-%m-%dT%H:%M:%S}.0000000Z"
        line = {"EnqueuedTimeUtc": at, "SystemProperties": {**envelope, "enqueuedTime": at}, "Body": row}
        yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
