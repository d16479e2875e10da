"""A stream's checkpoint on a local disk: which batches are planned and committed, and a step by hand.

Spark plans batch N in ``offsets/N`` before it reads, and notes in ``commits/N`` that it is done. Streams
with one source only.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from battery_lake.errors import DataLossError, SettingsError

FORMAT: Final = "v1"
FIRST_COMMIT: Final = f'{FORMAT}\n{{"nextBatchWatermarkMs":0}}'
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch as it was planned.

    Parameters
    ----------
    number
        Its number.
    end
        Offset of the source up to which it reads.
    planned_at
        When it was planned.
    """

    number: int
    end: dict[str, Any]
    planned_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a stream is.

    Parameters
    ----------
    folder
        The checkpoint.
    done
        The last batch that is committed; None: none yet.
    open
        A batch that is planned and not committed; the next run reads it first. None: there is none.
    committed_at
        When the last commit was written.
    """

    folder: Path
    done: Batch | None
    open: Batch | None
    committed_at: dt.datetime | None


def local_folder(address: str) -> Path:
    """Return a checkpoint's folder, which has to be on a disk of this machine.

    Raises
    ------
    SettingsError
        It is a URI.
    """
    if _URI.match(address):
        remedy = "run this where the folder is mounted, and name it by its path"
        if address.startswith("dbfs:"):
            path = address.removeprefix("dbfs:")
            mounted = path if path.startswith("/Volumes/") else f"/dbfs{path}"
            remedy = f"on Databricks: --set lake.checkpoints={mounted.rpartition('/')[0]}"
        raise SettingsError(
            f"the checkpoint {address} cannot be looked into",
            why="it is an address and no path: only folders of this machine are read",
            remedy=remedy,
        )
    return Path(address)


def read_progress(folder: Path) -> Progress | None:
    """Return how far a stream is; None where nothing has been planned yet.

    Raises
    ------
    DataLossError
        The checkpoint is not whole, or has a form that is not known.

    References
    ----------
    Apache Spark, ``MicroBatchExecution.populateStartOffsets``, ``OffsetSeqLog``, ``CommitLog``.
    """
    planned, committed = _newest(folder / "offsets"), _newest(folder / "commits")
    if planned is None:
        if committed is not None:
            raise _broken(folder, f"commits/{committed} is there, offsets are not")
        return None
    if committed is not None and committed > planned:
        raise _broken(folder, f"commits go to {committed}, offsets to {planned}")
    newest = _batch(folder, planned)
    # Spark wants the batch before the newest one, whether that is committed or not.
    before = _batch(folder, planned - 1) if planned else None
    is_done = committed == planned
    return Progress(
        folder,
        done=newest if is_done else before,
        open=None if is_done else newest,
        committed_at=None if committed is None else _written_at(folder / "commits" / str(committed)),
    )


def clear_drafts(folder: Path) -> None:
    """Remove what a process that was killed while it planned its first batch has left of the plan.

    Spark refuses to begin where ``offsets``, ``state`` or ``commits`` hold any file, also a hidden draft of
    ``offsets/0``. Nothing is touched once a batch is planned.

    References
    ----------
    Apache Spark, ``spark.sql.streaming.verifyCheckpointDirectoryEmptyOnStart`` (SPARK-53103).
    """
    logs = folder / "offsets", folder / "commits"
    if all(_newest(log) is None for log in logs):
        for log in logs:
            shutil.rmtree(log, ignore_errors=True)


def keep_copy(folder: Path, at: dt.datetime) -> Path:
    """Copy a checkpoint beside itself and return the copy.

    Parameters
    ----------
    folder
        The checkpoint.
    at
        The copy is named after this instant.
    """
    copy = folder.with_name(f"{folder.name}.before-{at:%Y%m%dT%H%M%S%fZ}")
    shutil.copytree(folder, copy)
    return copy


def add_step(progress: Progress, end: dict[str, Any], at: dt.datetime) -> int:
    """Add a batch that is planned and committed and has read nothing: the next one begins at its end.

    Numbers of batches go on rising, so that no number stands for two contents: what a batch wrote under its
    number stays what it was. A batch that is open is committed with it, and never read.

    Parameters
    ----------
    progress
        What :func:`read_progress` has found.
    end
        Offset of the source at which the next batch begins.
    at
        When.

    Returns
    -------
    int
        Number of the batch that was added.

    Raises
    ------
    DataLossError
        A batch has been planned or committed meanwhile: the stream is running.
    """
    newest = progress.open or progress.done
    assert newest is not None  # there is no progress without a batch
    folder, number = progress.folder, newest.number + 1
    facts = json.loads(_lines(folder, newest.number)[1])
    facts["batchTimestampMs"] = int(at.timestamp() * 1000)
    commit = _newest(folder / "commits")
    done = FIRST_COMMIT if commit is None else (folder / "commits" / str(commit)).read_text("utf-8")
    texts = {
        # The offset first: should this end here, the next run takes it as planned, and comes to its end too.
        f"offsets/{number}": "\n".join((FORMAT, _json(facts), _json(end))),
        **({f"commits/{progress.open.number}": done} if progress.open else {}),
        f"commits/{number}": done,
    }
    (folder / "commits").mkdir(exist_ok=True)
    for name, text in texts.items():
        try:
            with (folder / name).open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise DataLossError(
                f"the place of {folder.name} was not rewritten",
                why=f"{name} was written meanwhile: the stream is running",
                remedy="let the run end, then ask again",
            ) from None
    return number


def _newest(log: Path) -> int | None:
    """The highest number that names a file."""
    if not log.is_dir():
        return None
    return max((int(file.name) for file in log.iterdir() if file.name.isdecimal()), default=None)


def _batch(folder: Path, number: int) -> Batch:
    lines = _lines(folder, number)
    try:
        planned_ms, end = json.loads(lines[1])["batchTimestampMs"], json.loads(lines[2])
    except (ValueError, KeyError, TypeError) as fault:
        raise _broken(folder, f"offsets/{number} cannot be read: {fault}") from fault
    if not isinstance(end, dict):
        raise _broken(folder, f"offsets/{number} holds no offset of this source")
    return Batch(number, end, dt.datetime.fromtimestamp(planned_ms / 1000, tz=dt.UTC))


def _lines(folder: Path, number: int) -> list[str]:
    """The three lines of a plan: version, facts, offset of the one source."""
    try:
        lines = (folder / "offsets" / str(number)).read_text("utf-8").splitlines()
    except FileNotFoundError:
        raise _broken(folder, f"offsets/{number} is missing") from None
    if lines[:1] != [FORMAT] or len(lines) != 3:  # noqa: PLR2004 - see above
        raise _broken(folder, f"offsets/{number} has another form than Spark's {FORMAT} with one source")
    return lines


def _written_at(file: Path) -> dt.datetime:
    return dt.datetime.fromtimestamp(file.stat().st_mtime, tz=dt.UTC)


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"))


def _broken(folder: Path, why: str) -> DataLossError:
    return DataLossError(
        f"the checkpoint {folder} cannot be read",
        why=why,
        remedy=f"put back a copy ({folder.name}.before-..., beside it); or move the folder away: the next run"
        " begins anew, and what bronze holds already is not doubled",
    )
