"""Files as the source: is the landing folder there, may it be read, and does anything wait in it."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING

from battery_lake.cli.doctor import Finding, Verdict, ago, failed
from battery_lake.clock import utc_now
from battery_lake.errors import BatteryLakeError
from battery_lake.sources.checkpoint import local_folder, read_progress

if TYPE_CHECKING:
    from battery_lake.settings import Settings


def landing_findings(settings: Settings, address: str) -> list[Finding]:
    """Check the landing folder against the last batch.

    Parameters
    ----------
    settings
        The settings in force.
    address
        Where the stream keeps its place.
    """
    folder = settings.landing
    if "://" in settings.source.landing:
        found = f"{settings.source.landing} is an address: only folders of this machine are looked into"
        return [Finding("Landing", Verdict.WARN, found)]
    if not folder.is_dir():
        return [_no_folder(settings)]
    suffix = f".{settings.source.file_format}"
    files, closed = _files(folder)
    remedy = "give the account that runs ingest the right to read it"
    findings = [Finding("Landing", Verdict.FAIL, text, remedy) for text in closed]
    if closed and not files:
        return findings
    taken_at: list[dt.datetime] = [at for name, at in files if name.endswith(suffix)]
    if not taken_at:
        return [*findings, _no_file(folder, suffix, files)]
    text = f"{len(taken_at):,} *{suffix} files in {folder}, the newest {ago(max(taken_at))} old"
    return [*findings, Finding("Landing", Verdict.OK, text), *_since_last_batch(address, taken_at)]


def _no_folder(settings: Settings) -> Finding:
    if settings.source.landing:
        remedy = "check source.landing: is it spelt right, is the storage mounted?"
        return Finding("Landing", Verdict.FAIL, f"{settings.landing} is no folder", remedy)
    remedy = "put files there, or set source.landing; ingest makes the folder"
    return Finding("Landing", Verdict.WARN, f"{settings.landing} is not there yet", remedy)


def _no_file(folder: Path, suffix: str, files: list[tuple[str, dt.datetime]]) -> Finding:
    other = {".json": ".avro", ".avro": ".json"}[suffix]
    if any(name.endswith(other) for name, _ in files):
        remedy = f"set source.file_format={other[1:]}"
        return Finding("Landing", Verdict.WARN, f"no *{suffix} file in {folder}, but *{other} files", remedy)
    remedy = "check the route to storage: a container, a folder, and the name endings that it writes"
    return Finding("Landing", Verdict.WARN, f"no *{suffix} file in {folder}", remedy)


def _files(folder: Path) -> tuple[list[tuple[str, dt.datetime]], list[str]]:
    """Name and time of every file below, as Spark sees them, and what could not be opened."""
    found: list[tuple[str, dt.datetime]] = []
    closed: list[str] = []
    for root, folders, names in os.walk(folder, onerror=lambda fault: closed.append(str(fault))):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        for name in names:
            if not name.startswith((".", "_")):
                changed = (Path(root) / name).stat().st_mtime
                found.append((name, dt.datetime.fromtimestamp(changed, tz=dt.UTC)))
    return found, closed


def _since_last_batch(address: str, taken_at: list[dt.datetime]) -> list[Finding]:
    """What came after the last commit: a hint, as files may have been listed just before it."""
    try:
        progress = read_progress(local_folder(address))
    except BatteryLakeError as fault:
        return [failed("Checkpoint", fault)]
    if progress is None or progress.committed_at is None:
        return [Finding("Waiting", Verdict.OK, "no batch yet: all of them wait", "battery-lake ingest")]
    committed_at = progress.committed_at
    last = Finding("Last batch", Verdict.OK, f"committed {ago(committed_at)} ago")
    count = sum(at > committed_at for at in taken_at)
    if not count:
        return [last, Finding("Waiting", Verdict.OK, "no file is newer than the last batch")]
    is_late = utc_now() - min(at for at in taken_at if at > committed_at) > dt.timedelta(days=1)
    text = f"{count:,} files are newer than the last batch"
    verdict = Verdict.WARN if is_late else Verdict.OK
    return [last, Finding("Waiting", verdict, text, "battery-lake ingest; does its schedule run?")]
