"""Telemetry written as IoT Hub's message routing writes it to storage: one JSON line a message."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from battery_lake.simulate.columns import PackMessages

SCHEMA_VERSION: Final = 1

# The finest steps that any source here resolves; a coarser sensor's values pass unchanged, and the noise that
# a float32 carries beyond its seventh digit goes.
DECIMALS: Final = {
    "current_a": 3,
    "pack_voltage_v": 4,
    "soc_pct": 2,
    "cell_voltages_v": 4,
    "temperatures_c": 2,
    "insulation_kohm": 1,
    "odometer_km": 3,
    "latitude": 6,
    "longitude": 6,
}
"""Decimals of each measured value of a message."""

_BLOCK = 5_000  # messages made ready at once: bounds memory whatever the length of a pack's history
_AUTH_METHOD: Final = '{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}'


def write_landing(
    folder: Path,
    messages: Iterable[PackMessages],
    *,
    messages_per_file: int = 5_000,
    enqueue_delay_s: float = 2.0,
) -> int:
    """Write messages as flat ``*.json`` files of JSON lines, as storage routing of IoT Hub does.

    A file's name is the enqueued time of its first message and a digest of its bytes, so the same input gives
    the same files: a second run skips what stands and completes what an interrupted run left. A file gets its
    name only once it is whole; until then it has a name with a leading dot, which readers pass over.

    Parameters
    ----------
    folder
        The landing folder; it is made if need be.
    messages
        The messages of the packs, a piece at a time: only one piece is held.
    messages_per_file
        Lines of a file; the last file may have fewer.
    enqueue_delay_s
        From the measurement to the hub's taking of the message. [s]

    Returns
    -------
    int
        Messages that now stand in the folder because of this call, written or found.

    References
    ----------
    Microsoft Learn, "Use IoT Hub message routing to send device-to-cloud messages to different endpoints"
    (Azure Storage as a routing endpoint, JSON encoding) and "Create and read IoT Hub messages" (system
    properties).
    """
    lines = itertools.chain.from_iterable(message_lines(piece, enqueue_delay_s) for piece in messages)
    return write_lines(folder, lines, messages_per_file)


def write_lines(folder: Path, lines: Iterator[bytes], messages_per_file: int = 5_000) -> int:
    """Write lines as files of a landing folder, as :func:`write_landing` does; return how many stand."""
    folder.mkdir(parents=True, exist_ok=True)
    total = 0
    while batch := list(itertools.islice(lines, messages_per_file)):
        _write_once(folder, b"".join(batch))
        total += len(batch)
    return total


def message_lines(messages: PackMessages, enqueue_delay_s: float = 2.0) -> Iterator[bytes]:
    """Make the JSON line of every message, newline included.

    Parameters
    ----------
    messages
        The messages of one pack.
    enqueue_delay_s
        From the measurement to the hub's taking of the message. [s]

    Yields
    ------
    bytes
        One line, in the order of the messages.
    """
    envelope = system_properties(messages.vehicle_id)
    for start in range(0, len(messages), _BLOCK):
        rows = slice(start, start + _BLOCK)
        measured_at_s = messages.measured_at_s[rows]
        enqueued = [f"{text}0Z" for text in _iso(measured_at_s + enqueue_delay_s, "us")]
        for at, body in zip(enqueued, _bodies(messages, rows), strict=True):
            line = {
                "EnqueuedTimeUtc": at,
                "Properties": {"schema_version": str(SCHEMA_VERSION)},
                "SystemProperties": {**envelope, "enqueuedTime": at},
                "Body": body,
            }
            yield orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def system_properties(vehicle_id: str) -> dict[str, str]:
    """Return what the hub stamps on every message of a device; the generation is derived from its name."""
    generation = int.from_bytes(hashlib.blake2b(vehicle_id.encode(), digest_size=6).digest())
    return {
        "connectionDeviceId": vehicle_id,
        "connectionAuthMethod": _AUTH_METHOD,
        "connectionDeviceGenerationId": f"637{generation:015d}",
        "contentType": "application/json",
        "contentEncoding": "utf-8",
    }


def _bodies(messages: PackMessages, rows: slice) -> list[dict[str, Any]]:
    """Return the canonical messages of some rows, absent values left out."""
    measured_at_s = messages.measured_at_s[rows]
    # Whole seconds are written without decimals, as vehicles do; laboratory steps need the milliseconds.
    unit = "s" if np.array_equal(measured_at_s, np.round(measured_at_s)) else "ms"
    columns: dict[str, list[Any]] = {
        "measured_at": [f"{text}Z" for text in _iso(measured_at_s, unit)],
        "sequence": messages.sequence[rows].tolist(),
    }
    if messages.state is not None:
        columns["state"] = [state or None for state in messages.state[rows].tolist()]
    for name, decimals in DECIMALS.items():
        values = getattr(messages, name)
        if values is not None:
            columns[name] = _json_values(values[rows], decimals)
    identity = {
        "schema_version": SCHEMA_VERSION,
        "vehicle_id": messages.vehicle_id,
        "pack_id": messages.pack_id,
    }
    names = list(columns)
    return [
        identity | {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*columns.values(), strict=True)
    ]


def _json_values(values: NDArray[np.float64], decimals: int) -> list[Any]:
    """Return rounded values, None where a single one is absent; rows stay arrays, whose NaN becomes null."""
    # float64 before rounding: a float32 would keep its own digits. Adding zero turns -0.0 into 0.0.
    rounded = np.round(values.astype(np.float64), decimals) + 0.0
    if rounded.ndim > 1:
        return list(np.ascontiguousarray(rounded))
    absent = ~np.isfinite(rounded)
    if not absent.any():
        return list(rounded.tolist())
    return [None if gone else value for gone, value in zip(absent, rounded.tolist(), strict=True)]


def _iso(instant_s: NDArray[np.float64], unit: str) -> list[str]:
    """Return ISO 8601 texts without zone, in whole units (s, ms, us)."""
    per_second = {"s": 1, "ms": 1_000, "us": 1_000_000}[unit]
    # Milliseconds are the clock's resolution; finer digits of a float are not time.
    counts = np.round(instant_s * 1_000).astype(np.int64) * per_second // 1_000
    return list(np.datetime_as_string(counts.astype(f"datetime64[{unit}]")).tolist())


def _write_once(folder: Path, content: bytes) -> None:
    """Write a file under a name that its content gives, unless it stands already."""
    first_enqueued = re.sub(
        r"[^0-9TZ]", "", orjson.loads(content[: content.index(b"\n")])["EnqueuedTimeUtc"][:19]
    )
    target = folder / f"{first_enqueued}Z-{hashlib.blake2b(content, digest_size=8).hexdigest()}.json"
    if target.exists():
        return
    partial = folder / f".{target.name}.partial"
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(target)
