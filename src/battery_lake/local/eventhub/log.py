"""The events of one partition on disk: an append-only log in segments that survives a restart.

A record's offset is its byte position since the partition began, so it stays valid when old
segments are dropped from the front.
"""

from __future__ import annotations

import json
import os
import struct
import threading
import zlib
from array import array
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

from battery_lake.errors import DataLossError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

HEAD = struct.Struct(">IIQQ")  # body length, checksum, sequence number, enqueued time
SEGMENT_BYTES = 64 * 1024 * 1024
READ_BYTES = 1024 * 1024
INDEX_EVERY = 128
BEGIN_FILE = "begin.json"


class Record(NamedTuple):
    """One event as it is stored."""

    sequence_number: int
    offset: int
    enqueued_ms: int
    body: bytes


class Segment:
    """A file of consecutive records; its name tells the first sequence number and the first offset."""

    def __init__(self, path: Path) -> None:
        self.path = path
        first, base = path.stem.split("-")
        self.first = int(first)
        self.base = int(base)
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        self.size = os.fstat(self.file).st_size

    def close(self) -> None:
        """Close the file."""
        os.close(self.file)


class PartitionLog:
    """The log of one partition.

    Parameters
    ----------
    folder
        Where its files are; it is made where it is missing.
    segment_bytes
        Size from which a new segment is begun. [bytes]

    Raises
    ------
    DataLossError
        Where a record before the last segment is damaged. A torn end of the last segment, as a killed
        process leaves it, is cut off.
    """

    def __init__(self, folder: Path, segment_bytes: int = SEGMENT_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._lock = threading.RLock()
        self._clear_index()
        begin = folder / BEGIN_FILE
        saved = json.loads(begin.read_text()) if begin.exists() else {}
        self.begin = int(saved.get("sequence_number", 0))
        self.begin_offset = int(saved.get("offset", 0))
        self.last_enqueued_ms = int(saved.get("enqueued_ms", 0))
        self.last_offset = -1
        self.next_sequence_number = 0
        self._segments = [Segment(path) for path in sorted(folder.glob("*.log"))]
        for segment in self._segments:
            self._load(segment, last=segment is self._segments[-1])
        if not self._segments:
            self._roll()

    def _clear_index(self) -> None:
        """Forget the sparse index: every so many records its sequence number, offset and time."""
        self._index_sequence = array("q")
        self._index_offset = array("q")
        self._index_ms = array("q")

    def _note(self, sequence_number: int, offset: int, enqueued_ms: int) -> None:
        """Take a record into account."""
        if sequence_number % INDEX_EVERY == 0 or not self._index_offset:
            self._index_sequence.append(sequence_number)
            self._index_offset.append(offset)
            self._index_ms.append(enqueued_ms)
        self.next_sequence_number = sequence_number + 1
        self.last_offset = offset
        self.last_enqueued_ms = enqueued_ms

    def _load(self, segment: Segment, *, last: bool) -> None:
        """Check a segment's records and index them."""
        self.next_sequence_number = segment.first
        at = 0
        for record in _records(segment, 0):
            self._note(record.sequence_number, record.offset, record.enqueued_ms)
            at += HEAD.size + len(record.body)
        if at < segment.size:
            if not last:
                raise DataLossError(
                    f"{segment.path.name} is damaged at byte {at}",
                    why="a record's checksum does not fit and later segments exist",
                    remedy="delete the stand-in's folder and begin anew",
                )
            os.ftruncate(segment.file, at)
            segment.size = at

    def _roll(self) -> None:
        """Begin a new segment."""
        name = f"{self.next_sequence_number:020d}-{self.end_offset:020d}.log"
        self._segments.append(Segment(self._folder / name))

    @property
    def end_offset(self) -> int:
        """The offset that the next record gets."""
        if not self._segments:
            return 0
        return self._segments[-1].base + self._segments[-1].size

    def append(self, bodies: Sequence[bytes], enqueued_ms: int) -> int:
        """Append records and hand them to the operating system.

        Parameters
        ----------
        bodies
            The records.
        enqueued_ms
            When they arrived; time never goes back within a partition. [ms since 1970]

        Returns
        -------
        int
            Sequence number of the first.
        """
        with self._lock:
            if self._segments[-1].size >= self._segment_bytes:
                self._roll()
            segment = self._segments[-1]
            enqueued_ms = max(enqueued_ms, self.last_enqueued_ms)
            first = self.next_sequence_number
            chunks: list[bytes] = []
            for sequence_number, body in enumerate(bodies, first):
                checksum = zlib.crc32(body, sequence_number & 0xFFFFFFFF)
                chunks += (HEAD.pack(len(body), checksum, sequence_number, enqueued_ms), body)
            self._write(segment, b"".join(chunks))
            offset = self.end_offset
            for sequence_number, body in enumerate(bodies, first):
                self._note(sequence_number, offset, enqueued_ms)
                offset += HEAD.size + len(body)
            segment.size = offset - segment.base
            return first

    @staticmethod
    def _write(segment: Segment, data: bytes) -> None:
        """Write whole records; a disk that is full leaves none of them."""
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(segment.file, view) :]
        except OSError:
            os.ftruncate(segment.file, segment.size)
            raise

    def read(self, offset: int, limit: int, max_bytes: int = READ_BYTES) -> tuple[list[Record], int]:
        """Read records in order.

        Parameters
        ----------
        offset
            Where to begin; an offset that retention has passed means the oldest record.
        limit
            At most so many records.
        max_bytes
            About so much; one record at least. [bytes]

        Returns
        -------
        tuple
            The records and the offset to go on from.
        """
        with self._lock:
            offset = max(offset, self.begin_offset)
            if offset >= self.end_offset:
                return [], offset
            at = bisect_right(self._segments, offset, key=lambda segment: segment.base) - 1
            segment = self._segments[at]
            records = []
            stop = offset + max_bytes
            for record in _records(segment, offset - segment.base, max_bytes):
                records.append(record)
                offset = record.offset + HEAD.size + len(record.body)
                if len(records) >= limit or offset >= stop:
                    break
            return records, offset

    def seek(self, column: Callable[[Record], int], value: int) -> int:
        """Find where a column reaches a value.

        Parameters
        ----------
        column
            Sequence number, offset or enqueued time of a record; each only grows.
        value
            The value.

        Returns
        -------
        int
            Offset of the first record with at least this value, or the end.
        """
        with self._lock:
            indexes: dict[Callable[[Record], int], array[int]] = {
                by_sequence_number: self._index_sequence,
                by_offset: self._index_offset,
                by_time: self._index_ms,
            }
            index = indexes[column]
            at = bisect_left(index, value) - 1
            offset = max(self._index_offset[at] if at >= 0 else 0, self.begin_offset)
            while offset < self.end_offset:
                records, following = self.read(offset, INDEX_EVERY + 1)
                for record in records:
                    if column(record) >= value:
                        return record.offset
                offset = following
            return offset

    def offset_of(self, sequence_number: int) -> int:
        """Return where an event stands; the end for one that is still to come."""
        return self.seek(by_sequence_number, sequence_number)

    def trim(self, offset: int) -> None:
        """Drop the records before an offset.

        Parameters
        ----------
        offset
            A record's offset, or the end to drop all.
        """
        with self._lock:
            records, _ = self.read(offset, 1, 1)
            self.begin = records[0].sequence_number if records else self.next_sequence_number
            self.begin_offset = max(offset, self.begin_offset)
            saved = {
                "sequence_number": self.begin,
                "offset": self.begin_offset,
                "enqueued_ms": self.last_enqueued_ms,
            }
            fresh = self._folder / (BEGIN_FILE + ".new")
            fresh.write_text(json.dumps(saved))
            fresh.replace(self._folder / BEGIN_FILE)
            while len(self._segments) > 1 and self._segments[1].base <= self.begin_offset:
                gone = self._segments.pop(0)
                gone.close()
                gone.path.unlink()
            keep = max(bisect_right(self._index_offset, self._segments[0].base) - 1, 0)
            for index in (self._index_sequence, self._index_offset, self._index_ms):
                del index[:keep]

    def clear(self) -> None:
        """Delete everything: the next record has sequence number 0 again."""
        with self._lock:
            for segment in self._segments:
                segment.close()
                segment.path.unlink()
            (self._folder / BEGIN_FILE).unlink(missing_ok=True)
            self._segments = []
            self._clear_index()
            self.begin = self.begin_offset = self.last_enqueued_ms = self.next_sequence_number = 0
            self.last_offset = -1
            self._roll()

    def close(self) -> None:
        """Close the files."""
        with self._lock:
            for segment in self._segments:
                segment.close()


def by_sequence_number(record: Record) -> int:
    """Return a record's sequence number."""
    return record.sequence_number


def by_offset(record: Record) -> int:
    """Return a record's offset. [bytes]."""
    return record.offset


def by_time(record: Record) -> int:
    """Return when a record was enqueued. [ms since 1970]."""
    return record.enqueued_ms


def _records(segment: Segment, at: int, chunk_bytes: int = READ_BYTES) -> Iterator[Record]:
    """Read records from a position in a segment until its end or the first that is not whole."""
    data, start = b"", at
    while True:
        short = at - start + HEAD.size - len(data)
        if short <= 0:
            length, checksum, sequence_number, enqueued_ms = HEAD.unpack_from(data, at - start)
            body_at = at - start + HEAD.size
            body = data[body_at : body_at + length]
            short = length - len(body)
            if not short:
                if zlib.crc32(body, sequence_number & 0xFFFFFFFF) != checksum:
                    return
                yield Record(sequence_number, segment.base + at, enqueued_ms, body)
                at += HEAD.size + length
                continue
        have = len(data) - (at - start)
        data = os.pread(segment.file, max(chunk_bytes, have + short), at)
        start = at
        if len(data) < have + short:
            return
