"""`battery-lake doctor`: is this machine fit to run, and what to do where it is not.

Asks without importing Spark or starting Java's heavy parts, so that it answers at once.
"""

from __future__ import annotations

import enum
import importlib.metadata
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from battery_lake.clock import utc_now
from battery_lake.errors import BatteryLakeError, SetupError
from battery_lake.jars import DELTA_JARS, SPARK_SERIES, delta_jars, present_jar
from battery_lake.java import find_java

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence

    from battery_lake.settings import Settings

MIN_MEMORY_GIB = 3.0
MIN_DISK_GIB = 5.0
PYTHONS = ((3, 11), (3, 12))
_GIB = 2**30
_INSTALL_LOCAL = "pip install 'battery-lake[local]'"


class Verdict(enum.StrEnum):
    """What a check says."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes
    ----------
    name
        What was looked at.
    verdict
        "fail" where nothing will run, "warn" where it may not.
    found
        What is there.
    remedy
        What to do about it; empty where nothing is to be done.
    """

    name: str
    verdict: Verdict
    found: str
    remedy: str = ""


def examine(load_settings: Callable[[], Settings], *, fetch: bool = False) -> list[Finding]:
    """Check Python, Spark, Java, the Delta jars, memory, the settings, and the lake's folder.

    Parameters
    ----------
    load_settings
        Reads the settings as the other commands do; may raise.
    fetch
        Whether to fetch the Delta jars where they are missing.

    Returns
    -------
    list of Finding
        One a check, in the order of running.
    """
    findings = [_python()]
    if "DATABRICKS_RUNTIME_VERSION" in os.environ:
        runtime = os.environ["DATABRICKS_RUNTIME_VERSION"]
        findings.append(
            Finding("Spark", Verdict.OK, f"Databricks Runtime {runtime}, with its own Java and Delta")
        )
    else:
        findings += [_spark(), _java(), _jars(fetch=fetch)]
    findings.append(_memory())
    try:
        settings = load_settings()
    except BatteryLakeError as error:
        return [*findings, failed("Settings", error)]
    return [*findings, Finding("Settings", Verdict.OK, "valid"), *_home(settings.home.absolute())]


def failed(name: str, error: BatteryLakeError) -> Finding:
    """Return an error as the finding of a check."""
    return Finding(name, Verdict.FAIL, ": ".join(filter(None, (error.what, error.why))), error.remedy)


def ago(at: dt.datetime) -> str:
    """Return how long ago an instant was, in the unit that suits."""
    seconds = max(0.0, (utc_now() - at).total_seconds())
    for unit, length in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} s"


def render(findings: Sequence[Finding]) -> str:
    """Return findings as aligned lines of text, each remedy under its finding.

    Parameters
    ----------
    findings
        The results of the checks.

    Returns
    -------
    str
        Text that needs neither colour nor a wide terminal.
    """
    width = max((len(finding.name) for finding in findings), default=0)
    lines: list[str] = []
    for finding in findings:
        lines.append(f"{finding.verdict:<4}  {finding.name:<{width}}  {finding.found}")
        if finding.remedy:
            lines.append(f"{'':<4}  {'':<{width}}  do: {finding.remedy}")
    return "\n".join(lines)


def _python() -> Finding:
    """Check the version of Python."""
    found = f"{sys.version.split()[0]} at {sys.executable}"
    if sys.version_info[:2] in PYTHONS:
        return Finding("Python", Verdict.OK, found)
    return Finding("Python", Verdict.FAIL, found, "use Python 3.11 or 3.12")


def _version(distribution: str) -> str | None:
    """Return the version of an installed distribution, or None."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _spark() -> Finding:
    """Check that pyspark and delta-spark are there, fit each other, and are not overlaid."""
    spark, delta, connect = map(_version, ("pyspark", "delta-spark", "databricks-connect"))
    found = f"pyspark {spark or 'missing'}, delta-spark {delta or 'missing'}"
    if connect:
        remedy = "use a virtual environment without databricks-connect: both bring a package named pyspark"
        return Finding("Spark", Verdict.FAIL, f"{found}, databricks-connect {connect}", remedy)
    if spark is None or delta is None or not spark.startswith(f"{SPARK_SERIES}."):
        return Finding("Spark", Verdict.FAIL, found, _INSTALL_LOCAL)
    if delta != DELTA_JARS[0].version:
        return Finding("Spark", Verdict.WARN, f"{found}, but jars {DELTA_JARS[0].version}", _INSTALL_LOCAL)
    return Finding("Spark", Verdict.OK, found)


def _java() -> Finding:
    """Check which Java Spark will use."""
    try:
        java = find_java()
    except SetupError as error:
        return Finding("Java", Verdict.FAIL, error.why, error.remedy)
    notes = [note for note in java.passed_over if not note.endswith(": none")]
    passed_over = f" (passed over: {'; '.join(notes)})" if notes else ""
    return Finding("Java", Verdict.OK, f"{java.version} of {java.source}: {java.executable}{passed_over}")


def _jars(*, fetch: bool) -> Finding:
    """Check that the Delta jars are there with the pinned content, or fetch them."""
    try:
        paths = delta_jars() if fetch else tuple(map(present_jar, DELTA_JARS))
    except SetupError as error:
        return Finding("Delta jars", Verdict.FAIL, f"{error.what} {error.why}", error.remedy)
    present = [path for path in paths if path is not None]
    if len(present) < len(DELTA_JARS):
        remedy = (
            "nothing where there is a network: the first run fetches them; now: battery-lake doctor --fetch"
        )
        return Finding("Delta jars", Verdict.WARN, "not fetched yet", remedy)
    return Finding(
        "Delta jars", Verdict.OK, f"{DELTA_JARS[0].version}, checksums right, in {present[0].parent}"
    )


def _memory() -> Finding:
    """Check the memory that is free for Java and the Python workers."""
    available_gib = _available_memory_gib()
    if available_gib is None:
        return Finding("Memory", Verdict.WARN, "unknown on this system", f"needs {MIN_MEMORY_GIB:.0f} GiB")
    found = f"{available_gib:.1f} GiB available"
    if available_gib < MIN_MEMORY_GIB:
        remedy = f"free {MIN_MEMORY_GIB:.0f} GiB, or set spark.driver_memory to less than its 1536m"
        return Finding("Memory", Verdict.WARN, found, remedy)
    return Finding("Memory", Verdict.OK, found)


def _available_memory_gib() -> float | None:
    """Return what Linux calls available, within the container's limit. [GiB]."""
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return None
    amounts = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and (text := limit.read_text("ascii").strip()).isdecimal():
        amounts.append(int(text))
    return min(amounts) / _GIB if amounts else None


def _home(home: Path) -> list[Finding]:
    """Check that the lake's folder, or the nearest that exists above it, takes files and has room."""
    nearest = next(folder for folder in (home, *home.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            writable = Finding("Home", Verdict.OK, f"{home} can be written")
    except OSError as error:
        writable = Finding("Home", Verdict.FAIL, str(error), "set BATTERY_LAKE_HOME to a folder of yours")
    free_gib = shutil.disk_usage(nearest).free / _GIB
    found = f"{free_gib:.1f} GiB free at {nearest}"
    if free_gib < MIN_DISK_GIB:
        remedy = f"free {MIN_DISK_GIB:.0f} GiB, or set BATTERY_LAKE_HOME to a roomier disk"
        return [writable, Finding("Disk", Verdict.WARN, found, remedy)]
    return [writable, Finding("Disk", Verdict.OK, found)]
