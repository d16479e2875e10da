"""Files on their way into a table: by queue, exactly once, or as a stream, within seconds."""

from __future__ import annotations

import json
import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

import pyarrow.parquet as pq

from battery_lake.clock import monotonic_s
from battery_lake.errors import RemoteError
from battery_lake.sinks.adx.progress import LINES
from battery_lake.sinks.failures import Failure
from battery_lake.sinks.retry import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

AT_ONCE: Final = 4
"""So many files are uploaded at the same time."""
STREAM_BYTES: Final = 1_000_000
"""A stream is cut here; the service takes 4 MB."""
_ROWS_AT_ONCE: Final = 2_000
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 10.0


class Explorer(Protocol):
    """A database that takes files and streams."""

    def queue(self, table: str, file: Path, tag: str, mapping: str) -> str:
        """Queue a file; return where it was put."""

    def stream(self, table: str, lines: Sequence[str], mapping: str) -> None:
        """Send rows."""

    def tags(self, table: str, part: str) -> set[str]:
        """Return what extents were ingested by."""

    def failures(self, places: Sequence[str]) -> dict[str, str]:
        """Return why files could not be ingested."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where rows go.

    Parameters
    ----------
    client
        The database.
    table
        The table.
    mapping
        Name of its mapping.
    """

    client: Explorer
    table: str
    mapping: str


@dataclass(slots=True)
class Delivered:
    """What became of rows: how many were sent, and what was refused: files and lines of streams, by tag."""

    rows: int = 0
    refused_rows: int = 0
    failures: list[Failure] = field(default_factory=list)
    refused_files: dict[str, Path] = field(default_factory=dict)
    refused_lines: dict[str, list[str]] = field(default_factory=dict)

    @property
    def refused_tags(self) -> set[str]:
        """Tags of all that was refused."""
        return {*self.refused_files, *self.refused_lines}


def tag_of(prefix: str, file: Path) -> str:
    """Return the tag of a file: the same however often it is sent, and whatever files lie beside it."""
    return f"{prefix}-{file.name.split('.')[0]}"


def queued(target: Target, files: dict[str, Path], prefix: str, patience_s: float) -> Delivered:
    """Send files by queue and wait until the service has taken them, or has said why not.

    A file that was taken before is not sent again; one that is queued twice under its tag is taken once.

    Parameters
    ----------
    target
        Where they go.
    files
        Parquet, by tag.
    prefix
        What all tags begin with.
    patience_s
        So long the service is waited for. [s]

    Raises
    ------
    RemoteError
        The service did not take them in that time: the next run waits for the same files.
    """
    # A file without rows leaves no extent, and so no tag to wait for.
    counted = {tag: pq.read_metadata(file).num_rows for tag, file in files.items()}
    rows = {tag: count for tag, count in counted.items() if count}
    told = Delivered()
    if not rows:
        return told
    taken = target.client.tags(target.table, prefix)
    places, faults = _send(target, {tag: files[tag] for tag in rows if tag not in taken})
    faults |= _wait(target, places, prefix, patience_s)
    told.rows = sum(rows.values())
    for tag, reason in sorted(faults.items()):
        told.failures.append(_failure(target, tag, rows[tag], reason))
        told.refused_files[tag] = files[tag]
        told.refused_rows += rows[tag]
    return told


def streamed(target: Target, files: dict[str, Path]) -> Delivered:
    """Send the rows of files as streams; sent again after a crash they are there twice.

    The view of the table shows the newest change of every key, so that nobody sees them twice.

    Parameters
    ----------
    target
        Where they go.
    files
        By tag: Parquet, or lines of JSON that were refused before.

    Raises
    ------
    RemoteError
        The service does not answer.
    """
    told = Delivered()
    for tag, file in files.items():
        if file.suffix == LINES:
            _stream(target, tag, file.read_text(encoding="utf-8").split("\n"), told)
            continue
        for number, lines in enumerate(_chunks(file)):
            _stream(target, f"{tag}-{number}", lines, told)
    return told


def _stream(target: Target, tag: str, lines: list[str], told: Delivered) -> None:
    """Send lines, and tell what became of them."""
    told.rows += len(lines)
    try:
        target.client.stream(target.table, lines, target.mapping)
    except RefusedError as fault:
        told.refused_rows += len(lines)
        told.failures.append(_failure(target, tag, len(lines), str(fault)))
        told.refused_lines[tag] = lines


def _failure(target: Target, tag: str, rows: int, reason: str) -> Failure:
    payload = json.dumps({"table": target.table, "tag": tag, "rows": rows})
    return Failure(f"{target.table}/{tag}", payload, reason)


def _send(target: Target, files: dict[str, Path]) -> tuple[dict[str, str], dict[str, str]]:
    """Queue files; where each was put, and why others were refused: both by tag."""

    def send(tag: str) -> tuple[str, str, str]:
        try:
            return tag, target.client.queue(target.table, files[tag], tag, target.mapping), ""
        except RefusedError as fault:
            return tag, "", str(fault)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        sent = list(pool.map(send, files))
    return {t: place for t, place, fault in sent if not fault}, {t: fault for t, _, fault in sent if fault}


def _wait(target: Target, places: dict[str, str], part: str, patience_s: float) -> dict[str, str]:
    """Wait until every tag is there or has failed; the failures, by tag."""
    began_s, pause_s = monotonic_s(), _FIRST_WAIT_S
    waiting, faults = dict(places), dict[str, str]()
    while waiting:
        taken = target.client.tags(target.table, part)
        waiting = {tag: place for tag, place in waiting.items() if tag not in taken}
        failed = target.client.failures(list(waiting.values())) if waiting else {}
        faults |= {tag: failed[place] for tag, place in waiting.items() if place in failed}
        waiting = {tag: place for tag, place in waiting.items() if tag not in faults}
        if waiting and monotonic_s() - began_s > patience_s:
            raise RemoteError(
                f"Data Explorer has not taken {len(waiting)} files of {target.table} yet",
                why=f"waited {patience_s:.0f} s",
                remedy="run it again later: the same files are waited for, and none is taken twice",
            )
        if waiting:
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _LONGEST_WAIT_S)
    return faults


def _chunks(file: Path) -> Iterator[list[str]]:
    """Rows as JSON, cut at the size that a stream may have."""
    lines: list[str] = []
    size = 0
    with pq.ParquetFile(file) as opened:
        for batch in opened.iter_batches(_ROWS_AT_ONCE):
            for row in batch.to_pylist():
                line = json.dumps({name: _plain(value) for name, value in row.items()}, ensure_ascii=False)
                if lines and size + len(line.encode()) > STREAM_BYTES:
                    yield lines
                    lines, size = [], 0
                lines.append(line)
                size += len(line.encode()) + 1
    if lines:
        yield lines


def _plain(value: Any) -> Any:
    """A value that JSON can say; an instant of Spark's is UTC."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if hasattr(value, "isoformat"):
        said = value.replace(tzinfo=None).isoformat() if hasattr(value, "tzinfo") else value.isoformat()
        return f"{said}Z" if "T" in said else said
    if isinstance(value, list):
        if value and all(isinstance(each, tuple) for each in value):
            return {str(key): _plain(inner) for key, inner in value}
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value
