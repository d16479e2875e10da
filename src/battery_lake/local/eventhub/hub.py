"""The hub: its partitions on disk, where events go and where a receiver begins."""

from __future__ import annotations

import fcntl
import json
import re
import threading
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from battery_lake import clock
from battery_lake.errors import SettingsError
from battery_lake.local.amqp.codec import Described
from battery_lake.local.amqp.errors import ARGUMENT_ERROR, AmqpError
from battery_lake.local.eventhub.log import PartitionLog, by_offset, by_sequence_number, by_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from battery_lake.local.eventhub.log import Record

HUB_FILE = "hub.json"
LOCK_FILE = "lock"
APPEND_AT_ONCE = 500
SELECTOR = re.compile(
    r"\s*amqp\.annotation\.(?P<column>x-opt-[a-z-]+)\s*(?P<operator>>=?)\s*'(?P<value>[^']*)'\s*"
)
COLUMNS: dict[str, Callable[[Record], int]] = {
    "x-opt-sequence-number": by_sequence_number,
    "x-opt-offset": by_offset,
    "x-opt-enqueued-time": by_time,
}
EARLIEST, LATEST = "-1", "@latest"


@dataclass(frozen=True)
class Retention:
    """How long a partition keeps its events.

    Parameters
    ----------
    age_s
        Events older than this are dropped; None keeps them. [s]
    partition_bytes
        The oldest events beyond this size are dropped; None keeps them. [bytes]
    """

    age_s: float | None = None
    partition_bytes: int | None = None


def now_ms() -> int:
    """Return the present. [ms since 1970]."""
    return int(clock.utc_now().timestamp() * 1_000)


class Hub:
    """A hub with its partitions.

    Parameters
    ----------
    folder
        Where it lives. What an earlier process left there is taken up.
    name
        The hub's name.
    partitions
        How many; may grow from one process to the next.
    retention
        What is dropped when.
    segment_bytes
        Size of a log segment. [bytes]

    Raises
    ------
    SettingsError
        Where the folder is in use, belongs to another hub or has more partitions.
    """

    def __init__(
        self, folder: Path, name: str, partitions: int, retention: Retention, segment_bytes: int
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.retention = retention
        self._folder = folder
        self._turn = 0
        self._turn_lock = threading.Lock()
        self._lock_file = (folder / LOCK_FILE).open("w")
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock_file.close()
            raise SettingsError(
                f"The stand-in cannot use {folder}",
                why="another stand-in is running there",
                remedy="stop it or choose another folder",
            ) from None
        try:
            self.created_ms = self._take_up(partitions)
        except SettingsError:
            self._lock_file.close()
            raise
        self.logs = [PartitionLog(folder / f"partition-{at}", segment_bytes) for at in range(partitions)]

    def _take_up(self, partitions: int) -> int:
        """Compare with what is in the folder, write the hub's file, return when it was created."""
        path = self._folder / HUB_FILE
        known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        if known and (known["name"] != self.name or known["partitions"] > partitions):
            raise SettingsError(
                f"The stand-in cannot use {self._folder} for hub {self.name} with {partitions} partitions",
                why=f"it holds hub {known['name']} with {known['partitions']}",
                remedy="ask for that hub or choose another folder",
            )
        created_ms = int(known.get("created_ms", now_ms()))
        self._write(partitions, created_ms)
        return created_ms

    def _write(self, partitions: int, created_ms: int) -> None:
        """Write the hub's file."""
        fresh = self._folder / (HUB_FILE + ".new")
        fresh.write_text(json.dumps({"name": self.name, "partitions": partitions, "created_ms": created_ms}))
        fresh.replace(self._folder / HUB_FILE)

    def partition_for(self, key: str | None) -> int:
        """Return the partition of a key, or the next one in turn where there is no key."""
        if key is not None:
            return zlib.crc32(key.encode()) % len(self.logs)
        with self._turn_lock:
            self._turn += 1
            return (self._turn - 1) % len(self.logs)

    def append(self, partition: int, stored: Sequence[bytes], enqueued_ms: int | None = None) -> int:
        """Append stored events; return the sequence number of the first."""
        log = self.logs[partition]
        when_ms = now_ms() if enqueued_ms is None else enqueued_ms
        firsts = [
            log.append(stored[at : at + APPEND_AT_ONCE], when_ms)
            for at in range(0, len(stored), APPEND_AT_ONCE)
        ]
        return firsts[0] if firsts else log.next_sequence_number

    def position(self, partition: int, selector: Any) -> int:
        """Find where a receiver begins.

        Parameters
        ----------
        partition
            The partition.
        selector
            The selector filter of the receiver's source; None begins with the oldest event.

        Returns
        -------
        int
            Offset of the first event to deliver.

        Raises
        ------
        AmqpError
            Where the selector is not understood or lies beyond the last event.
        """
        log = self.logs[partition]
        text = selector.value if isinstance(selector, Described) else selector
        if text is None:
            return log.begin_offset
        match = SELECTOR.fullmatch(str(text))
        if match is None or match["column"] not in COLUMNS:
            raise AmqpError(ARGUMENT_ERROR, f"The filter {text!r} is not understood.")
        column, value = COLUMNS[match["column"]], match["value"]
        if column is by_offset and value == EARLIEST:
            return log.begin_offset
        if column is by_offset and value == LATEST:
            return log.end_offset
        if not value.lstrip("-").isdigit():
            raise AmqpError(ARGUMENT_ERROR, f"The supplied position {value!r} is no number.")
        _refuse_beyond_end(log, column, int(value))
        return log.seek(column, int(value) + (match["operator"] == ">"))

    def retain(self, at_ms: int | None = None) -> None:
        """Drop what retention no longer keeps."""
        for log in self.logs:
            if self.retention.age_s is not None:
                oldest_ms = (now_ms() if at_ms is None else at_ms) - int(self.retention.age_s * 1_000)
                log.trim(log.seek(by_time, oldest_ms))
            if self.retention.partition_bytes is not None:
                log.trim(log.seek(by_offset, log.end_offset - self.retention.partition_bytes))

    def recreate(self) -> None:
        """Delete all events, as deleting the hub and making it again does."""
        for log in self.logs:
            log.clear()
        self.created_ms = now_ms()
        self._write(len(self.logs), self.created_ms)

    def close(self) -> None:
        """Close the files."""
        for log in self.logs:
            log.close()
        self._lock_file.close()


def _refuse_beyond_end(log: PartitionLog, column: Callable[[Record], int], value: int) -> None:
    """Refuse a sequence number or an offset that no event has had yet."""
    if column is by_sequence_number and value > log.next_sequence_number - 1:
        raise AmqpError(
            ARGUMENT_ERROR,
            f"The supplied sequence number '{value}' is invalid. "
            f"The last sequence number in the system is '{log.next_sequence_number - 1}'",
        )
    if column is by_offset and value > log.last_offset:
        raise AmqpError(
            ARGUMENT_ERROR,
            f"The supplied offset '{value}' is invalid. The last offset in the system is '{log.last_offset}'",
        )
